"""Jumps of the wall clock: request times are by it, and a clock that is set during a load spoils them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# Two readings of the two clocks lie microseconds apart, more when the process is not scheduled in between; slewing (NTP, at most 500 ppm) moves
# half a millisecond per second.
THRESHOLD_S = 0.05


@dataclass(frozen=True)
class Jump:
    """The wall clock was set.

    Parameters
    ----------
    at_ns : int, epoch nanoseconds
        First sample after it, by the clock as it was set.
    seconds : float
        Positive: forward.
    """

    at_ns: int
    seconds: float


def clock_jumps(samples: pd.DataFrame, *, threshold_s: float = THRESHOLD_S) -> list[Jump]:
    """Where the wall clock left the monotonic one between two samples.

    Parameters
    ----------
    samples : DataFrame with ``at_ns`` (epoch) and ``monotonic_ns`` (both int64), in order of time
    threshold_s : float, seconds
        Smallest jump that counts.
    """
    if len(samples) < 2:
        return []
    offset = (samples["at_ns"] - samples["monotonic_ns"]).to_numpy(dtype=np.int64)
    steps = np.diff(offset) / 1e9
    return [Jump(int(samples["at_ns"].iloc[at + 1]), float(steps[at])) for at in np.flatnonzero(np.abs(steps) > threshold_s)]
