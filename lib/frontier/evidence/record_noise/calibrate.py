"""How much the fitted spread must be widened so that nights without change are rarely called a shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.record_noise.repeats import configuration_numbers, series_names, unchanged
from frontier.evidence.record_noise.stalls import FloatArray, stalled
from frontier.pareto import Frontier, frontier_values, shift
from frontier.records import INTERACTIVITY, METRICS

RESAMPLES, GRID_POINTS = 1000, 17
# 3 % and not 5 % of the pairs: a bad night spoils two pairs, so that the pairs are fewer than they look.
QUANTILE = 0.97

Draw = Callable[[pd.DataFrame, int, np.random.Generator], tuple[FloatArray, FloatArray]]


def night_pairs(points: pd.DataFrame, nights: tuple[str, str]) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame, bool]]:
    """Consecutive nights of every series without a known change: its name, the two nights, and whether a machine held up some run of theirs.

    Both nights are cut to the configurations that ran on both, at least two. Only rows that name neither image nor engine version are taken, and
    only those of the stated nights.
    """
    rows = unchanged(points, nights)
    rows = rows[rows["date"].between(*nights) & rows["image"].isna() & rows["engine_version"].isna()].reset_index(drop=True)
    for name, series in rows.groupby(series_names(rows), sort=True) if len(rows) else ():
        code = configuration_numbers(series, software=False)
        held = stalled(series, code) > 0
        date = series["date"].to_numpy(dtype=object)
        dates = sorted(set(date))
        for first, second in pairwise(dates):
            both = np.isin(code, np.intersect1d(code[date == first], code[date == second]))
            one, two = both & (date == first), both & (date == second)
            if one.sum() > 1:
                yield str(name), series[one], series[two], bool(held[one | two].any())


def needed_widening(before: pd.DataFrame, after: pd.DataFrame, draw: Draw, rng: np.random.Generator) -> float:
    """The factor on the errors at which the 95 % interval of the headline ratio just reaches 1; NaN where the frontiers share no range.

    Below 1 the interval holds 1 already.
    """
    sides = [(frame[INTERACTIVITY].to_numpy(float), frame[METRICS["total"]].to_numpy(float)) for frame in (before, after)]
    moved = shift(Frontier.of(*sides[0]), Frontier.of(*sides[1]), grid_points=GRID_POINTS)
    if not np.isfinite(moved.log_ratio) or not len(moved.grid):
        return float("nan")
    cut = len(before)
    dx, dy = draw(pd.concat([before, after], ignore_index=True), RESAMPLES, rng)
    curves = [
        frontier_values(x * np.exp(dx[:, part]), y * np.exp(dy[:, part]), moved.grid)
        for (x, y), part in zip(sides, (slice(cut), slice(cut, None)), strict=True)
    ]
    logs = np.log(curves[1]) - np.log(curves[0])
    defined = ~np.isnan(logs)
    use = defined.any(axis=1)
    if use.mean() < 0.5:
        return float("nan")
    means = np.where(defined, logs, 0.0)[use].sum(axis=1) / defined[use].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    reach = moved.log_ratio - low if moved.log_ratio > 0 else high - moved.log_ratio
    return float(abs(moved.log_ratio) / reach) if reach > 0 else float("inf")


def widening(needed: NDArray[np.float64]) -> float:
    """The factor for all errors from those that single pairs of nights need: their ``QUANTILE``, at least 1; 1 without any pair."""
    known = needed[~np.isnan(needed)]
    return max(1.0, float(np.quantile(known, QUANTILE, method="higher"))) if len(known) else 1.0
