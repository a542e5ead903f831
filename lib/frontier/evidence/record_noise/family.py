"""Intervals that hold for all factors of one shift at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def family_bounds(draws: FloatArray, confidence: float = 0.95) -> FloatArray:
    """Simultaneous intervals of several quantities from joint draws, shape (quantities, 2); NaN where a quantity is rarely defined.

    Parameters
    ----------
    draws : float array, shape (resamples, quantities)
        Joint draws, as of the log factors of one shift; NaN draws are left out.
    confidence : float, 0 to 1
        Chance that all intervals hold together.

    Notes
    -----
    Percentile intervals at one common level, the widest that keeps the chance that any quantity of a draw lies outside at ``1 - confidence``:
    the level is found by rank (R. Beran, Balanced simultaneous confidence sets, JASA 1988). With one quantity it is the percentile interval. It
    is never wider than Bonferroni's but for the grain of the draws.
    """
    count, quantities = draws.shape
    out = np.full((quantities, 2), np.nan)
    good = np.isfinite(draws)
    use = good.sum(axis=0) >= max(2, count / 2)
    if not use.any():
        return out
    chosen = np.where(good, draws, np.nan)[:, use]
    # Two-sided depth of every draw in its quantity: 0 at the ends, 0.5 in the middle. Undefined draws never lie outside.
    order = np.argsort(np.argsort(chosen, axis=0), axis=0) + 0.5
    depth = order / np.maximum(np.isfinite(chosen).sum(axis=0), 1)
    depth = np.where(np.isfinite(chosen), np.minimum(depth, 1 - depth), 0.5)
    tail = float(np.quantile(depth.min(axis=1), 1 - confidence))
    out[use] = np.stack([np.nanquantile(chosen, tail, axis=0), np.nanquantile(chosen, 1 - tail, axis=0)], axis=1)
    return out
