"""A smooth curve over log concurrency, seen through noise that a launch shares and noise of each point: Gaussian processes in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from frontier.pareto.interpolation import FloatArray

IntArray = NDArray[np.int64]
LENGTHS_OCTAVES = (2.0, 4.0)
LAUNCH_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
POINT_FACTORS = (0.5, 1.0, 2.0, 4.0)
FACTOR_SD = 0.7  # of the logarithm of what the noise is, over what it was said to be


@dataclass(frozen=True)
class Prior:
    """What is assumed of one logarithmic quantity before anything is measured.

    Parameters
    ----------
    level_sd, slope_sd : float
        Of the straight line in log2(concurrency) that the curve bends away from; wide, so that the data set it.
    bends : tuple of float
        Candidate sizes of that bending, standard deviations.
    launch_cv, point_cv : float
        Relative standard deviations of a launch and of a point within it, as first guesses.
    """

    level_sd: float
    slope_sd: float
    bends: tuple[float, ...]
    launch_cv: float
    point_cv: float


@dataclass(frozen=True)
class Scales:
    """The sizes that the data set: variances of bending, launches and points, and the length over which the curve bends, octaves."""

    bend_var: float
    length: float
    launch_var: float
    point_var: float


@dataclass(frozen=True, eq=False)
class Series:
    """What was measured of one quantity of one variant; arrays of shape (n,)."""

    octaves: FloatArray
    launch: IntArray
    value: FloatArray


@dataclass(frozen=True, eq=False)
class Posterior:
    """The curve at given places after the measurements, and at the same places as the next measurement of a launch would see it.

    Attributes
    ----------
    mean : float array, shape (m,)
    cov : float array, shape (m, m)
        Of the curve.
    launch_cov : float array, shape (m,)
        Between the curve and the effect of the launch in question (0 for a new launch).
    launch_var : float
        What is not known of that effect.
    """

    mean: FloatArray
    cov: FloatArray
    launch_cov: FloatArray
    launch_var: float


def matern(distance: FloatArray) -> FloatArray:
    """Matern correlation with smoothness 5/2 at a distance in lengths: twice differentiable, so it takes a bend but no jump.

    C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning" (2006), eq. 4.17.
    """
    r = np.sqrt(5.0) * np.abs(distance)
    return np.asarray((1.0 + r + r**2 / 3.0) * np.exp(-r))


def fit_scales(prior: Prior, series: Sequence[Series]) -> Scales:
    """The scales that explain the measurements of all variants best; noise is averaged over what is plausible.

    Parameters
    ----------
    prior : Prior
    series : sequence of Series
        One per variant; they share the scales, not the curve.

    Notes
    -----
    Marginal likelihood times a log-normal prior on the two noise factors, on a grid. The variances of the noise are means over the
    posterior instead of its mode: with two or three launches the mode is often far too small, and a sweep that trusts it stops too early.
    """
    grid = list(product(prior.bends, LENGTHS_OCTAVES, LAUNCH_FACTORS, POINT_FACTORS))
    bend, length, launch, point = (np.array(column) for column in zip(*grid, strict=True))
    launch_var, point_var = (prior.launch_cv * launch) ** 2, (prior.point_cv * point) ** 2
    score = -0.5 * (np.log(launch) ** 2 + np.log(point) ** 2) / FACTOR_SD**2
    for one in series:
        if len(one.value):
            same = (one.launch[:, None] == one.launch[None, :]).astype(float)
            distance = one.octaves[:, None] - one.octaves[None, :]
            trend = prior.level_sd**2 + prior.slope_sd**2 * np.multiply.outer(one.octaves, one.octaves)
            by_length = {scale: matern(distance / scale) for scale in LENGTHS_OCTAVES}
            curve = bend[:, None, None] ** 2 * np.stack([by_length[scale] for scale in length])
            k = trend + curve + launch_var[:, None, None] * same + point_var[:, None, None] * np.eye(len(one.value))
            factor = np.linalg.cholesky(k)
            white = np.linalg.solve(factor, np.broadcast_to(one.value[:, None], (len(grid), len(one.value), 1)))[..., 0]
            score = score - 0.5 * np.sum(white**2, axis=1) - np.sum(np.log(np.diagonal(factor, axis1=1, axis2=2)), axis=1)
    weight = np.exp(score - score.max())
    weight /= weight.sum()
    best = int(np.argmax(score))
    return Scales(float(bend[best] ** 2), float(length[best]), float(weight @ launch_var), float(weight @ point_var))


def posterior(prior: Prior, scales: Scales, series: Series, octaves: FloatArray, launch: int | None) -> Posterior:
    """The curve at given places, and the effect of one launch.

    Parameters
    ----------
    octaves : float array, shape (m,), log2 of concurrency
    launch : int or None
        The launch in question; None is one that has not begun.
    """

    def curve(a: FloatArray, b: FloatArray) -> FloatArray:
        bent = scales.bend_var * matern((a[:, None] - b[None, :]) / scales.length)
        return np.asarray(prior.level_sd**2 + prior.slope_sd**2 * np.multiply.outer(a, b) + bent)

    same = series.launch[:, None] == series.launch[None, :]
    k = curve(series.octaves, series.octaves) + scales.launch_var * same + scales.point_var * np.eye(len(series.value))
    cross = curve(octaves, series.octaves)
    own = np.zeros(len(series.value)) if launch is None else scales.launch_var * (series.launch == launch)
    solved = np.linalg.solve(k, np.column_stack([series.value, cross.T, own]))
    return Posterior(
        mean=cross @ solved[:, 0],
        cov=curve(octaves, octaves) - cross @ solved[:, 1:-1],
        launch_cov=-cross @ solved[:, -1],
        launch_var=float(scales.launch_var - own @ solved[:, -1]),
    )
