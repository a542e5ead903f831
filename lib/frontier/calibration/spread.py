"""Repetitions of a timed piece of work, and their spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from frontier.errors import RunError


@dataclass(frozen=True)
class Effort:
    """How long a calibration tries.

    Parameters
    ----------
    repeats : int
        Repetitions wanted of every measurement.
    repetition_s : float, seconds
        A repetition calls short work as often as fills this time, so that the clock and the call cost little.
    limit_s : float, seconds
        A measurement stops after this time, with at least three repetitions.
    quick : bool
        Whether this is the form for tests: fewer sizes and shapes as well.
    """

    repeats: int
    repetition_s: float
    limit_s: float
    quick: bool


FULL = Effort(repeats=15, repetition_s=0.004, limit_s=0.4, quick=False)
QUICK = Effort(repeats=5, repetition_s=0.001, limit_s=0.06, quick=True)
_LEAST = 3


@dataclass(frozen=True)
class Spread:
    """Rates over repetitions, per second: median, quartiles, the best one, and how many there were."""

    median: float
    q1: float
    q3: float
    best: float
    n: int


def spread(work: float, times_s: Sequence[float]) -> Spread:
    """Rates of work done once per time.

    Parameters
    ----------
    work : float
        Bytes or operations of one repetition, by formula.
    times_s : sequence of float, seconds, > 0

    Raises
    ------
    RunError
        If there is no time, or one is not positive: the clock is too coarse for the work.

    Examples
    --------
    >>> spread(6.0, [1.0, 2.0, 3.0])
    Spread(median=3.0, q1=2.5, q3=4.5, best=6.0, n=3)
    """
    times = np.asarray(times_s, dtype=float)
    if times.size == 0 or not bool(np.all(times > 0)):
        raise RunError(f"repetitions must take more than zero seconds, got {list(times_s)}", hint="a longer repetition: Effort(repetition_s=...)")
    rates = work / times
    q1, median, q3 = (float(value) for value in np.quantile(rates, [0.25, 0.5, 0.75]))
    return Spread(median, q1, q3, float(rates.max()), int(times.size))


def repeat(work: Callable[[], object], effort: Effort, settle: Callable[[], None] = lambda: None) -> list[float]:
    """Seconds that one call of ``work`` takes, once per repetition; a first call is not counted.

    Parameters
    ----------
    work : callable
    effort : Effort
    settle : callable
        Waits until the device has done what was asked of it; called at the end of every repetition.
    """

    def timed(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        settle()
        return (time.perf_counter() - start) / calls

    begin = time.perf_counter()
    timed(1)
    # The first call may compile, allocate or wake the device up; the second tells how many calls fill a repetition.
    calls = max(1, round(effort.repetition_s / max(timed(1), 1e-9)))
    found: list[float] = []
    while len(found) < effort.repeats and (len(found) < _LEAST or time.perf_counter() - begin < effort.limit_s):
        found.append(timed(calls))
    return found
