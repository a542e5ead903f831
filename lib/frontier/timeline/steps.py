"""Where a series' level steps: penalized change points (PELT) with a penalty that noise alone rarely pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frontier.timeline.series import FloatArray

FALSE_STEPS = 0.01  # chance that a series without any change gets a step
_FLOOR = 1e-4  # standard deviation below which differences are rounding


@dataclass(frozen=True)
class Found:
    """Change points of one chain of dates.

    Attributes
    ----------
    breaks : tuple of int
        Places in the chain at which a new level begins.
    excursions : tuple of int
        Places whose level differs from the equal levels before and after: one bad (or good) night.
    sd : float
        Standard deviation of the throughput level of one date (log).
    """

    breaks: tuple[int, ...]
    excursions: tuple[int, ...]
    sd: float


def find_steps(levels: FloatArray, null: FloatArray, false_steps: float = FALSE_STEPS) -> Found:
    """Change points of a chain of dates.

    Parameters
    ----------
    levels : float array, shape (dates, 3)
        Log levels: matched interactivity, matched throughput, and what new settings added, cumulated.
    null : float array, shape (draws, dates, 2)
        Drawn levels of interactivity and throughput when nothing changes.
    false_steps : float, 0 to 1
        Chance that noise alone makes a step somewhere in the chain.

    Notes
    -----
    R. Killick, P. Fearnhead, I. A. Eckley, Optimal detection of changepoints with a linear computational cost, JASA 107 (2012), as implemented
    in ruptures, with the squared error around each segment's mean as the cost. The levels are divided by the noise's standard deviation (its
    covariance, for the two matched ones). The penalty is the largest saving that one change point makes in a draw of pure noise, at the
    quantile ``1 - false_steps`` over draws: so heavy tails, few dates and few matched configurations raise it by themselves.
    """
    from ruptures import Pelt  # type: ignore[import-untyped]  # loaded on use: most commands need no change points

    n = len(levels)
    centred = null - null.mean(axis=1, keepdims=True)
    covariance = np.einsum("rni,rnj->ij", centred, centred) / (len(null) * (n - 1)) + _FLOOR**2 * np.eye(2)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T
    sd = float(np.sqrt(covariance[1, 1]))
    signal = np.column_stack([levels[:, :2] @ whiten, levels[:, 2] / sd])
    noise = null @ whiten
    penalty = float(np.quantile(_largest_saving(noise), 1.0 - false_steps))
    ends = Pelt(model="l2", min_size=1, jump=1).fit(signal).predict(pen=penalty)
    breaks = [int(end) for end in ends[:-1]]
    excursions = _excursions(signal, breaks, penalty)
    gone = {place for one in excursions for place in (one, one + 1)}
    return Found(tuple(b for b in breaks if b not in gone), tuple(excursions), sd)


def saving(signal: FloatArray) -> FloatArray:
    """How much squared error each split of a signal saves, shape (..., dates - 1), for signals of shape (..., dates, columns)."""
    n = signal.shape[-2]
    first = np.arange(1, n)
    sums = np.cumsum(signal, axis=-2)[..., :-1, :]
    rest = signal.sum(axis=-2)[..., None, :] - sums
    difference = sums / first[:, None] - rest / (n - first)[:, None]
    return np.asarray((difference**2).sum(axis=-1) * first * (n - first) / n)


def _largest_saving(noise: FloatArray) -> FloatArray:
    return np.asarray(saving(noise).max(axis=-1))


def _excursions(signal: FloatArray, breaks: Sequence[int], penalty: float) -> list[int]:
    """Single dates between two change points whose neighbours' levels the noise does not tell apart."""
    edges = [0, *breaks, len(signal)]
    out: list[int] = []
    for k in range(1, len(edges) - 2):
        start, end = edges[k], edges[k + 1]
        if end - start != 1 or (out and out[-1] >= edges[k - 1]):
            continue
        before, after = signal[edges[k - 1] : start], signal[end : edges[k + 2]]
        gap = before.mean(axis=0) - after.mean(axis=0)
        if (gap**2).sum() * len(before) * len(after) / (len(before) + len(after)) <= penalty:
            out.append(start)
    return out
