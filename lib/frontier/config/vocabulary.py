"""Closed lists of words that configuration values are taken from."""

from __future__ import annotations

# Engine -> whether it starts a server, which needs the exact revision of the checkpoint it loads.
ENGINES: dict[str, bool] = {"predicted": False, "published": False, "fake": False, "none": False}
LEVERS = ("hardware", "precision", "parallelism", "mtp", "disaggregation", "version")
BACKENDS = ("trtllm", "vllm", "sglang")
DATASETS = ("silicon_sample",)
FORMATS = ("png", "svg")
KV_PRECISIONS = ("bf16", "fp8")
# Named search spaces of frontier.evidence.predicted; tp8 and task_default are there for comparisons with aiconfigurator's own sweep.
SEARCH_SPACES = ("tp_only", "tp8", "node", "domain", "task_default")
SERVING_MODES = ("aggregated", "disaggregated")
# The record has no column for the draft length: its rows cannot be sorted by it.
NOT_PUBLISHED_LEVERS = ("mtp",)
