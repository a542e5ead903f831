"""Time and memory of importing a large flat CSV of the InferenceX record: ``python benchmarks/import_speed.py [--rows 1000000]``.

The table is generated: closed-loop arithmetic gives rows whose rates, lengths and counts agree, aggregated and disaggregated. The import runs in
a process of its own, so its peak resident memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

STATISTICS = ("mean", "std", "median", "p90", "p99", "p99.9")


def generated(rows: int, seed: int) -> pd.DataFrame:
    """Rows with every column of the flat CSV."""
    rng = np.random.default_rng(seed)
    split = rng.random(rows) < 0.3
    tp = rng.choice([4, 8], rows)
    prefill, decode = np.where(split, rng.choice([4, 8], rows), tp), np.where(split, rng.choice([8, 16, 32], rows), tp)
    isl, osl = rng.choice([1024, 8192], rows), 1024
    conc = 2.0 ** rng.integers(2, 11, rows)
    tpot, ttft = rng.uniform(0.005, 0.05, rows), rng.uniform(0.05, 5, rows)
    e2el = ttft + tpot * (0.9 * osl - 1)
    gpus = np.where(split, prefill + decode, tp)
    out_all, in_all = (0.97 * conc / e2el * 0.9 * length for length in (osl, isl))
    frame = pd.DataFrame(
        {
            "date": np.datetime_as_string(np.datetime64("2025-10-06") + rng.integers(0, 250, rows)),
            "hardware": rng.choice(["h200", "b200", "gb200", "mi355x"], rows),
            "framework": np.where(split, "dynamo-trt", rng.choice(["trt", "sglang"], rows)),
            "model": "dsr1",
            "precision": rng.choice(["fp4", "fp8"], rows),
            "spec_method": rng.choice(["none", "mtp"], rows),
            "disagg": split,
            "is_multinode": split,
            "isl": isl,
            "osl": osl,
            "conc": conc.astype(int),
        }
    )
    for role, count in (("prefill", prefill), ("decode", decode)):
        columns = {f"{role}_tp": count, f"{role}_ep": 1, f"{role}_dp_attention": False, f"{role}_num_workers": split.astype(int)}
        frame = frame.assign(**columns)
    frame = frame.assign(num_prefill_gpu=prefill, num_decode_gpu=decode, image="registry.example/engine:1.0")
    frame["tput_per_gpu"] = (out_all + in_all) / gpus
    frame["output_tput_per_gpu"] = out_all / np.where(split, decode, gpus)
    frame["input_tput_per_gpu"] = in_all / np.where(split, prefill, gpus)
    for name, values in {"ttft": ttft, "tpot": tpot, "itl": tpot, "e2el": e2el, "intvty": 1 / tpot}.items():
        for statistic in STATISTICS:
            frame[f"{statistic}_{name}"] = values
    return frame.assign(avg_power_w=np.nan, run_url="https://example.org/runs/1/attempts/1")


def write(path: Path, rows: int, block: int = 50_000) -> None:
    """The generated table as CSV."""
    for start in range(0, rows, block):
        generated(min(block, rows - start), seed=start).to_csv(path, mode="a", header=start == 0, index=False)


def measure(path: Path, output: Path) -> None:
    """Import in this process and print seconds, points and peak memory."""
    from frontier.evidence.importers import import_to_file

    start, start_cpu = time.perf_counter(), time.process_time()
    written = import_to_file("inferencex", [path], output)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # Linux counts KiB
    print(json.dumps({"points": written.points, "refused": len(written.refused), "seconds": seconds, "cpu_s": cpu_s, "peak_rss_gib": peak}))


def main() -> None:
    """Parse, generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("CSV", "PARQUET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*map(Path, options.measure))
        return
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "rows.csv", Path(folder) / "points.parquet"
        write(source, options.rows)
        done = subprocess.run(
            [sys.executable, __file__, "--measure", str(source), str(output)], check=True, capture_output=True, text=True, encoding="utf-8"
        )
        found = json.loads(done.stdout)
        print(f"{found['points']:,} points from {source.stat().st_size / 1e9:.2f} GB of CSV, {found['refused']} refused")
        print(f"{found['seconds']:.1f} s ({found['cpu_s']:.1f} s CPU), {found['points'] / found['seconds']:,.0f} rows/s")
        print(f"peak memory {found['peak_rss_gib']:.2f} GiB")


if __name__ == "__main__":
    main()
