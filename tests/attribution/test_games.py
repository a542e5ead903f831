"""Games whose answer is a formula, and shapiq as an independent oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapiq
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.attribution import MAX_PLAYERS, coalition_index, feasible_part, interactions, ladder, leave_one_out, shapley
from frontier.errors import UsageError

games = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.floats(-5, 5, allow_nan=False), min_size=2**n, max_size=2**n).map(np.array)
)


def additive(effects: list[float]) -> np.ndarray:
    n = len(effects)
    return np.array([sum(e for i, e in enumerate(effects) if s >> i & 1) for s in range(2**n)])


def test_glove_game_by_hand() -> None:
    # One left glove (player 0), two right gloves (1, 2): Shapley value 2/3, 1/6, 1/6 (textbook).
    v = np.array([1.0 if s & 1 and s & 6 else 0.0 for s in range(8)])
    np.testing.assert_allclose(shapley(v), [2 / 3, 1 / 6, 1 / 6])


def test_multiplicative_effects_give_their_logs() -> None:
    factors = [1.5, 2.0, 1.0, 0.8]
    v = additive([float(np.log(f)) for f in factors])
    np.testing.assert_allclose(np.exp(shapley(v)), factors)
    np.testing.assert_allclose(np.exp(ladder(v)), factors)
    np.testing.assert_allclose(np.exp(leave_one_out(v)), factors)
    assert all(abs(value) < 1e-12 for value in interactions(v).values())


@given(games)
@settings(deadline=None, derandomize=True)
def test_shares_and_ladders_add_up(v: np.ndarray) -> None:
    whole = v[-1] - v[0]
    assert shapley(v).sum() == pytest.approx(whole, abs=1e-9)
    n = len(v).bit_length() - 1
    for order in itertools.islice(itertools.permutations(range(n)), 6):
        assert ladder(v, order).sum() == pytest.approx(whole, abs=1e-9)


@given(games, st.randoms(use_true_random=False))
@settings(deadline=None, derandomize=True)
def test_order_of_levers_does_not_matter(v: np.ndarray, random: object) -> None:
    n = len(v).bit_length() - 1
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    # Lever order[i] becomes lever i.
    moved = np.array([v[coalition_index(order[i] for i in range(n) if s >> i & 1)] for s in range(2**n)])
    np.testing.assert_allclose(shapley(moved), shapley(v)[order], atol=1e-9)


def test_shapley_is_the_mean_over_all_ladders() -> None:
    v = np.random.default_rng(3).normal(size=16)
    mean = np.mean([ladder(v, order) for order in itertools.permutations(range(4))], axis=0)
    np.testing.assert_allclose(shapley(v), mean)


def test_null_and_identical_levers() -> None:
    # Lever 2 does nothing; levers 0 and 1 are interchangeable.
    v = np.array([[0.0, 1.0, 1.0, 3.0][s & 3] for s in range(8)])
    np.testing.assert_allclose(shapley(v), [1.5, 1.5, 0.0])


def test_shapiq_agrees() -> None:
    v = np.random.default_rng(7).normal(size=32)
    v[0] = 0.0
    game = lambda coalitions: np.array([v[coalition_index(np.flatnonzero(c))] for c in coalitions])  # noqa: E731
    computer = shapiq.ExactComputer(game=game, n_players=5)
    values = computer("SV")
    np.testing.assert_allclose(shapley(v), [values[(i,)] for i in range(5)], atol=1e-9)
    pairs = computer("SII", order=2)
    for pair, value in interactions(v).items():
        assert value == pytest.approx(pairs[pair], abs=1e-9)


def test_leading_axes_are_carried() -> None:
    v = np.random.default_rng(1).normal(size=(3, 4, 8))
    np.testing.assert_allclose(shapley(v)[2, 1], shapley(v[2, 1]))
    np.testing.assert_allclose(interactions(v)[0, 2][1, 3], interactions(v[1, 3])[0, 2])


def test_twelve_levers_are_exact_and_thirteen_refused() -> None:
    effects = list(np.linspace(-1, 1, MAX_PLAYERS))
    np.testing.assert_allclose(shapley(additive(effects)), effects, atol=1e-9)
    with pytest.raises(UsageError, match="1 to 12 levers"):
        shapley(np.zeros(2**13))


def test_a_game_needs_a_power_of_two() -> None:
    with pytest.raises(UsageError, match="2\\^n values, got 3"):
        shapley(np.zeros(3))


def test_ladder_refuses_an_incomplete_order() -> None:
    with pytest.raises(UsageError, match="every lever once"):
        ladder(np.zeros(4), [0])


def test_infeasible_lever_waits_for_the_other() -> None:
    # Lever 1 (NVFP4) needs lever 0 (Blackwell): {1} counts as {}, {1,2} as {2}.
    needs = lambda s: not (s & 2 and not s & 1)  # noqa: E731
    assert [feasible_part(s, needs, range(3)) for s in range(8)] == [0, 1, 0, 3, 4, 5, 4, 7]


def test_several_largest_subsets_keep_the_earlier_lever() -> None:
    # Levers 0 and 1 exclude each other.
    assert feasible_part(3, lambda s: s != 3, [0, 1]) == 1
    assert feasible_part(3, lambda s: s != 3, [1, 0]) == 2
