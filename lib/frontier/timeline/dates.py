"""The dates of a series as they stand in the document: what was published, the levels, and the levels' segments as throughputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frontier.pareto import Frontier, frontier_values
from frontier.timeline.compact import images_of
from frontier.timeline.series import FloatArray, Series
from frontier.timeline.signals import Chain

_AT_GRID = 33
_MOSTLY = 0.8  # share of dates that must have a throughput at the common interactivity for it to be drawn
_BAND_DRAWS = 200


@dataclass(frozen=True)
class Levels:
    """Levels of the dates, each of shape (dates,) where nothing else is said.

    Attributes
    ----------
    matched : float array, shape (dates, 2)
        Log levels of interactivity and throughput of matched configurations.
    total : float array
        That of throughput with what new settings added.
    sd : float array
        Standard deviation of one date's level; NaN where a date stands alone.
    segment : int array
        Number of the level the date belongs to.
    """

    matched: FloatArray
    total: FloatArray
    sd: FloatArray
    segment: NDArray[np.int64]


def dated(series: Series, linked: Chain, levels: Levels, null: FloatArray) -> dict[str, Any]:
    """``interactivity_tok_s_user``, ``quantity``, ``dates`` and ``segments`` of a series' entry.

    Parameters
    ----------
    null : float array, shape (draws, cells, 2)
        Drawn errors of the cells' interactivity and throughput.
    """
    frontiers = [Frontier.of(np.exp(series.log_x[here]), np.exp(series.log_y[here])) for here in (series.at(d) for d in range(len(series.dates)))]
    at = _common_interactivity(frontiers)
    read = np.array([float(f.interpolated(np.array([at]))[0]) for f in frontiers])
    peak = np.array([f.peak for f in frontiers])
    whole = {int(number): _Completed.of(series, levels, int(number)) for number in np.unique(levels.segment)}
    filled = np.full(len(read), np.nan)
    for completed in whole.values():
        filled[completed.days] = completed.at(np.array([at]))[:, 0]
    quantity = "throughput_at" if np.isfinite(filled).mean() >= _MOSTLY else "peak"
    if quantity == "peak":
        for completed in whole.values():
            filled[completed.days] = completed.peak()
    images = _images(series)
    counts = series.frame["date"].value_counts()
    return {
        "interactivity_tok_s_user": at,
        "quantity": quantity,
        "dates": [
            {
                "date": date,
                "images": images.get(date, []),
                "points": int(counts[date]),
                "peak": float(peak[d]),
                "throughput_at": _number(read[d]),
                "matched_with": None if linked.link[d] < 0 else series.dates[linked.link[d]],
                "matched_configurations": int(linked.matched[d]),
                "matched_log": _number(levels.matched[d, 1]),
                "level_log": _number(levels.total[d]),
                "level_sd": _number(levels.sd[d]),
                "adjusted": _number(filled[d]),
                "segment": int(levels.segment[d]),
            }
            for d, date in enumerate(series.dates)
        ],
        "segments": [_segment(series, completed, filled, at if quantity == "throughput_at" else None, null) for completed in whole.values()],
    }


def _images(series: Series) -> dict[str, list[str]]:
    """The images that the rows of each date name."""
    stated = series.frame[["date", "image", "engine_version"]].drop_duplicates()
    return {str(date): images_of(rows) for date, rows in stated.groupby("date", sort=False)}


def _common_interactivity(frontiers: Sequence[Frontier]) -> float:
    """The interactivity that most frontiers cover; of several the middle one."""
    grid = np.linspace(min(float(f.x[0]) for f in frontiers), max(f.reach for f in frontiers), _AT_GRID)
    low, high = np.array([f.x[0] for f in frontiers]), np.array([f.reach for f in frontiers])
    covered = ((low[:, None] <= grid) & (grid <= high[:, None])).sum(axis=0)
    best = np.flatnonzero(covered == covered.max())
    return float(grid[best[len(best) // 2]])


@dataclass(frozen=True)
class _Completed:
    """The dates of one segment, each with all configurations of the segment: those it lacks stand where the others of the segment have them.

    Attributes
    ----------
    number : int
    days : int array, shape (d,)
    x, y : float array, shape (d, configurations)
        Log interactivity and throughput.
    cells : int array, shape (first date's cells,)
        Cells of the segment's first date.
    """

    number: int
    days: NDArray[np.intp]
    x: FloatArray
    y: FloatArray
    cells: NDArray[np.intp]

    @classmethod
    def of(cls, series: Series, levels: Levels, number: int) -> _Completed:
        days = np.flatnonzero(levels.segment == number)
        cells = np.flatnonzero(np.isin(series.day, days))
        row = np.searchsorted(days, series.day[cells])
        configurations, column = np.unique(series.configuration[cells], return_inverse=True)
        out = []
        for axis, logs in enumerate((series.log_x, series.log_y)):
            table = np.full((len(days), len(configurations)), np.nan)
            table[row, column] = logs[cells] - levels.matched[series.day[cells], axis]
            table = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
            out.append(table + levels.matched[days, axis][:, None])
        return cls(number, days, out[0], out[1], cells[series.day[cells] == days[0]])

    def at(self, grid: FloatArray) -> FloatArray:
        """Throughput of each date's frontier at the interactivities of a grid, shape (d, m)."""
        return frontier_values(np.exp(self.x), np.exp(self.y), grid)

    def peak(self) -> FloatArray:
        """The largest throughput of each date, shape (d,)."""
        return np.asarray(np.exp(self.y.max(axis=1)))


def _segment(series: Series, completed: _Completed, filled: FloatArray, at: float | None, null: FloatArray) -> dict[str, Any]:
    """A level: its dates, its mean, and the range in which 95 % of single dates lie when nothing changes (by draws of the first date's errors)."""
    days, draws = completed.days, null[:_BAND_DRAWS]
    logs = np.log(filled[days])
    known = np.isfinite(logs)
    mean = float(np.exp(logs[known].mean())) if known.any() else None
    columns = np.searchsorted(np.unique(series.configuration[np.isin(series.day, days)]), series.configuration[completed.cells])
    x, y = (np.tile(table[0], (len(draws), 1)) for table in (completed.x, completed.y))
    x[:, columns] += draws[:, completed.cells, 0]
    y[:, columns] += draws[:, completed.cells, 1]
    values = np.exp(y).max(axis=1) if at is None else frontier_values(np.exp(x), np.exp(y), np.array([at]))[:, 0]
    spread = np.log(values[np.isfinite(values)])
    noise = None
    if mean is not None and len(spread) > len(draws) / 2:
        noise = [mean * float(np.exp(bound)) for bound in np.quantile(spread - np.median(spread), (0.025, 0.975))]
    return {"segment": completed.number, "from": series.dates[days[0]], "to": series.dates[days[-1]], "level": mean, "noise95": noise}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
