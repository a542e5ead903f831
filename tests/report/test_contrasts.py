"""Where two kinds of evidence answer the same question: table, sentences and figure of the common moves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_documents import make_document, make_pair
from report_page import read

from frontier.report import fig_contrasts
from frontier.report.contrasts import agreement_sentence, contrast_table, contrasts, held_sentence
from frontier.report.wording import TIMES

# Precision gains 0.08 with hardware and 0.08 with parallelism, which stands at target; the other moves are alone.
OURS = [4.1, 1.45 * math.exp(0.16), 1.12, 4.1 * 1.45 * 1.12 * math.exp(0.16)]
THEIRS = [4.6, 1.3, 1.35, 4.6 * 1.3 * 1.35]


@pytest.fixture
def document() -> dict[str, Any]:
    return make_pair()[0]


def test_both_sides_stand_in_the_rows_of_the_page(full_run: Path) -> None:
    page = read(full_run / "report.html")
    wanted = [value for ours, theirs in zip(OURS, THEIRS, strict=True) for value in (ours, theirs, ours / theirs)]
    assert page.numbers["companion"][:12] == pytest.approx(wanted, rel=1e-12)
    assert "contributions along the observed path (baseline → Hardware → Precision → Disaggregation); another order could give others" in page.text
    assert "Published. Contributions along the observed path to the ratio of" in page.text
    assert "Published. Shapley" not in page.text
    assert "Predicted. Shapley shares of the ratio of" in page.text


def test_the_table_says_where_the_published_factor_lies(document: dict[str, Any]) -> None:
    table = contrast_table(document)
    assert table is not None
    # A factor's interval is the factor times e^(+-1.96 x 0.11) = 0.806 to 1.241: precision 1.37 to 2.11 leaves 1.3 out.
    assert [[row[0].text, row[-1].text] for row in table.rows] == [
        ["Hardware", "inside"], ["Precision", "below"], ["Disaggregation", "inside"], ["Whole move", "inside"]
    ]  # fmt: skip
    assert table.strong == {3}
    document["companion"]["ladder"][2]["ratio"] = 1.4  # disaggregation ends at 1.12 x 1.241 = 1.39
    assert [one.place for one in contrasts(document)] == ["inside", "below", "above", "inside"]


def test_the_agreement_of_the_whole_move_is_one_sentence(document: dict[str, Any]) -> None:
    document["companion"]["total"]["ci95"] = None
    # 7.814 / 8.073 = 0.968
    assert agreement_sentence(document).replace(TIMES, "x") == (
        "For the whole move the predicted factor, 7.81x (6.30x to 9.69x), is 3 % below the published one, 8.07x (no interval); "
        "the published factor lies inside the predicted interval."
    )
    document["contrasts"][-1].update(ratio=12.1, ci95=[9.0, 15.0])  # 12.1 / 8.073 = 1.4988
    assert "is 50 % above the published one" in agreement_sentence(document)
    assert agreement_sentence(document).endswith("the published factor lies below the predicted interval.")
    document["contrasts"][-1]["ci95"] = None
    assert agreement_sentence(document).endswith("without an interval their agreement is not judged.")


def test_what_is_held_equal_is_said(document: dict[str, Any]) -> None:
    told = held_sentence(document)
    assert "Wider parallelism is held at target, as the published side holds whatever its submitters chose" in told
    assert "Multi-token prediction is held at baseline, as the published side does not tell it apart" in told


def test_an_undefined_side_is_not_compared(document: dict[str, Any]) -> None:
    document["companion"]["total"] = {"log_ratio": None, "ratio": None, "ci95": None}
    assert contrasts(document)[-1].place == "not defined"
    assert math.isnan(contrasts(document)[-1].ratio)
    assert agreement_sentence(document) == ""


def test_without_companion_or_contrasts_there_is_nothing(document: dict[str, Any]) -> None:
    alone, _ = make_document()
    assert contrasts(alone) == []
    assert held_sentence(alone) == ""
    document["contrasts"] = []
    assert contrast_table(document) is None
    assert any("not defined" in text.get_text() for text in fig_contrasts(document).axes[0].texts)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_figure_draws_both_factors_and_both_intervals(document: dict[str, Any], narrow: bool) -> None:
    axes = fig_contrasts(document, narrow=narrow).axes[0]
    drawn = {mark: [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == mark and len(line.get_xdata())] for mark in "oD"}
    assert drawn["o"] == pytest.approx(OURS)
    assert drawn["D"] == pytest.approx(THEIRS)
    for row in [*document["contrasts"], *document["companion"]["ladder"], document["companion"]["total"]]:
        assert any(len(line.get_xdata()) == 2 and np.allclose(line.get_xdata(), row["ci95"]) for line in axes.lines)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Hardware", "Precision", "Disaggregation", "Whole move"]
    assert axes.get_title(loc="left") == "predicted and published"
