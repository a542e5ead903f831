"""How fast a predicted frontier is, beside one ``Task.run`` of the upper package per cell.

    python benchmarks/predicted_speed.py [--cells N] [--reference-python PATH] [--json FILE]

Part 1, both sides in this one run: Llama-3.1-70B on 16 x B200, ISL = OSL = 1024, the 24 cells {bf16, fp8, nvfp4} x {TP8 only, all parallelism}
x {MTP 0, 3} x {aggregated, disaggregated}. Each side is one fresh process; its time runs from before its first import to its last frontier, so
database load is included. Target: at least 40 times faster. The checkpoint ships no multi-token-prediction head: MTP 3 prices a hypothetical one
with 1.6 accepted drafts, on both sides. Part 2, the kit alone and cold: DeepSeek-R1 on 64 x GB200, the 16 cells {fp8_block, nvfp4} x {TP only,
NVLink domain} x {MTP 0, 2} x {aggregated, disaggregated}. Target: at most 30 s.

The reference needs aiconfigurator 0.12.0 in an interpreter of its own: given with ``--reference-python``, or made once with pip under
``~/.cache/frontier-kit``. ``--cells N`` takes N of the 24 cells, evenly spaced, on both sides; 0 leaves the reference out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

REFERENCE = "aiconfigurator==0.12.0"
CACHE = Path.home() / ".cache" / "frontier-kit" / REFERENCE.replace("==", "-")
HERE = Path(__file__).resolve()
ACCEPTED = {2: 1.2, 3: 1.6}
MODES = {"bf16": ("bfloat16", "bfloat16"), "fp8": ("fp8", "fp8"), "nvfp4": ("nvfp4", "fp8")}  # GEMM, and KV cache with attention
INTERACTIVITY_STEP = 2e-3  # the reference rounds 1000 / tpot to three decimals, then multiplies by the accepted tokens and rounds again
Cell = dict[str, Any]


def llama_cells() -> list[Cell]:
    """The 24 cells of part 1."""
    settings = itertools.product(("bf16", "fp8", "nvfp4"), ("tp8", "task_default"), (0, 3), (False, True))
    return [
        {"model_path": "meta-llama/Meta-Llama-3.1-70B", "system": "b200_sxm", "max_gpus": 16, "domain_gpus": 8, "gpus_per_node": 8,
         "precision": precision, "search_space": space, "draft_len": draft, "disaggregated": disagg}
        for precision, space, draft, disagg in settings
    ]  # fmt: skip


def deepseek_cells() -> list[Cell]:
    """The 16 cells of part 2."""
    settings = itertools.product(("fp8_block", "nvfp4"), ("tp_only", "domain"), (0, 2), (False, True))
    return [
        {"model_path": "deepseek-ai/DeepSeek-R1", "system": "gb200", "max_gpus": 64, "domain_gpus": 72, "gpus_per_node": 4,
         "precision": precision, "search_space": space, "draft_len": draft, "disaggregated": disagg}
        for precision, space, draft, disagg in settings
    ]  # fmt: skip


def run_kit(cells: list[Cell]) -> list[list[list[float]]]:
    """Frontiers of the cells by the kit, as (interactivity, output throughput per GPU) pairs."""
    # Imported here so that the import counts as part of the time.
    from frontier.evidence.predicted import PredictedCell, predict_many

    shared = ("model_path", "system", "precision", "search_space", "max_gpus", "domain_gpus", "gpus_per_node", "disaggregated")
    made = [
        PredictedCell(
            **{name: cell[name] for name in shared},
            kv_precision="bf16" if cell["precision"] == "bf16" else "fp8",
            isl_tokens=1024,
            osl_tokens=1024,
            draft_lens=(cell["draft_len"],),
            accepted_drafts=ACCEPTED,
            hypothetical_draft_head=True,
        )
        for cell in cells
    ]
    return [frame[["interactivity_tok_s_user", "output_tput_tok_s_gpu"]].to_numpy().tolist() for frame in predict_many(made)]


def run_reference(cells: list[Cell]) -> list[list[list[float]]]:
    """Frontiers of the cells by one Task.run each, as (interactivity, output throughput per GPU, relative rounding of that throughput)."""
    # Imported here so that the import counts as part of the time; this side runs in another interpreter.
    from aiconfigurator.sdk import common
    from aiconfigurator.sdk.task_v2 import Task

    out: list[list[list[float]]] = []
    for cell in cells:
        gemm, kv = MODES[cell["precision"]]
        roles = ["prefill", "decode"] if cell["disaggregated"] else ["agg"]
        spec: dict[str, Any] = {
            "model_path": cell["model_path"],
            "system_name": cell["system"],
            "gemm_quant_mode": common.GEMMQuantMode[gemm],
            "kvcache_quant_mode": common.KVCacheQuantMode[kv],
            "fmha_quant_mode": common.FMHAQuantMode[kv],
        }
        if cell["disaggregated"]:
            spec = {f"{role}_{name}": value for role in roles for name, value in spec.items()}
        if cell["search_space"] == "tp8":
            spec.update({f"{role}_{name}_candidates": [8] for role in roles for name in ("num_gpu", "tp")})
        draft = cell["draft_len"]
        mode = "disagg" if cell["disaggregated"] else "agg"
        task = Task(serving_mode=mode, isl=1024, osl=1024, total_gpus=cell["max_gpus"], nextn=draft, nextn_accepted=ACCEPTED.get(draft, 0.0), **spec)
        table = task.run(autoscale=False)
        resolution = [0.0] * len(table)
        if cell["disaggregated"]:
            # Its worker tables hold requests/s to three decimals; with drafts a rounded rate is multiplied and rounded again.
            decode_step = 0.5e-3 if not draft else 0.5e-3 * (2.0 + ACCEPTED[draft])
            rates = table[["(p)seq/s/worker", "(d)seq/s/worker"]].to_numpy()
            resolution = [max(0.5e-3 / prefill, decode_step / decode) for prefill, decode in rates]
        pairs = table[["tokens/s/user", "tokens/s/gpu"]].to_numpy().tolist()
        out.append(frontier([[*pair, step] for pair, step in zip(pairs, resolution, strict=True)]))
    return out


def frontier(rows: list[list[float]]) -> list[list[float]]:
    """The non-dominated rows, interactivity rising; a row starts with interactivity and throughput."""
    kept: list[list[float]] = []
    for row in sorted(rows, key=lambda row: (-row[0], -row[1])):
        if not kept or row[1] > kept[-1][1]:
            kept.append(row)
    return kept[::-1]


def attained(points: list[list[float]], speed: float) -> list[float]:
    """The row with the best throughput at that interactivity or more."""
    return max((row for row in points if row[0] >= speed), key=lambda row: row[1], default=[speed, 0.0, 0.0])


def difference(kit: list[list[list[float]]], reference: list[list[list[float]]]) -> tuple[float, float]:
    """Largest relative difference of attained throughput at any frontier point of either side: as it is, and beyond the reference's rounding.

    The reference rounds interactivity too, so a point of one side is compared with the other side at, just below and just above its interactivity.
    """
    worst = beyond = 0.0
    for ours, theirs in zip(kit, reference, strict=True):
        for own, other in ((ours, theirs), (theirs, ours)):
            for row in own:
                shifted = [attained(other, row[0] + step) for step in (-INTERACTIVITY_STEP, 0.0, INTERACTIVITY_STEP)]
                match = min(shifted, key=lambda found: abs(row[1] - found[1]))
                gap = abs(row[1] / match[1] - 1.0) if match[1] else float("inf")
                worst, beyond = max(worst, gap), max(beyond, gap - max(row[2:] + match[2:], default=0.0))
    return worst, beyond


def timed_process(python: str, side: str, cells: list[Cell]) -> dict[str, Any]:
    """``seconds`` (wall), ``cpu_s`` and ``frontiers`` of one side in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "cells.json", Path(folder) / "result.json"
        job.write_text(json.dumps(cells))
        subprocess.run([python, str(HERE), "--side", side, "--job", str(job), "--result", str(result)], check=True, stderr=subprocess.PIPE)
        return dict(json.loads(result.read_text()))


def reference_python() -> str:
    """An interpreter with the reference package, made with pip on first use."""
    python = CACHE / "bin" / "python"
    if not (CACHE / "complete").exists():
        print(f"making {CACHE} with {REFERENCE} (once)", file=sys.stderr)
        venv.create(CACHE, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", REFERENCE], check=True)
        (CACHE / "complete").touch()
    return str(python)


def serve_side(args: argparse.Namespace) -> None:
    """The work of a fresh process: one side, timed."""
    started = time.perf_counter()
    # Imported here so that the import counts as part of the time; both sides log at length otherwise.
    import logging
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    cells = json.loads(Path(args.job).read_text())
    found = run_kit(cells) if args.side == "kit" else run_reference(cells)
    took = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time(), "frontiers": found}
    Path(args.result).write_text(json.dumps(took))


def main() -> None:
    """Run both parts and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=24, help="how many of the 24 cells both sides run")
    parser.add_argument("--reference-python", help="interpreter that has the reference package")
    parser.add_argument("--json", help="file for the numbers")
    parser.add_argument("--side", choices=("kit", "reference"), help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve_side(args)
        return
    every = llama_cells()
    count = max(0, min(args.cells, len(every)))
    cells = [every[i * len(every) // count] for i in range(count)]
    numbers: dict[str, Any] = {"schema": "frontier.benchmark/1", "name": "predicted_speed"}
    if cells:
        kit = timed_process(sys.executable, "kit", cells)
        print(f"Llama-3.1-70B, 16 x B200, {count} of 24 cells (imports and database load included)")
        print(f"  kit: {kit['seconds']:.1f} s ({kit['cpu_s']:.1f} s CPU)")
        ref = timed_process(args.reference_python or reference_python(), "reference", cells)
        ratio = ref["seconds"] / kit["seconds"]
        worst, beyond = difference(kit["frontiers"], ref["frontiers"])
        cpu_ratio = ref["cpu_s"] / kit["cpu_s"]
        print(f"  one Task.run per cell ({REFERENCE}): {ref['seconds']:.1f} s ({ref['cpu_s']:.1f} s CPU)")
        print(f"  ratio {ratio:.1f} (target 40); of CPU seconds, which other load on the machine disturbs less, {cpu_ratio:.1f}")
        print(f"  largest difference of the frontiers: {worst:.3%}; beyond the rounding of the reference's worker rates: {beyond:.3%} (target 0.5 %)")
        print("  MTP 3 cells price a hypothetical head with 1.6 accepted drafts; the checkpoint ships none")
        numbers["llama_70b_b200"] = {
            "cells": count,
            "kit_s": kit["seconds"],
            "kit_cpu_s": kit["cpu_s"],
            "reference_s": ref["seconds"],
            "reference_cpu_s": ref["cpu_s"],
            "ratio": ratio,
            "cpu_ratio": cpu_ratio,
            "largest_difference": worst,
            "largest_difference_beyond_rounding": beyond,
        }
    cold = timed_process(sys.executable, "kit", deepseek_cells())
    points = sum(map(len, cold["frontiers"]))
    print(f"DeepSeek-R1, 64 x GB200, 16 cells, cold: {cold['seconds']:.1f} s ({cold['cpu_s']:.1f} s CPU; target 30 s), {points} frontier points")
    numbers["deepseek_r1_gb200"] = {"cells": 16, "kit_s": cold["seconds"], "kit_cpu_s": cold["cpu_s"]}
    if args.json:
        Path(args.json).write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
