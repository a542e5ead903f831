"""The change between two estimates, and what is said of it: by hand and in closed form."""

from __future__ import annotations

import math

import pytest

from frontier.compare import Change, change_between, judge
from frontier.compare.change import MOST_LAUNCHES, NARROWED, needed
from frontier.report.document import Estimate


def around(value: float, half: float) -> Estimate:
    return Estimate(value, value * math.exp(-half), value * math.exp(half))


def test_half_widths_of_independent_estimates_add_as_squares() -> None:
    change = change_between(around(2.0, 0.03), around(2.4, 0.04))
    assert change.log == pytest.approx(math.log(1.2))
    assert (change.down, change.up) == (pytest.approx(0.05), pytest.approx(0.05))
    record = change.record()
    assert record["ratio"] == pytest.approx(1.2)
    assert record["ci95"] == [pytest.approx(1.2 * math.exp(-0.05)), pytest.approx(1.2 * math.exp(0.05))]
    narrow = 0.05 * 1.6449 / 1.96
    assert record["ci90"] == [pytest.approx(1.2 * math.exp(-narrow), rel=1e-5), pytest.approx(1.2 * math.exp(narrow), rel=1e-5)]


def test_lopsided_intervals_cross_over() -> None:
    # The lower end of the change is where the new one is low and the original high: arms 0.03 and 0.04 there, 0 and 0 at the other end.
    change = change_between(Estimate(1.0, 1.0, math.exp(0.04)), Estimate(1.0, math.exp(-0.03), 1.0))
    assert (change.down, change.up) == (pytest.approx(0.05), 0.0)


@pytest.mark.parametrize("broken", [Estimate(math.nan), Estimate(0.0, 0.0, 0.0), Estimate(-1.0)])
def test_an_undefined_side_gives_no_change(broken: Estimate) -> None:
    change = change_between(around(1.0, 0.1), broken)
    assert change.record() == {"ratio": None, "ci90": None, "ci95": None}
    assert judge(change, 0.05).state == "not_resolved"


def test_without_an_interval_nothing_is_said() -> None:
    change = change_between(Estimate(1.0), around(2.0, 0.01))
    assert change.record() == {"ratio": 2.0, "ci90": None, "ci95": None}
    judged = judge(change, 0.05)
    assert (judged.state, judged.launches_needed) == ("not_resolved", None)
    assert "no interval" in judged.reason


def test_equivalence_is_the_90_percent_interval_inside_the_margin() -> None:
    room = math.log(1.05)
    fits, sticks_out = (Change(0.0, arm, arm) for arm in (room / NARROWED * 0.999, room / NARROWED * 1.001))
    assert judge(fits, 0.05).state == "not_moved"  # although its 95 % interval sticks out
    assert judge(sticks_out, 0.05).state == "not_resolved"


def test_a_change_inside_the_margin_counts_as_none_even_where_it_is_sure() -> None:
    assert judge(Change(math.log(1.03), 0.001, 0.001), 0.05).state == "not_moved"


def test_moved_when_the_95_percent_interval_excludes_no_change() -> None:
    assert judge(Change(0.1, 0.0999, 0.2), 0.05).state == "moved"
    assert judge(Change(0.1, 0.1001, 0.2), 0.05).state == "not_resolved"
    assert judge(Change(-0.1, 0.2, 0.0999), 0.05).state == "moved"


def test_several_quantities_need_wider_intervals() -> None:
    change = Change(0.1, 0.09, 0.09)
    assert judge(change, 0.05, quantities=1, launches=3, cells=8).state == "moved"
    assert judge(change, 0.05, quantities=5, launches=3, cells=8).state == "not_resolved"


def test_exact_changes_have_no_noise() -> None:
    original, new = around(2.0, 0.5), around(2.1, 0.5)  # the model's own error, the same in both
    change = change_between(original, new, exact=True)
    assert change.record() == {"ratio": pytest.approx(1.05), "ci90": None, "ci95": None}
    assert judge(change, 0.04).state == "moved"
    assert judge(change, 0.06).state == "not_moved"
    assert judge(change_between(original, original, exact=True), 0.05).reason == "identical to the last digit"


def test_launches_needed_falls_with_the_root() -> None:
    # Many degrees of freedom: the half width of the 90 % interval is a constant over the root of the launches.
    room, arm = math.log(1.05), 2 * math.log(1.05) / NARROWED  # twice too wide, so four times the launches
    assert needed(Change(0.0, arm, arm), room, launches=100, cells=100) == pytest.approx(400, abs=1)
    # Outside the margin the 95 % interval has to exclude 1: 0.2 wide at 0.1 is twice too wide as well.
    assert needed(Change(0.1, 0.2, 0.2), room, launches=100, cells=100) == pytest.approx(400, abs=1)


def test_few_launches_need_fewer_than_the_root_says_as_the_spread_becomes_known() -> None:
    # Student's t over the root: 4.303 / 1.414 = 3.043 now, half of that is wanted; 2.776 / 1.732 = 1.603 at 3 launches, 2.447 / 2 = 1.224 at 4.
    room, arm = math.log(1.05), 2 * math.log(1.05) / NARROWED
    assert needed(Change(0.0, arm, arm), room, launches=2, cells=2) == 4


def test_an_estimate_on_the_margin_needs_no_number() -> None:
    room = math.log(1.05)
    assert needed(Change(room - 1e-6, 0.1, 0.1), room, launches=3, cells=8) is None
    assert judge(Change(room - 1e-6, 0.1, 0.1), 0.05, launches=3, cells=8).launches_needed is None
    assert MOST_LAUNCHES == 1000
