"""Factors as dots with intervals on one log axis: the form of the interactions and the normalizations figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from frontier.report.document import Estimate
from frontier.report.style import INK, MUTED, log_ticks, padded
from frontier.report.wording import NOT_DEFINED, TIMES, factor


@dataclass(frozen=True)
class Dot:
    """One row: its label and its factor."""

    label: str
    found: Estimate


def draw_dots(
    axes: Axes,
    dots: Sequence[Dot],
    *,
    narrow: bool,
    color: str,
    hollow: Sequence[bool],
    within: Sequence[float] = (),
    text: Callable[[float], str] = factor,
    tick: Callable[[float], str] = lambda value: f"{value:.3g}{TIMES}",
) -> None:
    """Rows of dots with whiskers, their factors written in a column at the right, and a line at "no change".

    Parameters
    ----------
    axes : matplotlib Axes
    dots : sequence of Dot, first row on top
    narrow : bool
        The rendering for a phone.
    color : str
        Fill of the dots.
    hollow : sequence of bool, one per dot
        Which dots to draw hollow; :func:`undecided` for those whose interval does not exclude 1.
    within : sequence of float
        Further values that the axis has to show.
    text : callable
        How a factor is written beside its dot.
    tick : callable
        How a factor is written on the axis.
    """
    ends = [value for dot in dots for value in (dot.found.value, dot.found.low, dot.found.high)]
    low, high = padded([1.0, *within, *ends])
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(len(dots) - 0.4, -0.6)
    axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
    for row, (dot, empty) in enumerate(zip(dots, hollow, strict=True)):
        found = dot.found
        beside = text(found.value)
        if found.has_interval:
            axes.plot([found.low, found.high], [row, row], color=INK, linewidth=1.4, zorder=3, solid_capstyle="round")
        if found.defined:
            fill = "white" if empty else color
            axes.plot([found.value], [row], marker="o", markersize=8, color=fill, markeredgecolor=color, markeredgewidth=1.6, zorder=4)
        else:
            beside = NOT_DEFINED
        axes.annotate(
            beside, (1.0, row), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), textcoords="offset points", va="center", color=INK,
            style="normal" if found.defined else "italic", annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(dots)), [dot.label for dot in dots])
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.grid(axis="y", linestyle=(0, (1, 3)))
    log_ticks(axes.xaxis, low, high, tick, most=4 if narrow else 8)


def undecided(dots: Sequence[Dot]) -> list[bool]:
    """Which dots' intervals do not exclude "no change"."""
    return [not dot.found.separated for dot in dots]


def exp_estimate(log_value: float, low: float, high: float) -> Estimate:
    """A log ratio and its interval as a factor."""
    return Estimate(math.exp(log_value), math.exp(low), math.exp(high))
