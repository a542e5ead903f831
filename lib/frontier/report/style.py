"""How figures look: palette, marks, log ticks, and deterministic PNG and SVG.

Colours are calm, safe for colour-blind readers and differ in luminance; marks, line styles and hatches carry the same distinction
without colour. A lever keeps its style in every figure. No pyplot state is used, so figures neither leak nor show up twice.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from frontier.report.document import Document, rows
from frontier.report.wording import evidence_short

INK, MUTED, PAPER = "#1c2530", "#5d6773", "#ffffff"
BASELINE_COLOR = "#9aa3ad"

_CSS_DPI = 96  # a CSS pixel is 1/96 inch

_KNOWN = ("hardware", "precision", "parallelism", "mtp", "disaggregation", "version")
_COLORS = (
    "#17375e", "#d1603d", "#7fb0c8", "#2a7d6e", "#dcaa3c", "#8a6591",
    "#4a78a8", "#8c3b2a", "#a9cfc4", "#f0d48f", "#c9a3c4", "#3d4a57",
)  # fmt: skip
_HATCHES = ("", "///", "...", "\\\\\\", "xx", "---", "ooo", "|||", "++", "///...", "\\\\\\...", "**")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_LINES = ("-", (0, (6, 2)), (0, (6, 2, 1.2, 2)), (0, (1.5, 1.5)), (0, (9, 3)), (0, (4, 1.5, 1.2, 1.5, 1.2, 1.5)))

_RC = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same glyph widths, so the same layout, on every machine
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.edgecolor": "#b6bdc5",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "grid.color": "#e6e9ec",
    "grid.linewidth": 0.8,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.title_fontsize": 10,
    "hatch.linewidth": 0.5,
    "hatch.color": "#ffffff",
    "svg.hashsalt": "frontier-kit",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}


@dataclass(frozen=True)
class Style:
    """Colour, hatch, mark and line of one lever."""

    color: str
    hatch: str
    marker: str
    line: object  # a matplotlib line style


class ReportFigure(Figure):
    """A figure that a notebook shows once, as PNG, whatever the backend; drawn finer than it is shown, so that it is sharp on any screen."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(float(inches) * _CSS_DPI) for inches in self.get_size_inches())
        return to_png(self), {"width": width, "height": height}


@contextmanager
def drawing() -> Iterator[None]:
    """The theme, for as long as a figure is drawn or written."""
    theme: Any = {**sns.axes_style("whitegrid"), **_RC}  # type: ignore[no-untyped-call]  # seaborn has no types
    with mpl.rc_context(theme):
        yield


def new_figure(document: Document, *, narrow: bool, height: float, narrow_height: float | None = None) -> tuple[ReportFigure, Axes]:
    """An empty figure that says its kind of evidence above the plot.

    Parameters
    ----------
    document : mapping
        The attribution document.
    narrow : bool
        The rendering for a phone.
    height, narrow_height : float, inches
    """
    size = (4.7, narrow_height or height) if narrow else (9.2, height)
    figure = ReportFigure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(evidence_short(document), loc="left", color=MUTED, style="italic", pad=9)
    axes.tick_params(length=0)
    return figure, axes


def empty_figure(document: Document, message: str, *, narrow: bool) -> ReportFigure:
    """A figure that says in words why there is nothing to draw."""
    figure, axes = new_figure(document, narrow=narrow, height=1.6)
    axes.set_axis_off()
    axes.text(0.0, 0.5, wrap(message, 42 if narrow else 90, lines=4), transform=axes.transAxes, color=MUTED, va="center")
    return figure


def add_legend(figure: Figure, axes: Axes, *, narrow: bool, columns: int = 3) -> None:
    """A legend below the plot; the figure grows by its height, so that many or long names never squeeze the plot.

    Parameters
    ----------
    columns : int
        Most columns on a wide figure; long names and phones get fewer.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    longest = max(len(line) for label in labels for line in label.split("\n"))
    # A figure holds about this many characters side by side, a handle takes the room of seven.
    across = max(1, min(2 if narrow else columns, (62 if narrow else 115) // (longest + 7)))
    lines = math.ceil(len(labels) / across) * max(label.count("\n") + 1 for label in labels)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.2 * lines + 0.15)
    figure.legend(handles, labels, loc="outside lower left", ncols=across, handlelength=2.6, columnspacing=1.4, alignment="left")


def lever_styles(document: Document) -> dict[str, Style]:
    """The style of every lever: known levers look alike in every report, others take the styles left in ladder order."""
    names = [str(lever.get("name")) for lever in rows(document, "levers")]
    taken = {name: _KNOWN.index(name) for name in names if name in _KNOWN}
    left = [place for place in (*range(len(_KNOWN), len(_COLORS)), *range(len(_KNOWN))) if place not in taken.values()]
    others = [name for name in names if name not in taken]
    taken.update({name: left[place % len(left)] for place, name in enumerate(others)})
    return {name: style_at(taken[name]) for name in names}


def style_at(place: int) -> Style:
    """The style at a place of the palette; styles repeat after twelve."""
    return Style(_COLORS[place % len(_COLORS)], _HATCHES[place % len(_HATCHES)], _MARKERS[place % len(_MARKERS)], _LINES[(place + 1) % len(_LINES)])


def wrap(text: str, width: int, lines: int = 3) -> str:
    """The text broken into at most ``lines`` lines of ``width`` characters; an ellipsis marks what was cut.

    >>> wrap("multi-token prediction", 12)
    'multi-token\\nprediction'
    """
    broken = textwrap.wrap(text, width, break_long_words=True) or [""]
    if len(broken) > lines:
        broken = [*broken[: lines - 1], broken[lines - 1][: width - 1] + "…"]
    return "\n".join(broken)


def log_ticks(axis: Axis, low: float, high: float, label: Callable[[float], str], most: int = 7) -> None:
    """Readable ticks on a log axis, whether it spans a few percent or six decades.

    Parameters
    ----------
    low, high : float, > 0
        The axis' limits.
    label : callable
        Tick value to text.
    most : int
        Largest number of ticks.
    """
    places = tick_values(low, high, most)
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def tick_values(low: float, high: float, most: int = 7) -> list[float]:
    """Ticks between two positive limits: the finest of a few readable series that stays within ``most``.

    >>> tick_values(0.9, 12.0)
    [1.0, 2.0, 5.0, 10.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**e for e in range(first, last + 1) for m in mantissas]
        inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if 3 <= len(inside) <= most and not (len(mantissas) == 6 and high / low > 6):
            return inside
    if high / low < 10:
        return [float(tick) for tick in MaxNLocator(most - 2).tick_values(low, high) if low <= tick <= high and tick > 0]
    stride = math.ceil((last - first + 1) / most)
    return [10.0**e for e in range(first, last + 1, stride) if low <= 10.0**e <= high]


def padded(values: list[float], share: float = 0.06) -> tuple[float, float]:
    """Limits around positive values on a log axis with a margin at both ends; (0.9, 1.1) when there are none."""
    good = [value for value in values if math.isfinite(value) and value > 0]
    if not good:
        return 0.9, 1.1
    low, high = math.log(min(good)), math.log(max(good))
    margin = max(share * (high - low), 0.02)
    return math.exp(low - margin), math.exp(high + margin)


def segments(defined: np.ndarray) -> list[slice]:
    """The runs of consecutive true values, so that curves break where they are undefined.

    >>> segments(np.array([True, True, False, True]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], defined.astype(int), [0]])))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def settle(figure: Figure) -> None:
    """Lay the figure out once for all its renderings; afterwards each rendering costs one drawing instead of three."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        # None and not "none": the latter leaves a placeholder, for which every rendering draws the figure once more.
        figure.set_layout_engine(None)


def to_png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG; the same bytes for the same figure."""
    buffer = io.BytesIO()
    with drawing():
        settle(figure)
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, *, text: bool = False) -> str:
    """The figure as SVG; the same bytes for the same figure.

    Parameters
    ----------
    text : bool
        Keep text as text (the page's font draws it) instead of outlines (any viewer draws it alike).
    """
    buffer = io.StringIO()
    with drawing(), mpl.rc_context({"svg.fonttype": "none" if text else "path"}):
        settle(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return buffer.getvalue()
