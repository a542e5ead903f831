"""The page on several runs: complete, self-contained, escaped; with a rerun its verdict comes first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from comparison_runs import CONFIG, MACHINE, make_run, points

from frontier.compare import compare_paths, write_comparison
from frontier.errors import RunError
from frontier.records import normalize_points
from frontier.report.comparison import Dotted, comparison_html, fig_changes, fig_overlay
from frontier.report.document import Estimate
from frontier.report.style import to_png, to_svg

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of which the second has another version, a better MTP and some noise."""
    folder = tmp_path_factory.mktemp("runs")
    better = points(1.1, {"precision": 1.5, "mtp": 1.5}, 0.01, 2, engine_version="2.0")
    return [make_run(folder, points(noise=0.01, seed=1), stamp=1), make_run(folder, better, stamp=2)]


@pytest.fixture(scope="module")
def document(runs: list[Path]) -> dict[str, Any]:
    """Their comparison; tests copy what they change."""
    return compare_paths(runs)


@pytest.fixture(scope="module")
def page(document: dict[str, Any]) -> str:
    """Its page."""
    return comparison_html(document)


def rerun_document(runs: list[Path], **changed: Any) -> Mapping[str, Any]:
    """What a rerun says of the two: one quantity of each verdict."""
    change = {"ratio": 1.2, "ci90": [1.15, 1.25], "ci95": [1.14, 1.26]}
    within = {"ratio": 1.01, "ci90": [0.99, 1.03], "ci95": [0.98, 1.04]}
    value = {"ratio": 1.5, "ci95": [1.4, 1.6]}
    shown = {"original": value, "rerun": value, "launches_needed": None, "reason": "said by the rerun"}
    return {
        "schema": "frontier.rerun/1",
        "original": {"run_id": runs[0].name, "created_utc": "2026-11-01T00:00:00+00:00"},
        "rerun": {"run_id": runs[1].name, "created_utc": "2026-11-02T00:00:00+00:00"},
        "level": "same image, other machine", "only": "all", "margin": 0.05, "verdict": "differs",
        "quantities": [
            {"kind": "shift", "name": "total", "title": "whole shift", "change": change, "verdict": "differs", **shown},
            {"kind": "share", "name": "precision", "title": "precision", "change": within, "verdict": "reproduced", **shown},
            {"kind": "share", "name": "mtp", "title": "mtp", "change": {**change, "ci90": [0.9, 1.6]}, "verdict": "inconclusive", **shown},
        ],
        "identical": None, "environment": [{"fact": "GPU driver", "original": "1", "rerun": "2", "likely_cause": True, "why": "clocks"}],
        "notes": ["A note of the rerun."], **changed,
    }  # fmt: skip


def test_the_page_says_what_moved_and_why(page: str, runs: list[Path]) -> None:
    found = read(page)
    for text in ("The verdict", "The frontiers on one plot", "Share: mtp", "Frontier: baseline", "Cause: the engine's version or image",
                 "engine version", "Moved", "How to read this", runs[0].name, runs[1].name):  # fmt: skip
        assert text in found.text, text
    assert "The verdict of the rerun" not in found.text


def test_the_page_needs_no_network_and_no_script(page: str) -> None:
    found = read(page)
    assert not [tag for tag, _ in found.tags if tag in ("script", "link", "img", "iframe")]
    assert not [value for _, attrs in found.tags for key, value in attrs.items() if key in ("src", "href") and not str(value).startswith("#")]


def test_every_figure_is_there_for_wide_screens_and_for_phones(page: str) -> None:
    assert page.count("<svg") == 4
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_runs_give_the_same_bytes(page: str, runs: list[Path], tmp_path: Path) -> None:
    written = write_comparison(runs, tmp_path / "new" / "page.html")
    assert written.read_text(encoding="utf-8") == page


def test_values_from_elsewhere_are_escaped(tmp_path: Path) -> None:
    table = normalize_points(points().assign(model=EVIL, engine_version=EVIL, image=EVIL), origin="x")
    environment = {**MACHINE, "machine": EVIL, "cpu": {"model": EVIL, "cores": 1}, "kit": {"commit": EVIL, "version": EVIL}}
    config = {**CONFIG, "title": EVIL, "engine": {"kind": EVIL, EVIL: EVIL}}
    runs = [make_run(tmp_path, table, environment, config, stamp=1), make_run(tmp_path, table.assign(engine_version="1"), stamp=2)]
    notes = [EVIL]
    rerun = rerun_document(runs, notes=notes, level=EVIL, identical={"points": False, "attribution": True, "differences": [EVIL]})
    page = write_comparison(runs, tmp_path / "page.html", rerun=rerun, published=table, published_name=EVIL).read_text(encoding="utf-8")
    found = read(page)
    assert not [tag for tag, _ in found.tags if tag in ("script", "img")]
    assert not [key for _, attrs in found.tags for key in attrs if key.startswith("on")]
    assert EVIL in found.text  # as text


def test_with_a_rerun_its_verdict_comes_first_and_is_not_contradicted(runs: list[Path], tmp_path: Path) -> None:
    page = write_comparison(runs, tmp_path / "page.html", rerun=rerun_document(runs)).read_text(encoding="utf-8")
    found = read(page)
    sections = [attrs.get("id") or attrs.get("aria-labelledby") for tag, attrs in found.tags if tag == "section"]
    assert sections[0] == "rerun"
    assert "verdict" not in sections
    sentence = "The rerun differs from the original in the whole shift."
    for text in ("Differs", sentence, "Same image, other machine", "said by the rerun", "GPU driver"):
        assert text in found.text, text
    assert "A note of the rerun." in found.text
    # What the rerun judged stands in its section alone; the overview has every run's own values.
    assert found.text.count("Share: precision") == 4  # two renderings of one figure, its table, and the overview


@pytest.mark.parametrize(("changed", "sentence"), [
    ({"verdict": "reproduced", "identical": {"points": True, "attribution": True, "differences": []}}, "3 of 3 quantities are identical to the last"),
    ({"verdict": "reproduced"}, "3 of 3 quantities are equivalent within 5"),
    ({"verdict": "inconclusive"}, "Too noisy to say: 1 of 3 quantities"),
])  # fmt: skip
def test_the_verdict_of_a_rerun_in_one_sentence(document: dict[str, Any], runs: list[Path], changed: dict[str, Any], sentence: str) -> None:
    page = comparison_html(document, rerun=rerun_document(runs, **changed))
    assert sentence in read(page).text.replace("\xa0", " ")


def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"frontier\.compare/1"):
        comparison_html({"schema": "frontier.shift/1"})
    with pytest.raises(RunError, match=r"frontier\.rerun/1"):
        comparison_html(document, rerun={"schema": "frontier.compare/1"})


def test_simulated_runs_carry_the_banner(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, points(evidence="simulated", engine="fake"), stamp=n) for n in (1, 2)]
    assert "Simulated: not evidence about hardware." in write_comparison(runs, tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_overlay_draws_every_run_and_both_ends(document: dict[str, Any]) -> None:
    svg = to_svg(fig_overlay(document), text=True)
    for text in ("A: 2026-11-01, 1.0", "B: 2026-11-02, 2.0", "solid: all changes made", "dashed: baseline"):
        assert text in svg
    assert len(to_png(fig_overlay(document, narrow=True))) > 10_000


def test_a_document_without_frontiers_still_has_a_figure(document: dict[str, Any]) -> None:
    bare = {**document, "runs": [{**run, "frontiers": []} for run in document["runs"]]}
    assert "not defined" in to_svg(fig_overlay(bare), text=True)


def test_dots_show_the_margin_and_say_their_verdict() -> None:
    found = {"moved": Estimate(1.2, 1.1, 1.3), "reproduced": Estimate(1.0, 0.99, 1.01), "not_resolved": Estimate(1.0)}
    dots = [Dotted(name, one, name) for name, one in found.items()]
    svg = to_svg(fig_changes({"evidence": "measured"}, dots, 0.05), text=True)
    for text in ("within 5 %", "moved", "reproduced", "not resolved"):
        assert text in svg
    assert "not defined" in to_svg(fig_changes({"evidence": "measured"}, [], 0.05), text=True)
