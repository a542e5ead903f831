"""Equivalence, difference and "cannot be said": by hand, and by how often the verdict is wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from frontier.report.document import Estimate
from frontier.rerun.verdict import DIFFERS, INCONCLUSIVE, REPRODUCED, judge, launches_needed, overall

Z95 = 1.959963984540054


def entry(log_ratio: float, error: float) -> dict[str, Any]:
    """A ratio with the 95 % interval of a normal distribution on the log scale."""
    return {"ratio": math.exp(log_ratio), "ci95": [math.exp(log_ratio - Z95 * error), math.exp(log_ratio + Z95 * error)]}


@pytest.mark.parametrize(
    ("moved", "error", "verdict"),
    [
        (0.0, 0.01, REPRODUCED),  # 1.645 x 0.0141 = 0.023 < log 1.05 = 0.0488
        (0.02, 0.01, REPRODUCED),  # 0.02 + 0.023 < 0.0488
        (0.04, 0.01, DIFFERS),  # 0.04 + 0.023 reaches beyond; 1.96 x 0.0141 = 0.028 < 0.04: no change is excluded
        (0.0, 0.05, INCONCLUSIVE),
        (-0.2, 0.02, DIFFERS),
        (-0.2, 0.2, INCONCLUSIVE),
    ],
)
def test_three_verdicts(moved: float, error: float, verdict: str) -> None:
    assert judge(entry(1.0, error), entry(1.0 + moved, error), 0.05)["verdict"] == verdict


def test_a_small_difference_that_is_sure_counts_as_reproduced() -> None:
    found = judge(entry(1.0, 0.001), entry(1.02, 0.001), 0.05)
    assert found["change"]["ci95"][0] > 1.0
    assert found["verdict"] == REPRODUCED


def test_a_difference_among_many_quantities_must_be_surer() -> None:
    old, new = entry(0.0, 0.01), entry(0.035, 0.01)  # 2.47 standard errors of the difference
    assert judge(old, new, 0.02)["verdict"] == DIFFERS
    # Of one in ten 2.81 are asked, and more by Student's t.
    assert judge(old, new, 0.02, quantities=10, launches=3, cells=8)["verdict"] == INCONCLUSIVE


def test_launches_that_would_settle_it() -> None:
    # 4 launches, errors 0.02 (original) and 0.04 (rerun), no change seen. At a margin of 5 % log(1.05) / 1.645 = 0.02966 may be the error of the
    # difference; the original takes 0.02 of it, so the rerun may have sqrt(0.02966^2 - 0.02^2) = 0.0219: 4 x (0.04 / 0.0219)^2 = 13.3 launches.
    found = judge(entry(1.0, 0.02), entry(1.0, 0.04), 0.05, launches=4, cells=8)
    assert (found["verdict"], found["launches_needed"]) == (INCONCLUSIVE, 14)


def test_launches_that_would_show_a_difference() -> None:
    # A change of 0.1 must be 1.96 errors: 0.051, of which the original has 0.03: sqrt(0.051^2 - 0.03^2) = 0.0413; 2 x (0.08 / 0.0413)^2 = 7.5.
    sides = [Estimate(found["ratio"], *found["ci95"]) for found in (entry(0.0, 0.03), entry(0.1, 0.08))]
    assert launches_needed(sides[0], sides[1], 0.05, 2) == 8


def test_no_number_of_launches_mends_a_noisy_original() -> None:
    found = judge(entry(1.0, 0.05), entry(1.0, 0.01), 0.05, launches=3, cells=8)
    assert found["launches_needed"] is None
    assert "the original is as noisy" in found["reason"]


def test_without_an_interval_nothing_can_be_said() -> None:
    found = judge({"ratio": 2.0, "ci95": None}, {"ratio": 2.02, "ci95": [None, 2.5]}, 0.05)
    assert found["verdict"] == INCONCLUSIVE
    assert "a change of +1.0% is within the margin of 5%" in found["reason"]
    assert found["change"] == {"ratio": pytest.approx(1.01), "ci90": None, "ci95": None}


@pytest.mark.parametrize("lost", [None, {"ratio": None, "ci95": None}])
def test_what_is_undefined_stays_so(lost: dict[str, None] | None) -> None:
    found = judge(entry(1.0, 0.1), lost, 0.05)
    assert (found["verdict"], found["change"]["ratio"], found["reason"]) == (INCONCLUSIVE, None, "undefined in the rerun")
    assert judge(lost, lost, 0.05)["reason"] == "undefined in both runs"


def test_the_whole_is_as_good_as_its_worst_part() -> None:
    assert overall([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert overall([REPRODUCED, INCONCLUSIVE, DIFFERS]) == DIFFERS


def test_how_often_the_verdict_is_wrong() -> None:
    """Two runs whose truth is known, many times: neither verdict is given wrongly in more than 5 % of them, and both are given."""
    rng = np.random.default_rng(7)
    errors, count, margin = (0.012, 0.015), 4000, 0.05

    def share(true_change: float, verdict: str) -> float:
        draws = rng.normal([0.3, 0.3 + true_change], errors, size=(count, 2))
        given = [judge(entry(old, errors[0]), entry(new, errors[1]), margin)["verdict"] for old, new in draws]
        return given.count(verdict) / count

    # Standard error of a share of 5 %: 0.3 %.
    assert share(math.log1p(margin), REPRODUCED) <= 0.06
    assert share(-math.log1p(margin), REPRODUCED) <= 0.06
    assert share(0.0, DIFFERS) <= 0.06
    assert 0.60 < share(0.0, REPRODUCED) < 0.66  # P(|z| < (0.0488 - 1.645 x 0.0192) / 0.0192) = 0.63
    assert share(0.15, DIFFERS) > 0.95
