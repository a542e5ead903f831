"""Half fractions of a two-level design: which cells are run, what they tell of each lever, and what they cannot tell apart.

In the coding x = +1 at target and -1 at baseline a game of n levers is v(x) = sum over T of b_T x_T, x_T being the product of the x_i with i in T.
The half that holds the baseline is the one whose cells have an even number of levers at target: there the product of all x is (-1)^n, so its
defining relation is I = x_1 x_2 ... x_n for even n and I = -x_1 x_2 ... x_n for odd n. For even n the full target lies in it. For odd n it does not,
and is run besides: a shift has two ends. On the half x_T and (-1)^n x_(N without T) are the same column, so that only
b_T + (-1)^n b_(N without T) can be estimated (G. E. P. Box and J. S. Hunter, "The 2^(k-p) fractional factorial designs", 1961).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from frontier.attribution.games import MAX_PLAYERS, FloatArray, players
from frontier.errors import UsageError

FEWEST = 3  # levers: the half of two levers is the two ends, which tell nothing apart


@dataclass(frozen=True)
class Alias:
    """Two effects that a half fraction cannot tell apart: only ``effect + sign * partner`` is estimated.

    Attributes
    ----------
    effect, partner : tuple of int
        Levers of the smaller effect and of the larger one; of two equal in size the one with the first lever is the effect.
    sign : 1 | -1
    """

    effect: tuple[int, ...]
    partner: tuple[int, ...]
    sign: int


def regular_half(n: int) -> list[int]:
    """The 2^(n-1) cells with an even number of levers at target, ascending.

    Raises
    ------
    UsageError
        If n is below 3 or above 12.
    """
    if not FEWEST <= n <= MAX_PLAYERS:
        raise UsageError(f"a half fraction needs {FEWEST} to {MAX_PLAYERS} levers, got {n}", hint="design=factorial")
    return [cell for cell in range(1 << n) if cell.bit_count() % 2 == 0]


def fraction_cells(n: int) -> list[int]:
    """The cells a half fraction runs: the regular half, and for odd n the full target besides; ascending."""
    cells = regular_half(n)
    return cells if n % 2 == 0 else [*cells, (1 << n) - 1]


def aliases(n: int) -> list[Alias]:
    """All pairs of effects that the regular half confounds, main effects first; what stands for the mean is left out.

    Examples
    --------
    >>> [(a.effect, a.partner, a.sign) for a in aliases(3)]
    [((0,), (1, 2), -1), ((1,), (0, 2), -1), ((2,), (0, 1), -1)]
    """
    regular_half(n)
    sign = 1 if n % 2 == 0 else -1
    out = []
    for size in range(1, n // 2 + 1):
        for effect in combinations(range(n), size):
            partner = tuple(lever for lever in range(n) if lever not in effect)
            if size < len(partner) or effect < partner:
                out.append(Alias(effect, partner, sign))
    return out


@lru_cache(maxsize=MAX_PLAYERS + 1)
def _signs(n: int) -> FloatArray:
    """Levels of the regular half's cells, -1 or 1, shape (2^(n-1), n)."""
    return np.asarray(2.0 * ((np.array(regular_half(n))[:, None] >> np.arange(n)) & 1) - 1.0, dtype=np.float64)


def main_effects(values: FloatArray) -> FloatArray:
    """Main effect of every lever by the regular half: mean of the cells with the lever at target minus mean of those with it at baseline.

    Parameters
    ----------
    values : float array, shape (..., 2^n)
        A game; cells outside the half are not read and may be NaN.

    Returns
    -------
    float array, shape (..., n); NaN where a cell of the half is NaN

    Notes
    -----
    A main effect in the full design is 2 b_i. The Shapley value of lever i is the sum of 2 b_T / size(T) over the T of odd size that hold i: the
    game x_T is worth 2 to the whole if the size of T is odd and 0 if it is even, its levers are alike, and the others add nothing. Where no three
    or more levers interact both are 2 b_i, pairs notwithstanding. The half estimates 2 [b_i + (-1)^n b_(N without i)].

    The whole, v(N) - v(0), is the sum of 2 b_T over the T of odd size. For n = 4 that is the sum of 2 b_i + 2 b_(N without i), so that the main
    effects of the half add up to the whole exactly, whatever the game. For larger even n they do so as far as effects of 3 to n - 3 levers
    vanish, for odd n as far as effects of three and more do, and for n = 3 pairs as well; what is left is :func:`remainder`.
    """
    n = players(values)
    cells = regular_half(n)
    return np.asarray(values[..., cells] @ _signs(n) * (2.0 / len(cells)))


def remainder(values: FloatArray) -> FloatArray:
    """What the whole is beyond the sum of the main effects, shape (...,): interactions that no lever can be given; 0 for four levers."""
    return np.asarray(values[..., -1] - values[..., 0] - main_effects(values).sum(axis=-1))


def aliased_interactions(values: FloatArray) -> dict[tuple[int, int], FloatArray]:
    """Interaction of every pair plus that of its alias, each as in :func:`frontier.attribution.interactions` if only pairs interact.

    Returns
    -------
    dict pair -> float array, shape (...,)
        Four levers: the three sums of two pairs, by the pair that holds lever 0. Three levers: empty, since a pair is aliased with a main effect.
        More: every pair, aliased with effects of three or more levers.

    Notes
    -----
    The interaction index of a game in which only pairs interact is 4 b_ij; the half estimates b_ij + (-1)^n b_(N without ij) as the mean of
    v x_i x_j.
    """
    n = players(values)
    cells, signs = regular_half(n), _signs(n)
    pairs = [alias.effect for alias in aliases(n) if len(alias.effect) == 2]
    return {(i, j): np.asarray(values[..., cells] @ (signs[:, i] * signs[:, j]) * (4.0 / len(cells))) for i, j in pairs}


def effect_name(levers: Sequence[str], members: Sequence[int], sign: int = 1) -> str:
    """An effect by its levers: ``a:b``, or ``-a:b``."""
    return ("-" if sign < 0 else "") + ":".join(levers[i] for i in members)


def aliasing_text(levers: Sequence[str]) -> list[str]:
    """What a half fraction of these levers confounds, as sentences for a plan and an attribution.

    Examples
    --------
    >>> for line in aliasing_text(["a", "b", "c", "d"]): print(line)
    Half fraction: 8 of 16 cells, resolution IV, I = a:b:c:d; baseline and full target are in it.
    Each lever is aliased with the interaction of the other three: a with b:c:d, b with a:c:d, c with a:b:d, d with a:b:c.
    Pairs are aliased with pairs, so that only sums are known: a:b with c:d, a:c with b:d, a:d with b:c.
    Shares are Shapley shares as far as no three levers interact; they add up to the whole in any case.
    """
    n = len(levers)
    found = aliases(n)
    odd = n % 2 == 1
    roman = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII", 9: "IX", 10: "X", 11: "XI", 12: "XII"}[n]
    words = {2: "two", 3: "three", 4: "four", 5: "five"}
    ends = "the baseline is in it, and the full target is run besides" if odd else "baseline and full target are in it"
    relation = effect_name(levers, range(n), -1 if odd else 1)
    total = len(fraction_cells(n))
    out = [f"Half fraction: {total} of {1 << n} cells, resolution {roman}, I = {relation}; {ends}."]
    stated = [f"{effect_name(levers, a.effect)} with {effect_name(levers, a.partner, a.sign)}" for a in found if len(a.effect) == 1]
    out.append(f"Each lever is aliased with the interaction of the other {words.get(n - 1, str(n - 1))}: {', '.join(stated)}.")
    pairs = [f"{effect_name(levers, a.effect)} with {effect_name(levers, a.partner, a.sign)}" for a in found if len(a.effect) == 2]
    if n == 3:
        out.append(
            "WARNING, resolution III: a share is the lever's own only if no two levers interact, which this design cannot show apart; "
            "the remainder is half the sum of the three pair interactions. Run design=factorial (8 cells) if levers may interact."
        )
    elif n == 4:
        out.append(f"Pairs are aliased with pairs, so that only sums are known: {', '.join(pairs)}.")
        out.append("Shares are Shapley shares as far as no three levers interact; they add up to the whole in any case.")
    else:
        out.append(f"Each pair is aliased with the interaction of the other {words.get(n - 2, str(n - 2))}: {', '.join(pairs)}.")
        out.append("Shares are Shapley shares as far as no three levers interact; what they leave of the whole is the remainder.")
    return out
