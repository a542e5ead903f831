"""A third of a second of known work on the server's cores before a launch: a machine that is slower than yesterday shows before anything is measured.

The work is done by `probe_work.py` in a process of its own, because numpy's threads keep the cores they were started on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from frontier.errors import MachineError, UsageError

SECONDS = 0.3
_WORK = Path(__file__).with_name("probe_work.py")
_LIMIT_S = 60.0


@dataclass(frozen=True)
class MachineProbe:
    """What the machine did.

    Parameters
    ----------
    matmul_gflop_s : float
        Median rate of 512 x 512 float32 products on all cores named, numpy's own BLAS.
    copy_gib_s : float
        Median rate of a copy of 64 MiB by one thread, bytes read and written both counted.
    matmul_spread, copy_spread : float
        (Largest - smallest) / median of the repeats.
    cores : tuple of int
    at_ns : int, epoch nanoseconds
    """

    matmul_gflop_s: float
    copy_gib_s: float
    matmul_spread: float
    copy_spread: float
    cores: tuple[int, ...]
    at_ns: int

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "cores": list(self.cores)}


def probe_machine(cores: Sequence[int], *, seconds: float = SECONDS) -> MachineProbe:
    """Run the probe on some cores.

    Parameters
    ----------
    cores : sequence of int
    seconds : float, > 0
        Work, half of it products and half copies; starting Python and numpy comes on top.

    Raises
    ------
    UsageError
        If no core is named or the time is not positive.
    MachineError
        If the probe cannot run; the message has its reason.
    """
    if not cores or seconds <= 0:
        raise UsageError(f"the probe needs at least one core and a positive time, got {list(cores)} and {seconds:g} s")
    count = str(len(set(cores)))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), count)
    command = [sys.executable, "-I", str(_WORK), ",".join(map(str, sorted(set(cores)))), repr(float(seconds))]
    try:
        done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True, timeout=_LIMIT_S + seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"the machine's probe did not run: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MachineError(f"the machine's probe failed on cores {sorted(set(cores))}: {last}")
    found = json.loads(done.stdout)
    return MachineProbe(**{**found, "cores": tuple(found["cores"])})
