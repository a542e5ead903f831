"""A variant below its gate carries no frontier: in the attribution, the report's figures and its tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.attribute import LeverSpec, attribute
from frontier.errors import PointsError, RunError
from frontier.records import BELOW_GATE, normalize_points
from frontier.report import fig_frontiers, fig_quality, write_report
from frontier.report.document import read_run
from frontier.report.gallery import pictures
from frontier.report.output import checked, gated_sentence, quality_sentence, quality_table, score_table

FACTORS = {"precision": 1.5, "mtp": 1.2}
SPECS = [LeverSpec(name, f"level_{name}", ("baseline",), ("target",)) for name in FACTORS]


def table(gated: tuple[str, ...], **columns: Any) -> pd.DataFrame:
    """Four cells of two levers that multiply throughput, 3 launches each; the variants in ``gated`` are flagged."""
    rows = []
    for name in ("baseline", "precision", "mtp", "precision+mtp"):
        gain = np.prod([factor for lever, factor in FACTORS.items() if lever in name])
        for launch in range(3):
            for batch in (1, 2, 4, 8):
                x = 100.0 / (1 + batch / 8)
                levels = {f"level_{lever}": "target" if lever in name else "baseline" for lever in FACTORS}
                more = {"flags": BELOW_GATE, **columns} if name in gated else {"flags": ""}
                rows.append(
                    {
                        "evidence": "measured", "variant": name, "replicate": launch, "concurrency": batch, "interactivity_tok_s_user": x,
                        "total_tput_tok_s_gpu": gain * batch * x, **levels, **more,
                    }
                )  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


NUMBERS = {"quality": 1.084, "quality_metric": "perplexity_ratio", "quality_gate": 1.02}
WORDS = "perplexity ratio 1.084, gate 1.02"


def cells(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {cell["cell"]: (cell["status"], cell["reason"]) for cell in document["cells"]}


def test_a_lever_whose_output_does_not_hold_is_worth_nothing() -> None:
    document = attribute(table(("precision", "precision+mtp"), **NUMBERS), SPECS)
    assert cells(document)["precision"] == cells(document)["precision+mtp"] == ("below_gate", WORDS)
    shares = {share["lever"]: share["ratio"] for share in document["shares"]}
    assert shares == {"precision": pytest.approx(1.0), "mtp": pytest.approx(1.2)}
    assert document["total"]["ratio"] == pytest.approx(1.2)
    assert [cell["points"] for cell in document["cells"]] == [4, 0, 4, 0]
    (note,) = [note for note in document["notes"] if "does not hold" in note]
    assert "The target is among them" in note
    assert WORDS in note


def test_without_the_flag_the_same_points_count() -> None:
    document = attribute(table(()), SPECS)
    assert document["total"]["ratio"] == pytest.approx(1.8)
    assert not [note for note in document["notes"] if "does not hold" in note]


def test_only_the_cell_that_fails_is_left_out() -> None:
    document = attribute(table(("precision",), **NUMBERS), SPECS)
    assert [status for status, _ in cells(document).values()] == ["done", "below_gate", "done", "done"]
    assert document["total"]["ratio"] == pytest.approx(1.8)
    assert all("The target is among them" not in note for note in document["notes"])
    assert document["notes"][0].startswith("Measured, and no part of any frontier")  # and no rows are called undefined


def test_the_runs_own_words_win() -> None:
    document = attribute(table(("precision",), **NUMBERS), SPECS, infeasible={"precision": "80.0% of greedy decisions agree"})
    assert cells(document)["precision"] == ("below_gate", "80.0% of greedy decisions agree")


def test_a_flag_without_numbers_has_a_reason_too() -> None:
    flagged = ("below_gate", "flag below_quality_gate")
    assert cells(attribute(table(("precision",)), SPECS))["precision"] == flagged
    # Its perplexity holds, so that number is not the reason.
    assert cells(attribute(table(("precision",), **{**NUMBERS, "quality": 1.001}), SPECS))["precision"] == flagged


def test_a_launch_that_holds_carries_its_cell() -> None:
    frame = table(("precision",), **NUMBERS)
    frame.loc[(frame["variant"] == "precision") & (frame["replicate"] == 0), "flags"] = pd.NA
    assert cells(attribute(frame, SPECS))["precision"] == ("done", "")


def test_a_baseline_below_the_gate_has_no_shift() -> None:
    with pytest.raises(PointsError, match=rf"no usable point: its output is below the quality gate \({re.escape(WORDS)}\)"):
        attribute(table(("baseline",), **NUMBERS), SPECS)


def hollow(figure: Any) -> list[Any]:
    return [line for line in figure.axes[0].get_lines() if line.get_markerfacecolor() == "none" and len(line.get_xdata())]


def test_hollow_marks_in_the_frontier_figure() -> None:
    points = table(("precision", "precision+mtp"), **NUMBERS)
    document = attribute(points, SPECS)
    figure = fig_frontiers(document, points=points)
    marks = hollow(figure)
    assert [len(line.get_xdata()) for line in marks] == [12, 12]  # every launch of the two variants
    assert marks[0].get_markeredgecolor() != marks[1].get_markeredgecolor()
    highest = points.loc[points["variant"] == "precision+mtp", "total_tput_tok_s_gpu"].max()
    assert figure.axes[0].get_ylim()[1] > highest
    words = [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]
    assert words.count("hollow: below the quality gate, not counted") == 1


def test_no_hollow_marks_where_all_hold() -> None:
    points = table(())
    document = attribute(points, SPECS)
    assert hollow(fig_frontiers(document, points=points)) == []
    assert gated_sentence(document) == ""


def test_the_sentence_on_cells_below_the_gate() -> None:
    document = attribute(table(("precision", "precision+mtp"), **NUMBERS), SPECS)
    assert gated_sentence(document) == (
        "2 of 4 combinations were measured and are not counted: their output is below the quality gate (precision and precision+mtp). "
        "With all levers at target the output does not hold, so the shift is that of the largest set of levers with which it does."
    )
    assert "With all levers" not in gated_sentence(attribute(table(("precision",)), SPECS))


def quality_json() -> dict[str, Any]:
    def row(name: str, ratio: float, passed: bool) -> dict[str, Any]:
        share = {"value": 0.97, "ci95": [0.95, 0.98], "required": 0.9}
        score = {"task": "arc_easy", "metric": "acc", "filter": "none", "value": 0.61, "stderr": None, "larger_is_better": True, "samples": 9}
        return {
            "variant": name, "perplexity": 14.2 * ratio, "documents": 16, "tokens": 3056, "passed": passed, "resolved": passed,
            "perplexity_ratio": {"value": ratio, "ci95": [ratio - 0.004, ratio + 0.004]},
            "agreement": {"value": 0.97, "forced": share, "generated": share, "identical": 0.8},
            "reasons": [] if passed else ["perplexity is 1.084 times the baseline's, the gate allows 1.02"], "notes": ["One launch only."],
            "scores": [score],
        }  # fmt: skip

    gate = {"max_perplexity_increase": 0.02, "min_greedy_agreement": 0.9, "documents": 16, "prompt_tokens": 192, "output_tokens": 32}
    rows = [row("baseline", 1.0, True), row("precision", 1.084, False)]
    return {"schema": "frontier.quality/1", "gate": gate, "variants": rows}


def test_the_table_and_the_figure_of_the_gate() -> None:
    found = quality_table(quality_json())
    assert found is not None
    assert [row[0].text for row in found.rows] == ["baseline", "precision"]
    assert found.rows[0][1].text == "passes"
    assert found.rows[1][1].text == (
        "below the gate: perplexity is 1.084 times the baseline's, the gate allows 1.02 "
        "(an interval holds the limit: more documents could turn this)"
    )
    assert found.rows[1][3].value == 1.084
    assert "Below the gate and left out of every frontier: precision." in quality_sentence(quality_json())
    scores = score_table(quality_json())
    assert scores is not None
    assert [cell.text for cell in scores.rows[0]] == ["baseline", "arc_easy", "acc (none)", "0.610", "not defined", "9.00", "larger"]
    figure = fig_quality(attribute(table(()), SPECS), quality_json())
    dots = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False, True]
    assert any(line.get_xdata()[0] == 1.02 for line in figure.axes[0].get_lines())


def test_a_run_without_a_gate_has_no_such_section() -> None:
    assert quality_table(None) is None
    assert score_table(None) is None
    assert quality_sentence(None) == ""
    assert checked(None) is None
    assert checked({"schema": "frontier.quality/1", "variants": []}) is None
    with pytest.raises(RunError, match=r"schema frontier\.quality/1, got 'x'"):
        checked({"schema": "x"})


def test_the_page_shows_the_gate(tmp_path: Path) -> None:
    points = table(("precision",), **NUMBERS)
    points.to_parquet(tmp_path / "points.parquet", index=False)
    (tmp_path / "config.yaml").write_text("{name: gated, report: {formats: []}}", encoding="utf-8")
    (tmp_path / "attribution.json").write_text(json.dumps(attribute(points, SPECS)), encoding="utf-8")
    assert "quality" not in [picture.name for picture in pictures(read_run(tmp_path))]
    (tmp_path / "quality.json").write_text(json.dumps(quality_json()), encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert 'id="quality"' in page
    assert 'id="figure-quality"' in page
    assert '<data value="1.084">' in page
    assert "1 of 4 combinations were measured and are not counted" in page
    assert "3 done, 1 below gate" in page
