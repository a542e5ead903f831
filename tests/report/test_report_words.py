"""The page's sentences: key numbers, the answer, what a split is called, and estimates outside their interval."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_documents import make_document
from report_page import Writer, read, read_without_figures

from frontier.report.wording import TIMES


def test_key_numbers_show_the_intervals_beside_plain_ratios(make_run: Writer) -> None:
    document, points = make_document()
    document["shift"].update(
        peak_ratio=9.0,
        peak_ratio_ci95=[5.7, 24.05],
        max_interactivity_ratio_ci95=[1.2, 1.9],
        hypervolume_ratio=1230.4,
        hypervolume_ratio_ci95=[789.9, 4321.0],
    )
    text = read_without_figures(make_run(document, points)).text.replace(TIMES, "x")
    assert "9.00x 5.70x to 24.1x" in text  # 24.05 has no exact binary form and lies above it
    assert "1.43x 1.20x to 1.90x" in text
    assert "1,230x 790x to 4,320x" in text


@pytest.mark.parametrize(
    ("high", "told"), [(164.04, "no range newly reached"), (170.0, "newly reached: 164 to 170 tokens/s/user"), (None, "no range")]
)
def test_a_newly_reached_range_must_be_worth_telling(make_run: Writer, high: float | None, told: str) -> None:
    document, points = make_document()
    document["shift"]["newly_reached_tok_s_user"] = [164.0, high] if high else None
    assert f"highest interactivity; {told}" in read_without_figures(make_run(document, points)).text


def test_the_answer_names_three_shares_and_the_rest_by_name(full_run: Path) -> None:
    text = read(full_run / "report.html").text
    # Shares: hardware 4.1 e^.04, mtp 1.5 e^.08, precision 1.45 e^.08, parallelism 1.25 e^.08, disaggregation 1.12 e^.04.
    quoted = r"Of this, Hardware carries 4\.27.*?, Multi-token prediction 1\.62.*?, Precision 1\.57.*?\), "
    assert re.search(quoted + "and Wider parallelism and Disaggregation the rest;", text)


def test_the_answer_counts_the_rest_where_names_would_fill_a_page(make_run: Writer) -> None:
    effects = {f"lever_{place}": (0.5 - 0.01 * place, 0.0) for place in range(8)}
    text = read_without_figures(make_run(*make_document(effects, interaction=0.0))).text
    assert "and 5 further levers the rest;" in text
    assert "lever_7 the rest" not in text


def test_an_observed_path_is_never_called_shapley(make_run: Writer) -> None:
    document, points = make_document({"hardware": (1.0, 0.0), "precision": (0.4, 0.0)}, evidence="published")
    document.update(method="ladder", interactions=[], leave_one_out=[])
    text = read_without_figures(make_run(document, points)).text
    assert "Shapley" not in text
    assert "Contributions along the observed path multiply to the whole shift. The path: baseline → Hardware → Precision" in text
    assert text.count("ontributions along the observed path") == 4  # verdict, waterfall, shares over interactivity, hardware against software


def test_sources_of_denominators_stand_once(make_run: Writer) -> None:
    document, points = make_document()
    document["normalizations"][4]["table"] = document["normalizations"][2]["table"]
    text = read_without_figures(make_run(document, points)).text
    assert "Per MW (all-in) and per USD: power table 2025-10, all-in." in text
    assert text.count("power table 2025-10, all-in") == 1


def test_an_estimate_outside_its_interval_is_not_judged(make_run: Writer) -> None:
    document, points = make_document({"mtp": (0.0, 0.0), "version": (0.5, 0.0)}, interaction=0.0)
    document["shares"][0]["ci95"] = [1.03, 3.4]
    page = read_without_figures(make_run(document, points))
    assert "not judged: the model is biased here" in page.text
    assert "Multi-token prediction lies outside its own 95 % interval: in these groups the model is known to be biased." in page.text


def test_the_bias_sentence_names_every_estimate_outside_its_interval(make_run: Writer) -> None:
    document, points = make_document()
    document["shares"][1]["ci95"] = [2.0, 3.0]
    document["shift"].update(peak_ratio=9.0, peak_ratio_ci95=[1.0, 8.0])
    text = read_without_figures(make_run(document, points)).text
    assert "Precision and Peak throughput lie outside their own 95 % interval" in text
    assert "Hardware lies outside" not in text


def test_a_measured_estimate_outside_its_interval_blames_no_model(make_run: Writer) -> None:
    document, points = make_document({"mtp": (0.3, 0.0)}, evidence="measured")
    document["shares"][0]["ci95"] = [2.0, 3.0]
    text = read_without_figures(make_run(document, points)).text
    assert "not judged: estimate outside its interval" in text
    assert "biased" not in text
