"""Seconds that the timeline of a record takes, on generated data: the size of today's public record, and 200,000 points.

Run it with ``python benchmarks/timeline_speed.py [POINTS]``; with a points table its time is printed too. Every series has one step of known size,
so the last column says how many of them were found at the right date.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frontier.records import normalize_points, read_points
from frontier.timeline import timeline

HARDWARE = ("b200_sxm", "h200_sxm", "mi355x", "gb200")
ENGINES = ("sglang", "trtllm")
LENGTHS = ((1024, 1024), (1024, 8192), (8192, 1024))
STEP = 1.2
NIGHT_CV = 0.006


@dataclass(frozen=True)
class Size:
    """Series, dates and configurations per snapshot of a generated record."""

    name: str
    series: int
    dates: int
    parallelisms: int
    loads: int


SIZES = (Size("today's record", 44, 14, 2, 3), Size("200,000 points", 100, 100, 4, 5))


def generate(size: Size, seed: int = 1) -> tuple[pd.DataFrame, dict[tuple[str, ...], str]]:
    """A record whose series step once, by ``STEP``, at a date of their own; the second result names that date."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2025-10-06", periods=size.dates, freq="2D").strftime("%Y-%m-%d").to_numpy()
    names = [(h, e, p, s, str(i), str(o)) for p in ("fp4", "fp8") for s in ("none", "mtp") for h in HARDWARE for e in ENGINES for i, o in LENGTHS]
    names = (names * (1 + size.series // len(names)))[: size.series]
    parts, steps = [], {}
    for number, name in enumerate(names):
        model = "DeepSeek-R1-0528" if number < len(set(names)) else f"model-{number}"
        at = int(rng.integers(size.dates // 4, 3 * size.dates // 4))
        steps[(model, *name)] = str(days[at])
        tp = np.array([4, 8, 16, 32])[: size.parallelisms]
        concurrency = 4.0 * 4.0 ** np.arange(size.loads)
        grid = pd.DataFrame([(d, t, c) for d in range(size.dates) for t in tp for c in concurrency], columns=["day", "tp", "concurrency"])
        speed = 120.0 / (1.0 + grid["concurrency"] / (16.0 * grid["tp"])) * (1.0 + 0.1 * np.log2(grid["tp"] / 4))
        speed = speed * np.where(grid["day"] >= at, STEP, 1.0) * np.exp(rng.normal(0.0, NIGHT_CV, len(grid)))
        output = grid["concurrency"] * speed / grid["tp"]
        hardware, engine, precision, spec, isl, osl = name
        ratio = (int(isl) + int(osl)) / int(osl)
        columns: dict[str, object] = {"evidence": "published", "source": "generated", "date": days[grid["day"]], "model": model, "disagg": False}
        columns |= {"hardware": hardware, "engine": engine, "precision": precision, "spec": spec, "isl_tokens": int(isl), "osl_tokens": int(osl)}
        columns |= {"image": np.where(grid["day"] >= at, f"{engine}:v2", f"{engine}:v1"), "tp": grid["tp"], "ep": 1, "gpus": grid["tp"]}
        columns |= {"concurrency": grid["concurrency"], "total_tput_tok_s_gpu": output * ratio, "output_tput_tok_s_gpu": output}
        columns |= {"interactivity_tok_s_user": speed, "median_tpot_s": 1.0 / speed, "median_ttft_s": 0.1}
        parts.append(pd.DataFrame({**columns, "median_e2el_s": 0.1 + 0.9 * int(osl) / speed}))
    return normalize_points(pd.concat(parts, ignore_index=True), origin="generated"), steps


def found_steps(document: dict[str, object], steps: dict[tuple[str, ...], str]) -> int:
    """How many series have exactly their one step."""
    count = 0
    for entry in document["series"]:  # type: ignore[attr-defined]
        name = entry["series"]
        key = tuple(str(name[c]) for c in ("model", "hardware", "engine", "precision", "spec", "isl_tokens", "osl_tokens"))
        count += [step["to"] for step in entry["steps"]] == [steps[key]]
    return count


def main() -> None:
    """Print one line per size."""
    for size in SIZES:
        points, steps = generate(size)
        start = time.perf_counter()
        document = timeline(points)
        seconds = time.perf_counter() - start
        print(f"{size.name}: {len(points)} points, {size.series} series x {size.dates} dates: {seconds:.1f} s, "
              f"{found_steps(document, steps)} of {size.series} series with exactly their step")  # fmt: skip
    if len(sys.argv) > 1:
        points = read_points(sys.argv[1])
        start = time.perf_counter()
        document = timeline(points)
        print(f"{sys.argv[1]}: {len(points)} points, {len(document['series'])} series: {time.perf_counter() - start:.1f} s")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
