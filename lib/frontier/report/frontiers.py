"""Figure: the frontiers of the ladder, step by step, with published points beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from frontier.errors import RunError
from frontier.records import INTERACTIVITY, METRICS, below_gate, drawable, usable
from frontier.report.bound import draw_bound
from frontier.report.document import Document, lever_title, numbers, rows
from frontier.report.style import (
    BASELINE_COLOR,
    INK,
    MUTED,
    ReportFigure,
    Style,
    add_legend,
    drawing,
    empty_figure,
    lever_styles,
    log_ticks,
    new_figure,
    padded,
    style_at,
    wrap,
)
from frontier.report.wording import METRIC_LONG, place_text, upper_first

_BASELINE = Style(BASELINE_COLOR, "", "o", "-")
_HOLLOW = ("s", "D", "^", "o", "v", "P")
# Points of other evidence are a backdrop: more systems than marks would only be noise, the rest share one mark.
_MOST_SYSTEMS = 5
_GATED = Style(MUTED, "", "o", "none")  # of variants that are no step of the ladder, and in the legend


def step_id(place: int) -> str:
    """The id under which the marks of a step stand in the SVG."""
    return f"step-{place}"


def step_title(document: Document, step: Document) -> str:
    """``baseline``, or the lever that the step adds, for people."""
    name = str(step.get("step") or "")
    return f"+ {lever_title(document, name[1:])}" if name.startswith("+") else upper_first(name)


def step_points(step: Document) -> list[tuple[int, float, float]]:
    """The step's frontier points that can be drawn: place in the step, interactivity, throughput per GPU."""
    xs, ys = numbers(step.get("interactivity_tok_s_user")), numbers(step.get("tput_tok_s_gpu"))
    _same_length(step, "tput_tok_s_gpu", len(xs), len(ys))
    return [(place, x, y) for place, (x, y) in enumerate(zip(xs, ys, strict=True)) if math.isfinite(x) and math.isfinite(y) and y > 0]


def fig_frontiers(
    document: Document,
    companion_points: pd.DataFrame | None = None,
    *,
    points: pd.DataFrame | None = None,
    bound: Document | None = None,
    narrow: bool = False,
) -> ReportFigure:
    """The frontier of every step of the ladder; log throughput per GPU over interactivity.

    Filled marks are the frontier's points, lines the monotone interpolation, bands the 95 % interval of the first and the last
    step. Hollow marks are points of the companion's evidence, or of variants below their quality gate; they carry no line.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``steps`` are drawn.
    companion_points : DataFrame, optional
        A points table of another kind of evidence; rows that cannot carry a frontier are left out.
    points : DataFrame, optional
        The document's own points; of these the rows below their quality gate are drawn.
    bound : mapping, optional
        A ``frontier.bound/1`` document, drawn as a thin dashed line.
    narrow : bool
        The rendering for a phone.
    """
    steps = rows(document, "steps")
    with drawing():
        drawn = [step for step in steps if step_points(step)]
        if not drawn:
            return empty_figure(document, "not defined: no step of the ladder has a frontier point", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=4.9, narrow_height=5.2)
        heights: list[float] = []
        styles, shown = lever_styles(document), {}
        for place, step in enumerate(steps):
            name = str(step.get("step") or "")
            style = _BASELINE if not name.startswith("+") else styles.get(name[1:], style_at(place))
            if step is drawn[-1] and style is not _BASELINE:
                style = replace(style, color=INK, line="-")  # where the ladder ends must stand out, whatever its lever's colour
            shown["+".join(map(str, step.get("levers") or []))] = style
            ends = step is drawn[0] or step is drawn[-1]
            heights += _draw_step(axes, step, place, style, wrap(step_title(document, step), 28, 2), ends=ends)
        if points is not None:
            heights += _draw_below_gate(axes, points, str(document["metric"]), shown)
        if companion_points is not None:
            heights += _draw_companion(axes, companion_points, str(document["metric"]))
        if bound is not None:
            heights += draw_bound(axes, bound, str(document["metric"]))
        axes.set_yscale("log")
        low, high = padded(heights)
        axes.set_ylim(low, high)
        axes.set_xlim(left=0)
        log_ticks(axes.yaxis, low, high, place_text, most=9)
        axes.set_xlabel("interactivity, tokens/s/user")
        axes.set_ylabel(METRIC_LONG[str(document["metric"])])
        add_legend(figure, axes, narrow=narrow)
        return figure


def _draw_step(axes: Axes, step: Document, place: int, style: Style, label: str, *, ends: bool) -> list[float]:
    """One step's curve, band and marks; returns the heights drawn, for the limits."""
    points = step_points(step)
    if not points:
        return []
    curve_x, curve_y = _curve(step)
    dark = INK if style is _BASELINE else style.color
    if len(curve_x):
        sns.lineplot(  # type: ignore[no-untyped-call]  # seaborn has no types
            x=curve_x, y=curve_y, ax=axes, color=style.color, linewidth=2.4 if ends else 1.6, legend=False,
            estimator=None, sort=False, linestyle=style.line, zorder=4,
        )  # fmt: skip
        # More bands than two would hide each other.
        banded = _draw_band(axes, step, curve_x, style) if ends else []
    else:
        banded = []
    (marks,) = axes.plot(
        [x for _, x, _ in points], [y for _, _, y in points], linestyle="none", marker=style.marker,
        markersize=6.5 if ends else 5.5, color=style.color, markeredgecolor="white", markeredgewidth=0.7, zorder=5,
    )  # fmt: skip
    marks.set_gid(step_id(place))
    axes.plot(
        [], [], color=style.color, linestyle=style.line, marker=style.marker, linewidth=2.4 if ends else 1.6,
        markeredgecolor=dark, markeredgewidth=0.4, label=label,
    )  # fmt: skip
    return [y for _, _, y in points] + [float(y) for y in curve_y if np.isfinite(y)] + banded


def _curve(step: Document) -> tuple[np.ndarray, np.ndarray]:
    x = np.array(numbers(step.get("curve_interactivity_tok_s_user")))
    y = np.array(numbers(step.get("curve_tput_tok_s_gpu")))
    _same_length(step, "curve_tput_tok_s_gpu", len(x), len(y))
    return x, y


def _same_length(step: Document, key: str, wanted: int, found: int) -> None:
    """Refuse a step whose lists do not pair up: a curve of half the points would be a wrong answer."""
    if wanted != found:
        raise RunError(f"{key} of step {step.get('step')!r} must have {wanted} values, got {found}", hint="frontier attribute")


def _draw_band(axes: Axes, step: Document, curve_x: np.ndarray, style: Style) -> list[float]:
    """The 95 % band of a step; returns the heights drawn."""
    band = step.get("ci95_tput_tok_s_gpu")
    if not isinstance(band, list) or len(band) != 2:
        return []
    low, high = np.array(numbers(band[0])), np.array(numbers(band[1]))
    for side in (low, high):
        _same_length(step, "ci95_tput_tok_s_gpu", len(curve_x), len(side))
    good = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(curve_x, low, high, where=good.tolist(), color=style.color, alpha=0.18, linewidth=0, zorder=2)
    return [*low[good].tolist(), *high[good].tolist()]


def _draw_companion(axes: Axes, points: pd.DataFrame, metric: str) -> list[float]:
    """Hollow marks of another kind of evidence, one mark per system."""
    good = points[usable(points, metric)]
    systems = good["hardware"].fillna("system not stated").astype(str)
    names = sorted(systems.unique())
    shown = {name: name if place < _MOST_SYSTEMS else "other systems" for place, name in enumerate(names)}
    heights: list[float] = []
    marks = cycle(_HOLLOW)
    for name in dict.fromkeys(shown.values()):
        here = good[systems.map(shown) == name]
        kinds = " and ".join(sorted(here["evidence"].dropna().unique())) or "kind not stated"
        axes.plot(
            here[INTERACTIVITY].to_numpy(float), here[METRICS[metric]].to_numpy(float), linestyle="none", marker=next(marks),
            markersize=5, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=0.8, alpha=0.55, zorder=3,
            label=wrap(f"{kinds}: {name}", 28, 2),
        )  # fmt: skip
        heights += here[METRICS[metric]].tolist()
    return heights


def _draw_below_gate(axes: Axes, points: pd.DataFrame, metric: str, styles: Mapping[str, Style]) -> list[float]:
    """Hollow marks of rows below their quality gate, in the style of the step whose variant they are; one entry in the legend."""
    here = points[drawable(points, metric) & below_gate(points)]
    if here.empty:
        return []
    names = here["variant"].fillna("").astype(str)
    for name in names.unique():
        own, style = here[names == name], styles.get(name, _GATED)
        axes.plot(
            own[INTERACTIVITY].to_numpy(float), own[METRICS[metric]].to_numpy(float), linestyle="none", marker=style.marker,
            markersize=6, markerfacecolor="none", markeredgecolor=style.color, markeredgewidth=1.1, zorder=3,
        )  # fmt: skip
    axes.plot(
        [], [], linestyle="none", marker=_GATED.marker, markersize=6, markerfacecolor="none", markeredgecolor=_GATED.color, markeredgewidth=1.1,
        label=wrap("hollow: below the quality gate, not counted", 28, 2),
    )  # fmt: skip
    return [float(value) for value in here[METRICS[metric]]]
