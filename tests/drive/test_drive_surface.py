"""The Gaussian processes: closed forms, and that the scales found are those the data were made with."""

import numpy as np
import pytest

from frontier.drive.surface import Prior, Scales, Series, fit_scales, matern, posterior

FLAT = Prior(level_sd=10.0, slope_sd=1e-6, bends=(1e-6,), launch_cv=0.02, point_cv=0.01)


def test_matern_at_known_distances():
    # (1 + r + r^2 / 3) exp(-r) with r = sqrt(5) d; at d = 1: 1 + 2.23607 + 1.66667 = 4.90273 times 0.106878.
    assert matern(np.array([0.0, 1.0])) == pytest.approx([1.0, 0.52399], abs=1e-5)


def test_a_constant_seen_once_per_launch_is_a_mean():
    series = Series(np.zeros(4), np.arange(4), np.array([1.0, 2.0, 3.0, 6.0]))
    got = posterior(FLAT, Scales(1e-12, 2.0, 0.02**2, 0.01**2), series, np.zeros(1), None)
    assert got.mean[0] == pytest.approx(3.0, abs=1e-4)
    assert got.cov[0, 0] == pytest.approx((0.02**2 + 0.01**2) / 4, rel=1e-3)
    assert got.launch_var == pytest.approx(0.02**2)
    assert got.launch_cov[0] == 0.0


def test_points_of_one_launch_share_its_effect():
    # Two points of one launch: the launch's variance stays whole, that of the points is halved.
    series = Series(np.zeros(2), np.zeros(2, dtype=np.int64), np.array([1.0, 1.02]))
    got = posterior(FLAT, Scales(1e-12, 2.0, 0.02**2, 0.01**2), series, np.zeros(1), 0)
    assert got.cov[0, 0] == pytest.approx(0.02**2 + 0.01**2 / 2, rel=1e-3)
    # The curve plus this launch's effect is what the points saw: their mean, to half the points' variance.
    seen = got.cov[0, 0] + 2 * got.launch_cov[0] + got.launch_var
    assert seen == pytest.approx(0.01**2 / 2, rel=1e-3)


def test_a_straight_line_is_continued_and_a_bend_is_found_between_its_points():
    prior = Prior(level_sd=10.0, slope_sd=1.0, bends=(0.1, 0.6), launch_cv=0.001, point_cv=0.001)
    octaves = np.arange(9.0)
    launch = np.zeros(9, dtype=np.int64)
    line = Series(octaves[:5], launch[:5], 2.0 - 0.1 * octaves[:5])
    assert posterior(prior, fit_scales(prior, [line]), line, octaves[5:7], None).mean == pytest.approx(2.0 - 0.1 * octaves[5:7], abs=0.01)
    truth = lambda s: -np.log(0.01 + 0.0002 * 2.0**s)  # noqa: E731
    bent = Series(octaves, launch, truth(octaves))
    between = octaves[:-1] + 0.5
    assert posterior(prior, fit_scales(prior, [bent]), bent, between, None).mean == pytest.approx(truth(between), abs=0.01)


@pytest.mark.parametrize(("launch_cv", "point_cv", "within"), [(0.06, 0.01, (0.04, 0.08)), (0.002, 0.03, (0.0, 0.0125))])
def test_scales_follow_the_data_away_from_the_first_guess(launch_cv, point_cv, within):
    prior = Prior(level_sd=10.0, slope_sd=1.0, bends=(0.1, 0.6), launch_cv=0.025, point_cv=0.01)
    rng = np.random.default_rng(5)
    octaves, launch = np.tile(np.arange(8.0), 12), np.repeat(np.arange(12), 8)
    value = 2.0 - 0.1 * octaves + rng.normal(0, launch_cv, 12)[launch] + rng.normal(0, point_cv, 96)
    scales = fit_scales(prior, [Series(octaves, launch, value)])
    # Beside points of 3 %, eight to a launch, an effect below 1 % cannot be told from none: half the guess is as low as it can honestly go.
    assert within[0] < np.sqrt(scales.launch_var) < within[1]
    assert np.sqrt(scales.point_var) == pytest.approx(point_cv, rel=0.4)
