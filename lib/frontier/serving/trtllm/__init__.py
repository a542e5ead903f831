"""TensorRT-LLM: from levers to files and command lines, and what it refuses. Written from its sources and documentation; not run on hardware."""

from frontier.serving.trtllm.keys import front_problems, worker_problems
from frontier.serving.trtllm.levers import DRAFT_KINDS, Layout, TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.refusing import refusals as trtllm_refusals
from frontier.serving.trtllm.releases import Release
from frontier.serving.trtllm.serve import FORCED, served_name, trtllm_deployment
from frontier.serving.trtllm.worker import front_document, layouts, moe_backend, nested, step_tokens, worker_document

__all__ = [
    "DRAFT_KINDS", "FORCED", "Layout", "Release", "TrtllmKnobs", "TrtllmLevers", "front_document", "front_problems", "layouts", "moe_backend",
    "nested", "served_name", "step_tokens", "trtllm_deployment", "trtllm_refusals", "worker_document", "worker_problems",
]  # fmt: skip
