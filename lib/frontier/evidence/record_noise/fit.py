"""Empirical Bayes fit of how much repeated runs differ: configurations in groups, groups in the record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Log standard deviations: from 0.005 % to 100 %.
GRID = np.linspace(np.log(5e-5), 0.0, 120)
TINY = 1e-300  # keeps logarithms of weights that underflow defined
FLOOR = 1e-4  # values are rounded; two runs that agree further than this agree by rounding


@dataclass(frozen=True)
class Spread:
    """Distribution of the log standard deviation of one coordinate.

    Attributes
    ----------
    centre, between_groups, within_groups : float
        Mean of the groups' log standard deviations, their standard deviation, and that of configurations about their group.
    idle_gain : float
        Further standard deviation per unit of idle share (see :func:`~frontier.evidence.record_noise.repeats.idle_share`).
    groups : mapping group -> (mean, standard deviation)
        Posterior of each group's own centre.
    """

    centre: float
    between_groups: float
    within_groups: float
    idle_gain: float
    groups: dict[str, tuple[float, float]]


def fit_spread(group: NDArray[np.object_], runs: NDArray[np.int64], squares: FloatArray, idle: FloatArray | None) -> Spread:
    """Spread of one coordinate by maximum marginal likelihood.

    Parameters
    ----------
    group : object array, shape (configurations,)
    runs : int array, shape (configurations,), at least 2
    squares : float array, shape (configurations,)
        Sums of squares of the runs about their mean.
    idle : float array, shape (configurations,), or None
        Idle shares; None where they cannot matter.

    Notes
    -----
    Errors of one configuration are normal with standard deviation s; log s is normal about the centre of its group, and centres are normal about
    that of the record. The sum of squares of n runs about their mean is s^2 times a chi-square of n - 1 degrees of freedom. The two levels are
    summed over a grid, so that nothing but the grid is approximate. An error of unknown s is heavy-tailed although each configuration's is normal.
    """
    evidence = _Evidence.of(group, runs, squares, idle)

    def loss(free: FloatArray) -> float:
        centre, between, within = free[0], float(np.exp(free[1])), float(np.exp(free[2]))
        logs = evidence.by_group(within, float(np.exp(free[3])) if idle is not None else 0.0)
        top = logs.max(axis=1, keepdims=True)
        marginal = np.log((np.exp(logs - top) * _normal(GRID[None, :], centre, between)).sum(axis=1) + TINY) + top[:, 0]
        # Weak priors keep the two standard deviations of log s from 0 and from infinity when there are few groups.
        return float(-marginal.sum() + 0.5 * (between**2 + within**2) - np.log(between) - np.log(within))

    raw = 0.5 * np.log(evidence.squares[:, 0] / evidence.dof[:, 0])
    start = np.array([raw.mean(), np.log(0.5), np.log(0.5), np.log(0.05)][: 4 if idle is not None else 3])
    from scipy.optimize import minimize  # noise is fitted seldom, and its model is read by every process that attributes

    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-3, "fatol": 1e-3})
    gain = float(np.exp(found.x[3])) if idle is not None else 0.0
    whole = Spread(float(found.x[0]), float(np.exp(found.x[1])), float(np.exp(found.x[2])), gain, {})
    return replace(whole, groups=evidence.centres(whole))


def refit_groups(
    spread: Spread, group: NDArray[np.object_], runs: NDArray[np.int64], squares: FloatArray, idle: FloatArray | None
) -> Spread:
    """The same distribution with the groups' centres from other configurations; groups without any are dropped."""
    return replace(spread, groups=_Evidence.of(group, runs, squares, idle).centres(spread)) if len(group) else replace(spread, groups={})


@dataclass(frozen=True)
class _Evidence:
    """What configurations say of the standard deviations on the grid."""

    names: list[str]
    member: FloatArray  # (groups, configurations)
    dof: FloatArray  # (configurations, 1)
    squares: FloatArray  # (configurations, 1)
    idle: FloatArray | None

    @classmethod
    def of(cls, group: NDArray[np.object_], runs: NDArray[np.int64], squares: FloatArray, idle: FloatArray | None) -> _Evidence:
        names = sorted({str(name) for name in group})
        dof = (runs - 1).astype(float)[:, None]
        member = np.array([[g == name for g in group] for name in names], dtype=float)
        return cls(names, member, dof, np.maximum(squares[:, None], FLOOR**2 * dof), idle)

    def by_group(self, within: float, gain: float) -> FloatArray:
        """Log likelihood of each group's centre, shape (groups, grid)."""
        variance = np.exp(2 * GRID)[None, :] + (0.0 if self.idle is None else (gain * self.idle[:, None]) ** 2)
        logs = -0.5 * self.dof * np.log(variance) - 0.5 * self.squares / variance
        top = logs.max(axis=1, keepdims=True)
        kernel = _normal(GRID[:, None], GRID[None, :], within)
        return np.asarray(self.member @ (np.log(np.exp(logs - top) @ kernel + TINY) + top))

    def centres(self, spread: Spread) -> dict[str, tuple[float, float]]:
        """Posterior mean and standard deviation of each group's centre."""
        logs = self.by_group(spread.within_groups, spread.idle_gain) + np.log(_normal(GRID, spread.centre, spread.between_groups) + TINY)[None, :]
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = weight @ GRID
        sd = np.sqrt(np.maximum((weight * (GRID[None, :] - mean[:, None]) ** 2).sum(axis=1), 0.0))
        return {name: (float(m), float(s)) for name, m, s in zip(self.names, mean, sd, strict=True)}


def shared_part(values: FloatArray, scale: FloatArray, night: NDArray[np.int64]) -> float:
    """Correlation of the errors of different configurations of one night, at least 0.

    Parameters
    ----------
    values, scale : float array, shape (runs,)
        Deviations and the standard deviations of their configurations.
    night : int array, shape (runs,)
    """
    z = pd.Series(np.clip(values / scale, -3.0, 3.0)).groupby(night)
    total, square, count = z.sum(), z.apply(lambda v: float((v**2).sum())), z.size()
    pairs = float((count * (count - 1)).sum())
    return max(0.0, float((total**2 - square).sum()) / pairs) if pairs else 0.0


def _normal(at: FloatArray, centre: float | FloatArray, sd: float) -> FloatArray:
    """Weights of a normal distribution on the grid."""
    step = float(GRID[1] - GRID[0])
    width = max(sd, step)  # narrower than the grid a kernel would fall between its points
    return np.asarray(step / (width * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((at - centre) / width) ** 2))
