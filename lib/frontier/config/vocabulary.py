"""Closed lists of words that configuration values are taken from."""

from __future__ import annotations

# Engine -> whether it starts a server, which needs to know exactly which checkpoint it loads.
ENGINES: dict[str, bool] = {"predicted": False, "published": False, "fake": False, "vllm": True, "none": False}
LEVERS = ("hardware", "precision", "parallelism", "mtp", "disaggregation", "batch", "version")
BACKENDS = ("trtllm", "vllm", "sglang")
DATASETS = ("silicon_sample",)
FORMATS = ("png", "svg")
LOAD_FORMATS = ("auto", "dummy")
PLATFORMS = ("cpu", "cuda")
SWEEPS = ("grid", "adaptive", "mlperf_endpoints")
KV_PRECISIONS = ("bf16", "fp8")
# Named search spaces of frontier.evidence.predicted; tp8 and task_default are there for comparisons with aiconfigurator's own sweep.
SEARCH_SPACES = ("tp_only", "tp8", "node", "domain", "task_default")
# What a server is started with: degrees of tensor and data parallelism, tp2 or tp1dp2.
DEGREES = r"tp[1-9][0-9]*(dp[1-9][0-9]*)?"
# Drafts without an MTP head: n-gram lookup in the prompt, with the draft length behind the word.
NGRAM = r"ngram[1-9][0-9]*"
SERVING_MODES = ("aggregated", "disaggregated")
# The record has no column for the draft length: its rows cannot be sorted by it.
NOT_PUBLISHED_LEVERS = ("mtp",)
