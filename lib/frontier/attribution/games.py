"""Exact cooperative games on up to twelve levers, vectorized over resamples and interactivities.

A game is an array whose last axis has length 2^n: entry ``s`` is the value of the coalition whose members are the set bits of ``s``
(lever 0 is bit 0). Any leading axes are carried through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

from frontier.errors import UsageError

FloatArray = NDArray[np.float64]
MAX_PLAYERS = 12


def coalition_index(members: Iterable[int]) -> int:
    """Index of the coalition with these levers at target.

    >>> coalition_index([0, 2])
    5
    """
    return sum(1 << member for member in members)


def players(values: FloatArray) -> int:
    """Number of levers of a game; UsageError if its last axis is not 2^n with 1 <= n <= 12."""
    n = int(values.shape[-1]).bit_length() - 1
    if values.shape[-1] != 1 << n:
        raise UsageError(f"a game has 2^n values, got {values.shape[-1]}")
    if not 1 <= n <= MAX_PLAYERS:
        raise UsageError(f"attribution is exact for 1 to {MAX_PLAYERS} levers, got {n}", hint="attribute fewer levers at a time")
    return n


@lru_cache(maxsize=MAX_PLAYERS + 1)
def _shapley_weights(n: int) -> FloatArray:
    """Matrix (2^n, n) that maps a game to its Shapley values."""
    size = np.array([s.bit_count() for s in range(1 << n)])
    weight_in = np.array([factorial(k - 1) * factorial(n - k) / factorial(n) if k else 0.0 for k in range(n + 1)])
    weight_out = np.array([-factorial(k) * factorial(n - k - 1) / factorial(n) if k < n else 0.0 for k in range(n + 1)])
    member = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    return np.asarray(np.where(member == 1, weight_in[size][:, None], weight_out[size][:, None]), dtype=float)


def shapley(values: FloatArray) -> FloatArray:
    """Shapley value of every lever.

    Parameters
    ----------
    values : float array, shape (..., 2^n)

    Returns
    -------
    float array, shape (..., n); sums to ``values[..., -1] - values[..., 0]`` along the last axis

    Raises
    ------
    UsageError
        If the last axis is not 2^n with 1 <= n <= 12.

    Notes
    -----
    L. S. Shapley, "A value for n-person games" (1953): the mean marginal contribution over all orders.
    """
    return np.asarray(values @ _shapley_weights(players(values)))


def ladder(values: FloatArray, order: Sequence[int] | None = None) -> FloatArray:
    """Contribution of every lever when they are switched to target one after another, shape (..., n), in the levers' own positions."""
    n = players(values)
    order = range(n) if order is None else order
    if sorted(order) != list(range(n)):
        raise UsageError(f"a ladder's order names every lever once, got {list(order)} for {n} levers")
    out = np.empty((*values.shape[:-1], n))
    done = 0
    for lever in order:
        out[..., lever] = values[..., done | 1 << lever] - values[..., done]
        done |= 1 << lever
    return out


def leave_one_out(values: FloatArray) -> FloatArray:
    """What the whole loses when one lever goes back to baseline, shape (..., n)."""
    n = players(values)
    full = (1 << n) - 1
    return np.stack([values[..., full] - values[..., full & ~(1 << lever)] for lever in range(n)], axis=-1)


def interactions(values: FloatArray) -> dict[tuple[int, int], FloatArray]:
    """Shapley interaction index of every pair; positive: the two are worth more together than apart.

    Notes
    -----
    M. Grabisch and M. Roubens, "An axiomatic approach to the concept of interaction among players in cooperative games" (1999):
    the mean of v(S+ij) - v(S+i) - v(S+j) + v(S) over the coalitions S of the others with weight (n-|S|-2)! |S|! / (n-1)!.
    """
    n = players(values)
    out: dict[tuple[int, int], FloatArray] = {}
    coalitions = np.arange(1 << n)
    size = np.array([int(s).bit_count() for s in coalitions])
    for i in range(n):
        for j in range(i + 1, n):
            both = 1 << i | 1 << j
            rest = coalitions[coalitions & both == 0]
            weight = np.array([factorial(n - k - 2) * factorial(k) / factorial(n - 1) for k in size[rest]])
            second = values[..., rest | both] - values[..., rest | 1 << i] - values[..., rest | 1 << j] + values[..., rest]
            out[i, j] = np.asarray(second @ weight)
    return out


def feasible_part(coalition: int, feasible: Callable[[int], bool], order: Sequence[int]) -> int:
    """The part of a coalition that can exist: levers whose target cannot be had without others go back to baseline.

    Parameters
    ----------
    coalition : int
    feasible : callable (int) -> bool
        Whether the cell of a coalition can exist.
    order : sequence of int
        Levers; when one must give way, the last of them that helps goes first.

    Returns
    -------
    int
        The largest feasible subset; of several the one that keeps the earlier levers.

    Notes
    -----
    This is the game restricted by a permission structure (R. P. Gilles, G. Owen, R. van den Brink, "Games with permission
    structures: the conjunctive approach", 1992): a lever that needs another one adds nothing until the other is there, so its worth
    is counted where both are at target. Shares still add up to the whole, and no cell is dropped.
    """
    members = [lever for lever in order if coalition >> lever & 1]
    best = -1
    for pattern in range(1 << len(members)):
        subset = coalition_index(lever for position, lever in enumerate(members) if pattern >> position & 1)
        if feasible(subset) and (
            best < 0 or (subset.bit_count(), _earliness(subset, members)) > (best.bit_count(), _earliness(best, members))
        ):
            best = subset
    if best < 0:
        raise UsageError("the baseline cell itself is missing, so nothing can be compared with it")
    return best


def _earliness(subset: int, members: Sequence[int]) -> tuple[int, ...]:
    return tuple(subset >> lever & 1 for lever in members)
