"""Two levels of a series through time that do not jump when only coverage changes: matched configurations, and search space on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frontier.pareto import Frontier, grid_over, mean_over, overlap
from frontier.timeline.series import FloatArray, IntArray, Series

_GRID = 33


@dataclass(frozen=True)
class Chain:
    """How the dates of a series hang together through configurations that stand on both.

    Attributes
    ----------
    link : int array, shape (dates,)
        The latest earlier date that shares a configuration with this one; -1 where none does.
    matched : int array, shape (dates,)
        How many configurations the two share.
    component : int array, shape (dates,)
        Dates with one number are linked with one another, over however many dates between.
    weights : float array, shape (dates, cells)
        The matched level of the dates is ``weights @ log values of the cells``.
    """

    link: IntArray
    matched: IntArray
    component: IntArray
    weights: FloatArray


def chain(series: Series) -> Chain:
    """The chain of a series.

    Notes
    -----
    The level of a date is that of the date it is linked to plus the mean log ratio of the configurations the two share (a chained index of
    matched models, as price statistics use it for goods that come and go). A configuration that appears or vanishes moves nothing.
    """
    dates, cells = len(series.dates), len(series.day)
    link, matched, component = np.full(dates, -1), np.zeros(dates, dtype=np.int64), np.zeros(dates, dtype=np.int64)
    weights = np.zeros((dates, cells))
    last = np.full(int(series.configuration.max()) + 1, -1)
    groups = 0
    ends = np.searchsorted(series.day, np.arange(dates + 1))
    for d in range(dates):
        here = np.arange(ends[d], ends[d + 1])
        before = last[series.configuration[here]]
        known = before >= 0
        if known.any():
            link[d] = series.day[before[known]].max()
            use = known & (series.day[before] == link[d])
            matched[d] = use.sum()
            component[d] = component[link[d]]
            weights[d] = weights[link[d]]
            weights[d, here[use]] += 1.0 / matched[d]
            weights[d, before[use]] -= 1.0 / matched[d]
        else:
            component[d] = groups
            groups += 1
        last[series.configuration[here]] = here
    return Chain(link.astype(np.int64), matched, component, weights)


def search_gains(series: Series, linked: Chain, level: FloatArray) -> FloatArray:
    """Log ratio by which settings that no earlier date had tried lift each date's frontier, shape (dates,); 0 where none does.

    Parameters
    ----------
    series : Series
    linked : Chain
    level : float array, shape (dates, 2)
        Matched levels of interactivity and throughput.

    Notes
    -----
    The frontier with the new settings is compared with the one without them on the same date. To both belong also the configurations of
    earlier dates that this date lacks, moved by the matched level since: what a snapshot leaves out says nothing. A load between two loads
    that were tried before with the same settings is not new.
    """
    gains = np.zeros(len(series.dates))
    fresh = _fresh(series)
    values = np.stack([series.log_x, series.log_y], axis=1)
    kept = np.full((int(series.configuration.max()) + 1, 2), np.nan)  # last seen, relative to the level of its date
    of = np.full(len(kept), -1)
    for d in range(len(series.dates)):
        here = np.flatnonzero(series.at(d))
        new = fresh[here]
        if d and new.any() and not new.all():
            absent = np.setdiff1d(np.flatnonzero(of == linked.component[d]), series.configuration[here])
            old = np.concatenate([values[here[~new]], kept[absent] + level[d]])
            gains[d] = _gain(old, values[here[new]])
        kept[series.configuration[here]] = values[here] - level[d]
        of[series.configuration[here]] = linked.component[d]
    return gains


def _fresh(series: Series) -> NDArray[np.bool_]:
    """Which cells bring settings, or a load beyond the tried range, that no earlier date had, shape (cells,)."""
    out = np.zeros(len(series.day), dtype=bool)
    settings = int(series.setting.max()) + 1
    low, high, seen = np.full(settings, np.inf), np.full(settings, -np.inf), np.zeros(settings, dtype=bool)
    for d in range(len(series.dates)):
        here = np.flatnonzero(series.at(d))
        s, load = series.setting[here], series.load[here]
        known = ~np.isnan(load)
        if d:
            out[here] = ~seen[s] | (known & ((load < low[s]) | (load > high[s])))
        seen[s] = True
        np.minimum.at(low, s[known], load[known])
        np.maximum.at(high, s[known], load[known])
    return out


def _gain(old: FloatArray, new: FloatArray) -> float:
    without = Frontier.of(*np.exp(old).T)
    whole = Frontier.of(*np.exp(np.concatenate([old, new])).T)
    grid = grid_over(overlap(without, whole), _GRID)
    if not len(grid):
        return 0.0
    # A point between two distant ones lifts the staircase by much and may still lie below the curve through them; only what both readings show
    # is a gain.
    attained = float(mean_over(grid, np.log(whole.attained(grid) / without.attained(grid))))
    interpolated = float(mean_over(grid, np.log(whole.interpolated(grid) / without.interpolated(grid))))
    return max(0.0, min(attained, interpolated))
