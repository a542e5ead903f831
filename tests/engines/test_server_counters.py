"""What the servers counted in a window."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from frontier.engines.counters import Counters, acceptance_length
from frontier.errors import RunError

S = 1_000_000_000


def _samples(accepted: list[float], drafts: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"at_ns": [S * n for n in range(len(accepted))], "accepted_tokens": accepted, "drafts": drafts})


def test_acceptance_of_a_window_is_that_of_the_window() -> None:
    # 0 to 2 s: 10 drafts, nothing accepted; 2 to 4 s: 10 drafts, 15 accepted. In the latter 1 + 15 / 10 tokens a step.
    samples = _samples([0, 0, 0, 7.5, 15], [0, 5, 10, 15, 20])
    assert acceptance_length(samples, 2 * S, 4 * S) == pytest.approx(2.5)
    assert acceptance_length(samples, 0, 2 * S) == pytest.approx(1.0)


def test_window_edges_between_readings_are_interpolated() -> None:
    # Between 1.5 and 2.5 s: 5 drafts, 5 accepted of 10 per second after 1 s.
    samples = _samples([0, 0, 5, 10], [0, 5, 10, 15])
    assert acceptance_length(samples, S * 3 // 2, S * 5 // 2) == pytest.approx(1 + 5 / 5)


def test_without_drafts_there_is_no_acceptance() -> None:
    assert math.isnan(acceptance_length(_samples([0, 0], [0, 0]), 0, S))
    assert math.isnan(acceptance_length(pd.DataFrame({"at_ns": [0, S]}), 0, S))


def test_counters_are_read_at_the_start_and_at_the_end() -> None:
    readings = iter(range(100))
    with Counters(lambda: {"drafts": float(next(readings))}) as counters:
        pass
    found = counters.samples()
    assert found["drafts"].tolist() == [0.0, 1.0]
    assert (found["at_ns"].diff().dropna() >= 0).all()


def test_a_server_that_is_gone_ends_the_readings() -> None:
    def read() -> dict[str, float]:
        raise RunError("gone")

    with Counters(read) as counters:
        pass
    assert counters.samples().empty
