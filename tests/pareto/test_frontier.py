"""Frontiers against hand-made points, closed forms and a slow obvious dominance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.errors import PointsError
from frontier.pareto import Frontier, frontier_values, nondominated_mask, overlap, shift, staircase, steffen

rates = st.floats(min_value=0.5, max_value=1e4, allow_nan=False)
clouds = st.lists(st.tuples(rates, rates), min_size=1, max_size=40)


def slow_nondominated(x: np.ndarray, y: np.ndarray) -> set[tuple[float, float]]:
    pts = list(zip(x, y, strict=True))
    return {p for p in pts if not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in pts)}


def test_frontier_by_hand() -> None:
    # (2, 5) is dominated by (3, 6); (1, 9) and (5, 1) are the ends.
    f = Frontier.of([5, 1, 2, 3], [1, 9, 5, 6])
    assert f.x.tolist() == [1, 3, 5]
    assert f.y.tolist() == [9, 6, 1]
    assert f.rows.tolist() == [1, 3, 0]
    assert (f.peak, f.reach) == (9, 5)


def test_ties_keep_one_and_drop_weakly_dominated() -> None:
    f = Frontier.of([2, 2, 2, 1], [3, 3, 1, 3])
    assert f.x.tolist() == [2]
    assert f.rows.tolist() == [0]


@given(clouds)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_frontier_equals_slow_dominance_in_any_order(cloud: list[tuple[float, float]]) -> None:
    x, y = np.array(cloud).T
    f = Frontier.of(x, y)
    assert set(zip(f.x, f.y, strict=True)) == slow_nondominated(x, y)
    back = Frontier.of(x[::-1], y[::-1])
    assert np.array_equal(f.x, back.x)
    assert np.array_equal(f.y, back.y)


@given(clouds)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_batch_equals_one_by_one(cloud: list[tuple[float, float]]) -> None:
    x, y = np.array(cloud).T
    xs = np.vstack([np.append(x, np.nan), np.append(x * 1.5, 7.0)])
    ys = np.vstack([np.append(y, np.nan), np.append(y, 3.0)])
    grid = np.linspace(0.1, 1.2e4, 37)
    values = frontier_values(xs, ys, grid)
    mask = nondominated_mask(xs, ys)
    for row in range(2):
        ok = ~np.isnan(xs[row])
        f = Frontier.of(xs[row][ok], ys[row][ok])
        np.testing.assert_allclose(values[row], f.interpolated(grid), rtol=1e-9)
        assert sorted(zip(xs[row][mask[row]], ys[row][mask[row]], strict=True)) == sorted(zip(f.x, f.y, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -1.0])
def test_rates_must_be_finite_and_positive(bad: float) -> None:
    with pytest.raises(PointsError, match="finite and positive"):
        Frontier.of([1.0, 2.0], [3.0, bad])


def test_no_point_is_refused() -> None:
    with pytest.raises(PointsError, match="at least one point"):
        Frontier.of([], [])


def test_staircase_by_hand() -> None:
    # Asked for 2 tokens/s/user, the point at 3 is the best that satisfies it; beyond 5 nothing does.
    values = staircase(np.array([1.0, 3.0, 5.0]), np.array([9.0, 6.0, 1.0]), np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.1]))
    np.testing.assert_array_equal(values, [9, 9, 6, 6, 1, 1, np.nan])


def test_steffen_goes_through_the_points_and_is_nan_outside() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 8.0]), np.array([10.0, 9.0, 4.0, 1.0])
    np.testing.assert_allclose(steffen(x, y, x), y)
    assert np.isnan(steffen(x, y, np.array([0.99, 8.01]))).all()


def test_steffen_on_a_line_is_the_line() -> None:
    x = np.array([1.0, 2.0, 5.0, 9.0])
    at = np.linspace(1, 9, 17)
    np.testing.assert_allclose(steffen(x, 20 - 2 * x, at), 20 - 2 * at)


def test_steffen_by_hand() -> None:
    # Points (0,4) (1,3) (3,0), shifted by 1 in x: s0 = -1, s1 = -1.5, h0 = 1, h1 = 2, p = (-1*2 + -1.5*1)/3 = -7/6.
    # Interior slope: (-2) * min(1, 1.5, 7/12) = -7/6; first slope: (3*-1 + 7/6)/2 = -11/12.
    # Middle of the first cell: y0*1/2 + d0/8 + y1/2 - d1/8 = 2 - 11/96 + 1.5 + 7/48 = 3.53125.
    value = steffen(np.array([1.0, 2.0, 4.0]), np.array([4.0, 3.0, 0.0]), np.array([1.5]))
    np.testing.assert_allclose(value, [3.53125])


@given(clouds)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_steffen_is_monotone_inside(cloud: list[tuple[float, float]]) -> None:
    f = Frontier.of(*np.array(cloud).T)
    if f.reach / f.x[0] < 1.001:
        return
    at = np.linspace(f.x[0], f.reach, 200)
    values = f.interpolated(at)
    assert (np.diff(values) <= 1e-9 * f.peak).all()


def test_hypervolume_by_hand() -> None:
    # Staircase (1,3) (2,1) above (0,0): 1*3 + 1*1 = 4.
    assert Frontier.of([1, 2], [3, 1]).hypervolume() == pytest.approx(4.0)


def test_shift_of_a_constant_factor() -> None:
    x, y = np.array([10.0, 20.0, 40.0, 80.0]), np.array([900.0, 700.0, 300.0, 50.0])
    moved = shift(Frontier.of(x, y), Frontier.of(x, 2.5 * y))
    assert np.exp(moved.log_ratio) == pytest.approx(2.5)
    assert moved.peak_ratio == pytest.approx(2.5)
    assert moved.max_interactivity_ratio == 1
    assert moved.hypervolume_ratio == pytest.approx(2.5)
    assert moved.newly_reached is None
    np.testing.assert_allclose(moved.ratios, 2.5)


def test_shift_log_mean_by_hand() -> None:
    # before: y = 8 on the line from (1, 8.0) ... both frontiers are lines, so Steffen is exact: before 10 - x, after 2 (10 - x) for x in [1, 5];
    # restricted overlap [2, 5] because `after` starts at 2: the ratio is 2 everywhere.
    before = Frontier.of([1.0, 3.0, 5.0], [9.0, 7.0, 5.0])
    after = Frontier.of([2.0, 4.0, 6.0], [16.0, 12.0, 8.0])
    moved = shift(before, after)
    assert moved.overlap == (2.0, 5.0)
    assert moved.newly_reached == (5.0, 6.0)
    assert moved.log_ratio == pytest.approx(np.log(2.0))


def test_attained_log_mean_by_hand() -> None:
    # Staircases over the overlap [1, 3]: before is 8 up to 1 and 4 up to 3, after twice that up to 1 and three times up to 3.
    moved = shift(Frontier.of([1.0, 3.0], [8.0, 4.0]), Frontier.of([1.0, 3.0], [16.0, 12.0]), grid_points=3)
    # Grid 1, 2, 3 with ratios 2, 3, 3; trapezoid weights 1/4, 1/2, 1/4.
    assert np.exp(moved.log_ratio_attained) == pytest.approx(2**0.25 * 3**0.75)


def test_ranges_that_do_not_overlap_give_no_ratio() -> None:
    moved = shift(Frontier.of([1.0, 2.0], [9.0, 8.0]), Frontier.of([5.0, 6.0], [4.0, 3.0]))
    assert moved.overlap is None
    assert np.isnan(moved.log_ratio)
    assert moved.max_interactivity_ratio == 3.0


def test_one_point_frontiers() -> None:
    one = Frontier.of([4.0], [10.0])
    assert overlap(one, Frontier.of([2.0, 6.0], [9.0, 5.0])) == (4.0, 4.0)
    moved = shift(one, Frontier.of([2.0, 6.0], [9.0, 5.0]))
    assert moved.log_ratio == pytest.approx(np.log(7.0 / 10.0))
