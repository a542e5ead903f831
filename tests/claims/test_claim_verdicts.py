"""Verdicts by hand: bands, places, ranges, margins, shares."""

from __future__ import annotations

import math

import pytest

from frontier.claims.finding import Factor, Finding
from frontier.claims.shares import share_of
from frontier.claims.verdict import (
    FAILS,
    HOLDS,
    IN_RANGE,
    NOT_SUPPORTED,
    NOT_TESTABLE,
    OPEN,
    SUPPORTED,
    Band,
    Found,
    judge_curve,
    judge_value,
    with_margin,
)


def found(low: float, high: float) -> Found:
    return Found(math.sqrt(low * high), low, high)


@pytest.mark.parametrize(
    ("direction", "low", "high", "state"),
    [
        # claimed 10 with a tolerance of 25 %: the band is 8 to 12.5
        ("about", 8.0, 12.5, HOLDS),
        ("about", 7.9, 12.0, OPEN),
        ("about", 13.0, 14.0, FAILS),
        ("about", 5.0, 7.9, FAILS),
        ("at_least", 8.0, 99.0, HOLDS),
        ("at_least", 5.0, 7.9, FAILS),
        ("at_least", 5.0, 99.0, OPEN),
        ("up_to", 8.0, 99.0, HOLDS),
        ("at_most", 1.0, 12.5, HOLDS),
        ("at_most", 12.6, 13.0, FAILS),
        ("at_most", 12.0, 13.0, OPEN),
    ],
)
def test_an_interval_holds_inside_the_band_fails_outside_and_is_open_across_its_edge(direction: str, low: float, high: float, state: str) -> None:
    assert Band.of(10.0, direction, 0.25).judge(found(low, high)) == state


def test_a_number_without_interval_is_open() -> None:
    assert Band.of(10.0, "about", 0.25).judge(Found(10.0)) == OPEN


def test_a_margin_stands_in_for_a_missing_interval() -> None:
    stand_in = with_margin(11.0, None, 0.1)
    assert (stand_in.low, stand_in.high) == (pytest.approx(10.0), pytest.approx(12.1))
    assert stand_in.by_margin
    assert not with_margin(11.0, [10.9, 11.1], 0.1).by_margin


@pytest.mark.parametrize(("low", "high", "state"), [(9.0, 11.0, SUPPORTED), (2.0, 3.0, NOT_SUPPORTED), (2.0, 30.0, NOT_TESTABLE)])
def test_one_number(low: float, high: float, state: str) -> None:
    assert judge_value(Band.of(10.0, "about", 0.25), found(low, high), "the ratio").state == state


def test_an_undefined_number_is_not_testable() -> None:
    judged = judge_value(Band.of(10.0, "about", 0.25), Found(math.nan), "the ratio")
    assert judged.state == NOT_TESTABLE
    assert "not defined" in judged.reason


PLACES = [10.0, 20.0, 30.0, 40.0]
BAND = Band.of(10.0, "at_least", 0.25)  # 8 and more
HIGH, LOW, WIDE = found(9.0, 12.0), found(2.0, 3.0), found(2.0, 30.0)


@pytest.mark.parametrize(
    ("curve", "stated", "state", "ranges"),
    [
        ([HIGH, HIGH, HIGH, HIGH], None, SUPPORTED, ((10.0, 40.0),)),
        ([LOW, LOW, LOW, LOW], None, NOT_SUPPORTED, ()),
        ([LOW, HIGH, HIGH, LOW], None, IN_RANGE, ((20.0, 30.0),)),
        ([HIGH, LOW, LOW, HIGH], None, IN_RANGE, ((10.0, 10.0), (40.0, 40.0))),
        ([WIDE, WIDE, WIDE, WIDE], None, NOT_TESTABLE, ()),
        ([LOW, WIDE, LOW, LOW], None, NOT_TESTABLE, ()),  # one place could still hold it
        ([LOW, HIGH, HIGH, LOW], (20.0, 30.0), SUPPORTED, ((20.0, 30.0),)),
        ([LOW, HIGH, HIGH, LOW], (10.0, 20.0), IN_RANGE, ((20.0, 20.0),)),
        ([HIGH, LOW, LOW, HIGH], (20.0, 30.0), NOT_SUPPORTED, ((10.0, 10.0), (40.0, 40.0))),  # it would hold elsewhere
        ([HIGH, HIGH, HIGH, HIGH], (50.0, 60.0), NOT_TESTABLE, ((10.0, 40.0),)),
    ],
)
def test_a_curve(
    curve: list[Found], stated: tuple[float, float] | None, state: str, ranges: tuple[tuple[float, float], ...]
) -> None:
    judged = judge_curve(BAND, PLACES, curve, stated)
    assert (judged.state, judged.ranges) == (state, ranges)


def test_the_share_of_the_software_on_both_scales() -> None:
    # Hardware 2, software 5: ln 5 / ln 10 = 0.699 of the logarithm, (10 - 2) / (10 - 1) = 8/9 of the gain.
    parts = (Factor("hardware", Found(2.0, 1.6, 2.5)), Factor("precision", Found(2.5, 2.0, 3.0)), Factor("mtp", Found(2.0, 1.5, 2.5)))
    share = share_of(Finding("predicted", "", factors=parts), ["precision", "mtp"])
    assert share is not None
    assert share.whole.value == pytest.approx(10.0)
    assert share.of_log.value == pytest.approx(math.log(5) / math.log(10))
    assert share.of_gain.value == pytest.approx(8 / 9)
    # Worst case together: software 3 beside hardware 2.5, software 7.5 beside hardware 1.6.
    assert share.of_log.low == pytest.approx(math.log(3) / math.log(7.5))
    assert share.of_log.high == pytest.approx(math.log(7.5) / math.log(12))
    narrow = share_of(Finding("predicted", "", factors=parts), ["mtp"])
    assert narrow is not None
    assert narrow.hardware.value == pytest.approx(5.0)


def test_no_share_without_a_hardware_part_or_without_a_gain() -> None:
    assert share_of(Finding("published", "", factors=(Factor("software", Found(2.0)),)), ["software"]) is None
    lost = (Factor("hardware", Found(0.5)), Factor("precision", Found(1.5)))
    assert share_of(Finding("published", "", factors=lost), ["precision"]) is None
