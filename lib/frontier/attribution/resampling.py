"""Intervals by resampling at the level at which runs are independent: launches of a server, not requests and not runs within a launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
OWN_LAUNCHES = 6  # with this many launches a cell's own spread is used, below it the spread pooled over cells


def launch_means(values: FloatArray) -> FloatArray:
    """Mean over launches of values of shape (launches, points); a point that some launches lack is averaged over those that have it."""
    counts = np.sum(~np.isnan(values), axis=0)
    total = np.nansum(values, axis=0)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True)
class LaunchNoise:
    """Spread between launches, as log residuals of both coordinates, and draws of the means it implies.

    Attributes
    ----------
    cells : sequence of (x, y)
        Per cell interactivity and throughput, each of shape (launches, points), NaN where a launch lacks a point.
    """

    cells: Sequence[tuple[FloatArray, FloatArray]]

    @property
    def degrees_of_freedom(self) -> int:
        """Launches beyond the first, summed over the cells in which some point was seen twice."""
        return sum(len(x) - 1 for x, _ in self.cells if (np.sum(~np.isnan(x), axis=0) > 1).any())

    def draw(self, resamples: int, rng: np.random.Generator) -> list[tuple[FloatArray, FloatArray]] | None:
        """Log offsets of each cell's means, per cell two arrays of shape (resamples, points); None without any replicate.

        Notes
        -----
        A residual is split into the launch's own effect (shared by all its points) and the rest of each point. Launch effects are drawn
        with replacement per launch and averaged as the means are. Residuals are widened by sqrt(c / (c - 1)) for the mean that was
        taken out of c launches, and by the ratio of Student's t to the normal quantile at 97.5 % for the degrees of freedom: without
        both, an interval from three launches that says 95 % covers far less.
        """
        dof = self.degrees_of_freedom
        if dof == 0:
            return None
        widen = float(stats.t.ppf(0.975, dof) / stats.norm.ppf(0.975))
        split = [_split(x, y) for x, y in self.cells]
        pooled_launch = np.concatenate([launch for launch, _ in split])
        pooled_point = np.concatenate([point for _, point in split])
        out = []
        for (x, _), (launch, point) in zip(self.cells, split, strict=True):
            own = len(launch) >= OWN_LAUNCHES
            launch_pool, point_pool = (launch, point) if own else (pooled_launch, pooled_point)
            seen = ~np.isnan(x)
            weight = seen / np.maximum(seen.sum(axis=0), 1)
            effect = launch_pool[rng.integers(len(launch_pool), size=(resamples, len(x)))]
            rest = point_pool[rng.integers(len(point_pool), size=(resamples, *x.shape))]
            offset = widen * (np.einsum("rlc,lk->rkc", effect, weight) + np.einsum("rlkc,lk->rkc", rest, weight))
            out.append((offset[..., 0], offset[..., 1]))
        return out


def _split(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Launch effects (n, 2) and what is left of the points (m, 2), from points seen in at least two launches, scaled for the mean taken out."""
    count = np.sum(~np.isnan(x), axis=0)
    twice = count > 1
    if not twice.any():
        return np.empty((0, 2)), np.empty((0, 2))
    x, y, count = x[:, twice], y[:, twice], count[twice]
    logs = np.log(np.stack([x, y], axis=-1))
    centred = (logs - np.log(np.stack([launch_means(x), launch_means(y)], axis=-1))) * np.sqrt(count / (count - 1))[None, :, None]
    seen = ~np.isnan(centred[..., 0])
    effect = np.where(seen[..., None], centred, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)[:, None]
    return effect[seen.any(axis=1)], (centred - effect[:, None, :])[seen]


def interval(draws: FloatArray, confidence: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of draws, NaN draws left out; None when fewer than half of them are defined."""
    good = draws[np.isfinite(draws)]
    if len(good) < max(2, len(draws) / 2):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(good, [tail, 1 - tail])
    return float(low), float(high)
