"""Figure: one series through time, its steps numbered and named by cause, and the frontiers around the largest step."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from frontier.errors import UsageError
from frontier.report.document import Document
from frontier.report.style import INK, MUTED, ReportFigure, drawing, log_ticks, padded, wrap
from frontier.report.wording import METRIC_LONG, TIMES, place_text, quantity

# Kind of step -> colour, hatch and words; artefacts are grey and hatched, because no system changed.
KINDS: dict[str, tuple[str, str, str]] = {
    "software": ("#2a7d6e", "", "software"),
    "search_space": ("#d1603d", "", "search space"),
    "lever": ("#dcaa3c", "", "lever"),
    "hardware": ("#17375e", "", "hardware"),
    "platform": ("#7fb0c8", "", "platform"),
    "artefact": ("#9aa3ad", "////", "artefact of the measurement"),
    "not_identifiable": ("#8a6591", "", "not identifiable"),
    "unexplained": ("#7d8792", "", "unexplained"),
}
_BEFORE, _AFTER = "#9aa3ad", "#17375e"
_MOST_LISTED = 9
_LINE_INCHES = 0.235


def fig_timeline(document: Document, series: str | None = None, *, narrow: bool = False) -> ReportFigure:
    """A series through time and the frontiers before and after its largest step; log scales.

    Rings are what each date's frontier shows at one interactivity (or its peak, where no interactivity is common); the line is the level that does
    not move with coverage, its band where single dates lie when only noise moves them. Grey hatched steps are artefacts of the measurement.

    Parameters
    ----------
    document : mapping
        A ``frontier.timeline/1`` document.
    series : str, optional
        Words of a series' title, in any order; by default the series with the most steps.
    narrow : bool
        The rendering for a phone: the panels one above the other.

    Raises
    ------
    UsageError
        If no series, or more than one, has these words in its title.
    """
    entry = chosen_series(document, series)
    steps = list(entry["steps"])
    listed = _key_lines(steps, 52 if narrow else 116)
    with drawing():
        height = (6.9 if narrow else 4.3) + _LINE_INCHES * len(listed)
        figure = ReportFigure(figsize=(4.7 if narrow else 9.2, height), layout="constrained")
        FigureCanvasAgg(figure)
        key = _LINE_INCHES * max(len(listed), 1)
        if narrow:
            grid = figure.add_gridspec(3, 1, height_ratios=[3.6, 2.9, key])
            axes, side, below = (figure.add_subplot(grid[i]) for i in range(3))
        else:
            grid = figure.add_gridspec(2, 2, width_ratios=[1.75, 1], height_ratios=[4.0, key])
            axes, side, below = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, :])
        _through_time(axes, entry, steps, str(document["metric"]), narrow=narrow)
        _around(side, steps, str(document["metric"]))
        _key(figure, below, listed)
        figure.suptitle(wrap(f"{entry['title']} ({entry['evidence']})", 56 if narrow else 110, 2), x=0.01, ha="left", fontsize=11.5, color=INK)
        return figure


def no_timeline(message: str) -> ReportFigure:
    """A figure that says in words why there is no timeline."""
    with drawing():
        figure = ReportFigure(figsize=(9.2, 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.0, 0.5, wrap(message, 90), transform=axes.transAxes, color=MUTED, va="center")
        return figure


def chosen_series(document: Document, words: str | None) -> dict[str, Any]:
    """The entry of a series by words of its title; without words the one with the most steps, then the most dates.

    Raises
    ------
    UsageError
        If no series, or more than one, fits.
    """
    entries: list[dict[str, Any]] = list(document["series"])
    if words is None:
        return max(entries, key=lambda entry: (len(entry["steps"]), len(entry["dates"])))
    exact = [entry for entry in entries if entry["title"] == words]
    found = exact or [entry for entry in entries if set(words.lower().split()) <= set(str(entry["title"]).lower().split())]
    if len(found) == 1:
        return found[0]
    titles = "; ".join(str(entry["title"]) for entry in (found or entries))
    count = f"{len(found)} series have" if found else "no series has"
    raise UsageError(f"{count} the words {words!r} in the title", hint=f"one of: {titles}")


def _through_time(axes: Axes, entry: dict[str, Any], steps: Sequence[dict[str, Any]], metric: str, *, narrow: bool) -> None:
    """Rings, levels with bands, and numbered steps."""
    reads = entry["quantity"]
    shown = [(_day(date["date"]), date[reads]) for date in entry["dates"] if date[reads] is not None]
    drawn = [segment for segment in entry["segments"] if segment["level"] is not None]
    levels = [segment["level"] for segment in drawn]
    bounds = [bound for segment in entry["segments"] if segment["noise95"] for bound in segment["noise95"]]
    low, high = padded([value for _, value in shown] + levels + bounds, 0.08)
    top = math.exp(math.log(high) + 0.16 * math.log(high / low))  # room for the numbers
    days = {date["date"]: _day(date["date"]) for date in entry["dates"]}
    margin = max(0.03 * (max(days.values()) - min(days.values())), 0.6)
    for step in steps:
        color, hatch, _ = KINDS.get(step["kind"], KINDS["unexplained"])
        start, end = days[step["from"]], days[step["to"]]
        axes.axvspan(start, end, facecolor=color, alpha=0.16 if not hatch else 0.25, hatch=hatch or None, edgecolor="white", linewidth=0, zorder=0)
        axes.axvline(end, color=color, linewidth=1.2, linestyle=(0, (3, 2)) if hatch else "-", zorder=1)
    for place, height in enumerate(_badge_heights([days[step["to"]] for step in steps], margin, math.log(high), math.log(top)), start=1):
        step = steps[place - 1]
        color = KINDS.get(step["kind"], KINDS["unexplained"])[0]
        axes.annotate(
            str(place), (days[step["to"]], math.exp(height)), ha="center", va="center", color="white", fontsize=8.5, fontweight="bold", zorder=6,
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": color, "edgecolor": "white", "linewidth": 0.8},
        )  # fmt: skip
    for place, segment in enumerate(drawn):
        start, end = days[segment["from"]], days[segment["to"]]
        start, end = (start - margin / 3, end + margin / 3) if start == end else (start, end)
        if segment["noise95"]:
            axes.fill_between([start, end], *segment["noise95"], color="#4a78a8", alpha=0.22, linewidth=0, zorder=2)
        axes.plot(
            [start, end],
            [segment["level"]] * 2,
            color="#17375e",
            linewidth=2.0,
            solid_capstyle="butt",
            zorder=3,
            label="level, with the range of noise" if place == 0 else None,
        )
    axes.plot(
        *zip(*shown, strict=True),
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="white",
        markeredgecolor=INK,
        markeredgewidth=1.1,
        zorder=4,
        label="frontier of each date",
    )
    axes.set_yscale("log")
    axes.set_ylim(low, top)
    axes.set_xlim(min(days.values()) - margin, max(days.values()) + margin)
    log_ticks(axes.yaxis, low, top, quantity, most=6)
    _date_ticks(axes, 4 if narrow else 7)
    axes.grid(axis="x", visible=False)
    axes.tick_params(length=0)
    axes.legend(loc="best", fontsize=8.5, handlelength=1.6, frameon=True, framealpha=0.85, edgecolor="none")
    at = f"at {place_text(entry['interactivity_tok_s_user'])} tokens/s/user" if reads == "throughput_at" else "at the peak"
    axes.set_title(wrap(f"{METRIC_LONG.get(metric, metric)}, {at}", 48 if narrow else 70), loc="left", color=MUTED, pad=8)


def _badge_heights(places: Sequence[float], margin: float, low: float, high: float) -> list[float]:
    """Heights (log) of the numbers of the steps: two lanes, so that neighbours do not cover one another."""
    lanes = (low + 0.72 * (high - low), low + 0.2 * (high - low))
    out: list[float] = []
    lane = 0
    for i, place in enumerate(places):
        lane = (lane + 1) % 2 if i and place - places[i - 1] < 2 * margin else 0
        out.append(lanes[lane])
    return out


def _around(axes: Axes, steps: Sequence[dict[str, Any]], metric: str) -> None:
    """The frontiers before and after the step with the largest ratio."""
    found = [(place, step) for place, step in enumerate(steps, start=1) if step.get("frontiers") and all(step["frontiers"].values())]
    axes.tick_params(length=0)
    if not found:
        axes.set_axis_off()
        axes.text(0.02, 0.5, "no step: nothing in this\nseries stands out of the noise", transform=axes.transAxes, color=MUTED, va="center")
        return
    found = [item for item in found if all(len(points) > 1 for points in item[1]["frontiers"].values())] or found
    place, step = max(found, key=lambda item: abs(math.log(item[1]["shift"]["ratio"]["value"])))
    curves = step["frontiers"]
    for name, color, marker in (("before", _BEFORE, "s"), ("after", _AFTER, "o")):
        xs, ys = zip(*curves[name], strict=True)
        axes.plot(
            xs, ys, color=color, marker=marker, markersize=4.5, linewidth=1.6, label=f"{name}: {step['from' if name == 'before' else 'to']}", zorder=3
        )
    values = [y for name in curves for _, y in curves[name]]
    low, high = padded(values, 0.08)
    axes.set_yscale("log")
    axes.set_ylim(low, math.exp(math.log(high) + 0.3 * math.log(high / low)))
    log_ticks(axes.yaxis, low, high, quantity, most=6)
    axes.set_xlabel("interactivity (tokens/s/user)")
    axes.set_title(f"frontiers around step {place}", loc="left", color=MUTED, pad=8)
    axes.legend(loc="upper right", fontsize=9)


def _key_lines(steps: Sequence[dict[str, Any]], width: int) -> list[tuple[str, str]]:
    """Lines of the list of steps with the kind that colours each; continued lines have no number."""
    out: list[tuple[str, str]] = []
    for place, step in enumerate(steps[:_MOST_LISTED], start=1):
        ratio = (step["shift"] or {}).get("ratio")
        total = "" if ratio is None else f" (frontier {ratio['value']:.2f}{TIMES}{_interval(ratio['ci95'])})"
        told = step["changelog"]
        names = [f"#{e['id']}" if e["id"] else f"entry {e['number']}" for e in told["entries"] if e["candidate"]] if told else []
        log = f"; change log {', '.join(names[:3])}" + (" (not separable)" if len(names) > 1 else "") if names else ""
        label = re.sub(r"(?<=\d)x\b", TIMES, str(step["label"]))
        text = f"{place}  {step['to']}  {label}{total}{log}"
        lines = wrap(text, width, 3).split("\n")
        out += [(lines[0], step["kind"]), *((f"     {line}", step["kind"]) for line in lines[1:])]
    if len(steps) > _MOST_LISTED:
        out.append((f"and {len(steps) - _MOST_LISTED} more steps", "unexplained"))
    return out


def _interval(bounds: Sequence[float] | None) -> str:
    return f", {bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ""


def _key(figure: Figure, axes: Axes, listed: Sequence[tuple[str, str]]) -> None:
    """The list of steps below the panels."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(listed), 1), 0)
    for line, (text, kind) in enumerate(listed):
        color, hatch, _ = KINDS.get(kind, KINDS["unexplained"])
        axes.barh(line + 0.5, 0.008, left=0.0, height=0.8, color=color, hatch=hatch, edgecolor="white", linewidth=0)
        axes.text(0.016, line + 0.5, text, va="center", fontsize=9.3, color=INK)


def _date_ticks(axes: Axes, most: int) -> None:
    locator = mdates.AutoDateLocator(minticks=2, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _day(date: str) -> float:
    return float(mdates.date2num(datetime.date.fromisoformat(date[:10])))  # type: ignore[no-untyped-call]
