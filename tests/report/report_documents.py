"""Run folders for the report's tests, made by a closed form: additive log effects, so every share is known by formula."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

TITLES = {
    "hardware": "Hardware",
    "precision": "Precision",
    "parallelism": "Wider parallelism",
    "mtp": "Multi-token prediction",
    "disaggregation": "Disaggregation",
    "version": "Engine version",
}
SETTINGS = {
    "hardware": (["h200_sxm_x8"], ["gb200_nvl72"]),
    "precision": (["fp8_block"], ["nvfp4"]),
    "parallelism": (["node"], ["domain"]),
    "mtp": (["0"], ["1", "2", "3"]),
    "disaggregation": (["aggregated"], ["disaggregated"]),
    "version": (["1.0"], ["1.2"]),
}
# lever -> (log effect in the middle of the domain, its slope per domain half-width)
EFFECTS = {
    "hardware": (math.log(4.1), 0.25),
    "precision": (math.log(1.45), -0.10),
    "parallelism": (math.log(1.25), 0.05),
    "mtp": (math.log(1.5), 0.30),
    "disaggregation": (math.log(1.12), -0.28),
}
LOW, HIGH, GRID = 20.0, 140.0, 25


def _ci(value: float, sigma: float) -> list[float]:
    return [value * math.exp(-1.96 * sigma), value * math.exp(1.96 * sigma)]


def _estimate(log_ratio: float, sigma: float) -> dict[str, Any]:
    ratio = math.exp(log_ratio)
    return {"log_ratio": log_ratio, "ratio": ratio, "ci95": _ci(ratio, sigma)}


def make_document(
    effects: dict[str, tuple[float, float]] | None = None,
    *,
    evidence: str = "predicted",
    titles: dict[str, str] | None = None,
    interaction: float = 0.08,
    sigma: float = 0.11,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """An attribution document and its points; the interaction of neighbours in the ladder is split evenly between the two."""
    effects = EFFECTS if effects is None else effects
    titles = {**TITLES, **(titles or {})}
    names = list(effects)
    pairs = {(a, b): (interaction if names.index(b) - names.index(a) == 1 else 0.0) for a, b in combinations(names, 2)}

    def slope(x: float) -> float:
        return (x - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)

    def log_effect(levers: Sequence[str], x: float) -> float:
        alone = sum(effects[name][0] + effects[name][1] * slope(x) for name in levers)
        return alone + sum(value for (a, b), value in pairs.items() if a in levers and b in levers)

    def base(x: float) -> float:
        return 2400.0 * math.exp(-x / 60.0)

    shares = {name: effects[name][0] + sum(v for pair, v in pairs.items() if name in pair) / 2 for name in names}
    total = log_effect(names, (LOW + HIGH) / 2)
    xs = [LOW + (HIGH - LOW) * i / (GRID - 1) for i in range(GRID)]

    table: list[dict[str, Any]] = []
    steps = []
    for place in range(len(names) + 1):
        levers = names[:place]
        points_x = [10.0 + 14.0 * i for i in range(12 + place)]
        points_y = [base(x) * math.exp(log_effect(levers, x)) for x in points_x]
        curve_x = [points_x[0] + (points_x[-1] - points_x[0]) * i / 64 for i in range(65)]
        curve_y = [base(x) * math.exp(log_effect(levers, x)) for x in curve_x]
        first = len(table)
        for x, y in zip(points_x, points_y, strict=True):
            table.append(_point_row(levers, names, x, y, evidence))
        steps.append(
            {
                "step": f"+{levers[-1]}" if levers else "baseline",
                "levers": levers,
                "rows": list(range(first, len(table))),
                "interactivity_tok_s_user": points_x,
                "tput_tok_s_gpu": points_y,
                "curve_interactivity_tok_s_user": curve_x,
                "curve_tput_tok_s_gpu": curve_y,
                "ci95_tput_tok_s_gpu": [[y * math.exp(-0.2) for y in curve_y], [y * math.exp(0.2) for y in curve_y]],
            }
        )
    cells = []
    for size in range(len(names) + 1) if len(names) <= 5 else ():
        for levers in combinations(names, size):
            bad = "precision" in levers and "hardware" in names and "hardware" not in levers
            cells.append(
                {
                    "cell": "+".join(levers) or "baseline",
                    "levers": list(levers),
                    "status": "infeasible" if bad else "done",
                    "reason": "nvfp4 needs blackwell, h200_sxm is hopper" if bad else "",
                    "points": 0 if bad else 12,
                    "evaluated": None if bad else 900,
                }
            )
    hardware = [name for name in names if name == "hardware"]
    software = [name for name in names if name != "hardware"]
    document = {
        "schema": "frontier.attribution/1",
        "evidence": evidence,
        "metric": "total",
        "method": "shapley",
        "levers": [
            {
                "name": name,
                "title": titles.get(name, name),
                "mode": "forced" if name == "hardware" else "unlocked",
                "baseline": SETTINGS.get(name, (["off"], ["on"]))[0],
                "target": SETTINGS.get(name, (["off"], ["on"]))[1],
            }
            for name in names
        ],
        "domain": {"interactivity_tok_s_user": [LOW, HIGH], "rule": "interactivities at which every feasible coalition has a frontier"},
        "total": _estimate(total, sigma),
        "shares": [{"lever": name, **_estimate(shares[name], sigma / 2), "fraction": shares[name] / total if total else None} for name in names],
        "groups": [
            {"group": group, "levers": levers, **_estimate(sum(shares[name] for name in levers), sigma / 1.5)}
            for group, levers in (("hardware", hardware), ("software", software))
            if levers
        ],
        "ladder": [{"lever": name, **_estimate(effects[name][0] + (interaction if i else 0.0), sigma)} for i, name in enumerate(names)],
        "leave_one_out": [
            {"lever": name, **_estimate(effects[name][0] + sum(v for pair, v in pairs.items() if name in pair), sigma)} for name in names
        ],
        "interactions": [{"levers": [a, b], "log_ratio": value, "ci95_log_ratio": [value - 0.05, value + 0.05]} for (a, b), value in pairs.items()],
        "by_interactivity": [
            {
                "interactivity_tok_s_user": x,
                "total": log_effect(names, x),
                "shares": {name: shares[name] + effects[name][1] * slope(x) for name in names},
            }
            for x in xs
        ],
        "cells": cells,
        "coalitions": [
            {"levers": list(levers), "log_ratio": log_effect(levers, (LOW + HIGH) / 2)}
            for size in range(len(names) + 1)
            for levers in (combinations(names, size) if len(names) <= 6 else ())
        ],
        "infeasible_rule": "An infeasible cell counts as its feasible part: the frontier of the coalition without the infeasible setting.",
        "interval": {"method": "resampled residuals of the model", "resamples": 2000, "level": 0.95, "seed": 1},
        "steps": steps,
        "shift": {
            "ratio": {"value": math.exp(total), "ci95": _ci(math.exp(total), sigma)},
            "peak_ratio": {"value": math.exp(total) * 0.9, "ci95": _ci(math.exp(total) * 0.9, sigma)},
            "max_interactivity_ratio": 1.43,
            "hypervolume_ratio": {"value": math.exp(total) * 1.1, "ci95": _ci(math.exp(total) * 1.1, sigma)},
            "by_interactivity": [
                {
                    "interactivity_tok_s_user": x,
                    "before": base(x),
                    "after": base(x) * math.exp(log_effect(names, x)),
                    "ratio": math.exp(log_effect(names, x)),
                    "ci95": _ci(math.exp(log_effect(names, x)), sigma),
                }
                for x in xs
            ],
            "overlap_tok_s_user": [LOW, HIGH],
            "newly_reached_tok_s_user": [164.0, 234.0],
        },
        "normalizations": [
            {
                "per": per,
                "unit": unit,
                "ratio": math.exp(total) / by,
                "ci95": _ci(math.exp(total) / by, sigma),
                "denominator_before": 1.0,
                "denominator_after": by,
                "table": source,
            }
            for per, by, unit, source in (
                ("GPU", 1.0, "tokens/s/GPU", ""),
                ("package", 0.5, "tokens/s/package", "one die per package on H200, two on GB200"),
                ("MW (all-in)", 1.37, "tokens/s/MW", "power table 2025-10, all-in"),
                ("MW (TDP)", 1.71, "tokens/s/MW", "vendor data sheets, 2025"),
                ("USD", 1.25, "tokens/USD", "price table 2025-10"),
            )
        ],
        "notes": [
            "Quality is not measured: FP4 weights may answer differently.",
            "Mean accepted drafts are an assumption stated in the configuration.",
        ],
        "companion": None,
    }
    return document, pd.DataFrame(table)


def _point_row(levers: Sequence[str], names: Sequence[str], x: float, y: float, evidence: str) -> dict[str, Any]:
    disagg = "disaggregation" in levers
    return {
        "evidence": evidence,
        "source": "closed form of the tests",
        "variant": "+".join(levers) or "baseline",
        "replicate": 0,
        "model": "DeepSeek-R1",
        "hardware": "gb200" if "hardware" in levers else "h200_sxm",
        "engine": "trtllm",
        "engine_version": "1.2.0rc5",
        "precision": "fp4" if "precision" in levers else "fp8",
        "kv_precision": "fp8",
        "tp": 8,
        "pp": 1,
        "ep": 32 if "parallelism" in levers else 8,
        "dp": 1,
        "attention_dp": "parallelism" in levers,
        "spec": "mtp" if "mtp" in levers else "none",
        "draft_len": 3 if "mtp" in levers else 0,
        "disagg": disagg,
        "prefill_workers": 2 if disagg else None,
        "prefill_tp": 4 if disagg else None,
        "decode_workers": 1 if disagg else None,
        "decode_tp": 32 if disagg else None,
        "gpus": 40 if disagg else 8,
        "prefill_gpus": 8 if disagg else None,
        "decode_gpus": 32 if disagg else None,
        "isl_tokens": 1024,
        "osl_tokens": 1024,
        "concurrency": round(4000 / x),
        "total_tput_tok_s_gpu": y,
        "output_tput_tok_s_gpu": y / 2,
        "interactivity_tok_s_user": x,
        "median_ttft_s": 0.4,
        "median_tpot_s": 1 / x,
        **{f"level_{name}": "target" if name in levers else "baseline" for name in names},
    }


def make_config(document: dict[str, Any], title: str = "DeepSeek-R1 from 8 x H200 to GB200 NVL72", formats: Sequence[str] = ()) -> dict[str, Any]:
    """The parts of a resolved configuration that the report reads."""
    return {
        "name": "deepseek_r1_h200_to_gb200",
        "title": title,
        "claim": {
            "statement": "GB200 NVL72 serves DeepSeek-R1 with up to 25x the throughput of Hopper.",
            "source": "Vendor blog, March 2025",
            "url": "https://example.org/claim",
            "ratio": 25.0,
            "interactivity_tok_s_user": 60.0,
        },
        "gpu_hours": "about 900 GPU-hours on hardware; none here",
        "model": {"name": "DeepSeek-R1", "id": "deepseek-ai/DeepSeek-R1"},
        "hardware": {"name": "h200_sxm_x8", "hardware": "h200_sxm", "title": "8 x H200 SXM"},
        "workload": {"name": "isl1k_osl1k", "isl_tokens": 1024, "osl_tokens": 1024},
        "engine": {"kind": "predicted", "backend": "trtllm"},
        "report": {"metric": document["metric"], "formats": list(formats), "interactivities_tok_s_user": [50.0, 100.0]},
        "systems": {
            "h200_sxm_x8": {"title": "8 x H200 SXM", "hardware": "h200_sxm"},
            "gb200_nvl72": {"title": "GB200 NVL72", "hardware": "gb200"},
        },
    }


def make_companion() -> tuple[dict[str, Any], pd.DataFrame]:
    """The published side: three of the levers, other effects, its own points."""
    effects = {"hardware": (math.log(4.6), 0.1), "precision": (math.log(1.3), 0.0), "disaggregation": (math.log(1.35), 0.1)}
    return make_document(effects, evidence="published", interaction=0.0, sigma=0.15)


def make_pair() -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """A predicted document with a published companion that was observed along one path, and the moves that both answer."""
    document, points = make_document()
    companion, companion_points = make_companion()
    companion.update(method="ladder", interactions=[], leave_one_out=[])
    logs = {frozenset(row["levers"]): row["log_ratio"] for row in document["coalitions"]}
    path = [row["lever"] for row in companion["ladder"]]
    at = ["parallelism"]
    moves = []
    for name in path:
        moves.append((name, at, [*at, name]))
        at = [*at, name]
    moves.append(("total", ["parallelism"], at))
    document["contrasts"] = [
        {"name": name, "from": start, "to": end, **_estimate(logs[frozenset(end)] - logs[frozenset(start)], 0.11)} for name, start, end in moves
    ]
    document["companion"] = companion
    return document, points, companion_points


MODEL_ERROR = {
    "schema": "frontier.model_error/1",
    "source": "silicon samples of the wheel, 812 rows compared",
    "quantity": "log(predicted / measured)",
    "left_out": {"no data in the wheel": 41},
    "rows": [
        {
            "system": system, "precision": "fp8", "mode": mode, "pool": "system+precision+mode", "n_points": 120, "n_curves": 14,
            "metric": metric, "q05": -0.21 + shift, "q25": -0.08 + shift, "median": shift, "q75": 0.07 + shift, "q95": 0.2 + shift,
        }
        for system, shift in (("h200_sxm", 0.02), ("gb200", -0.05))
        for mode in ("agg", "disagg")
        for metric in ("interactivity", "throughput")
    ],
}  # fmt: skip


def write_run(
    folder: Path,
    document: dict[str, Any],
    points: pd.DataFrame,
    *,
    name: str = "20250101T000000Z-demo-0123abcd",
    config: dict[str, Any] | None = None,
    companion_points: pd.DataFrame | None = None,
    extras: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder and return it."""
    run = folder / name
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(config or make_config(document), allow_unicode=True), encoding="utf-8")
    (run / "attribution.json").write_text(json.dumps(document), encoding="utf-8")
    points.to_parquet(run / "points.parquet")
    if companion_points is not None:
        companion_points.to_parquet(run / "companion_points.parquet")
    for file, content in (extras or {}).items():
        (run / file).write_text(json.dumps(content), encoding="utf-8")
    return run


FULL_EXTRAS: dict[str, Any] = {
    "model_error.json": MODEL_ERROR,
    "plan.json": {"name": "deepseek_r1_h200_to_gb200", "digest": "0123abcd" * 8, "trials": [{"digest": "a" * 64}, {"digest": "b" * 64}]},
    "environment.json": {
        "kit": {"version": "0.1.0", "commit": "f00dfeed", "dirty": False},
        "python": "3.11.9",
        "platform": "Linux-x86_64",
        "packages": {"numpy": "2.4.6", "moocore": "0.2.0"},
        "gpus": [],
    },
}
