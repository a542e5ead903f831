"""Figure: the attribution as a waterfall of factors whose product is the whole."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from frontier.report.document import Document, Estimate, estimate, lever_title, rows
from frontier.report.style import INK, MUTED, ReportFigure, drawing, empty_figure, lever_styles, log_ticks, new_figure, padded, wrap
from frontier.report.wording import NOT_DEFINED, TIMES, factor

_TOTAL_COLOR = "#39424d"


def fig_waterfall(document: Document, *, narrow: bool = False) -> ReportFigure:
    """Every lever's factor as a bar on a log axis, starting where the one above it ended; the last bar is the whole.

    A bar that goes left lowers the frontier. Whiskers are the 95 % interval of the lever's own factor, drawn from where its bar starts.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``shares`` and ``total`` are drawn.
    narrow : bool
        The rendering for a phone.
    """
    total = estimate(document.get("total"))
    shares = [(str(share.get("lever")), estimate(share)) for share in rows(document, "shares")]
    with drawing():
        if not total.defined or not any(found.defined for _, found in shares):
            return empty_figure(document, "not defined: the document has no total ratio or no shares", narrow=narrow)
        styles = lever_styles(document)
        pitch = 0.62 if narrow else 0.5
        figure, axes = new_figure(document, narrow=narrow, height=1.3 + pitch * (len(shares) + 1))
        start, reached = 1.0, [1.0]
        for row, (name, found) in enumerate(shares):
            style = styles.get(name)
            _bar(axes, row, start, found, style.color if style else MUTED, style.hatch if style else "")
            if found.defined:
                reached += [start, start * found.value, start * found.low, start * found.high]
                below = row + 1
                start *= found.value
                axes.plot([start, start], [row + 0.31, below - 0.31], color=MUTED, linewidth=0.8, zorder=1)
        _bar(axes, len(shares), 1.0, total, _TOTAL_COLOR, "")
        reached += [total.value, total.low, total.high]
        low, high = padded(reached, 0.05)
        axes.set_xscale("log")
        # Room at the right for the numbers, which would otherwise leave the plot.
        axes.set_xlim(low, math.exp(math.log(high) + (0.42 if narrow else 0.24) * math.log(high / low)))
        axes.set_ylim(len(shares) + 0.55, -0.55)
        log_ticks(axes.xaxis, low, high, lambda value: f"{value:g}{TIMES}", most=5 if narrow else 8)
        width = 14 if narrow else 26
        titles = [wrap(lever_title(document, name), width) for name, _ in shares]
        axes.set_yticks(range(len(shares) + 1), [*titles, "Whole shift"])
        for label in axes.get_yticklabels():
            label.set_color(INK)
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        axes.axhline(len(shares) - 0.5, color=MUTED, linewidth=0.6, zorder=1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("factor on throughput per GPU" if narrow else "factor on throughput per GPU at equal interactivity (log scale)")
        return figure


def _bar(axes: Axes, row: int, start: float, found: Estimate, color: str, hatch: str) -> None:
    """One lever's bar from ``start`` to ``start`` times its factor, its whisker and its number."""
    if not found.defined:
        axes.text(start, row, f"  {NOT_DEFINED}", va="center", color=MUTED, style="italic")
        return
    end = start * found.value
    axes.barh(row, end - start, left=start, height=0.62, color=color, hatch=hatch, edgecolor="white", linewidth=0.6, zorder=3)
    right = max(start, end)
    if found.has_interval:
        low, high = start * found.low, start * found.high
        axes.plot([low, high], [row, row], color="white", linewidth=3.4, zorder=4, solid_capstyle="butt")
        axes.plot([low, high], [row, row], color=INK, linewidth=1.3, zorder=5, marker="|", markersize=7, markeredgewidth=1.3)
        right = max(right, high)
    axes.annotate(factor(found.value), (right, row), xytext=(7, 0), textcoords="offset points", va="center", color=INK, zorder=6)
