"""Figure: how far every quantity moved, as dots with 90 % intervals against the margin within which nothing counts as moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from frontier.report.comparison.words import COLORS, state_of, verdict_word
from frontier.report.document import Document, Estimate
from frontier.report.style import INK, MUTED, ReportFigure, drawing, empty_figure, log_ticks, new_figure, padded, wrap
from frontier.report.wording import TIMES, factor

MOST = 12  # rows; more make no figure any more
_BAND = "#dce7e3"
_MARKS = {"moved": "D", "not_moved": "o", "not_resolved": "o"}  # in grey the mark and its filling tell the verdicts apart


@dataclass(frozen=True)
class Dotted:
    """One quantity of the figure: its name, the change with its 90 % interval, and the verdict as its document says it."""

    title: str
    found: Estimate
    verdict: str


def fig_changes(document: Document, dots: Sequence[Dotted], margin: float, *, narrow: bool = False) -> ReportFigure:
    """Dots and intervals on a log axis; shaded: the margin; hollow: neither moved nor held within it.

    Parameters
    ----------
    document : mapping
        Says the kinds of evidence.
    dots : sequence of Dotted, first row on top
    margin : float, > 0
        Changes by less than this factor above 1 count as none.
    narrow : bool
        The rendering for a phone.
    """
    shown = [one for one in dots if one.found.defined and one.found.value > 0][:MOST]
    with drawing():
        if not shown:
            return empty_figure(document, "not defined: the runs share no quantity", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=1.3 + (0.6 if narrow else 0.42) * len(shown))
        edges = [1 / (1 + margin), 1 + margin]
        ends = [value for one in shown for value in (one.found.value, one.found.low, one.found.high)]
        low, high = padded([*edges, *ends], 0.08)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.axvspan(*edges, color=_BAND, linewidth=0, zorder=0)
        axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        for row, one in enumerate(shown):
            _draw(axes, row, one, narrow=narrow)
        axes.set_yticks(range(len(shown)), [wrap(one.title, 16 if narrow else 34, 2) for one in shown])
        for label in axes.get_yticklabels():
            label.set_color(INK)
        axes.grid(axis="y", linestyle=(0, (1, 3)))
        log_ticks(axes.xaxis, low, high, lambda value: f"{value:.3g}{TIMES}", most=4 if narrow else 8)
        axes.set_xlabel(f"new over original, 90 % interval; shaded: within {100 * margin:g} %")
        return figure


def _draw(axes: Axes, row: int, one: Dotted, *, narrow: bool) -> None:
    """One row: interval, mark, and at the right what it says."""
    state = state_of(one.verdict)
    color, found = COLORS[state], one.found
    if found.has_interval:
        axes.plot([found.low, found.high], [row, row], color=color, linewidth=1.8, zorder=3, solid_capstyle="butt")
        for end in (found.low, found.high):
            axes.plot([end, end], [row - 0.12, row + 0.12], color=color, linewidth=1.8, zorder=3)
    axes.plot(
        [found.value], [row], linestyle="none", marker=_MARKS[state], markersize=7.5, markeredgecolor=color, markeredgewidth=1.6,
        markerfacecolor="white" if state == "not_resolved" else color, zorder=4,
    )  # fmt: skip
    text = f"{factor(found.value)}{chr(10) if narrow else '  '}{verdict_word(one.verdict).lower()}"
    axes.annotate(
        text, (1.0, row), xycoords=axes.get_yaxis_transform(), xytext=(7, 0), textcoords="offset points", va="center", color=INK,
        annotation_clip=False,
    )  # fmt: skip
