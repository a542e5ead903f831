"""What a machine can do, drawn: memory bandwidth by size, matrix products by shape, all-reduce by message, and the bounds these set."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from frontier.calibration.document import Calibration, Measurement
from frontier.calibration.machine import Bounds, Machine
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
    style_at,
    wrap,
)
from frontier.report.wording import place_text

_MEASURED = {"evidence": "measured"}
_ONE_CORE, _ALL = (0, (4, 2)), "-"


def fig_memory(machine: Machine, *, device: str = "cpu", narrow: bool = False) -> ReportFigure:
    """Memory bandwidth over the bytes of all buffers: read, copy and triad, with all cores (lines) and one (dashed); bands between the quartiles.

    Parameters
    ----------
    machine : Machine
    device : "cpu" | "cuda"
    narrow : bool
        The rendering for a phone.
    """
    with drawing():
        found = _of(machine, "memory", device)
        if not found:
            return empty_figure(_MEASURED, _why(machine, f"no memory of {device} was measured"), narrow=narrow)
        figure, axes = new_figure(_MEASURED, narrow=narrow, height=4.2)
        heights = []
        for place, name in enumerate(dict.fromkeys(one.name for one in found)):
            for count, line in _ends(found):
                own = sorted((one for one in found if one.name == name and one.count == count), key=lambda one: one.size_bytes or 0)
                label = name if len(_ends(found)) == 1 else f"{name}, {_held(count, device)}"
                heights += _draw(axes, [float(one.size_bytes or 0) for one in own], own, style_at(place), line, label, lambda one, rate: rate / 1e9)
        sizes = [float(one.size_bytes or 0) for one in found]
        _logarithmic(axes, sizes, heights, _size)
        axes.set_xlabel("bytes of all buffers")
        axes.set_ylabel("GB/s")
        if machine.calibration is not None and device == "cpu":
            _mark_caches(axes, machine.calibration)
        add_legend(figure, axes, narrow=narrow)
        return figure


def fig_products(machine: Machine, *, device: str = "cpu", narrow: bool = False) -> ReportFigure:
    """Rate of matrix products by precision: skinny ones by their rows, as in decoding, and large squares at the right; lines as in ``fig_memory``."""
    with drawing():
        found = _of(machine, "matmul", device)
        if not found:
            return empty_figure(_MEASURED, _why(machine, f"no product of {device} was measured"), narrow=narrow)
        figure, axes = new_figure(_MEASURED, narrow=narrow, height=4.2)
        shapes = sorted({_shape(one) for one in found})
        heights = []
        for place, name in enumerate(dict.fromkeys(one.name for one in found)):
            for count, line in _ends(found):
                own = sorted((one for one in found if one.name == name and one.count == count), key=_shape)
                label = name if len(_ends(found)) == 1 else f"{name}, {_held(count, device)}"
                at = [float(shapes.index(_shape(one))) for one in own]
                heights += _draw(axes, at, own, style_at(place), line, label, lambda one, rate: rate / 1e9)
        axes.set_yscale("log")
        low, high = padded(heights)
        axes.set_ylim(low, high)
        log_ticks(axes.yaxis, low, high, place_text, most=8)
        axes.set_xticks(range(len(shapes)), [f"{rows:,}\nsquare" if square else str(rows) for square, rows in shapes])
        squares = sum(square for square, _ in shapes)
        axes.axvline(len(shapes) - squares - 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_xlabel("rows of activations (sequences decoding at once), then large squares")
        axes.set_ylabel("Gop/s (multiplications and additions)")
        add_legend(figure, axes, narrow=narrow)
        return figure


def fig_allreduce(machine: Machine, *, narrow: bool = False) -> ReportFigure:
    """Time of one all-reduce over the size of its message; the band lies between the quartiles."""
    with drawing():
        found = _of(machine, "allreduce", None)
        if not found:
            reasons = machine.calibration.absent.values() if machine.calibration is not None else ()
            return empty_figure(_MEASURED, _why(machine, "; ".join(reasons)), narrow=narrow)
        figure, axes = new_figure(_MEASURED, narrow=narrow, height=3.6)
        heights = []
        for place, (name, count) in enumerate(dict.fromkeys((one.name, one.count) for one in found)):
            own = [one for one in found if (one.name, one.count) == (name, count)]
            sizes = [float(one.size_bytes or 0) for one in own]
            heights += _draw(axes, sizes, own, style_at(place), _ALL, f"{name}, {count} ranks", lambda one, rate: one.work / rate * 1e6)
        _logarithmic(axes, [float(one.size_bytes or 0) for one in found], heights, _size)
        axes.set_xlabel("bytes of the message")
        axes.set_ylabel("microseconds")
        add_legend(figure, axes, narrow=narrow)
        return figure


def fig_bounds(bounds: Bounds, *, narrow: bool = False) -> ReportFigure:
    """The bound of every model and precision: total throughput per device over interactivity, both on log scales."""
    with drawing():
        if not bounds.curves:
            reasons = "; ".join(dict.fromkeys(bounds.reasons.values()))
            return empty_figure(_MEASURED, f"no bound: {reasons}", narrow=narrow)
        figure, axes = new_figure(_MEASURED, narrow=narrow, height=4.2)
        axes.set_title(f"physical bound from measured rates, {bounds.devices}", loc="left", color=MUTED, style="italic", pad=9)
        xs: list[float] = []
        ys: list[float] = []
        for place, (label, curve) in enumerate(bounds.curves.items()):
            x, y = curve["interactivity_tok_s_user"].to_numpy(float), curve["total_tput_tok_s_gpu"].to_numpy(float)
            style = style_at(place)
            axes.plot(x, y, color=style.color, linestyle=(0, (5, 3)) if place % 2 else "-", linewidth=1.8, label=wrap(label, 36, 2))
            xs, ys = [*xs, *x.tolist()], [*ys, *y.tolist()]
        _logarithmic(axes, xs, ys, place_text)
        axes.set_xlabel("interactivity, tokens/s/user")
        axes.set_ylabel("input + output tokens/s per device")
        add_legend(figure, axes, narrow=narrow, columns=2)
        return figure


def _of(machine: Machine, kind: str, device: str | None) -> list[Measurement]:
    return [] if machine.calibration is None else machine.calibration.of_kind(kind, device)


def _shape(one: Measurement) -> tuple[bool, int]:
    """Whether a product is a square, and its rows: their order in the figure."""
    return one.rows == one.inner, one.rows or 0


def _why(machine: Machine, otherwise: str) -> str:
    return machine.missing.replace("\n", " ") or otherwise


def _ends(found: Sequence[Measurement]) -> list[tuple[int, object]]:
    """The largest and the smallest count, each with its line; counts between would crowd the figure and stand in the table."""
    counts = sorted({one.count for one in found})
    return [(counts[-1], _ALL)] if len(counts) == 1 else [(counts[-1], _ALL), (counts[0], _ONE_CORE)]


def _held(count: int, device: str) -> str:
    return f"{count} {'core' if device == 'cpu' else 'GPU'}{'s' if count > 1 else ''}"


def _draw(
    axes: Axes,
    at: Sequence[float],
    own: Sequence[Measurement],
    style: Style,
    line: object,
    label: str,
    value: Callable[[Measurement, float], float],
) -> list[float]:
    """Medians as a line with marks, quartiles as a band; returns the heights."""
    middle, low, high = ([value(one, getattr(one, name)) for one in own] for name in ("median", "q1", "q3"))
    solid = line == _ALL
    axes.plot(
        list(at), middle, color=style.color, linestyle=line, marker=style.marker, markersize=5 if solid else 4, linewidth=1.8 if solid else 1.2,
        markerfacecolor=style.color if solid else "white", markeredgecolor=style.color, label=label,
    )  # fmt: skip
    axes.fill_between(np.asarray(at), low, high, color=style.color, alpha=0.14, linewidth=0, zorder=1)
    return [*middle, *low, *high]


def _logarithmic(axes: Axes, xs: Sequence[float], ys: Sequence[float], text: Callable[[float], str]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = padded(list(xs))
    axes.set_xlim(low, high)
    if text is _size:
        # Sizes are powers of two; ticks at powers of ten would fall between them.
        ticks = [2.0**exponent for exponent in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
        ticks = ticks[:: math.ceil(len(ticks) / 7)]
        axes.set_xticks(ticks, [_size(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        log_ticks(axes.xaxis, low, high, text)
    low, high = padded(list(ys))
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, low, high, place_text, most=8)


def _mark_caches(axes: Axes, calibration: Calibration) -> None:
    """Where the data caches of all cores held end."""
    left, right = axes.get_xlim()
    for cache in calibration.machine["caches"]:
        size = cache["kib"] * 1024 * math.ceil(calibration.machine["cores"] / max(cache["cores"], 1))
        if left < size < right:
            axes.axvline(size, color=MUTED, linewidth=0.9, linestyle=(0, (1, 3)), zorder=1)
            axes.annotate(
                f"L{cache['level']} ends", (size, 1.0), xycoords=("data", "axes fraction"), xytext=(-4, -3), textcoords="offset points",
                ha="right", va="top", color=INK, fontsize=9, rotation=90,
            )  # fmt: skip


def _size(value: float) -> str:
    """Bytes in binary units.

    >>> _size(131072.0), _size(2.0**20)
    ('128 KiB', '1 MiB')
    """
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g} B"
