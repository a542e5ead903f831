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
