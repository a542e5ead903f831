"""One rank of the all-reduce: a script of its own, started by :mod:`frontier.calibration.collectives`. Imports nothing of the kit, to start fast.

Usage: rank.py BACKEND RANK RANKS STORE RESULT REPEATS SIZE...
Rank 0 writes ``{"torch": version, "times_s": {size: [seconds, ...]}}`` to RESULT. The process ends when its standard input closes, so that it never
outlives the process that started it.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock, held here, would break the interpreter's own end
        pass
    os._exit(1)  # a rank that waits for its peers can be ended in no other way


def _times(torch: Any, distributed: Any, size: int, repeats: int, device: str) -> list[float]:
    """Seconds of one all-reduce of ``size`` bytes, per repetition; small messages are repeated within one."""
    message = torch.ones(size // 4, dtype=torch.float32, device=device)
    calls = 20 if size <= 65536 else 1

    def timed() -> float:
        distributed.barrier()
        start = time.perf_counter()
        for _ in range(calls):
            distributed.all_reduce(message)
        if device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / calls

    timed()
    found = []
    for _ in range(repeats):
        found.append(timed())
        message.fill_(1.0)  # sums of sums would overflow
    return found


def main(words: list[str]) -> None:
    """Run one rank."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # On use: torch is what takes long here, and the watch above must run before.
    import torch
    import torch.distributed as distributed

    backend, rank, ranks, store, result, repeats = words[0], int(words[1]), int(words[2]), words[3], Path(words[4]), int(words[5])
    device = "cpu" if backend == "gloo" else f"cuda:{rank}"
    if device != "cpu":
        torch.cuda.set_device(rank)
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=60)
    distributed.init_process_group(backend, init_method=f"file://{store}", rank=rank, world_size=ranks, timeout=limit)
    times = {size: _times(torch, distributed, int(size), repeats, device) for size in words[6:]}
    distributed.barrier()
    if rank == 0:
        result.write_text(json.dumps({"torch": torch.__version__, "times_s": times}), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1:])
