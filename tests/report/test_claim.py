"""The claim beside what was found: interpolation, places, verdicts and the sentence of the page."""

from __future__ import annotations

import math
from typing import Any

import pytest
from report_documents import make_config, make_document

from frontier.report import claim_rows, shift_at
from frontier.report.claim import claim_sentence
from frontier.report.wording import TIMES

CLAIM = {"ratio": 25.0, "interactivity_tok_s_user": 60.0, "workload": "isl1k_osl1k"}


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()[0]


def sentence(document: dict[str, Any], **claim: Any) -> str:
    config = make_config(document)
    config["claim"].update(claim)
    return claim_sentence(config, document).replace(TIMES, "x")


def test_between_two_points_the_shift_is_log_linear(document: dict[str, Any]) -> None:
    # The closed form is log-linear in interactivity, so that what lies between the points at 60 and 65 is known.
    level = math.log(4.1 * 1.45 * 1.25 * 1.5 * 1.12) + 4 * 0.08
    slope = (0.25 - 0.10 + 0.05 + 0.30 - 0.28) / 60.0
    found = shift_at(document, 62.0)
    assert found.ratio.value == pytest.approx(math.exp(level + slope * (62.0 - 80.0)), rel=1e-12)
    assert found.ratio.high == pytest.approx(found.ratio.value * math.exp(1.96 * 0.11), rel=1e-12)
    assert found.before == pytest.approx(2400.0 * math.exp(-62.0 / 60.0), rel=1e-12)
    assert found.after == pytest.approx(found.before * found.ratio.value, rel=1e-12)


def test_a_point_of_the_curve_is_itself_even_beside_a_gap(document: dict[str, Any]) -> None:
    curve = document["shift"]["by_interactivity"]
    curve[9]["ratio"] = None  # 65 tokens/s/user
    assert shift_at(document, 60.0).ratio.value == curve[8]["ratio"]
    assert math.isnan(shift_at(document, 62.0).ratio.value)


@pytest.mark.parametrize("where", [19.9, 140.1])
def test_outside_the_curve_nothing_is_defined(document: dict[str, Any], where: float) -> None:
    assert math.isnan(shift_at(document, where).ratio.value)
    assert claim_rows(document, {**CLAIM, "interactivity_tok_s_user": where}, "")[-1].verdict == "not defined here"
    assert "not defined there, the frontiers overlap from 20 to 140 tokens/s/user" in sentence(document, interactivity_tok_s_user=where)


@pytest.mark.parametrize(
    ("ratio", "side"),
    # At 60 tokens/s/user the ratio is 17.19 e^(-0.22 / 3) = 15.97, its interval 12.88 to 19.82.
    [(16.0, "inside"), (12.8, "below"), (12.9, "inside"), (19.9, "above")],
)
def test_the_claim_is_judged_where_it_is_made(document: dict[str, Any], ratio: float, side: str) -> None:
    rows = claim_rows(document, {**CLAIM, "ratio": ratio}, "isl1k_osl1k")
    assert [row.where for row in rows] == ["log-mean over the overlap", "at 60 tokens/s/user"]
    assert [row.verdict for row in rows] == ["not judged: claimed at 60 tokens/s/user", f"claim {side} the interval"]
    assert sentence(document, ratio=ratio).endswith(f"found there: 16.0x (12.9x to 19.8x). The claimed value lies {side} the interval.")


def test_a_claim_without_a_place_is_judged_on_the_log_mean(document: dict[str, Any]) -> None:
    (row,) = claim_rows(document, {"ratio": 18.0, "interactivity_tok_s_user": None}, "isl1k_osl1k")
    assert (row.where, row.found.value, row.verdict) == (
        "log-mean over the overlap",
        document["shift"]["ratio"]["value"],
        "claim inside the interval",
    )
    told = sentence(document, ratio=18.0, interactivity_tok_s_user=None)
    assert told.startswith("The claim is 18.0x, at no stated interactivity; found: 17.2x (13.9x to 21.3x) as the log-mean over the overlap.")


def test_the_headline_has_one_interval_wherever_it_is_quoted(document: dict[str, Any]) -> None:
    document["shift"]["ratio"]["ci95"] = [1.0, 99.0]
    assert [claim_rows(document, CLAIM, "")[0].found.low, claim_rows(document, CLAIM, "")[0].found.high] == document["total"]["ci95"]
    document["shift"]["ratio"]["value"] = 15.0  # another number, over another range: its own interval
    assert claim_rows(document, CLAIM, "")[0].found.high == 99.0


def test_a_claim_for_another_workload_is_not_judged(document: dict[str, Any]) -> None:
    rows = claim_rows(document, {**CLAIM, "workload": "isl8k_osl1k"}, "isl1k_osl1k")
    assert {row.verdict for row in rows} == {"not judged: claimed for workload isl8k_osl1k"}
    assert "lies" not in sentence(document, workload="isl8k_osl1k")


def test_without_an_interval_or_a_claimed_ratio_nothing_is_judged(document: dict[str, Any]) -> None:
    assert [row.verdict for row in claim_rows(document, {**CLAIM, "ratio": None}, "")] == ["no ratio claimed"] * 2
    assert sentence(document, ratio=None) == ""
    for row in document["shift"]["by_interactivity"]:
        row["ci95"] = None
    assert claim_rows(document, CLAIM, "")[-1].verdict == "no interval: not judged"
    assert sentence(document).endswith("(no interval). Without an interval the claim is not judged.")
