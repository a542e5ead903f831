"""The figure of a timeline: renderings that do not change, steps numbered and listed, series chosen by words."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import nights, rows_of, table_of

from frontier.errors import UsageError
from frontier.report.style import to_png, to_svg
from frontier.report.timeline import chosen_series, fig_timeline, no_timeline
from frontier.timeline import timeline


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    rows = [row for i, day in enumerate(nights(6)) for row in rows_of(day, 1.0 + 0.3 * (i > 2), image=f"sglang:v0.5.{5 + (i > 2)}")]
    rows += [row for day in nights(4) for row in rows_of(day, hardware="mi355x")]
    return timeline(table_of(rows), resamples=200)


def test_renderings_are_the_same_every_time(document: dict[str, Any]) -> None:
    assert to_png(fig_timeline(document), 60) == to_png(fig_timeline(document), 60)
    assert to_svg(fig_timeline(document)) == to_svg(fig_timeline(document))


@pytest.mark.parametrize("narrow", [False, True])
def test_steps_are_numbered_and_listed_with_their_cause(document: dict[str, Any], narrow: bool) -> None:
    svg = to_svg(fig_timeline(document, narrow=narrow), text=True)
    assert "image v0.5.5 -&gt; v0.5.6" in svg
    assert "frontiers around step 1" in svg
    assert "m h200_sxm sglang fp8 1024/1024 (published)" in svg


def test_a_series_without_a_step_says_so(document: dict[str, Any]) -> None:
    svg = to_svg(fig_timeline(document, "mi355x"), text=True)
    assert "nothing in this" in svg
    assert "level, with the range of noise" in svg


def test_series_are_chosen_by_words_of_their_title(document: dict[str, Any]) -> None:
    assert chosen_series(document, None)["series"]["hardware"] == "h200_sxm"  # it has the most steps
    assert chosen_series(document, "fp8 mi355x")["series"]["hardware"] == "mi355x"
    with pytest.raises(UsageError, match="2 series have the words 'fp8'"):
        chosen_series(document, "fp8")
    with pytest.raises(UsageError, match="no series has the words 'gb200'"):
        chosen_series(document, "gb200")


def test_where_there_is_no_timeline_words_stand() -> None:
    assert "no timeline" in to_svg(no_timeline("no timeline: one date"), text=True)
