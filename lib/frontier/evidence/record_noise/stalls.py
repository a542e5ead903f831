"""Runs that a machine held up: slower than another run of the same configuration while its typical decoding step was not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.records import INTERACTIVITY

FloatArray = NDArray[np.float64]

# All three in logs. Over the nights from 2025-12-09 to 2025-12-15 no pair of consecutive nights outside MI355X meets them together.
STEP_SHARE, UNEVEN, SLOWER = 0.10, 0.05, 0.05


def stalled(frame: pd.DataFrame, configuration: NDArray[np.int64]) -> FloatArray:
    """How much of a row's slowness beside its steadiest twin is stalls, log, shape (rows,); 0 where there is no sign of stalls.

    Parameters
    ----------
    frame : DataFrame
    configuration : int array, shape (rows,)
        Rows with one number are runs of one configuration.

    Notes
    -----
    A run that loses time in a few long pauses has the same median gap between tokens as its twins, but a longer mean time per token, and one that
    differs more between requests. So a row counts as stalled when, against the twin whose median ITL is closest to its TPOT, three things hold
    together: median ITL over median TPOT is lower by more than 10 %, p99 TPOT over median TPOT is higher by more than 5 %, and its interactivity is
    lower by more than 5 %. Faster software shortens the typical step too and is not caught; software that only removes pauses is, and
    two runs cannot tell it from a machine that recovered. With speculative decoding a chunk holds several tokens; the comparison is between runs
    of one configuration, so the tokens per chunk cancel as far as acceptance is equal.
    """
    out = np.zeros(len(frame))
    needed = ("median_itl_s", "median_tpot_s", "p99_tpot_s")
    if len(frame) < 2 or any(name not in frame or frame[name].isna().all() for name in needed):
        return out
    itl, tpot, tail = (frame[name].to_numpy(dtype=float, na_value=np.nan) for name in needed)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, uneven, speed = np.log(itl / tpot), np.log(tail / tpot), np.log(frame[INTERACTIVITY].to_numpy(dtype=float, na_value=np.nan))
    good = np.isfinite(share) & np.isfinite(uneven) & np.isfinite(speed)
    rows = np.flatnonzero(good)
    if len(rows) < 2:
        return out
    order = rows[np.lexsort((-share[rows], configuration[rows]))]  # the steadiest run of each configuration comes first
    first = np.concatenate([[True], np.diff(configuration[order]) != 0])
    best = order[np.flatnonzero(first)[np.cumsum(first) - 1]]
    lost, slower = share[best] - share[order], speed[best] - speed[order]
    hit = (lost > STEP_SHARE) & (uneven[order] - uneven[best] > UNEVEN) & (slower > SLOWER)
    out[order] = np.where(hit, np.minimum(lost, slower), 0.0)
    return out
