"""Runs with known answers: throughput that is a formula of interactivity, times the effects of two levers, times what moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribute import attribute
from frontier.compare.sources import level_specs
from frontier.records import normalize_points, write_points

X = np.array([10.0, 20.0, 40.0, 80.0])
EFFECTS = {"precision": 1.5, "mtp": 1.25}
MACHINE = {
    "schema": "frontier.environment/1", "machine": "aaaa000011112222", "container": None,
    "kit": {"version": "0.1.0", "commit": "c0ffee" * 6, "dirty": False, "source_sha256": "5" * 64},
    "python": {"version": "3.11.7"}, "platform": {"system": "Linux", "machine": "x86_64", "libc": "glibc-2.36"},
    "cpu": {"model": "AMD EPYC", "cores": 64}, "ram_gib": 511.6,
    "gpus": [{"name": "NVIDIA H100", "memory_gib": 79.6, "driver": "570.1"}] * 8, "wheels": {}, "packages": {"numpy": "2.2.0"},
}  # fmt: skip
CONFIG = {
    "name": "known", "title": "Known answers", "engine": {"kind": "vllm", "seed": 0, "max_num_seqs": 32}, "sweep": {"concurrencies": [1, 2, 4, 8]},
}  # fmt: skip


def points(
    factor: float = 1.0, effects: Mapping[str, float] = EFFECTS, noise: float = 0.0, seed: int = 0, launches: int = 3, **columns: Any
) -> pd.DataFrame:
    """Points of all four variants; every throughput is times ``factor``, every launch times its own noise."""
    random = np.random.default_rng(seed)
    rows = []
    for precision in ("baseline", "target"):
        for mtp in ("baseline", "target"):
            levels = {"precision": precision, "mtp": mtp}
            effect = np.prod([effects[name] for name, level in levels.items() if level == "target"])
            for replicate in range(1, launches + 1):
                launch = float(np.exp(random.normal(0.0, noise))) if noise else 1.0
                for x, concurrency in zip(X, (8, 4, 2, 1), strict=True):
                    rows.append(
                        {
                            "evidence": "measured", "date": "2026-11-01", "model": "m", "hardware": "h100_sxm", "engine": "vllm",
                            "engine_version": "1.0", "precision": "fp8" if precision == "target" else "bf16", "kv_precision": "bf16",
                            "spec": "mtp" if mtp == "target" else "none", "draft_len": 2 if mtp == "target" else 0, "tp": 8, "gpus": 8,
                            "isl_tokens": 1024, "osl_tokens": 1024, "concurrency": concurrency, "replicate": replicate,
                            "variant": "+".join(name for name, level in levels.items() if level == "target") or "baseline",
                            "interactivity_tok_s_user": x, "total_tput_tok_s_gpu": 10 * (100 - x) * effect * factor * launch,
                            "level_precision": precision, "level_mtp": mtp, **columns,
                        }
                    )  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="known answers")


_ATTRIBUTED: dict[str, str] = {}  # many tests compare the same points


def _attribution(table: pd.DataFrame) -> str:
    key = table.to_csv()
    if key not in _ATTRIBUTED:
        _ATTRIBUTED[key] = json.dumps(attribute(table, level_specs(table), resamples=300))
    return _ATTRIBUTED[key]


def make_run(
    folder: Path, table: pd.DataFrame, environment: Mapping[str, Any] | None = MACHINE, config: Mapping[str, Any] | None = CONFIG, stamp: int = 1
) -> Path:
    """A run's folder with what a comparison reads."""
    run = folder / f"2026110{stamp}T000000Z-known-0000000{stamp}"
    run.mkdir(parents=True)
    write_points(table, run / "points.parquet")
    (run / "attribution.json").write_text(_attribution(table), encoding="utf-8")
    if environment is not None:
        (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    if config is not None:
        (run / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    (run / "plan.json").write_text(json.dumps({"digest": f"{stamp}" * 64, "main": {"trials": []}, "companion": None}), encoding="utf-8")
    return run


def by_name(entries: list[dict[str, Any]], key: str = "name") -> dict[str, dict[str, Any]]:
    """Entries of a document by their name."""
    return {str(entry[key]): entry for entry in entries}
