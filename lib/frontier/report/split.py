"""Figure: hardware against software."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from frontier.report.document import Document, Estimate, estimate, number, rows
from frontier.report.style import INK, MUTED, ReportFigure, add_legend, drawing, empty_figure, lever_styles, log_ticks, new_figure, padded, wrap
from frontier.report.wording import TIMES, factor, upper_first


def fig_split(document: Document, *, narrow: bool = False) -> ReportFigure:
    """What hardware and what software give together, each bar made of its levers' shares; log scale, so parts add up in length.

    Levers that lower the frontier are drawn left of 1; the whisker is the 95 % interval of the group.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``groups`` are drawn, in pieces its ``shares`` give.
    narrow : bool
        The rendering for a phone.
    """
    groups = [(row, estimate(row)) for row in rows(document, "groups")]
    logs = {str(share.get("lever")): number(share.get("log_ratio")) for share in rows(document, "shares")}
    with drawing():
        if not any(found.defined for _, found in groups):
            return empty_figure(document, "not defined: no group of levers has a share", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=1.0 + 0.62 * len(groups))
        reached = [1.0]
        for row, (group, found) in enumerate(groups):
            reached += [found.value, found.low, found.high]
            reached += _pieces(axes, row, {name: logs.get(name, math.nan) for name in map(str, group.get("levers") or [])}, document)
            _whisker(axes, row, found)
        low, high = padded(reached, 0.04)
        axes.set_xscale("log")
        axes.set_xlim(low, math.exp(math.log(high) + (0.4 if narrow else 0.2) * math.log(high / low)))
        axes.set_ylim(len(groups) - 0.45, -0.55)
        log_ticks(axes.xaxis, low, high, lambda value: f"{value:.3g}{TIMES}", most=5 if narrow else 8)
        axes.set_yticks(range(len(groups)), [wrap(upper_first(str(group.get("group"))), 16) for group, _ in groups])
        for label in axes.get_yticklabels():
            label.set_color(INK)
        axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("factor on throughput per GPU" if narrow else "factor on throughput per GPU at equal interactivity (log scale)")
        add_legend(figure, axes, narrow=narrow)
        return figure


def _pieces(axes: Axes, row: int, logs: dict[str, float], document: Document) -> list[float]:
    """A group's bar, a piece per lever: raising ones to the right of 1, lowering ones to the left; returns the ends reached."""
    styles = lever_styles(document)
    titles = {str(lever.get("name")): str(lever.get("title") or lever.get("name")) for lever in rows(document, "levers")}
    ends = {True: 0.0, False: 0.0}
    for name, log_ratio in logs.items():
        if not math.isfinite(log_ratio) or log_ratio == 0.0:
            continue
        raises = log_ratio > 0
        start, stop = math.exp(ends[raises]), math.exp(ends[raises] + log_ratio)
        style = styles[name]
        axes.barh(
            row, stop - start, left=start, height=0.58, color=style.color, hatch=style.hatch, edgecolor="white", linewidth=0.8, zorder=3,
            label=wrap(titles.get(name, name), 24, 2),
        )  # fmt: skip
        ends[raises] += log_ratio
    return [math.exp(end) for end in ends.values()]


def _whisker(axes: Axes, row: int, found: Estimate) -> None:
    """The group's interval and number."""
    if not found.defined:
        axes.text(1.0, row, "  not defined", va="center", color=MUTED, style="italic")
        return
    right = found.value
    if found.has_interval:
        axes.plot([found.low, found.high], [row, row], color="white", linewidth=3.4, zorder=4, solid_capstyle="butt")
        axes.plot([found.low, found.high], [row, row], color=INK, linewidth=1.3, zorder=5, marker="|", markersize=7, markeredgewidth=1.3)
        right = max(right, found.high)
    axes.annotate(factor(found.value), (max(right, 1.0), row), xytext=(7, 0), textcoords="offset points", va="center", color=INK, zorder=6)
