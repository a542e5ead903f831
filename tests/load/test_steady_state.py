from __future__ import annotations

import numpy as np
import pytest
from simulated_load import at, closed_loop, request

from frontier.errors import UsageError
from frontier.load.requests import requests_table
from frontier.load.steady import _drift, find_steady, mser_cut, transient


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("concurrency", [1, 4, 8])
def test_false_alarms_on_stationary_loads_are_rare(concurrency: int, spread: float) -> None:
    rng = np.random.default_rng(concurrency)
    found = [find_steady(closed_loop(concurrency, 12 * (0.65 + 0.08 * concurrency), rng, spread=spread), concurrency) for _ in range(60)]
    assert sum(not steady.found for steady in found) <= 3, [steady.reason for steady in found if not steady.found]
    assert all(steady.cut <= 3 * concurrency for steady in found if steady.found)


@pytest.mark.parametrize("concurrency", [1, 4, 8])
def test_a_cold_start_is_cut_off(concurrency: int) -> None:
    for seed in range(20):
        # Twice as slow for the first 3 s of 20.
        table = closed_loop(concurrency, 20.0, np.random.default_rng(seed), slow_start_s=3.0, slow_factor=2.0)
        steady = find_steady(table, concurrency)
        assert steady.found, steady.reason
        assert steady.start_ns is not None
        assert at(3.0) <= steady.start_ns <= at(8.0), steady.reason


def test_a_load_that_is_still_cold_is_not_steady_and_becomes_so() -> None:
    table = closed_loop(4, 20.0, np.random.default_rng(3), slow_start_s=6.0, slow_factor=2.0)
    seen = [find_steady(table[table["end_ns"] <= at(second)], 4, window_s=4.0).found for second in range(1, 20)]
    assert not any(seen[:9])  # 6 s of cold start and 4 s of window
    assert all(seen[-5:])


@pytest.mark.parametrize("drift", [0.4, -0.3])
def test_a_drift_is_seen(drift: float) -> None:
    found = [find_steady(closed_loop(4, 20.0, np.random.default_rng(seed), drift=drift), 4) for seed in range(20)]
    assert sum(steady.found for steady in found) <= 1
    assert all("drifts by" in steady.reason or "transient" in steady.reason for steady in found if not steady.found)


def test_the_drift_by_hand() -> None:
    wiggle = np.array([0.001, -0.001] * 5)
    assert _drift(np.linspace(1.0, 1.2, 10) + wiggle) == pytest.approx(0.2 / 1.1, rel=0.02)
    assert _drift(np.linspace(1.0, 1.04, 10) + wiggle) == 0.0  # within 5 %
    assert _drift(np.linspace(1.0, 1.2, 10) + 300 * wiggle) == 0.0  # not separable


def test_too_few_turnovers_are_said() -> None:
    steady = find_steady(closed_loop(8, 3.0, np.random.default_rng(0)), 8)
    assert not steady.found
    assert "turnovers of 8, 6 are needed" in steady.reason
    assert find_steady(requests_table([], origin="none"), 1).reason == "no request was sent yet"


def test_a_window_that_is_not_reached_yet_is_said() -> None:
    steady = find_steady(closed_loop(1, 8.0, np.random.default_rng(0)), 1, window_s=60.0)
    assert not steady.found
    assert "60 s are asked for" in steady.reason


def test_the_drain_is_not_steady() -> None:
    table = closed_loop(8, 10.0, np.random.default_rng(0))
    steady = find_steady(table, 8)
    assert steady.end_ns == table["start_ns"].max() < table["end_ns"].max()
    assert steady.window is not None
    assert steady.seconds == pytest.approx(steady.window.seconds)


def test_failed_and_marked_requests_are_not_looked_at() -> None:
    table = closed_loop(1, 10.0, np.random.default_rng(0))
    table.loc[5, "error"] = "500"
    table.loc[6, "mark"] = "clock_backwards"
    assert find_steady(table, 1).found


def test_without_token_counts_there_is_no_rate() -> None:
    table = requests_table([request(n, n, n + 0.5, n + 1, None) for n in range(10)], origin="hand")
    assert "no token counts" in find_steady(table, 1).reason


def test_the_cut_by_hand() -> None:
    # Leaving out 0 and 5 leaves values within 0.1 of 10; leaving out more only makes the sample smaller.
    assert mser_cut(np.array([0.0, 5.0, 10.0, 10.1, 9.9, 10.0, 10.1, 9.9])) == 2
    assert transient(np.array([0.0, 5.0, 10.0, 10.1, 9.9, 10.0, 10.1, 9.9])) == 2
    assert transient(np.array([9.9, 10.1, 10.0, 10.05, 9.95, 10.02, 9.98])) == 0


def test_mser_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.standard_normal(rng.integers(3, 30)) + np.linspace(rng.uniform(-3, 3), 0, 1)
        slow = [((values[cut:] - values[cut:].mean()) ** 2).sum() / (len(values) - cut) ** 2 for cut in range(len(values) // 2 + 1)]
        assert mser_cut(values) == int(np.argmin(slow))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="concurrency must be at least 1"):
        find_steady(requests_table([], origin="none"), 0)
