"""The shift from one frontier to another: ratios at equal interactivity and what lies outside the overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from frontier.errors import PointsError
from frontier.pareto.frontier import Frontier
from frontier.pareto.interpolation import FloatArray


@dataclass(frozen=True)
class Shift:
    """What moved between two frontiers.

    Attributes
    ----------
    grid : float array, shape (m,), tokens/s/user; empty when the ranges do not overlap
    before, after : float array, shape (m,), tokens/s/GPU
    log_ratio : float
        Mean of log(after / before) over the overlap, uniform in interactivity; NaN without overlap.
    log_ratio_attained : float
        The same between the two staircases, which assume nothing between the points.
    peak_ratio, max_interactivity_ratio, hypervolume_ratio : float
    reference : (float, float)
        Reference point of the hypervolume, tokens/s/user and tokens/s/GPU.
    overlap : (float, float) or None
    newly_reached : (float, float) or None
        Interactivities that only the second frontier reaches beyond the first one's reach.
    """

    grid: FloatArray
    before: FloatArray
    after: FloatArray
    log_ratio: float
    log_ratio_attained: float
    peak_ratio: float
    max_interactivity_ratio: float
    hypervolume_ratio: float
    reference: tuple[float, float]
    overlap: tuple[float, float] | None
    newly_reached: tuple[float, float] | None

    @property
    def ratios(self) -> FloatArray:
        """after / before on the grid, shape (m,)."""
        return np.asarray(self.after / self.before)


def overlap(*frontiers: Frontier) -> tuple[float, float] | None:
    """The interactivities that all frontiers cover, or None."""
    low = max(float(f.x[0]) for f in frontiers)
    high = min(f.reach for f in frontiers)
    return (low, high) if high >= low else None


def grid_over(span: tuple[float, float] | None, points: int) -> FloatArray:
    """Equally spaced interactivities over a range; empty for None."""
    if span is None:
        return np.empty(0)
    return np.array([span[0]]) if span[0] == span[1] else np.linspace(span[0], span[1], points)


def area(curves: FloatArray, grid: FloatArray) -> FloatArray:
    """Area under curves of shape (..., m) over ``grid`` (m,); undefined values count as nothing."""
    return np.asarray(np.trapezoid(np.nan_to_num(curves, nan=0.0), grid, axis=-1))


def mean_over(grid: FloatArray, values: FloatArray) -> FloatArray:
    """Mean of ``values`` (..., m) over the range of ``grid`` (m,), by the trapezoid rule; one grid point: its value."""
    if len(grid) == 1 or grid[-1] == grid[0]:
        return np.asarray(values[..., 0])
    return np.asarray(np.trapezoid(values, grid, axis=-1) / (grid[-1] - grid[0]))


def shift(
    before: Frontier,
    after: Frontier,
    *,
    grid_points: int = 65,
    reference: tuple[float, float] = (0.0, 0.0),
    curves: tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]] | None = None,
) -> Shift:
    """The shift from ``before`` to ``after``.

    Parameters
    ----------
    curves : pair of callable, optional
        Throughput of the two sides at given interactivities; by default the frontiers' Steffen curves.
    grid_points : int, >= 2
        Interactivities, equally spaced over the overlap, at which the ratio is evaluated.

    Raises
    ------
    PointsError
        If ``grid_points`` is below 2.
    """
    if grid_points < 2:
        raise PointsError(f"grid_points must be at least 2, got {grid_points}")
    span = overlap(before, after)
    grid = grid_over(span, grid_points)
    read = (before.interpolated, after.interpolated) if curves is None else curves
    low, high = read[0](grid), read[1](grid)
    return Shift(
        grid=grid,
        before=low,
        after=high,
        log_ratio=float(mean_over(grid, np.log(high / low))) if len(grid) else float("nan"),
        log_ratio_attained=float(mean_over(grid, np.log(after.attained(grid) / before.attained(grid)))) if len(grid) else float("nan"),
        peak_ratio=after.peak / before.peak,
        max_interactivity_ratio=after.reach / before.reach,
        hypervolume_ratio=after.hypervolume(reference) / before.hypervolume(reference),
        reference=reference,
        overlap=span,
        newly_reached=(before.reach, after.reach) if after.reach > before.reach else None,
    )
