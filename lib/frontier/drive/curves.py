"""What a sweep is to make certain, as a number of the curve, and how that number moves when the curve does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frontier.errors import UsageError
from frontier.pareto import Frontier
from frontier.pareto.interpolation import FloatArray, steffen_slopes


def interpolated_hypervolume(x: ArrayLike, y: ArrayLike, reference: tuple[float, float] = (0.0, 0.0)) -> float:
    """Area between the interpolated frontier of points and a reference point.

    Parameters
    ----------
    x, y : float array, shape (n,), tokens/s/user and tokens/s/GPU
    reference : (float, float)
        Tokens/s/user and tokens/s/GPU; below the interactivity of the peak throughput the frontier is the peak.

    Returns
    -------
    float, the product of both units

    Raises
    ------
    PointsError
        If there is no point, or a rate is not finite and positive.
    UsageError
        If the reference is not below every frontier point.

    Notes
    -----
    Exact: the integral of a cubic Hermite cell of width h is h (y0 + y1) / 2 + h^2 (d0 - d1) / 12.
    """
    frontier = Frontier.of(x, y)
    fx, fy = frontier.x, frontier.y - reference[1]
    if reference[0] > fx[0] or fy[-1] < 0:
        raise UsageError(f"the reference {reference} must not lie above a frontier point, got ({fx[0]:g}, {frontier.y[-1]:g}) on the frontier")
    area = float((fx[0] - reference[0]) * fy[0])
    if len(fx) == 1:
        return area
    h, d = np.diff(fx), steffen_slopes(fx, fy)
    return area + float(np.sum(h * (fy[:-1] + fy[1:]) / 2 + h**2 * (d[:-1] - d[1:]) / 12))


def dense_hypervolume(x: FloatArray, y: FloatArray, reference: tuple[float, float]) -> tuple[float, FloatArray, FloatArray]:
    """Hypervolume of a densely sampled curve, and its derivatives by the logarithm of every coordinate, relative to it.

    Parameters
    ----------
    x, y : float array, shape (n,)

    Returns
    -------
    value, by_log_x, by_log_y : float, and float arrays of shape (n,): d log(value) / d log(x), d log(value) / d log(y)

    Notes
    -----
    Trapezoids between the points in the order of falling interactivity under the running maximum of throughput; a dominated stretch of the
    curve gets derivative 0, so nothing is spent on it. Coordinates below the reference count as the reference.
    """
    order = np.argsort(-x, kind="stable")
    fx, fy = np.maximum(x[order] - reference[0], 0.0), np.maximum(y[order] - reference[1], 0.0)
    top = _argmax_so_far(fy)
    cy = fy[top]
    value = float(fx[-1] * cy[-1] + np.sum((cy[:-1] + cy[1:]) / 2 * (fx[:-1] - fx[1:])))
    if value <= 0:
        raise UsageError(f"the curve does not rise above the reference {reference}")
    padded = np.concatenate([[-cy[0]], cy, [cy[-1]]])
    by_x = (padded[2:] - padded[:-2]) / 2
    width = np.concatenate([fx[:-1] - fx[1:], [2 * fx[-1]]])
    by_y = np.zeros_like(fy)
    np.add.at(by_y, top, (width + np.concatenate([[0.0], width[:-1]])) / 2)
    out_x, out_y = np.empty_like(x), np.empty_like(y)
    out_x[order] = by_x * x[order] / value
    out_y[order] = by_y * y[order] / value
    return value, out_x, out_y


def mean_log_throughput(x: FloatArray, y: FloatArray, span: tuple[float, float]) -> tuple[float, FloatArray, FloatArray]:
    """Mean logarithm of the frontier's throughput over a range of interactivity, and its derivatives by log x and log y.

    The value is what differences between variants are taken of in an attribution; a frontier that ends within the range is held at its ends.
    """
    at = np.linspace(span[0], span[1], 65)
    base = _mean_log(x, y, at)
    step = 1e-4
    by_x, by_y = np.empty_like(x), np.empty_like(y)
    for i in range(len(x)):
        moved = x.copy()
        moved[i] *= np.exp(step)
        by_x[i] = (_mean_log(moved, y, at) - base) / step
        moved = y.copy()
        moved[i] *= np.exp(step)
        by_y[i] = (_mean_log(x, moved, at) - base) / step
    return base, by_x, by_y


def _mean_log(x: FloatArray, y: FloatArray, at: FloatArray) -> float:
    order = np.argsort(-x, kind="stable")
    best = np.maximum.accumulate(y[order])
    return float(np.mean(np.log(np.interp(at, x[order][::-1], best[::-1]))))


def _argmax_so_far(values: FloatArray) -> NDArray[np.intp]:
    """Position of the largest value up to each position, the first of equal ones."""
    best = np.maximum.accumulate(values)
    new = np.concatenate([[True], best[1:] > best[:-1]])
    return np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
