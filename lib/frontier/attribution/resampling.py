"""Intervals by resampling at the level at which runs are independent: launches of a server, not requests and not runs within a launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frontier.attribution.spread import spread_draws

FloatArray = NDArray[np.float64]
OWN_LAUNCHES = 6  # with this many launches a cell's own residuals give the shape of its errors, below it those of all cells


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
        A residual is split into the launch's own effect (shared by all its points) and the rest of each point. Both are drawn with replacement, per
        launch and per point, from the residuals of all cells divided by their cell's spread (from six launches on from the cell's own), multiplied by
        a spread of the cell, and averaged as the means are. The spread is drawn too (:func:`frontier.attribution.spread.spread_draws`), because that
        of three launches is hardly known and cells need not be equally noisy: drawn means with one spread for all, or with each cell's own as if
        it were known, make an interval that says 95 % cover far less.
        """
        if self.degrees_of_freedom == 0:
            return None
        split = [_split(x, y) for x, y in self.cells]
        launch = _Pool.of([effect for effect, _ in split], [max(0, len(effect) - 1) for effect, _ in split], resamples, rng)
        point = _Pool.of([rest for _, rest in split], [_rest_freedom(x) for x, _ in self.cells], resamples, rng)
        out = []
        for cell, (x, _) in enumerate(self.cells):
            seen = ~np.isnan(x)
            weight = seen / np.maximum(seen.sum(axis=0), 1)
            own = len(split[cell][0]) >= OWN_LAUNCHES
            effect = launch.draw(cell, own, (resamples, len(x)), rng)
            rest = point.draw(cell, own, (resamples, *x.shape), rng)
            offset = np.einsum("rlc,lk->rkc", effect, weight) + np.einsum("rlkc,lk->rkc", rest, weight)
            out.append((offset[..., 0], offset[..., 1]))
        return out


@dataclass(frozen=True)
class _Pool:
    """Residuals of cells, each divided by the spread of its cell, and draws of the spreads."""

    shapes: Sequence[FloatArray]  # per cell, shape (n, 2), in units of the cell's spread
    spread: FloatArray  # shape (resamples, cells)

    @classmethod
    def of(cls, residuals: Sequence[FloatArray], freedom: Sequence[int], resamples: int, rng: np.random.Generator) -> _Pool:
        mean_square = np.array([float((part**2).sum() / len(part)) if len(part) else 0.0 for part in residuals])
        spread = spread_draws(mean_square * np.array(freedom), np.array(freedom), resamples, rng)
        typical = np.median(spread, axis=0)
        return cls([part / unit if unit > 0 else part for part, unit in zip(residuals, typical, strict=True)], spread)

    def draw(self, cell: int, own: bool, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        """Residuals of one cell, shape (*shape, 2), the first axis being the resamples'."""
        pool = self.shapes[cell] if own else np.concatenate(self.shapes)
        size = float((pool**2).sum() / max(1, len(pool)))
        if size == 0.0:
            return np.zeros((*shape, 2))
        scale = self.spread[:, cell].reshape(-1, *(1,) * len(shape)) / np.sqrt(size)
        return np.asarray(pool[rng.integers(len(pool), size=shape)] * scale)


def _rest_freedom(x: FloatArray) -> int:
    """Degrees of freedom of what launch effects and point means leave of a cell's points."""
    count = np.sum(~np.isnan(x), axis=0)
    seen = ~np.isnan(x[:, count > 1])
    return max(0, int(seen.sum() - seen.any(axis=1).sum() - seen.shape[1] + 1)) if seen.size else 0


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
