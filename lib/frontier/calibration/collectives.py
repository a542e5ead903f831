"""All-reduce between ranks by message size: gloo on the CPU, NCCL between GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frontier.calibration.document import Measurement
from frontier.calibration.memory import KIB, MIB
from frontier.calibration.spread import Effort, spread
from frontier.errors import RunError

RANK = Path(__file__).with_name("rank.py")
LIMIT_S = 120.0


def measure_allreduce(torch: Any, cores: int, effort: Effort, absent: dict[str, str]) -> Iterator[Measurement]:
    """Bytes per second of an all-reduce of float32 between two ranks on the CPU, and between all GPUs.

    A message of ``n`` bytes between ``r`` ranks is counted as 2 (r - 1) / r n bytes, what a ring sends over every link (the "bus bandwidth" of
    nccl-tests), so that rank counts compare. The time of one all-reduce is ``work / median``.

    Parameters
    ----------
    torch : module
    cores : int
        Cores held; two CPU ranks need two.
    effort : Effort
    absent : dict
        Receives the reason where there are no ranks to reduce between.

    Raises
    ------
    RunError
        If a rank fails or does not end in time; the message has what it said last. No rank is left running.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cores >= 2:
        yield from _reduce("gloo", "cpu", 2, effort)
    else:
        absent["all-reduce on the CPU"] = "two ranks need two cores, this process holds one"
    if gpus >= 2:
        yield from _reduce("nccl", "cuda", gpus, effort)
    else:
        absent["all-reduce between GPUs"] = f"NCCL needs a GPU per rank, this machine has {gpus or 'none'}"


def sizes(*, quick: bool) -> list[int]:
    """Bytes of the messages: from what a small model's decode step exchanges to a long prompt's prefill."""
    return [4 * KIB, MIB] if quick else [KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB]


def _reduce(backend: str, device: str, ranks: int, effort: Effort) -> Iterator[Measurement]:
    found = run_ranks(backend, ranks, sizes(quick=effort.quick), effort.repeats)
    for size, times in found.items():
        work = 2.0 * (ranks - 1) / ranks * size
        yield Measurement.of("allreduce", backend, device, ranks, work, "B/s", spread(work, times), size_bytes=size)


def run_ranks(backend: str, ranks: int, messages: list[int], repeats: int) -> dict[int, list[float]]:
    """Seconds of all-reduces by message size, from processes of their own that have ended when this returns."""
    with tempfile.TemporaryDirectory(prefix="frontier-ranks-") as folder:
        result = Path(folder) / "times.json"
        shared = [str(ranks), str(Path(folder) / "store"), str(result), str(repeats), *map(str, messages)]
        # Ranks on one machine talk over loopback; without this, gloo asks the resolver for the host's name.
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"} if sys.platform.startswith("linux") else dict(os.environ)
        logs = [(Path(folder) / f"rank{rank}.log").open("w+b") for rank in range(ranks)]
        started: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(ranks):
                # -P: the script's folder must not shadow modules of the standard library.
                command = [sys.executable, "-P", str(RANK), backend, str(rank), *shared]
                started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=logs[rank], stderr=logs[rank], env=environment))
            _wait(started)
            if any(process.returncode for process in started) or not result.exists():
                raise RunError(f"the all-reduce over {backend} failed: {_last_words(logs)}", hint="without it: links=False")
            times = json.loads(result.read_text(encoding="utf-8"))["times_s"]
        finally:
            for process in started:
                process.kill()
                process.wait()
                if process.stdin:
                    process.stdin.close()
            for log in logs:
                log.close()
    return {int(size): [float(value) for value in values] for size, values in times.items()}


def _wait(started: list[subprocess.Popen[bytes]]) -> None:
    """Until all have ended, one has failed, or the limit is over."""
    end = time.monotonic() + LIMIT_S
    while any(process.poll() is None for process in started):
        if any(process.returncode for process in started):
            return
        if time.monotonic() > end:
            raise RunError(f"the ranks of the all-reduce did not end within {LIMIT_S:g} s", hint="measure again when less runs here")
        time.sleep(0.05)


def _last_words(logs: list[Any]) -> str:
    for log in logs:
        log.seek(0)
        lines: list[str] = log.read().decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "no rank said why"
