"""TensorRT-LLM: from levers to files and command lines, and what it refuses. Written from its sources and documentation; not run on hardware."""

from frontier.serving.trtllm.bench import DATASET, LOG, REPORT, REQUESTS, STEPS, OfflineBench, dataset_lines, offline_bench, offline_refusal
from frontier.serving.trtllm.keys import front_problems, worker_problems
from frontier.serving.trtllm.levers import DRAFT_KINDS, Layout, TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.refusing import refusals as trtllm_refusals
from frontier.serving.trtllm.releases import Release
from frontier.serving.trtllm.serve import FORCED, served_name, trtllm_deployment
from frontier.serving.trtllm.worker import front_document, layouts, moe_backend, nested, step_tokens, worker_document

__all__ = [
    "DATASET", "DRAFT_KINDS", "FORCED", "LOG", "REPORT", "REQUESTS", "STEPS", "Layout", "OfflineBench", "Release", "TrtllmKnobs", "TrtllmLevers",
    "dataset_lines", "front_document", "front_problems", "layouts", "moe_backend", "nested", "offline_bench", "offline_refusal", "served_name",
    "step_tokens", "trtllm_deployment", "trtllm_refusals", "worker_document", "worker_problems",
]  # fmt: skip
