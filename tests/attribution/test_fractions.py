"""Half fractions: the cells, the alias structure, and main effects against the full factorial."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pydoe
import pytest

from frontier.attribution import (
    aliased_interactions,
    aliases,
    aliasing_text,
    fraction_cells,
    interactions,
    main_effects,
    regular_half,
    remainder,
    shapley,
)
from frontier.errors import UsageError

GENERATORS = {3: "a b -ab", 4: "a b c abc", 5: "a b c d -abcd", 6: "a b c d e abcde"}


def game(n: int, *, most: int, seed: int = 0) -> np.ndarray:
    """A game whose effects involve at most ``most`` levers, from random coefficients in the coding -1, +1."""
    rng = np.random.default_rng(seed)
    x = 2.0 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1) - 1.0
    return sum(rng.normal() * x[:, list(t)].prod(axis=1) for size in range(1, most + 1) for t in combinations(range(n), size))


def unseen(values: np.ndarray) -> np.ndarray:
    """The game with NaN wherever the half fraction runs nothing."""
    n = int(np.log2(len(values)))
    out = np.full(len(values), np.nan)
    out[fraction_cells(n)] = values[fraction_cells(n)]
    return out


def test_four_levers_by_hand() -> None:
    # v = 3a + 5b + 7c + 11d (levers as 0/1) and 2 more where a and b are both at target: a has 3 + 1, b has 5 + 1.
    values = np.array([3 * (s & 1) + 5 * (s >> 1 & 1) + 7 * (s >> 2 & 1) + 11 * (s >> 3 & 1) + 2 * (s & 3 == 3) for s in range(16)], dtype=float)
    np.testing.assert_allclose(main_effects(unseen(values)), [4, 6, 7, 11])
    pairs = aliased_interactions(unseen(values))
    assert {pair: float(value) for pair, value in pairs.items()} == pytest.approx({(0, 1): 2.0, (0, 2): 0.0, (0, 3): 0.0})
    assert remainder(unseen(values)) == pytest.approx(0)


def test_cells() -> None:
    assert regular_half(3) == [0b000, 0b011, 0b101, 0b110]
    assert fraction_cells(3) == [0b000, 0b011, 0b101, 0b110, 0b111]
    assert fraction_cells(4) == [0b0000, 0b0011, 0b0101, 0b0110, 0b1001, 0b1010, 0b1100, 0b1111]
    for n in range(3, 9):
        assert {0, (1 << n) - 1} <= set(fraction_cells(n))


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_cells_and_aliases_against_pydoe(n: int) -> None:
    design = pydoe.fracfact(GENERATORS[n])
    cells = sorted(sum(1 << i for i, level in enumerate(row) if level > 0) for row in design)
    assert cells == regular_half(n)
    # pydoe gives each class once, "a = bcd", and sees no sign: the other half has the same classes. Signs are the next test's.
    classes, _ = pydoe.fracfact_aliasing(pydoe.fracfact(GENERATORS[n].replace("-", "")))
    theirs = {frozenset(frozenset(effect) for effect in line.split(" = ")) for line in classes}
    ours = {frozenset(frozenset("abcdef"[i] for i in part) for part in (alias.effect, alias.partner)) for alias in aliases(n)}
    whole = {frozenset([frozenset("abcdef"[:n])])}  # aliased with the mean
    assert theirs - whole == ours


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_aliases_are_equal_columns(n: int) -> None:
    x = pydoe.fracfact(GENERATORS[n])
    for alias in aliases(n):
        np.testing.assert_array_equal(x[:, list(alias.effect)].prod(axis=1), alias.sign * x[:, list(alias.partner)].prod(axis=1))


@pytest.mark.parametrize("n", [4, 5, 6, 7])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_only_main_effects_are_the_shapley_values_of_the_full_design(n: int, seed: int) -> None:
    values = game(n, most=2, seed=seed)
    np.testing.assert_allclose(main_effects(unseen(values)), shapley(values), atol=1e-12)
    assert remainder(unseen(values)) == pytest.approx(0, abs=1e-12)
    every = interactions(values)
    for pair, value in aliased_interactions(unseen(values)).items():
        partner = next(alias.partner for alias in aliases(n) if alias.effect == pair)
        assert value == pytest.approx(every[pair] + (every[partner] if n == 4 else 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_four_levers_add_up_whatever_the_game(seed: int) -> None:
    values = game(4, most=4, seed=seed)
    assert main_effects(unseen(values)).sum() == pytest.approx(values[-1] - values[0])


def test_a_three_way_interaction_shifts_the_aliased_lever_by_its_own_size() -> None:
    # beta x_a x_b x_c: the half gives 2 beta to d, the full design gives a, b and c two thirds of beta each and d nothing.
    beta = 0.3
    x = 2.0 * ((np.arange(16)[:, None] >> np.arange(4)) & 1) - 1.0
    pairs = game(4, most=2, seed=9)
    values = pairs + beta * x[:, 0] * x[:, 1] * x[:, 2]
    np.testing.assert_allclose(main_effects(unseen(values)) - main_effects(unseen(pairs)), [0, 0, 0, 2 * beta], atol=1e-12)
    np.testing.assert_allclose(shapley(values) - shapley(pairs), [2 * beta / 3] * 3 + [0], atol=1e-12)


def test_three_levers_confound_pairs_and_the_remainder_shows_their_sum() -> None:
    values = game(3, most=2, seed=4)
    pairs = interactions(values)
    np.testing.assert_allclose(main_effects(unseen(values)) - shapley(values), [-pairs[1, 2] / 2, -pairs[0, 2] / 2, -pairs[0, 1] / 2], atol=1e-12)
    assert remainder(unseen(values)) == pytest.approx(sum(pairs.values()) / 2)
    assert aliased_interactions(unseen(values)) == {}


def test_a_lost_cell_leaves_every_effect_undefined() -> None:
    values = unseen(game(4, most=2))
    values[0b0011] = np.nan
    assert np.isnan(main_effects(values)).all()


def test_leading_axes_are_carried_through() -> None:
    values = np.stack([game(4, most=4, seed=s) for s in range(6)]).reshape(2, 3, 16)
    assert main_effects(values).shape == (2, 3, 4)
    np.testing.assert_allclose(main_effects(values)[1, 2], main_effects(values[1, 2]))


def test_two_levers_have_no_half() -> None:
    with pytest.raises(UsageError, match="a half fraction needs 3 to 12 levers, got 2"):
        regular_half(2)


def test_text_names_both_sides() -> None:
    text = " ".join(aliasing_text(["parallelism", "precision", "mtp", "disaggregation"]))
    assert "I = parallelism:precision:mtp:disaggregation" in text
    assert "parallelism:precision with mtp:disaggregation" in text
    assert "precision with parallelism:mtp:disaggregation" in text
    assert "WARNING, resolution III" in " ".join(aliasing_text(["a", "b", "c"]))
    assert "a with -b:c" in " ".join(aliasing_text(["a", "b", "c"]))
    assert "resolution V," in " ".join(aliasing_text(list("abcde")))
