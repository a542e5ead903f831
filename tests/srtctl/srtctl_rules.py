"""The rules of srt-slurm's recipes that an export must keep, written by hand from its documentation: a checker that knows nothing of the exporter.

``srtctl_schema.json`` holds the fields and types, from docs/schema/recipe.schema.json at commit 0794007bc950 of github.com/NVIDIA/srt-slurm (the
blocks that a serving recipe has; unknown keys are refused there too). The relations below are from docs/topology.md at 1a3678153b38,
docs/frontends.md at 356866e35889, docs/benchmarks.md at c285a29b23f8, src/srtctl/core/roles.py at 08b968dd3c89, src/srtctl/core/topology.py at
01a672f8f9eb (packing) and src/srtctl/benchmarks/sa_bench.py at 32ef19f7d082 of SemiAnalysisAI/srt-slurm (the fields of sa-bench).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "srtctl_schema.json").read_text(encoding="utf-8"))
SA_BENCH = {
    "isl", "osl", "concurrencies", "req_rate", "random_range_ratio", "num_prompts_mult", "num_warmup_mult", "dataset_name", "dataset_path",
    "custom_tokenizer", "use_chat_template", "reuse_http_connections", "slow_down_sleep_time", "slow_down_wait_time",
    "type", "placement", "colocate_with_frontend", "stream_output", "aiperf_package", "aiperf_args",
}  # fmt: skip


def problems(recipe: Mapping[str, Any]) -> list[str]:
    """What srtctl would refuse; empty if nothing."""
    found = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(recipe)]
    return found or [*_roles(recipe), *_front(recipe), *_benchmark(recipe), *_names(recipe)]


def _roles(recipe: Mapping[str, Any]) -> list[str]:
    roles, per_node = recipe["roles"], recipe["resources"].get("gpus_per_node", 4)
    if set(roles) not in ({"agg"}, {"prefill", "decode"}):
        return [f"roles must be agg, or prefill and decode, got {sorted(roles)}"]
    out = [f"roles.{name}.workers must be at least 1" for name, spec in roles.items() if spec["workers"] < 1]
    out += [f"roles.{name}.nodes must be at least 1" for name, spec in roles.items() if spec["nodes"] != "colocate" and spec["nodes"] < 1]
    if roles.get("agg", roles.get("prefill"))["nodes"] == "colocate":
        out.append("only decode can colocate")
    for name, spec in roles.items():
        args = spec["args"]
        ranks = args["tensor_parallel_size"] * args.get("pipeline_parallel_size", 1)
        if spec["gpus"] != ranks:
            out.append(f"roles.{name}.gpus is {spec['gpus']}, its ranks are {ranks}: srun starts one task per GPU")
        if spec["nodes"] != "colocate" and not _fits([spec["gpus"]] * spec["workers"], spec["nodes"], per_node):
            out.append(f"roles.{name}: {spec['workers']} workers of {spec['gpus']} GPUs do not fit on {spec['nodes']} nodes of {per_node}")
    if roles.get("decode", {}).get("nodes") == "colocate":
        sizes = [roles[name]["gpus"] for name in ("prefill", "decode") for _ in range(roles[name]["workers"])]
        if not _fits(sizes, roles["prefill"]["nodes"], per_node):
            out.append("prefill and decode do not fit on the nodes of prefill")
    return out


def _fits(workers: list[int], nodes: int, per_node: int) -> bool:
    """Whether workers find room one after the other; one that fits on a node is not laid across a border."""
    node, used = 0, 0
    for gpus in workers:
        if gpus <= per_node < used + gpus:
            node, used = node + 1, 0
        used += gpus
        node, used = node + used // per_node, used % per_node
    return node + (used > 0) <= nodes


def _front(recipe: Mapping[str, Any]) -> list[str]:
    front = recipe["frontend"]
    if front.get("type", "dynamo") != "trtllm_serve":
        return [f"frontend.type {front.get('type')} is not checked here"]
    engine = recipe["engine"] if isinstance(recipe["engine"], str) else recipe["engine"]["type"]
    out = [] if engine == "trtllm" else ["frontend.type: trtllm_serve needs engine trtllm"]
    if front.get("enable_multiple_frontends", True):
        out.append("frontend.type: trtllm_serve needs enable_multiple_frontends: false")
    if recipe["roles"].get("agg", {"workers": 1})["workers"] != 1:
        out.append("frontend.type: trtllm_serve in aggregate mode needs exactly one worker")
    return out


def _benchmark(recipe: Mapping[str, Any]) -> list[str]:
    bench = recipe["benchmark"]
    out = [f"benchmark.{key} is no field of sa-bench" for key in sorted(set(bench) - SA_BENCH)]
    out += [f"benchmark.{key} is required for sa-bench" for key in ("isl", "osl", "concurrencies") if not bench.get(key)]
    # Room for what is asked: the prompt, the answer, and a few tokens that the server's tokenizer may add.
    least = bench["isl"] + bench["osl"] + 16
    return out + [f"roles.{name}.args.max_seq_len leaves no room" for name, spec in recipe["roles"].items() if spec["args"]["max_seq_len"] < least]


def _names(recipe: Mapping[str, Any]) -> list[str]:
    path, container, limit = recipe["model"]["path"], recipe["model"]["container"], recipe.get("slurm", {}).get("time_limit", "01:00:00")
    out = [] if re.fullmatch(r"/\S+|hf:[\w.-]+/[\w.-]+|[\w.-]+", path) else [f"model.path {path} is no folder, hf:ID or alias"]
    out += [] if re.fullmatch(r"\d{2,}:[0-5]\d:[0-5]\d", limit) else [f"slurm.time_limit {limit} is no HH:MM:SS"]
    return out + ([] if re.fullmatch(r"/\S+|[\w./@:#-]+", container) else [f"model.container {container} is no image"])
