"""Figures hold the document's data: what is plotted is read back from the axes."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report_documents import HIGH, LOW, make_companion, make_document

from frontier.records import normalize_points
from frontier.report import fig_frontiers, fig_interactions, fig_normalizations, fig_shares, fig_shift, fig_split, fig_waterfall
from frontier.report.style import lever_styles, tick_values, to_png, to_svg

ALL = (fig_frontiers, fig_waterfall, fig_shares, fig_shift, fig_split, fig_interactions, fig_normalizations)


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()[0]


def axes_of(figure: Figure) -> Axes:
    return figure.axes[0]


def texts(figure: Figure) -> list[str]:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return legends + [text.get_text() for text in axes_of(figure).texts] + [axes_of(figure).get_title(loc="left")]


def test_frontiers_plot_every_step(document: dict[str, Any]) -> None:
    figure = fig_frontiers(document)
    lines = {line.get_gid(): line for line in axes_of(figure).lines if line.get_gid()}
    for place, step in enumerate(document["steps"]):
        marks = lines[f"step-{place}"]
        assert list(marks.get_xdata()) == step["interactivity_tok_s_user"]
        assert list(marks.get_ydata()) == step["tput_tok_s_gpu"]
        curves = [line for line in axes_of(figure).lines if np.array_equal(line.get_ydata(), step["curve_tput_tok_s_gpu"])]
        assert len(curves) == 1
    assert axes_of(figure).get_yscale() == "log"
    assert "predicted, not measured on hardware" in texts(figure)
    assert len({(line.get_marker(), line.get_color()) for line in lines.values()}) == 6


def test_frontiers_band_is_the_interval_of_first_and_last_step(document: dict[str, Any]) -> None:
    bands = axes_of(fig_frontiers(document)).collections
    assert len(bands) == 2
    low, high = document["steps"][0]["ci95_tput_tok_s_gpu"]
    corners = bands[0].get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(min(low))
    assert corners.max() == pytest.approx(max(high))


def test_frontiers_show_usable_companion_points_by_system(document: dict[str, Any]) -> None:
    points = normalize_points(make_companion()[1], origin="test")
    points.loc[points.index[0], "valid"] = False
    figure = fig_frontiers(document, points)
    hollow = [line for line in axes_of(figure).lines if line.get_markerfacecolor() == "none"]
    assert {line.get_label() for line in hollow} == {"published: gb200", "published: h200_sxm"}
    assert sum(len(line.get_xdata()) for line in hollow) == len(points) - 1


def test_waterfall_bars_chain_to_the_total(document: dict[str, Any]) -> None:
    bars = axes_of(fig_waterfall(document)).patches
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert ends[0][0] == 1.0
    for (_, end), (start, _) in pairwise(ends[:5]):
        assert start == pytest.approx(end)
    for (start, end), share in zip(ends[:5], document["shares"], strict=True):
        assert end / start == pytest.approx(share["ratio"])
    assert ends[4][1] == pytest.approx(document["total"]["ratio"])
    assert ends[5] == (1.0, pytest.approx(document["total"]["ratio"]))


def test_waterfall_whisker_is_the_interval_from_where_the_bar_starts(document: dict[str, Any]) -> None:
    axes = axes_of(fig_waterfall(document))
    low, high = document["shares"][1]["ci95"]
    start = document["shares"][0]["ratio"]
    assert any(np.allclose(line.get_xdata(), [start * low, start * high]) and np.array_equal(line.get_ydata(), [1, 1]) for line in axes.lines)


def test_waterfall_goes_left_for_a_lever_that_lowers() -> None:
    document, _ = make_document({"mtp": (0.5, 0.0), "version": (-0.3, 0.0)}, interaction=0.0)
    bar = axes_of(fig_waterfall(document)).patches[1]
    assert bar.get_width() == pytest.approx(math.exp(0.2) - math.exp(0.5))


def test_waterfall_names_an_undefined_share(document: dict[str, Any]) -> None:
    document["shares"][2].update(log_ratio=None, ratio=None, ci95=None)
    assert any("not defined" in text for text in texts(fig_waterfall(document)))


def test_stacked_shares_add_up_to_the_total(document: dict[str, Any]) -> None:
    axes = axes_of(fig_shares(document))
    total = np.array([row["total"] for row in document["by_interactivity"]])
    top = max(area.get_paths()[0].vertices[:, 1].max() for area in axes.collections)
    low = min(area.get_paths()[0].vertices[:, 1].min() for area in axes.collections)
    # At the right end disaggregation gives ln 1.12 + 0.04 - 0.28 = -0.1267 and lies below zero, the others above.
    assert low == pytest.approx(math.log(1.12) + 0.04 - 0.28)
    assert top == pytest.approx(total[-1] - low)
    assert any(len(line.get_ydata()) == len(total) and np.allclose(line.get_ydata(), total) for line in axes.lines)
    assert axes.get_xlim() == (LOW, HIGH)


def test_shares_break_where_a_coalition_is_undefined(document: dict[str, Any]) -> None:
    row = document["by_interactivity"][10]
    row["shares"]["mtp"], row["total"] = None, None
    areas = axes_of(fig_shares(document)).collections
    hole = row["interactivity_tok_s_user"]
    for area in areas:
        xs = area.get_paths()[0].vertices[:, 0]
        assert not xs.min() < hole < xs.max()


def test_shift_curve_band_headline_and_claim(document: dict[str, Any]) -> None:
    axes = axes_of(fig_shift(document, {"ratio": 25.0, "interactivity_tok_s_user": 60.0}))
    ratios = [row["ratio"] for row in document["shift"]["by_interactivity"]]
    assert list(axes.lines[0].get_ydata()) == ratios
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(max(row["ci95"][1] for row in document["shift"]["by_interactivity"]))
    assert any(list(line.get_ydata()) == [25.0] and list(line.get_xdata()) == [60.0] for line in axes.lines)
    assert any(list(line.get_ydata()) == [document["shift"]["ratio"]["value"]] * 2 for line in axes.lines)


def test_shift_draws_the_companion_with_its_kind(document: dict[str, Any]) -> None:
    document["companion"] = make_companion()[0]
    figure = fig_shift(document)
    assert "published ratio, 3 of the 5 changes" in texts(figure)
    document["companion"]["levers"] = document["levers"]
    assert "published ratio" in texts(fig_shift(document))


def test_split_pieces_are_the_shares_of_the_group(document: dict[str, Any]) -> None:
    bars = axes_of(fig_split(document)).patches
    assert bars[0].get_width() == pytest.approx(document["shares"][0]["ratio"] - 1)
    end = bars[-1].get_x() + bars[-1].get_width()
    assert end == pytest.approx(document["groups"][1]["ratio"])


def test_interactions_are_sorted_and_hollow_unless_separated(document: dict[str, Any]) -> None:
    dots = [line for line in axes_of(fig_interactions(document)).lines if line.get_marker() == "o"]
    factors = [float(line.get_xdata()[0]) for line in dots]
    assert factors == pytest.approx([math.exp(0.08)] * 4 + [1.0] * 6)
    assert [line.get_markerfacecolor() == "white" for line in dots] == [False] * 4 + [True] * 6


def test_normalizations_plot_every_denominator(document: dict[str, Any]) -> None:
    axes = axes_of(fig_normalizations(document))
    dots = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([row["ratio"] for row in document["normalizations"]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["per GPU", "per package", "per MW (all-in)", "per MW (TDP)", "per USD"]


@pytest.mark.parametrize("draw", ALL)
@pytest.mark.parametrize("narrow", [False, True])
def test_figures_say_in_words_that_nothing_is_defined(draw: Any, narrow: bool) -> None:
    empty = {"evidence": "predicted", "metric": "total", "levers": [], "total": {"ratio": None}}
    assert any("not defined" in text for text in texts(draw(empty, narrow=narrow)))


@pytest.mark.parametrize("draw", ALL)
def test_figures_are_the_same_bytes_twice(draw: Any, document: dict[str, Any]) -> None:
    assert to_svg(draw(document)) == to_svg(draw(document))
    assert to_png(draw(document)) == to_png(draw(document))
    assert "<dc:date>" not in to_svg(draw(document))


def test_a_figure_is_laid_out_once_for_all_its_renderings(document: dict[str, Any]) -> None:
    figure = fig_waterfall(document)
    draws = []
    figure.draw = lambda renderer, draw=figure.draw: (draws.append(1), draw(renderer))[1]  # type: ignore[method-assign]
    to_svg(figure)
    to_svg(figure, text=True)
    to_png(figure)
    assert len(draws) == 3


def test_a_notebook_shows_a_figure_at_its_size_and_finer(document: dict[str, Any]) -> None:
    figure = fig_waterfall(document)
    png, shown = figure._repr_png_()
    width, height = figure.get_size_inches()
    assert shown == {"width": round(96 * width), "height": round(96 * height)}
    assert int.from_bytes(png[16:20], "big") == pytest.approx(160 * width, abs=1)  # the width in the PNG's header


def test_a_lever_keeps_its_style_in_every_report() -> None:
    one = lever_styles(make_document()[0])
    other = lever_styles(make_companion()[0])
    assert all(other[name] == one[name] for name in other)
    many = lever_styles({"levers": [{"name": f"l{place}"} for place in range(12)]})
    assert len({(style.color, style.hatch) for style in many.values()}) == 12


def test_dollar_signs_in_names_are_no_formula() -> None:
    document, _ = make_document(titles={"mtp": "costs $5 and $x_1$"})
    assert "costs $5 and" in to_svg(fig_waterfall(document), text=True)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 12.0, [1, 2, 5, 10]), (0.95, 3.2, [1, 1.5, 2, 3]), (1.0, 1e6, [1, 10, 100, 1000, 1e4, 1e5, 1e6]), (0.98, 1.06, None)],
)
def test_log_axes_have_at_least_three_ticks(low: float, high: float, ticks: list[float] | None) -> None:
    found = tick_values(low, high)
    assert len(found) >= 3
    assert all(low <= tick <= high for tick in found)
    if ticks is not None:
        assert found == pytest.approx(ticks)
