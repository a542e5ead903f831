"""The page: its numbers are the document's, its text is escaped, it loads nothing, and it renders when parts are missing."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_documents import FULL_EXTRAS, SETTINGS, make_companion, make_config, make_document
from report_page import Page, Writer, read, read_without_figures

from frontier.errors import ConfigError, PointsError, RunError
from frontier.report import write_report


def test_numbers_of_the_page_are_the_documents(full_run: Path) -> None:
    page = read(full_run / "report.html")
    document = json.loads((full_run / "attribution.json").read_text())
    shift = document["shift"]
    assert page.numbers["answer"] == [
        document["total"]["ratio"], shift["peak_ratio"]["value"], shift["max_interactivity_ratio"], shift["hypervolume_ratio"]["value"]
    ]  # fmt: skip
    verdict = [value for share in document["shares"] for value in (share["ratio"], share["fraction"])] + [document["total"]["ratio"]]
    assert page.numbers["verdict"][: len(verdict)] == verdict
    per = [[row["ratio"], row["denominator_before"], row["denominator_after"]] for row in document["normalizations"]]
    assert page.numbers["normalizations"] == [value for row in per for value in row]
    # 17.19...: exp(ln 4.1 + ln 1.45 + ln 1.25 + ln 1.5 + ln 1.12 + 4 x 0.08) = 12.4845 x 1.3771 = 17.19
    assert math.isclose(page.numbers["answer"][0], 4.1 * 1.45 * 1.25 * 1.5 * 1.12 * math.exp(0.32), rel_tol=1e-12)
    assert "rose 17.2× (95 % interval 13.9× to 21.3×) from 8 x H200 SXM to GB200 NVL72" in page.text  # noqa: RUF001
    assert "not measured on hardware" in page.text


def test_shares_multiply_to_the_whole_on_the_page(full_run: Path) -> None:
    numbers = read(full_run / "report.html").numbers["verdict"][:11]
    assert math.isclose(math.prod(numbers[0:10:2]), numbers[10], rel_tol=1e-12)


def test_without_contrasts_the_common_coalitions_answer(make_run: Writer) -> None:
    document, points = make_document()
    document["companion"], companion_points = make_companion()
    page = read_without_figures(make_run(document, points, companion_points=companion_points))
    # Hardware alone: 4.1 predicted, 4.6 published; the first row of the coalitions both sides hold.
    assert page.numbers["companion"][:3] == pytest.approx([4.1, 4.6, 4.1 / 4.6], rel=1e-12)
    # Precision without the hardware is infeasible: no row for it, nor for it with disaggregation. Five rows are left of seven.
    assert page.numbers["companion"][12:15] == pytest.approx(
        [4.1 * 1.45 * 1.12 * math.exp(0.08), 4.6 * 1.3 * 1.35, 4.1 * 1.45 * 1.12 * math.exp(0.08) / (4.6 * 1.3 * 1.35)], rel=1e-12
    )


def test_sections_stand_in_reading_order(full_run: Path) -> None:
    order = [attributes["id"] for tag, attributes in read(full_run / "report.html").tags if tag == "section"]
    assert order == [
        "question", "answer", "frontiers", "verdict", "waterfall", "shares", "ratio", "companion", "interactions", "normalizations", "split",
        "configurations", "model-error", "cells", "environment", "limits",
    ]  # fmt: skip


def test_only_the_frontier_of_the_companion_is_open(full_run: Path) -> None:
    text = (full_run / "report.html").read_text()
    section = text[text.index('<section id="companion"') : text.index('<section id="interactions"')]
    folded = "".join(re.findall(r"<details>.*?</details>", section, flags=re.DOTALL))
    assert 'id="figure-companion_waterfall"' in folded
    assert 'id="figure-companion_frontiers"' not in folded
    assert 'id="figure-contrasts"' not in folded


def test_quoted_interactivities_are_quoted_exactly(full_run: Path) -> None:
    numbers = read(full_run / "report.html").numbers["ratio"]
    document = json.loads((full_run / "attribution.json").read_text())
    grid = {row["interactivity_tok_s_user"]: row for row in document["shift"]["by_interactivity"]}
    assert numbers == [value for x in (50.0, 100.0) for value in (x, grid[x]["before"], grid[x]["after"], grid[x]["ratio"])]


def test_text_is_escaped(make_run: Writer) -> None:
    evil = "<script>alert(1)</script>"
    document, points = make_document(titles={"mtp": evil})
    document["notes"] = [evil]
    points["hardware"] = evil
    config = make_config(document, title=evil)
    config["claim"] = {"statement": evil, "source": evil, "url": "javascript:alert(1)"}
    text = write_report(make_run(document, points, config=config, extras={"environment.json": {evil: evil}})).read_text()
    page = Page(text)
    assert evil not in text
    assert page.text.count(evil) > 4
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert "javascript:" not in text


def test_nothing_is_loaded_from_elsewhere(full_run: Path) -> None:
    path = full_run / "report.html"
    for tag, attributes in read(path).tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        for name in ("src", "srcset", "href", "xlink:href", "data", "action"):
            if name in attributes:
                assert attributes[name].startswith("#") or (tag, name, attributes[name]) == ("a", "href", "https://example.org/claim")
    assert "@import" not in path.read_text()
    assert not re.search(r"url\((?!#)", path.read_text())
    assert path.stat().st_size < 3_000_000


def test_ids_are_unique_and_references_exist(full_run: Path) -> None:
    text = (full_run / "report.html").read_text()
    ids = [attributes["id"] for _, attributes in read(full_run / "report.html").tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    assert wanted <= set(ids)


def test_page_is_readable_by_screen_readers(full_run: Path) -> None:
    page = read(full_run / "report.html")
    assert ("html", {"lang": "en"}) in page.tags
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    figures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(figures) == 20  # ten figures, each for wide screens and for phones
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 20 for figure in figures)


def test_every_mark_of_the_frontiers_names_its_configuration(full_run: Path) -> None:
    page = read(full_run / "report.html")
    details = [attributes["data-detail"] for _, attributes in page.tags if "data-detail" in attributes]
    # steps have 12, 13, ... 17 points (predicted) and 12 to 15 (published), each drawn wide and narrow
    assert len(details) == 2 * (sum(range(12, 18)) + sum(range(12, 16)))
    assert details[0] == "Baseline: 10 tokens/s/user, 2,032 tokens/s/GPU; h200_sxm, fp8, TP8 EP8, 8 GPUs, 400 concurrent"
    assert any("disaggregated (2 prefill × TP4, 1 decode × TP32)" in detail for detail in details)  # noqa: RUF001


def test_same_run_same_bytes(full_run: Path, make_run: Writer, tmp_path: Path) -> None:
    document = json.loads((full_run / "attribution.json").read_text())
    again = make_run(
        document,
        pd.read_parquet(full_run / "points.parquet"),
        config=make_config(document, formats=["png", "svg"]),
        companion_points=pd.read_parquet(full_run / "companion_points.parquet"),
        extras=FULL_EXTRAS,
    )
    out = tmp_path / "beside"
    assert write_report(again, out_dir=out) == out / "report.html"
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.suffix in (".png", ".svg", ".html"))
    assert len(files) == 2 * 10 + 1
    for file in files:
        assert (out / file).read_bytes() == (full_run / file).read_bytes(), file


def test_missing_parts_are_named(make_run: Writer) -> None:
    document, points = make_document()
    for key in (
        "by_interactivity",
        "interactions",
        "normalizations",
        "groups",
        "cells",
        "steps",
        "shift",
        "notes",
        "domain",
        "interval",
        "coalitions",
    ):
        document[key] = None
    page = read(write_report(make_run(document, points)))
    assert "This run has no residual table" in page.text
    assert "The document lists no cells." in page.text
    assert "This run recorded no environment." in page.text
    assert "side by side" not in page.text
    assert page.numbers["verdict"][0] == document["shares"][0]["ratio"]


def test_no_overlap_gives_not_defined_and_its_reason(make_run: Writer) -> None:
    document, points = make_document()
    document["total"] = {"log_ratio": None, "ratio": None, "ci95": None, "reason": "the frontiers do not overlap: 10 to 20 against 50 to 90"}
    document["shift"] = {"ratio": None, "peak_ratio": 3.0, "max_interactivity_ratio": None, "hypervolume_ratio": None, "by_interactivity": []}
    for row in document["shares"] + document["groups"] + document["ladder"] + document["leave_one_out"]:
        row.update(log_ratio=None, ratio=None, ci95=None, fraction=None)
    for row in document["by_interactivity"]:
        row.update(total=None, shares=dict.fromkeys(row["shares"]))
    for row in document["interactions"]:
        row.update(log_ratio=None, ci95_log_ratio=None)
    page = read(write_report(make_run(document, points)))
    assert "is not defined: the frontiers do not overlap: 10 to 20 against 50 to 90." in page.text
    assert page.numbers["answer"] == [3.0]
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text


def test_simulated_points_are_called_so(make_run: Writer) -> None:
    document, points = make_document(evidence="simulated")
    page = read_without_figures(make_run(document, points))
    assert page.text.index("Simulated: not evidence about hardware.") < page.text.index("The question")
    assert "Does not apply: the points are simulated" in page.text


def test_mixed_evidence_is_named(make_run: Writer) -> None:
    document, points = make_document(evidence="measured")
    document["evidence"] = "measured+simulated"
    page = read_without_figures(make_run(document, points))
    assert "Simulated: not evidence about hardware." in page.text
    assert "the evidence is mixed: measured: an engine ran under load" in page.text


def test_the_ratio_over_the_overlap_stands_beside_the_total_where_they_differ(make_run: Writer) -> None:
    document, points = make_document()
    document["shift"]["ratio"]["value"] = 15.0
    page = read_without_figures(make_run(document, points))
    assert page.numbers["answer"][:2] == [document["total"]["ratio"], 15.0]
    assert "Over the whole overlap" in page.text


def test_interval_that_holds_one_is_not_a_verdict(make_run: Writer) -> None:
    document, points = make_document({"mtp": (0.02, 0.0)}, sigma=0.1)
    page = read_without_figures(make_run(document, points))
    assert "the interval does not exclude no change" in page.text
    assert "not distinguished from no change" in page.text
    assert "raises the frontier" not in page.text


@pytest.mark.parametrize("count", [1, 12])
def test_any_number_of_levers(make_run: Writer, count: int) -> None:
    effects = {f"lever_{place}": (0.12 if place % 2 == 0 else -0.08, 0.02) for place in range(count)}
    titles = {name: f"A very long name of a change that somebody typed without mercy, number {name} " * 3 for name in effects}
    document, points = make_document(effects, titles=titles, interaction=0.0)
    page = read(write_report(make_run(document, points)))
    assert page.numbers["verdict"][0 : 2 * count : 2] == [share["ratio"] for share in document["shares"]]


def test_one_point_and_a_step_without_points(make_run: Writer) -> None:
    document, points = make_document()
    keys = ("rows", "interactivity_tok_s_user", "tput_tok_s_gpu")
    document["steps"][0].update({key: document["steps"][0][key][:1] for key in keys})
    document["steps"][1].update({key: [] for key in keys})
    for step in document["steps"][:2]:
        step.update(curve_interactivity_tok_s_user=[], curve_tput_tok_s_gpu=[], ci95_tput_tok_s_gpu=None)
    page = read(write_report(make_run(document, points)))
    assert "Baseline 1 configurations" in page.text
    assert "+ Hardware 0 configurations" in page.text


def test_settings_use_the_systems_titles(full_run: Path) -> None:
    page = read(full_run / "report.html")
    assert "8 x H200 SXM → GB200 NVL72 (forced)" in page.text
    assert f"{', '.join(SETTINGS['mtp'][0])} → 1, 2, 3 (unlocked)" in page.text


def test_row_outside_the_table_is_refused(make_run: Writer) -> None:
    document, points = make_document()
    document["steps"][0]["rows"][0] = len(points)
    with pytest.raises(RunError, match=f"names row {len(points)}, the points table has rows 0 to {len(points) - 1}"):
        write_report(make_run(document, points))


@pytest.mark.parametrize("key", ["tput_tok_s_gpu", "curve_tput_tok_s_gpu"])
def test_lists_that_do_not_pair_up_are_refused(make_run: Writer, key: str) -> None:
    document, points = make_document()
    wanted = len(document["steps"][2][key])
    document["steps"][2][key] = document["steps"][2][key][:-1]
    with pytest.raises(RunError, match=f"{key} of step '.precision' must have {wanted} values, got {wanted - 1}"):
        write_report(make_run(document, points))


def test_captions_do_not_promise_intervals_that_are_not_there(make_run: Writer) -> None:
    document, points = make_document()
    for row in [*document["shares"], *document["groups"], *document["normalizations"], *document["shift"]["by_interactivity"]]:
        row["ci95"] = None
    for step in document["steps"]:
        step["ci95_tput_tok_s_gpu"] = None
    page = read_without_figures(make_run(document, points))
    assert page.text.count("no interval was computed") == 5
    assert "bands:" not in page.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "frontier.attribution/9"}, "reads schema frontier.attribution/1, got 'frontier.attribution/9'"),
        ({"evidence": "guessed"}, "evidence must be among measured, published, predicted, simulated, joined by '+', got 'guessed'"),
        ({"metric": "input"}, "metric must be one of total, output, got 'input'"),
        ({"total": None}, "the attribution lacks total"),
    ],
)
def test_other_documents_are_refused(make_run: Writer, change: dict[str, Any], message: str) -> None:
    document, points = make_document()
    with pytest.raises(RunError, match=re.escape(message)):
        write_report(make_run({**document, **change}, points, config=make_config(document)))


def test_a_folder_without_its_files_is_refused(make_run: Writer) -> None:
    run = make_run(*make_document())
    (run / "points.parquet").unlink()
    with pytest.raises(PointsError, match="no such points file"):
        write_report(run)
    (run / "attribution.json").write_text("{")
    with pytest.raises(RunError, match=r"attribution\.json is not JSON"):
        write_report(run)
    (run / "attribution.json").unlink()
    with pytest.raises(RunError, match=r"has no attribution\.json"):
        write_report(run)


def test_unknown_format_is_refused(make_run: Writer) -> None:
    document, points = make_document()
    config = make_config(document)
    config["report"]["formats"] = ["png", "gif"]
    with pytest.raises(ConfigError, match="must be among png, svg, got 'gif'"):
        write_report(make_run(document, points, config=config))


def test_a_complete_run_is_not_overwritten(make_run: Writer) -> None:
    run = make_run(*make_document({"mtp": (0.4, 0.0)}))
    page = write_report(run)
    (run / "manifest.json").write_text("{}")
    assert write_report(run) == page  # the same rendering is no change
    page.write_text("another rendering")
    with pytest.raises(RunError, match=r"is complete and holds another rendering of report\.html"):
        write_report(run)


def test_a_claim_for_another_workload_says_so(make_run: Writer) -> None:
    document, points = make_document()
    config = make_config(document)
    config["claim"]["workload"] = "isl8k_osl1k"
    page = read_without_figures(make_run(document, points, config=config))
    assert "The claim is for the workload isl8k_osl1k, this run's is isl1k_osl1k" in page.text


def test_companion_without_shared_levers_says_so(make_run: Writer) -> None:
    document, points = make_document({"mtp": (0.4, 0.0)})
    document["companion"], companion_points = make_companion()
    page = read_without_figures(make_run(document, points, companion_points=companion_points, extras=FULL_EXTRAS))
    assert "no row answers the same question" in page.text
