"""Closed lists of words that configuration values are taken from."""

from __future__ import annotations

# Engine -> whether it starts a server, which needs to know exactly which checkpoint it loads.
ENGINES: dict[str, bool] = {"predicted": False, "published": False, "fake": False, "vllm": True, "trtllm": True, "endpoint": False, "none": False}
LEVERS = ("hardware", "precision", "precision_2", "parallelism", "mtp", "disaggregation", "batch", "version", "kv_precision", "moe_backend")
BACKENDS = ("trtllm", "vllm", "sglang")
DATASETS = ("silicon_sample",)
FORMATS = ("png", "svg")
LOAD_FORMATS = ("auto", "dummy")
PLATFORMS = ("cpu", "cuda")
PLACES = ("local", "slurm")
# Options of sbatch that have a key of their own, or that the kit sets for itself.
OWN_SBATCH = (
    "partition", "account", "qos", "time", "nodes", "gpus-per-node", "gpus-per-task", "gres", "cpus-per-task", "mem", "constraint", "nodelist",
    "exclude", "exclusive", "array", "job-name", "comment", "output", "error", "open-mode", "requeue", "no-requeue", "signal", "wrap", "parsable",
    "export",
)  # fmt: skip
JOB_UNITS = ("trial", "build", "block")
RUNTIMES = ("host", "podman", "docker", "apptainer", "pyxis")
SWEEPS = ("grid", "adaptive", "mlperf_endpoints")
KV_PRECISIONS = ("bf16", "fp8")
# Named search spaces of frontier.evidence.predicted; tp8 and task_default are there for comparisons with aiconfigurator's own sweep.
SEARCH_SPACES = ("tp_only", "tp8", "node", "domain", "task_default")
# What a server is started with. vLLM: degrees of tensor and data parallelism, tp2 or tp1dp2. TensorRT-LLM: tp8, tep8 (experts over the same GPUs),
# dep8 (attention data parallel too), tp4pp2.
DEGREES = {"vllm": r"tp[1-9][0-9]*(dp[1-9][0-9]*)?", "trtllm": r"(tp|tep|dep)[1-9][0-9]*(pp[1-9][0-9]*)?"}
DEGREES["endpoint"] = f"{DEGREES['vllm']}|{DEGREES['trtllm']}"
DEGREES_FOR_EXAMPLE = {"vllm": "tp1, tp2 or tp1dp2", "trtllm": "tp8, tep8, dep8 or tp4pp2", "endpoint": "tp8, tp1dp2, dep8 or tp4pp2"}
# Drafts without an MTP head, with the draft length behind the word: n-gram lookup in the prompt, or a model of its own.
OTHER_DRAFTS = {"vllm": r"ngram-?[1-9][0-9]*", "trtllm": r"(ngram|eagle3|draft_target)-[1-9][0-9]*"}
OTHER_DRAFTS["endpoint"] = OTHER_DRAFTS["trtllm"]
SERVING_MODES = ("aggregated", "disaggregated")
# The record has no column for the draft length: its rows cannot be sorted by it.
NOT_PUBLISHED_LEVERS = ("mtp",)
