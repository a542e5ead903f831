"""The two readings of a frontier between its points: the attained staircase and Steffen's monotone cubic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def staircase(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """The throughput attained at an interactivity of at least ``at``: conservative, nothing between the points is assumed.

    Parameters
    ----------
    x : float array, shape (n,), tokens/s/user, ascending
    y : float array, shape (n,), tokens/s/GPU, descending
    at : float array, shape (m,), tokens/s/user

    Returns
    -------
    float array, shape (m,); NaN above the largest ``x``

    Notes
    -----
    This is the step curve that the MLPerf Endpoints draft prescribes: a point that is faster per user than asked also satisfies the demand.
    """
    at = np.asarray(at, dtype=float)
    position = np.searchsorted(x, at, side="left")
    inside = position < len(x)
    out = np.full(at.shape, np.nan)
    out[inside] = y[position[inside]]
    return out


def steffen(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """Steffen's monotone cubic through the points, as the InferenceX dashboard draws a frontier; never extrapolated.

    Parameters
    ----------
    x : float array, shape (n,), strictly ascending
    y : float array, shape (n,)
    at : float array, shape (m,)

    Returns
    -------
    float array, shape (m,); NaN outside ``[x[0], x[-1]]``

    Notes
    -----
    M. Steffen, "A simple method for monotonic interpolation in one dimension", Astronomy and Astrophysics 239 (1990) 443-450:
    the interior slope is (sign s0 + sign s1) min(\\|s0\\|, \\|s1\\|, \\|p\\|/2) with p the slope of the parabola through three points (eq. 11).
    The end slopes are those of the cubic whose second derivative vanishes at the end, (3 s - t)/2, as in d3's ``curveMonotoneX``
    (d3-shape 3.2), which the dashboard uses.
    """
    at = np.asarray(at, dtype=float)
    n = len(x)
    if n == 1:
        return np.where(at == x[0], y[0], np.nan)
    slopes = steffen_slopes(x, y)
    cell = np.clip(np.searchsorted(x, at, side="right") - 1, 0, n - 2)
    h = x[cell + 1] - x[cell]
    t = (at - x[cell]) / h
    value = _hermite(t, h, y[cell], y[cell + 1], slopes[cell], slopes[cell + 1])
    return np.where((at >= x[0]) & (at <= x[-1]), value, np.nan)


def steffen_slopes(x: FloatArray, y: FloatArray) -> FloatArray:
    """Slopes of :func:`steffen` at the points, along the last axis of arrays of shape (..., n), n >= 2."""
    h = np.diff(x, axis=-1)
    s = np.diff(y, axis=-1) / h
    if x.shape[-1] == 2:
        return np.concatenate([s, s], axis=-1)
    s0, s1, h0, h1 = s[..., :-1], s[..., 1:], h[..., :-1], h[..., 1:]
    p = (s0 * h1 + s1 * h0) / (h0 + h1)
    inner = (np.sign(s0) + np.sign(s1)) * np.minimum(np.minimum(np.abs(s0), np.abs(s1)), 0.5 * np.abs(p))
    first = (3 * s[..., :1] - inner[..., :1]) / 2
    last = (3 * s[..., -1:] - inner[..., -1:]) / 2
    return np.concatenate([first, inner, last], axis=-1)


def _hermite(t: FloatArray, h: FloatArray, y0: FloatArray, y1: FloatArray, d0: FloatArray, d1: FloatArray) -> FloatArray:
    """Cubic Hermite value at the relative position ``t`` of a cell of width ``h``."""
    u = 1.0 - t
    return y0 * (1 + 2 * t) * u * u + d0 * h * t * u * u + y1 * t * t * (3 - 2 * t) - d1 * h * t * t * u
