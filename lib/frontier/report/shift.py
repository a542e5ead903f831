"""Figure: the ratio of the two frontiers at equal interactivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn as sns

from frontier.report.document import Document, estimate, number, pair, part, rows
from frontier.report.style import INK, MUTED, ReportFigure, add_legend, drawing, empty_figure, log_ticks, new_figure, padded, segments
from frontier.report.wording import TIMES, factor

_COLOR = "#17375e"


def shift_curve(document: Document) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Interactivity, ratio and the two ends of its 95 % interval; NaN where undefined.

    Returns
    -------
    four float arrays, shape (n,); tokens/s/user, then factors
    """
    curve = rows(part(document, "shift"), "by_interactivity")
    ends = [pair(row.get("ci95")) for row in curve]
    x = np.array([number(row.get("interactivity_tok_s_user")) for row in curve])
    ratio = np.array([number(row.get("ratio")) for row in curve])
    return x, ratio, np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def fig_shift(document: Document, claim: Mapping[str, Any] | None = None, *, narrow: bool = False) -> ReportFigure:
    """Throughput ratio over interactivity with its 95 % band, the headline ratio and, where one is stated, the claim.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``shift`` is drawn, and its companion's as a dashed line.
    claim : mapping, optional
        The experiment's claim; drawn when it states both a ratio and an interactivity.
    narrow : bool
        The rendering for a phone.
    """
    x, ratio, low, high = shift_curve(document)
    with drawing():
        defined = np.isfinite(x) & np.isfinite(ratio) & (ratio > 0)
        if not defined.any():
            return empty_figure(document, "not defined: the two frontiers share no interactivity", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=3.9, narrow_height=4.2)
        heights = [1.0, *ratio[defined]]
        label: str | None = f"{document['evidence']} ratio"
        for run in segments(defined):
            sns.lineplot(x=x[run], y=ratio[run], ax=axes, color=_COLOR, linewidth=2.4, estimator=None, label=label, legend=False, zorder=4)  # type: ignore[no-untyped-call]  # seaborn has no types
            label = None
        label = "95 % interval"
        for run in segments(defined & np.isfinite(low) & np.isfinite(high)):
            axes.fill_between(x[run], low[run], high[run], color=_COLOR, alpha=0.16, linewidth=0, label=label, zorder=2)
            heights += [*low[run], *high[run]]
            label = None
        heights += _companion(axes, document)
        headline = estimate(part(document, "shift").get("ratio"))
        if headline.defined:
            text = f"log-mean over the overlap {factor(headline.value)}"
            axes.axhline(headline.value, color=MUTED, linewidth=1.2, linestyle=(0, (1.5, 2)), label=text, zorder=3)
        claimed, where = number((claim or {}).get("ratio")), number((claim or {}).get("interactivity_tok_s_user"))
        if np.isfinite(claimed) and np.isfinite(where) and claimed > 0:
            axes.plot([where], [claimed], linestyle="none", marker="*", markersize=14, color="#dcaa3c", markeredgecolor=INK, label="claim", zorder=6)
            heights.append(claimed)
        axes.axhline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        bottom, top = padded(heights)
        axes.set_yscale("log")
        axes.set_ylim(bottom, top)
        log_ticks(axes.yaxis, bottom, top, lambda value: f"{value:.3g}{TIMES}")
        axes.set_xlabel("interactivity, tokens/s/user")
        axes.set_ylabel("throughput per GPU, after / before")
        add_legend(figure, axes, narrow=narrow, columns=4)
        return figure


def _companion(axes: Any, document: Document) -> list[float]:
    """The companion's ratio as a dashed line, which says how many of the changes it holds; returns the heights drawn."""
    companion = part(document, "companion")
    x, ratio, _, _ = shift_curve(companion)
    held, of = len(rows(companion, "levers")), len(rows(document, "levers"))
    label: str | None = f"{companion.get('evidence')} ratio" + (f", {held} of the {of} changes" if held != of else "")
    drawn: list[float] = []
    for run in segments(np.isfinite(x) & np.isfinite(ratio) & (ratio > 0)):
        axes.plot(x[run], ratio[run], color="#d1603d", linewidth=1.8, linestyle=(0, (6, 2)), label=label, zorder=4)
        drawn += [*ratio[run]]
        label = None
    return drawn
