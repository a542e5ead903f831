"""Hypervolume and mean log throughput, by hand and against their own differences."""

import numpy as np
import pytest

from frontier.drive import interpolated_hypervolume
from frontier.drive.curves import dense_hypervolume, mean_log_throughput
from frontier.errors import UsageError
from frontier.pareto import Frontier


def test_one_point_is_a_rectangle_and_two_points_a_trapezoid_beside_one():
    assert interpolated_hypervolume([3.0], [5.0]) == 15.0
    # 0..1 at 4, then a straight line from 4 to 2 over 1..3: 4 + 2 * 3 = 10.
    assert interpolated_hypervolume([1.0, 3.0], [4.0, 2.0]) == pytest.approx(10.0)
    # Reference (1, 1): only the trapezoid, 1 lower: 2 * 2.
    assert interpolated_hypervolume([1.0, 3.0], [4.0, 2.0], (1.0, 1.0)) == pytest.approx(4.0)


def test_dominated_points_change_nothing():
    assert interpolated_hypervolume([1.0, 3.0, 0.5, 2.0], [4.0, 2.0, 3.9, 1.0]) == interpolated_hypervolume([1.0, 3.0], [4.0, 2.0])


def test_area_is_that_of_the_drawn_curve():
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(1, 9, 12)), np.sort(rng.uniform(1, 9, 12))[::-1]
    at = np.linspace(0, x[-1], 400_001)
    drawn = np.trapezoid(Frontier.of(x, y).interpolated(at, attain=True), at)
    assert interpolated_hypervolume(x, y) == pytest.approx(drawn, rel=1e-6)


def test_a_reference_above_the_frontier_is_refused():
    with pytest.raises(UsageError, match="must not lie above"):
        interpolated_hypervolume([1.0, 3.0], [4.0, 2.0], (2.0, 0.0))


@pytest.mark.parametrize("reference", [(0.0, 0.0), (0.5, 0.3)])
def test_derivatives_of_the_dense_hypervolume_are_its_differences(reference):
    c = np.geomspace(1, 256, 25)
    x = 1 / (0.01 + 0.0002 * c)
    y = c * x / 4
    y[-4:] *= 0.5  # a tail that is dominated
    value, by_x, by_y = dense_hypervolume(x, y, reference)
    step = 1e-6
    for i in range(len(c)):
        for rates, derivative in ((0, by_x[i]), (1, by_y[i])):
            moved = [x.copy(), y.copy()]
            moved[rates][i] *= np.exp(step)
            assert (dense_hypervolume(moved[0], moved[1], reference)[0] / value - 1) / step == pytest.approx(derivative, abs=1e-4)
    assert (by_y[-4:] == 0).all()
    if reference == (0.0, 0.0):
        # Scaling every rate by 1 + e scales the area by (1 + e)^2.
        assert by_x.sum() == pytest.approx(1.0)
        assert by_y.sum() == pytest.approx(1.0)
        assert value == pytest.approx(interpolated_hypervolume(x, y), rel=0.01)


def test_mean_log_throughput_of_a_power_law():
    x = np.geomspace(10, 100, 60)[::-1]
    # y = 1000 / x between 20 and 50: mean of log(1000 / x) = log(1000) - [x log x - x] over 20..50 / 30.
    exact = np.log(1000) - ((50 * np.log(50) - 50) - (20 * np.log(20) - 20)) / 30
    value, by_x, by_y = mean_log_throughput(x, 1000 / x, (20.0, 50.0))
    assert value == pytest.approx(exact, abs=2e-3)
    # Throughput up by 1 %: the mean up by 0.01; and the same for interactivity, as y = k / x.
    assert by_y.sum() == pytest.approx(1.0, abs=1e-3)
    assert by_x.sum() == pytest.approx(1.0, abs=0.02)
