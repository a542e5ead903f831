"""Many frontiers at once: the values of resampled frontiers on a grid.

moocore builds one frontier per call; resampling needs thousands, so dominance and Steffen's curve are vectorized over rows here.
Both are tested against :class:`frontier.pareto.Frontier`, which uses moocore.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frontier.pareto.interpolation import FloatArray, _hermite, steffen_slopes


def nondominated_mask(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """Which points are on the frontier of their row; NaN points never are, of equal points one stays.

    Parameters
    ----------
    x, y : float array, shape (rows, points)
    """
    mask, order = _ranked(x, y)
    out = np.zeros(x.shape, dtype=bool)
    np.put_along_axis(out, order, mask, axis=1)
    return out


def _ranked(x: FloatArray, y: FloatArray) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Non-dominated mask in the order of falling interactivity, and that order."""
    missing = np.isnan(x) | np.isnan(y)
    xs = np.where(missing, -np.inf, x)
    ys = np.where(missing, -np.inf, y)
    # Equal interactivity: the higher throughput must come first, so that the running maximum drops the lower one.
    by_y = np.argsort(-ys, axis=1, kind="stable")
    by_x = np.argsort(-np.take_along_axis(xs, by_y, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(by_y, by_x, axis=1)
    falling = np.take_along_axis(ys, order, axis=1)
    best_before = np.maximum.accumulate(falling, axis=1)
    best_before = np.concatenate([np.full((len(x), 1), -np.inf), best_before[:, :-1]], axis=1)
    return falling > best_before, order


def frontier_values(x: FloatArray, y: FloatArray, grid: FloatArray, *, attain: bool = False) -> FloatArray:
    """Steffen-interpolated frontier of each row at the interactivities of ``grid``.

    Parameters
    ----------
    x, y : float array, shape (rows, points)
        Points; NaN where a row lacks one.
    grid : float array, shape (m,)
    attain : bool
        Below the interactivity of the peak throughput take the peak, which satisfies the lower demand too, instead of NaN.

    Returns
    -------
    float array, shape (rows, m), tokens/s/GPU; NaN outside the row's range
    """
    rows = len(x)
    mask, order = _ranked(x, y)
    counts = mask.sum(axis=1)
    width = int(counts.max(initial=0))
    out = np.full((rows, len(grid)), np.nan)
    if width == 0:
        return out
    # Compact each row's frontier to the left, rising in x; padding repeats past the end with growing x so that slopes stay finite.
    columns = np.argsort(~mask[:, ::-1], axis=1, kind="stable")[:, :width]
    chosen = np.take_along_axis(order[:, ::-1], columns, axis=1)
    fx = np.take_along_axis(x, chosen, axis=1)
    fy = np.take_along_axis(y, chosen, axis=1)
    for n in np.unique(counts[counts > 0]):
        same = counts == n
        out[same] = _steffen_rows(fx[same, :n], fy[same, :n], grid)
        if attain:
            out[same] = np.where(grid < fx[same, :1], fy[same, :1], out[same])
    return out


def _steffen_rows(fx: FloatArray, fy: FloatArray, grid: FloatArray) -> FloatArray:
    """Steffen's curve of frontiers with one number of points, shape (rows, n), at a common grid."""
    rows, n = fx.shape
    at = np.broadcast_to(grid, (rows, len(grid)))
    if n == 1:
        return np.where(at == fx, fy, np.nan)
    slopes = steffen_slopes(fx, fy)
    # One searchsorted for all rows: shift every row into an interval of its own.
    low = min(float(fx.min()), float(grid.min()))
    span = max(float(fx.max()), float(grid.max())) - low + 1.0
    offset = np.arange(rows)[:, None] * span
    flat = np.searchsorted((fx - low + offset).ravel(), (at - low + offset).ravel(), side="right").reshape(at.shape)
    cell = np.clip(flat - np.arange(rows)[:, None] * n - 1, 0, n - 2)
    x0, x1 = np.take_along_axis(fx, cell, 1), np.take_along_axis(fx, cell + 1, 1)
    h = x1 - x0
    value = _hermite(
        (at - x0) / h, h, np.take_along_axis(fy, cell, 1), np.take_along_axis(fy, cell + 1, 1),
        np.take_along_axis(slopes, cell, 1), np.take_along_axis(slopes, cell + 1, 1),
    )
    return np.where((at >= fx[:, :1]) & (at <= fx[:, -1:]), value, np.nan)
