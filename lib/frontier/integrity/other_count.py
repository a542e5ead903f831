"""Whether a throughput per GPU, with Little's law, fits another number of GPUs than the recorded one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.cold_start import cold_start
from frontier.integrity.columns import BoolArray, FloatArray, number, predicted, text, true
from frontier.integrity.memory import once
from frontier.integrity.steady import ratio_by_total, steady_ratio

# Recorded over fitting count that a slip in the denominator makes: one role of two, TP times EP, a node for a card.
FACTORS = (2.0, 3.0, 4.0, 8.0, 16.0, 32.0, 64.0)
# Above 1 the ratio is impossible, so the nearest factor is taken generously. Below, slow windows are possible too, so it must be met closely.
ABOVE, CLOSE = 0.20, 0.06
IMPOSSIBLE = 1.30
# A row whose slowest requests stay this near the median had no start-up and no stall that could have emptied its window.
CALM_TAIL = 1.6


@once
def count_factor(frame: pd.DataFrame) -> FloatArray:
    """Recorded over fitting GPU count of each row; NaN where the recorded one fits or nothing can be said. Shape (rows,).

    ``factor`` f means: the row's throughput per GPU is that of ``gpus / f`` GPUs; a role's share of the GPUs is a candidate beside ``FACTORS``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = ratio_by_total(frame) / steady_ratio(frame)
        shares = [number(frame, "gpus") / number(frame, f"{role}_gpus") for role in ("prefill", "decode")]
        candidates = np.stack([*(np.full(len(frame), factor) for factor in FACTORS), *shares], axis=1)
        candidates = np.concatenate([candidates, 1 / candidates], axis=1)
        miss = np.abs(np.log(size[:, None] / candidates))
    miss = np.where(np.isfinite(miss), miss, np.inf)
    best = miss.argmin(axis=1)
    factor = np.take_along_axis(candidates, best[:, None], axis=1)[:, 0]
    miss = miss.min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        calm = number(frame, "p99_e2el_s") <= CALM_TAIL * number(frame, "median_e2el_s")
        above = (size > IMPOSSIBLE) & (miss <= ABOVE)
        below = (size < 1 / IMPOSSIBLE) & (miss <= CLOSE) & calm & ~true(frame, "disagg") & ~cold_start(frame).to_numpy()
    derived = text(frame, "flags").str.contains("littles_law").to_numpy(dtype=bool) | predicted(frame)
    open_loop = np.isfinite(number(frame, "request_rate_per_s"))
    return np.where((above | below) & ~derived & ~open_loop, factor, np.nan)


def fits_other_count(frame: pd.DataFrame) -> BoolArray:
    """Rows for which :func:`count_factor` is defined; shape (rows,)."""
    return np.asarray(np.isfinite(count_factor(frame)))
