"""Figure: the frontiers of several runs on one plot, both ends of each, with their launches and published points beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from frontier.report.comparison.words import kinds_document, run_name
from frontier.report.document import Document, numbers, rows
from frontier.report.style import (
    INK,
    MUTED,
    ReportFigure,
    Style,
    add_legend,
    drawing,
    empty_figure,
    log_ticks,
    new_figure,
    padded,
    segments,
    style_at,
    wrap,
)
from frontier.report.wording import METRIC_LONG, place_text

# Places of the palette whose colours stay apart in grey too; marks and lines tell runs apart without any.
_PLACES = (0, 1, 3, 4, 5, 2, 7, 11)
_START = (0, (4, 2.2))  # every baseline, whatever its run: the run is told by colour and mark


def fig_overlay(document: Document, *, narrow: bool = False) -> ReportFigure:
    """Frontiers of all runs: solid with filled marks for the target, dashed with hollow marks for the baseline; faint marks are single launches.

    Parameters
    ----------
    document : mapping
        A ``frontier.compare/1`` document.
    narrow : bool
        The rendering for a phone.
    """
    runs = rows(document, "runs")
    with drawing():
        kinds = kinds_document(document)
        if not any(_points(one) for run in runs for one in rows(run, "frontiers")):
            return empty_figure(kinds, "not defined: no run has a frontier that can be drawn", narrow=narrow)
        figure, axes = new_figure(kinds, narrow=narrow, height=5.1, narrow_height=5.4)
        heights: list[float] = []
        for place, run in enumerate(runs):
            style = style_at(_PLACES[place % len(_PLACES)])
            for one in rows(run, "frontiers"):
                heights += _draw(axes, one, style, front=len(runs) - place)
            axes.plot(
                [], [], color=style.color, linestyle="-", linewidth=2.2, marker=style.marker, markersize=6.5, markeredgecolor="white",
                markeredgewidth=0.7, label=wrap(run_name(run), 30, 3),
            )  # fmt: skip
        ends = {str(one.get("end")) for run in runs for one in rows(run, "frontiers")}
        if "baseline" in ends:
            axes.plot([], [], color=MUTED, linestyle="-", linewidth=1.8, marker="o", markersize=5.5, label="solid: all changes made")
            axes.plot(
                [], [], color=MUTED, linestyle=_START, linewidth=1.8, marker="o", markersize=5.5, markerfacecolor="white", label="dashed: baseline"
            )
        heights += _draw_published(axes, document)
        axes.set_yscale("log")
        low, high = padded(heights)
        axes.set_ylim(low, high)
        axes.set_xlim(left=0)
        log_ticks(axes.yaxis, low, high, place_text, most=9)
        axes.set_xlabel("interactivity, tokens/s/user")
        axes.set_ylabel(METRIC_LONG[str(document["metric"])])
        add_legend(figure, axes, narrow=narrow)
        return figure


def _points(one: Document) -> list[tuple[float, float]]:
    return _drawable(numbers(one.get("interactivity_tok_s_user")), numbers(one.get("tput_tok_s_gpu")))


def _drawable(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """Pairs that have a place on a log axis; lists of unequal length are cut to the shorter one."""
    return [(x, y) for x, y in zip(xs, ys, strict=False) if np.isfinite(x) and np.isfinite(y) and y > 0]


def _draw(axes: Axes, one: Document, style: Style, *, front: int) -> list[float]:
    """One frontier: band, curve, marks and launches; returns the heights drawn."""
    points = _points(one)
    if not points:
        return []
    first = str(one.get("end")) == "baseline"
    launches = [(float(pair[0]), float(pair[1])) for pair in one.get("launches") or [] if isinstance(pair, list) and len(numbers(pair)) == 2]
    launches = _drawable([x for x, _ in launches], [y for _, y in launches])
    xs, ys = (np.array(numbers(one.get(f"curve_{key}"))) for key in ("interactivity_tok_s_user", "tput_tok_s_gpu"))
    heights = [y for _, y in (*points, *launches)]
    axes.plot(
        [x for x, _ in launches], [y for _, y in launches], linestyle="none", marker=style.marker, markersize=3, color=style.color, alpha=0.35,
        markeredgewidth=0, zorder=2,
    )  # fmt: skip
    if len(xs) and len(xs) == len(ys):
        _draw_band(axes, one.get("band_tput_tok_s_gpu"), xs, style)
        for part in segments(np.isfinite(xs) & np.isfinite(ys) & (ys > 0)):
            axes.plot(xs[part], ys[part], color=style.color, linestyle=_START if first else "-", linewidth=1.7 if first else 2.2, zorder=3 + front)
            heights += ys[part].tolist()
    axes.plot(
        [x for x, _ in points], [y for _, y in points], linestyle="none", marker=style.marker, markersize=6.5, color=style.color,
        markerfacecolor="white" if first else style.color, markeredgecolor=style.color if first else "white", markeredgewidth=1.1 if first else 0.7,
        zorder=4 + front,
    )  # fmt: skip
    return heights


def _draw_band(axes: Axes, band: object, xs: np.ndarray, style: Style) -> None:
    """The 95 % interval along a curve, where there is one for every place of it."""
    if not isinstance(band, list) or len(band) != 2:
        return
    low, high = (np.array(numbers(side)) for side in band)
    if len(low) == len(high) == len(xs):
        good = np.isfinite(low) & np.isfinite(high)
        axes.fill_between(xs, low, high, where=good.tolist(), color=style.color, alpha=0.13, linewidth=0, zorder=1)


def _draw_published(axes: Axes, document: Document) -> list[float]:
    """Published points of the same configurations, as hollow marks without a line; each once, whichever runs they match."""
    found_at: dict[str, set[tuple[float, float]]] = {}
    for one in rows(document, "published"):
        for end in rows(one, "ends"):
            found = [(float(p[0]), float(p[1])) for p in end.get("points") or [] if isinstance(p, list) and len(p) == 2 and None not in p]
            found_at.setdefault(f"{one.get('evidence')}: {end.get('end')}", set()).update(found)
    heights: list[float] = []
    for (name, places), marker in zip(sorted(found_at.items()), ("D", "P", "X", "v"), strict=False):
        good = _drawable([x for x, _ in sorted(places)], [y for _, y in sorted(places)])
        if good:
            axes.plot(
                [x for x, _ in good], [y for _, y in good], linestyle="none", marker=marker, markersize=5.5, markerfacecolor="none",
                markeredgecolor=INK, markeredgewidth=0.9, zorder=3, label=wrap(name, 30, 2),
            )  # fmt: skip
            heights += [y for _, y in good]
    return heights
