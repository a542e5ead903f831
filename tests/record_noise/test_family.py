"""Simultaneous intervals hold together as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from frontier.attribution import interval
from frontier.evidence.record_noise import family_bounds


def test_one_quantity_gets_its_percentile_interval(rng: np.random.Generator) -> None:
    draws = rng.normal(0, 1, (4000, 1))
    assert family_bounds(draws)[0] == pytest.approx(interval(draws[:, 0]), abs=0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.9, 1.0])
def test_all_hold_together(rng: np.random.Generator, correlation: float) -> None:
    common, own = rng.normal(0, 1, (20000, 1)), rng.normal(0, 1, (20000, 4))
    draws = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    low, high = family_bounds(draws[:10000]).T
    fresh = draws[10000:]
    assert np.mean(((fresh > low) & (fresh < high)).all(axis=1)) == pytest.approx(0.95, abs=0.01)
    # One by one they would hold together in 0.95^4 = 81 % of the cases when independent.
    single = np.quantile(draws[:10000], [0.025, 0.975], axis=0)
    together = np.mean(((fresh > single[0]) & (fresh < single[1])).all(axis=1))
    assert together == pytest.approx(0.95**4, abs=0.015) if correlation == 0 else together > 0.85


def test_units_do_not_matter(rng: np.random.Generator) -> None:
    draws = rng.normal(0, 1, (5000, 2))
    assert family_bounds(draws * [1.0, 1000.0])[1] == pytest.approx(1000 * family_bounds(draws)[1])


def test_undefined_draws_are_left_out(rng: np.random.Generator) -> None:
    draws = rng.normal(0, 1, (4000, 3))
    draws[:, 1] = np.nan
    draws[:100, 2] = np.nan
    found = family_bounds(draws)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    assert np.isnan(family_bounds(np.full((10, 2), np.nan))).all()
