"""The probe's work, run as a script: ``python -I probe_work.py CORES SECONDS`` prints one JSON object.

It imports numpy and the standard library alone, and numpy only once the process is bound: BLAS threads start at the import.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

MATMUL = 512
COPY_MIB = 64


def work(cores: Sequence[int], seconds: float) -> dict[str, object]:
    """Fields of `frontier.telemetry.MachineProbe`."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))
    import numpy as np  # after the binding, see above

    at_ns = time.time_ns()
    draw = np.random.default_rng(0)
    a, b = (draw.standard_normal((MATMUL, MATMUL), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    source = np.ones(COPY_MIB * 2**20 // 8)
    target = np.empty_like(source)
    product = _times(lambda: np.matmul(a, b, out=out), seconds / 2)
    copy = _times(lambda: np.copyto(target, source), seconds / 2)
    return {
        "matmul_gflop_s": 2 * MATMUL**3 / statistics.median(product) / 1e9,
        "copy_gib_s": 2 * source.nbytes / statistics.median(copy) / 2**30,
        "matmul_spread": (max(product) - min(product)) / statistics.median(product),
        "copy_spread": (max(copy) - min(copy)) / statistics.median(copy),
        "cores": list(cores),
        "at_ns": at_ns,
    }


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    """Durations of repeats that fill some time, at least three; the first call is not among them."""
    call()
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while len(spent) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return spent


if __name__ == "__main__":
    sys.stdout.write(json.dumps(work([int(core) for core in sys.argv[1].split(",")], float(sys.argv[2]))))
