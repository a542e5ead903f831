"""Folders of jobs as srtctl leaves them, made by hand: submitted recipe, lockfile, results of sa-bench, log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FINGERPRINT = {"hostname": "n1", "arch": "aarch64", "frameworks": {"tensorrt_llm": "1.3.0rc20", "dynamo": "1.0.0"}}


def result(concurrency: int, gpus: int, factor: float = 1.0) -> dict[str, Any]:
    """What sa-bench writes, in the keys of its benchmark_serving: ten requests per request in flight, 1024 tokens in and out.

    100 x concurrency x factor output tokens per second and GPU, at a time per token of 5 ms + 1 ms per request in flight, whatever the factor.
    """
    count, rate, tpot_ms = 10 * concurrency, 100.0 * concurrency * gpus * factor, 5.0 + concurrency
    times = {"ttft": 100.0, "tpot": tpot_ms, "itl": tpot_ms, "e2el": 100.0 + 1023 * tpot_ms}
    return {
        "date": "20260503-221500", "backend": "dynamo", "model_id": "model", "tokenizer_id": "/model", "best_of": 1, "num_prompts": count,
        "request_rate": "inf", "burstiness": 1.0, "max_concurrency": concurrency,
        "duration": count * 1024 / rate, "completed": count, "total_input_tokens": count * 1024, "total_output_tokens": count * 1024,
        "request_throughput": rate / 1024, "request_goodput:": None, "output_throughput": rate, "total_token_throughput": 2 * rate,
        **{f"{statistic}_{name}_ms": value for name, value in times.items() for statistic in ("mean", "median", "p99")},
    }  # fmt: skip


def job_folder(
    outputs: Path,
    job: int,
    recipe: Mapping[str, Any],
    results: Mapping[int, Mapping[str, Any]],
    *,
    lock: Mapping[str, Any] | None = None,
    log: Sequence[str] = (),
    name: str = "results_concurrency_{load}_gpus_{gpus}.json",
    gpus: int = 8,
) -> Path:
    """``outputs/<job>`` with config.yaml (and its copy in logs/), recipe.lock.yaml, results and the job's log."""
    folder = outputs / str(job)
    bench = recipe.get("benchmark", {})
    there = folder / "logs" / f"sa-bench_isl_{bench.get('isl', 1024)}_osl_{bench.get('osl', 1024)}"
    there.mkdir(parents=True)
    text = yaml.safe_dump(dict(recipe), sort_keys=False)
    for file in (folder / "config.yaml", folder / "logs" / "config.yaml"):
        file.write_text(text)
    locked = {"version": 2, "slurm": {"job_id": str(job)}, "resolved": {}, "fingerprints": {"agg_w0": FINGERPRINT}, **(lock or {})}
    (folder / "recipe.lock.yaml").write_text(text + yaml.safe_dump({"lock": locked}))
    (folder / "logs" / f"sweep_{job}.log").write_text("".join(f"{line}\n" for line in log))
    for load, document in results.items():
        (there / name.format(load=load, gpus=gpus)).write_text(json.dumps(document))
    return folder
