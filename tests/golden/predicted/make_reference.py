"""Write the reference frontiers of ``cells.json``, computed by the upper package's own sweep.

How to run (an environment of its own, because the kit never imports the upper package)::

    python3.11 -m venv /some/where/reference
    /some/where/reference/bin/pip install aiconfigurator==0.12.0
    /some/where/reference/bin/python tests/golden/predicted/make_reference.py [NAME ...]

Without names every cell is made. For each cell one file ``NAME.csv`` holds the non-dominated rows (interactivity up, output throughput per
GPU up) of ``aiconfigurator.sdk.task_v2.Task(...).run(autoscale=False)`` with the Task's own defaults for the latency targets, the TTFT
limit, corrections and degradation factors; ``reference.json`` holds version and seconds of each. Nothing of the kit is imported here.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PRECISIONS = {  # form -> (GEMM mode, MoE mode) in the words of the upper package
    "bf16": ("bfloat16", "bfloat16"),
    "fp8": ("fp8", "fp8"),
    "fp8_block": ("fp8_block", "fp8_block"),
    "nvfp4": ("nvfp4", "nvfp4"),
    "w4a16_mxfp4": ("bfloat16", "w4a16_mxfp4"),
    "w4a8_mxfp4_mxfp8": ("bfloat16", "w4a8_mxfp4_mxfp8"),
}
KV = {"bf16": "bfloat16", "fp8": "fp8"}
COLUMNS_AGG = [
    "tokens/s/user", "tokens/s/gpu", "ttft", "tpot", "concurrency", "num_total_gpus", "tp", "pp", "dp", "moe_tp", "moe_ep", "bs", "ctx_tokens",
]  # fmt: skip
COLUMNS_DISAGG = [
    "tokens/s/user", "tokens/s/gpu", "ttft", "tpot", "concurrency", "num_total_gpus",
    *(f"({role}){name}" for role in "pd" for name in ("workers", "tp", "pp", "dp", "moe_tp", "moe_ep", "bs")),
]  # fmt: skip


def candidates(space: str, roles: list[str], moe: bool, limit: int) -> dict[str, list[int]]:
    """Candidate lists of a named search space; empty for the Task's own."""
    if space == "task_default":
        return {}
    sizes = [n for n in (1, 2, 4, 8) if n <= min(limit, 8)]
    one = [1]
    if space in ("tp_only", "tp8"):
        tp = sizes if space == "tp_only" else [8]
        lists = {"num_gpu": tp, "tp": tp, "pp": one, "dp": one, "moe_tp": tp if moe else one, "moe_ep": one}
    elif space == "node":
        wide = sizes if moe else one
        lists = {"num_gpu": sizes, "tp": sizes, "pp": sizes, "dp": wide, "moe_tp": wide, "moe_ep": wide}
    else:
        raise SystemExit(f"unknown search space {space!r}")
    return {f"{role}_{name}_candidates": list(values) for role in roles for name, values in lists.items()}


def make_task(cell: dict[str, Any]) -> Any:
    """The upper package's Task of one cell."""
    from aiconfigurator.sdk import common
    from aiconfigurator.sdk.models import check_is_moe
    from aiconfigurator.sdk.task_v2 import Task

    gemm, moe = PRECISIONS[cell["precision"]]
    spec = {
        "model_path": cell["model_path"],
        "system_name": cell["system"],
        "backend_name": "trtllm",
        "gemm_quant_mode": common.GEMMQuantMode[gemm],
        "moe_quant_mode": common.MoEQuantMode[moe],
        "kvcache_quant_mode": common.KVCacheQuantMode[KV[cell["kv_precision"]]],
        "fmha_quant_mode": common.FMHAQuantMode[cell["fmha"]],
    }
    disagg = cell["disaggregated"]
    roles = ["prefill", "decode"] if disagg else ["agg"]
    if disagg:
        spec = {f"{role}_{name}": value for role in roles for name, value in spec.items()}
    return Task(
        serving_mode="disagg" if disagg else "agg",
        isl=cell["isl_tokens"],
        osl=cell["osl_tokens"],
        total_gpus=cell["max_gpus"],
        nextn=cell["draft_len"],
        nextn_accepted=cell["accepted_drafts"],
        **spec,
        **candidates(cell["search_space"], roles, check_is_moe(cell["model_path"]), cell["max_gpus"]),
    )


def frontier(rows: Any) -> Any:
    """The non-dominated rows, interactivity rising."""
    rows = rows.sort_values(["tokens/s/user", "tokens/s/gpu"], ascending=[False, False])
    best = rows["tokens/s/gpu"].cummax()
    keep = rows["tokens/s/gpu"] > best.shift(fill_value=float("-inf"))
    return rows[keep].sort_values("tokens/s/user").reset_index(drop=True)


def main(names: list[str]) -> None:
    """Make the named cells, or all."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    cells = json.loads((HERE / "cells.json").read_text())["cells"]
    unknown = set(names) - {cell["name"] for cell in cells}
    if unknown:
        raise SystemExit(f"unknown cells {sorted(unknown)}")
    record_path = HERE / "reference.json"
    record: dict[str, Any] = json.loads(record_path.read_text()) if record_path.exists() else {"schema": "frontier.golden-reference/1", "cells": {}}
    record["tool"] = {"aiconfigurator": version("aiconfigurator"), "aiconfigurator-core": version("aiconfigurator-core")}
    record["command"] = "python tests/golden/predicted/make_reference.py"
    for cell in cells:
        if names and cell["name"] not in names:
            continue
        started = time.perf_counter()
        task = make_task(cell)
        rows = task.run(autoscale=False)
        elapsed = time.perf_counter() - started
        columns = COLUMNS_DISAGG if cell["disaggregated"] else COLUMNS_AGG
        table = frontier(rows)[columns]
        table.to_csv(HERE / f"{cell['name']}.csv", index=False)
        record["cells"][cell["name"]] = {
            "database_version": task.primary_backend_version,
            "rows": len(rows),
            "frontier_rows": len(table),
            "seconds": round(elapsed, 1),
        }
        record_path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        sys.stderr.write(f"{cell['name']}: {len(table)} of {len(rows)} rows, {elapsed:.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
