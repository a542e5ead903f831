"""Figure: every lever's share of the shift over interactivity."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from frontier.report.document import Document, lever_title, number, part, rows
from frontier.report.style import (
    INK,
    MUTED,
    ReportFigure,
    Style,
    add_legend,
    drawing,
    empty_figure,
    lever_styles,
    new_figure,
    segments,
    tick_values,
    wrap,
)
from frontier.report.wording import TIMES


def share_curves(document: Document) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Interactivity, total and every lever's share as arrays; log ratios, NaN where undefined.

    Returns
    -------
    float array, shape (n,), tokens/s/user; float array, shape (n,); dict lever -> float array, shape (n,)
    """
    curve = rows(document, "by_interactivity")
    names = [str(lever.get("name")) for lever in rows(document, "levers")]
    x = np.array([number(row.get("interactivity_tok_s_user")) for row in curve])
    total = np.array([number(row.get("total")) for row in curve])
    shares = {name: np.array([number(part(row, "shares").get(name)) for row in curve]) for name in names}
    return x, total, shares


def fig_shares(document: Document, *, narrow: bool = False) -> ReportFigure:
    """Shares over interactivity as stacked areas: what raises the frontier above zero, what lowers it below; the line is the whole.

    Heights are log ratios, so that areas add up; the ticks read as factors. Curves break where a coalition is undefined.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``by_interactivity`` is drawn.
    narrow : bool
        The rendering for a phone.
    """
    x, total, shares = share_curves(document)
    with drawing():
        stacked = np.array(list(shares.values())) if shares else np.empty((0, len(x)))
        defined = np.isfinite(x) & np.isfinite(stacked).all(axis=0) if len(x) else np.array([], dtype=bool)
        if not len(shares) or defined.sum() < 2:
            return empty_figure(document, "not defined: no two interactivities at which every coalition has a frontier", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=4.1, narrow_height=4.4)
        styles = lever_styles(document)
        up, down = np.zeros(len(x)), np.zeros(len(x))
        for name, share in shares.items():
            positive, negative = np.clip(share, 0, None), np.clip(share, None, 0)
            label = wrap(lever_title(document, name), 24 if narrow else 34, 2)
            _area(axes, x, up, up + positive, defined, styles[name], label)
            if (negative[defined] < 0).any():
                _area(axes, x, down, down + negative, defined, styles[name], None)
            up, down = up + positive, down + negative
        for run in segments(np.isfinite(x) & np.isfinite(total)):
            axes.plot(x[run], total[run], color="white", linewidth=4, zorder=5)
            axes.plot(x[run], total[run], color=INK, linewidth=2, zorder=6)
        axes.plot([], [], color=INK, linewidth=2, label="whole shift")
        axes.axhline(0, color=MUTED, linewidth=0.9, zorder=4)
        _factor_axis(axes, [*up[defined], *down[defined], *total[np.isfinite(total)]])
        axes.set_xlim(float(np.nanmin(x[defined])), float(np.nanmax(x[defined])))
        axes.set_xlabel("interactivity, tokens/s/user")
        axes.set_ylabel("share, as factor (log ratio)")
        add_legend(figure, axes, narrow=narrow)
        return figure


def _area(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, defined: np.ndarray, style: Style, label: str | None) -> None:
    """One lever's band between two heights, broken where it is undefined."""
    for run in segments(defined):
        axes.fill_between(
            x[run], low[run], high[run], facecolor=style.color, hatch=style.hatch, edgecolor="white", linewidth=0.6, zorder=3, label=label
        )
        label = None


def _factor_axis(axes: Axes, heights: list[float]) -> None:
    """Ticks of a log-ratio axis that read as factors."""
    low, high = min([0.0, *heights]), max([0.0, *heights])
    margin = max(0.05 * (high - low), 0.01)
    low, high = low - (margin if low < 0 else 0.0), high + margin
    axes.set_ylim(low, high)
    places = tick_values(math.exp(low), math.exp(high))
    axes.yaxis.set_major_locator(FixedLocator([math.log(place) for place in places]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{math.exp(value):.3g}{TIMES}"))
