"""Runs that a machine held up are told from runs of slower software."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.record_noise import stalled


def run(tpot: float, itl: float, p99: float) -> dict[str, Any]:
    return {"interactivity_tok_s_user": 1 / tpot, "median_tpot_s": tpot, "median_itl_s": itl, "p99_tpot_s": p99}


STEADY = run(0.010, 0.010, 0.0101)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        # Half as fast at the same typical step, and uneven: ln 2 lost in pauses.
        pytest.param(run(0.020, 0.010, 0.030), np.log(2), id="pauses"),
        # Half as fast because every step takes twice as long: slower software or a slower clock, no pauses.
        pytest.param(run(0.020, 0.020, 0.0202), 0.0, id="slower steps"),
        # Typical step much shorter than TPOT, but as fast as the other: tokens come in bunches.
        pytest.param(run(0.010, 0.005, 0.0150), 0.0, id="bunches"),
        # Slower with the same step, but every request alike: nothing paused.
        pytest.param(run(0.020, 0.010, 0.0202), 0.0, id="even"),
        # 4 % slower: less than what is looked for.
        pytest.param(run(0.0104, 0.009, 0.0120), 0.0, id="small"),
        # Speed gained beyond what the typical step lost is not charged to pauses: min(ln 4, ln 2).
        pytest.param(run(0.020, 0.005, 0.030), np.log(2), id="at most the loss of speed"),
    ],
)
def test_by_hand(other: dict[str, Any], expected: float) -> None:
    found = stalled(pd.DataFrame([STEADY, other]), np.array([0, 0]))
    assert found == pytest.approx([0.0, expected])


def test_order_does_not_matter_and_configurations_stay_apart() -> None:
    held = run(0.020, 0.010, 0.030)
    assert stalled(pd.DataFrame([held, STEADY]), np.array([0, 0])) == pytest.approx([np.log(2), 0.0])
    assert not stalled(pd.DataFrame([held, STEADY]), np.array([0, 1])).any()


@pytest.mark.parametrize("column", ["median_itl_s", "median_tpot_s", "p99_tpot_s"])
def test_nothing_is_said_without_the_three_latencies(column: str) -> None:
    frame = pd.DataFrame([STEADY, run(0.020, 0.010, 0.030)])
    assert not stalled(frame.drop(columns=column), np.array([0, 0])).any()
    frame.loc[1, column] = np.nan
    assert not stalled(frame, np.array([0, 0])).any()


def test_a_gain_written_into_the_median_only_is_not_taken_for_pauses() -> None:
    # Interactivity and median TPOT improved by 20 %, all other columns left alone.
    better = run(0.010 / 1.2, 0.010, 0.0101)
    assert not stalled(pd.DataFrame([STEADY, better]), np.array([0, 0])).any()
