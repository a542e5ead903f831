"""Numbers for JSON documents: undefined is null, never zero and never NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from frontier.attribution.resampling import FloatArray, interval


def number(value: float | np.floating[Any] | FloatArray | None) -> float | None:
    """A JSON number; None where undefined."""
    return None if value is None or not np.isfinite(value) else float(value)


def ratio_bounds(draws: FloatArray | None, confidence: float) -> list[float] | None:
    """Interval of exp(draws), or None."""
    found = None if draws is None else interval(draws, confidence)
    return None if found is None else [float(np.exp(found[0])), float(np.exp(found[1]))]


def area_bounds(draws: FloatArray | None, log_ratio: float, confidence: float) -> list[float] | None:
    """Interval of a hypervolume ratio from draws of the ratio of areas under interpolated frontiers, or None.

    The hypervolume is the area under the staircase, the draws are areas under the interpolated curve, which is larger on both sides; so the
    spread of the draws around their median is laid around the hypervolume's own log ratio.
    """
    if draws is None:
        return None
    return ratio_bounds(draws - float(np.nanmedian(draws)) + log_ratio, confidence)
