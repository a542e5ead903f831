"""Worker files against those of aiconfigurator's generator for the same cases: equal, or the difference is named here with the rule it follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.serving.trtllm import Layout, Release, TrtllmKnobs, TrtllmLevers, worker_document

FILE = Path(__file__).parents[1] / "golden" / "generator" / "generated.json"
GENERATED = json.loads(FILE.read_text(encoding="utf-8"))
WORKERS = [(name, role) for name, case in GENERATED["cases"].items() for role in case["files"]]
ISL, OSL, BATCH = (GENERATED[key] for key in ("isl", "osl", "batch"))
NONE = "not there"
Rule = Callable[[dict[str, Any], str, Any, Any], bool]

# Key -> why the two differ, and what must hold where they do, of case c, role r, our value a and theirs b.
EXPLAINED: dict[str, tuple[str, Rule]] = {
    "backend": ("the default since 1.0", lambda c, r, a, b: (a, b) == (NONE, "pytorch")),
    "moe_tensor_parallel_size": ("follows from TP and EP", lambda c, r, a, b: a == NONE and b == 1),
    "enable_attention_dp": ("false is the default of a dense model", lambda c, r, a, b: (a, b) == (NONE, False)),
    "enable_chunked_prefill": ("false is the default", lambda c, r, a, b: (a, b) == (NONE, False)),
    "disable_overlap_scheduler": ("false is the default", lambda c, r, a, b: (a, b) == (NONE, False)),
    "kv_cache_config.tokens_per_block": ("32 is the default", lambda c, r, a, b: (a, b) == (NONE, 32)),
    "stream_interval": ("1 is the default, stated because it decides what ITL means", lambda c, r, a, b: (a, b) == (1, NONE)),
    "print_iter_log": ("steps are logged, to be read afterwards", lambda c, r, a, b: (a, b) == (True, False)),
    "max_seq_len": (
        "the workload's length and its drafts; without it the model's own length is reserved",
        lambda c, r, a, b: b == NONE and a >= ISL + OSL + c["drafts"] and a % 32 == 0,
    ),
    "cuda_graph_config.batch_sizes": (
        "with padding the engine chooses sizes up to the largest; both reach the batch",
        lambda c, r, a, b: a == NONE and (r == "prefill" or max(b) >= BATCH),
    ),
    "cuda_graph_config.max_batch_size": ("see batch_sizes", lambda c, r, a, b: (a, b) == (BATCH, NONE)),
    "cuda_graph_config": ("prefill steps differ in length and replay no graph", lambda c, r, a, b: r == "prefill" and a is None),
    "cuda_graph_config.enable_padding": ("no graphs in prefill", lambda c, r, a, b: r == "prefill" and (a, b) == (NONE, False)),
    "max_batch_size": (
        "a prefill worker takes few prompts at once; the generator keeps the decode batch", lambda c, r, a, b: r == "prefill" and a < b
    ),
    "max_num_tokens": (
        "never less than the engine's default step, and room for every request's drafts, which the generator does not count",
        lambda c, r, a, b: a >= b and (a == 8192 or a == (c["drafts"] + 1) * BATCH),
    ),
    "cache_transceiver_config.backend": (
        "DEFAULT follows the container; named, the record says what it was",
        lambda c, r, a, b: (a, b) == ("NIXL", "DEFAULT"),
    ),
    "cache_transceiver_config.max_tokens_in_buffer": (
        "a prompt's cache is handed over, never that of its answer", lambda c, r, a, b: ISL <= a <= b and a % 32 == 0
    ),
    "moe_config.backend": (
        "the generator names WIDEEP on every Blackwell, which 1.3 no longer has and which is for expert parallelism beyond a node; here by precision",
        lambda c, r, a, b: b == "WIDEEP" and a == {"fp8_block": "DEEPGEMM", "nvfp4": "CUTLASS"}[c["form"]],
    ),
    **{
        f"attention_dp_config.{key}": (
            "requests are balanced over ranks, as in the vendor's own recipes", lambda c, r, a, b: b == NONE and c["layout"].startswith("dep")
        )
        for key in ("enable_balance", "batching_wait_iters", "timeout_iters")
    },
}  # fmt: skip
AGREED = {
    "tensor_parallel_size", "pipeline_parallel_size", "moe_expert_parallel_size", "kv_cache_config.dtype", "kv_cache_config.enable_block_reuse",
    "kv_cache_config.free_gpu_memory_fraction", "speculative_config.decoding_type", "speculative_config.num_nextn_predict_layers",
}  # fmt: skip


def flat(document: dict[str, Any], path: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in document.items():
        out |= flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return out


def ours(case: dict[str, Any], role: str) -> dict[str, Any]:
    drafts = case["drafts"]
    levers = TrtllmLevers(case["form"], Layout.parse(case["layout"]), "mtp" if drafts else "none", drafts, case["apart"])
    knobs = TrtllmKnobs(
        release=Release.parse(case["release"]),
        model=case["model"],
        architecture="hopper" if case["system"].startswith("h") else "blackwell",
        moe=case["moe"],
        isl_tokens=ISL,
        osl_tokens=OSL,
        max_batch_size=BATCH,
        kv_precision=case["kv"],
    )
    return flat(worker_document(levers, knobs, "server" if role == "agg" else role))


@pytest.mark.parametrize(("name", "role"), WORKERS)
def test_every_difference_is_explained(name: str, role: str) -> None:
    case = GENERATED["cases"][name]
    mine, theirs = ours(case, role), flat(case["files"][role])
    pairs = {key: (mine.get(key, NONE), theirs.get(key, NONE)) for key in mine.keys() | theirs.keys()}
    differing = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    unexplained = {key: pair for key, pair in differing.items() if key not in EXPLAINED or not EXPLAINED[key][1](case, role, *pair)}
    assert unexplained == {}
    assert not AGREED & differing.keys()


def test_no_explanation_is_left_over_and_what_matters_is_compared() -> None:
    differing, equal = set(), set()
    for name, role in WORKERS:
        mine, theirs = ours(GENERATED["cases"][name], role), flat(GENERATED["cases"][name]["files"][role])
        for key in mine.keys() | theirs.keys():
            (equal if mine.get(key, NONE) == theirs.get(key, NONE) else differing).add(key)
    assert set(EXPLAINED) == differing
    assert equal >= AGREED
