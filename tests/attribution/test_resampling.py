"""Intervals cover what they say, at the level of launches."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.attribution import LaunchNoise, interval, launch_means


def test_launch_means_by_hand() -> None:
    nan = np.nan
    np.testing.assert_array_equal(launch_means(np.array([[1.0, 4.0, nan], [3.0, nan, nan]])), [2.0, 4.0, nan])


def test_without_replicates_there_is_no_interval() -> None:
    one = np.array([[1.0, 2.0]])
    assert LaunchNoise([(one, one)]).draw(10, np.random.default_rng(0)) is None


def test_points_seen_once_carry_no_spread_of_their_own() -> None:
    # The second point is missing in launch 2; its only value must not be read as noise-free evidence.
    y = np.array([[1.0, 5.0], [1.1, np.nan], [0.9, np.nan]])
    draws = LaunchNoise([(y, y)]).draw(2000, np.random.default_rng(0))
    assert draws is not None
    # One launch instead of three: the spread of the mean is larger by about sqrt(3).
    assert draws[0][1][:, 1].std() == pytest.approx(draws[0][1][:, 0].std() * np.sqrt(3), rel=0.15)


def test_noise_free_launches_give_zero_width() -> None:
    x = np.tile([1.0, 2.0, 3.0], (3, 1))
    (dx, dy), *_ = LaunchNoise([(x, x), (x, x)]).draw(50, np.random.default_rng(0)) or []
    assert np.abs(dx).max() < 1e-12
    assert np.abs(dy).max() < 1e-12


@pytest.mark.parametrize(("launches", "cells"), [(3, 2), (3, 8), (8, 2)])
def test_coverage_of_a_difference_of_means(launches: int, cells: int) -> None:
    # True log difference of cells 0 and 1 is zero; noise of 4 % per launch shared over the sweep and 1 % per point.
    rng = np.random.default_rng(launches * 10 + cells)
    covered, trials = 0, 400
    for _ in range(trials):
        data = []
        for _ in range(cells):
            noise = rng.normal(0, 0.04, (launches, 1)) + rng.normal(0, 0.01, (launches, 5))
            y = np.exp(noise) * 100
            data.append((np.full_like(y, 10.0), y))
        draws = LaunchNoise(data).draw(400, rng)
        assert draws is not None
        centre = np.log(launch_means(data[0][1])).mean() - np.log(launch_means(data[1][1])).mean()
        low, high = interval(centre + draws[0][1].mean(axis=1) - draws[1][1].mean(axis=1)) or (np.nan, np.nan)
        covered += low <= 0 <= high
    assert 0.92 <= covered / trials <= 0.995


def test_requests_or_runs_inside_a_launch_do_not_narrow_the_interval() -> None:
    # Twenty points that share one launch effect say no more about the launch than one point does.
    rng = np.random.default_rng(5)
    effect = rng.normal(0, 0.05, (4, 1))
    few, many = np.exp(np.tile(effect, (1, 1))), np.exp(np.tile(effect, (1, 20)))
    width = []
    for values in (few, many):
        draws = LaunchNoise([(values, values), (values, values)]).draw(4000, np.random.default_rng(1))
        assert draws is not None
        low, high = interval(draws[0][1].mean(axis=1)) or (0, 0)
        width.append(high - low)
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_interval_is_none_when_most_draws_are_undefined() -> None:
    assert interval(np.array([1.0, np.nan, np.nan, np.nan])) is None
    low, high = interval(np.arange(1001.0)) or (0, 0)
    assert (low, high) == pytest.approx((25.0, 975.0))
