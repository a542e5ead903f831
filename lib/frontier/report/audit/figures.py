"""Figures of the audit: claimed against found over interactivity, the parts of a ratio, and all claims on one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from frontier.report.audit.words import COLORS, EVIDENCE, MARKS, SHORT, claimed_text, headline_found, unit, value_text
from frontier.report.document import Estimate, estimate, number, pair
from frontier.report.style import (
    INK,
    MUTED,
    ReportFigure,
    add_legend,
    drawing,
    empty_figure,
    log_ticks,
    new_figure,
    padded,
    segments,
    style_at,
    wrap,
)
from frontier.report.wording import TIMES, factor

_BLUE, _GOLD, _ORANGE = "#17375e", "#dcaa3c", "#d1603d"
# Levers look as in the report; what is no lever takes the rest of the palette.
_PLACES = {
    "hardware": 0, "hardware_per_die": 0, "precision": 1, "parallelism": 2, "search_space:parallelism": 2, "mtp": 3, "search_space:mtp": 3,
    "lever:mtp": 3, "disaggregation": 4, "search_space:disaggregation": 4, "version": 5, "software": 5, "package": 6, "power": 7, "price": 9,
    "bits": 10, "dies": 8,
}  # fmt: skip
_GREY = ("harness", "unexplained", "coverage", "not_identifiable")


def _evidence(claim: Mapping[str, Any], kind: str = "") -> dict[str, str]:
    """What the figure head needs: the kind of evidence in the words of the points table."""
    head = claim.get("headline") or {}
    word = kind or str(head.get("evidence") or "")
    return {"evidence": {"published": "published", "predicted": "predicted"}.get(word, "measured" if word == "measured" else "unstated")}


def _head(axes: Axes, kind: str, extra: str = "") -> None:
    axes.set_title(f"{EVIDENCE.get(kind, 'no evidence')}{extra}", loc="left", color=MUTED, style="italic", pad=9)


def fig_claim(claim: Mapping[str, Any], *, narrow: bool = False) -> ReportFigure:
    """The claimed band against what was found over interactivity, with its 95 % band; a share or a single load as dots.

    Parameters
    ----------
    claim : mapping
        One entry of the audit document's ``claims``.
    narrow : bool
        The rendering for a phone.
    """
    with drawing():
        if claim["shares"]:
            return _dots(claim, narrow=narrow)
        if not claim["curve"]:
            return _single(claim, narrow=narrow)
        return _over_interactivity(claim, narrow=narrow)


def _over_interactivity(claim: Mapping[str, Any], *, narrow: bool) -> ReportFigure:
    curve = claim["curve"]
    x = np.array([number(row["interactivity_tok_s_user"]) for row in curve])
    y = np.array([number(row["value"]) for row in curve])
    low, high = (np.array([pair(row["ci95"])[side] for row in curve]) for side in (0, 1))
    figure, axes = new_figure(_evidence(claim), narrow=narrow, height=3.5, narrow_height=3.9)
    head = claim["headline"]
    _head(axes, str(head["evidence"]))
    heights: list[float] = []
    label: str | None = "found"
    for run in segments(np.isfinite(y) & (y > 0)):
        axes.plot(x[run], y[run], color=_BLUE, linewidth=2.4, label=label, zorder=4)
        heights += [*y[run]]
        label = None
    by_margin = (head["at"] or head["mean"] or head["peak"] or {}).get("interval") == "margin"
    label = "margin in place of an interval" if by_margin else "95 % interval"
    for run in segments(np.isfinite(low) & np.isfinite(high) & (low > 0)):
        axes.fill_between(x[run], low[run], high[run], color=_BLUE, alpha=0.16, linewidth=0, label=label, zorder=2)
        heights += [*low[run], *high[run]]
        label = None
    heights += _claimed_band(axes, claim)
    stated, value = number(claim["claimed"]["interactivity_tok_s_user"]), number(claim["claimed"]["value"])
    if math.isfinite(stated) and math.isfinite(value):
        axes.plot([stated], [value], linestyle="none", marker="*", markersize=15, color=_GOLD, markeredgecolor=INK, label="claim", zorder=6)
    if claim["claimed"]["quantity"] != "level":
        axes.axhline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        heights.append(1.0)
    bottom, top = padded([height for height in heights if height > 0])
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    log_ticks(axes.yaxis, bottom, top, lambda tick: value_text(claim, tick), most=6)
    axes.set_xlabel("interactivity, tokens/s/user")
    axes.set_ylabel(wrap(unit(claim), 30))
    add_legend(figure, axes, narrow=narrow, columns=4)
    return figure


def _claimed_band(axes: Axes, claim: Mapping[str, Any]) -> list[float]:
    """The values that count as what was claimed, as a hatched band; returns the heights drawn."""
    claimed = claim["claimed"]
    value, tolerance = number(claimed["value"]), number(claimed["tolerance"])
    if not math.isfinite(value) or value <= 0:
        return []
    low, high = value / (1 + tolerance), value * (1 + tolerance)
    axes.axhspan(low, high, facecolor=_GOLD, alpha=0.28, linewidth=0, zorder=1)
    axes.axhline(value, color="#a8791a", linewidth=1.6, linestyle=(0, (6, 2)), label=f"claimed: {claimed_text(claim)}", zorder=3)
    return [low, high]


def _single(claim: Mapping[str, Any], *, narrow: bool) -> ReportFigure:
    """One number against the claimed band, or the claimed band alone where nothing was found."""
    figure, axes = new_figure(_evidence(claim), narrow=narrow, height=1.9, narrow_height=2.2)
    head = claim["headline"]
    found = headline_found(claim)
    _head(axes, "" if head is None else str(head["evidence"]), "" if found.defined else ": nothing to set against the claim")
    value, tolerance = number(claim["claimed"]["value"]), number(claim["claimed"]["tolerance"])
    rows: list[tuple[str, Estimate, str, str]] = [("claimed", Estimate(value, value / (1 + tolerance), value * (1 + tolerance)), "#a8791a", "*")]
    if found.defined:
        rows.append(("found", found, _BLUE, "o"))
    given = None if head is None or head["as_given"] is None else estimate(head["as_given"]["at"])
    if given is not None and given.defined:
        rows.append(("as given, uncorrected", given, MUTED, "s"))
    reach = [item for _, one, _, _ in rows for item in (one.value, one.low, one.high)]
    left, right = padded(reach, 0.25)
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    for place, (_, one, color, mark) in enumerate(rows):
        if one.has_interval:
            axes.plot([one.low, one.high], [place, place], color=color, linewidth=2.2, zorder=3, solid_capstyle="round")
        axes.plot([one.value], [place], marker=mark, markersize=14 if mark == "*" else 9, color=color, markeredgecolor=INK, zorder=4)
        axes.annotate(
            value_text(claim, one.value), (1.0, place), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), textcoords="offset points", va="center",
            annotation_clip=False,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [wrap(name, 16) for name, _, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    log_ticks(axes.xaxis, left, right, lambda tick: value_text(claim, tick), most=3 if narrow else 5)
    axes.set_xlabel(unit(claim))
    return figure


def _dots(claim: Mapping[str, Any], *, narrow: bool) -> ReportFigure:
    """The share of the software in every reading, under both meanings, beside the claimed one."""
    shares = claim["shares"]
    figure, axes = new_figure(_evidence(claim), narrow=narrow, height=1.5 + 0.62 * len(shares), narrow_height=1.6 + 0.75 * len(shares))
    axes.set_title("", loc="left")
    value = number(claim["claimed"]["value"])
    axes.axvspan(value, 1.0, facecolor=_GOLD, alpha=0.2, linewidth=0, zorder=0)
    axes.axvline(value, color="#a8791a", linewidth=1.6, linestyle=(0, (6, 2)), label=f"claimed: {claimed_text(claim)}", zorder=3)
    for row, share in enumerate(shares):
        for meaning, (shift, color) in zip(share["meanings"], ((-0.16, _BLUE), (0.16, _ORANGE)), strict=True):
            one = estimate(meaning["of_log"])
            label = None if row else f"precision counts as {'software' if shift < 0 else 'hardware'}"
            if one.has_interval:
                axes.plot([one.low, one.high], [row + shift] * 2, color=color, linewidth=1.8, zorder=3, solid_capstyle="round")
            axes.plot([one.value], [row + shift], marker="o", markersize=8, linestyle="none", color=color, label=label, zorder=5)
            gain = estimate(meaning["of_gain"])
            axes.plot([gain.value], [row + shift], marker="x", markersize=8, markeredgewidth=2, linestyle="none", color=color, zorder=4)
    axes.set_yticks(range(len(shares)), [wrap(f"{share['title']} ({share['evidence']})", 24 if narrow else 40) for share in shares])
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(lambda tick, _: f"{100 * tick:.0f} %")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of the software")
    add_legend(figure, axes, narrow=narrow, columns=3)
    return figure


def fig_parts(claim: Mapping[str, Any], *, narrow: bool = False) -> ReportFigure:
    """The parts of the ratio as a waterfall on a log axis, the claimed factor as a line; says so where the ratio could not be split."""
    parts = claim["parts"]
    with drawing():
        if parts is None:
            return empty_figure(_evidence(claim), "not split: no evidence at hand tells the parts of this number apart", narrow=narrow)
        rows = parts["factors"]
        figure, axes = new_figure(_evidence(claim, parts["evidence"]), narrow=narrow, height=1.45 + 0.46 * (len(rows) + 1))
        _head(axes, str(parts["evidence"]))
        start, reached = 1.0, [1.0]
        for row, part in enumerate(rows):
            found = estimate(part)
            reached += [start, *_bar(axes, row, start, found, *_look(str(part["name"])))]
            start *= found.value if found.defined else 1.0
            axes.plot([start, start], [row + 0.31, row + 0.69], color=MUTED, linewidth=0.8, zorder=1)
        _bar(axes, len(rows), 1.0, Estimate(number(parts["product"])), "#39424d", "")
        value = number(claim["claimed"]["value"])
        ratio = claim["claimed"]["quantity"] in ("ratio", "projection") and math.isfinite(value)
        if ratio:
            axes.axvline(value, color="#a8791a", linewidth=1.6, linestyle=(0, (6, 2)), zorder=2)
            axes.annotate(
                f"claimed {factor(value)}", (value, 0.5), xycoords=axes.get_xaxis_transform(), xytext=(4, 0), textcoords="offset points",
                color="#8a6210", rotation=90, va="center", zorder=1,
            )  # fmt: skip
            reached.append(value)
        low, high = padded([*reached, number(parts["product"])], 0.05)
        axes.set_xscale("log")
        axes.set_xlim(low, math.exp(math.log(high) + (0.42 if narrow else 0.2) * math.log(high / low)))
        axes.set_ylim(len(rows) + 0.55, -0.6)
        log_ticks(axes.xaxis, low, high, lambda tick: f"{tick:g}{TIMES}", most=4 if narrow else 7)
        axes.set_yticks(range(len(rows) + 1), [*(wrap(str(part["title"]), 18 if narrow else 30) for part in rows), "Whole ratio"])
        for text in axes.get_yticklabels():
            text.set_color(INK)
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("factor (log scale)")
        return figure


def _look(name: str) -> tuple[str, str]:
    if name in _GREY:
        return "#9aa3ad", "///" if name == "harness" else ""
    style = style_at(_PLACES.get(name, 11))
    return style.color, style.hatch


def _bar(axes: Axes, row: int, start: float, found: Estimate, color: str, hatch: str) -> Sequence[float]:
    """One part's bar, its whisker and its number; the places it reaches."""
    if not found.defined:
        return []
    end = start * found.value
    axes.barh(row, end - start, left=start, height=0.62, color=color, hatch=hatch, edgecolor="white", linewidth=0.6, zorder=3)
    places = [end]
    if found.has_interval:
        ends = [start * found.low, start * found.high]
        axes.plot(ends, [row, row], color="white", linewidth=3.4, zorder=4, solid_capstyle="butt")
        axes.plot(ends, [row, row], color=INK, linewidth=1.3, zorder=5, marker="|", markersize=7, markeredgewidth=1.3)
        places += ends
    axes.annotate(factor(found.value), (max(start, *places), row), xytext=(7, 0), textcoords="offset points", va="center", color=INK, zorder=6)
    return places


def fig_overview(document: Mapping[str, Any], *, narrow: bool = False) -> ReportFigure:
    """Found over claimed for every claim that has both, with intervals; 1 is the claim itself.

    Parameters
    ----------
    document : mapping
        The audit document.
    """
    found = []
    for claim in document["claims"]:
        value, one = number(claim["claimed"]["value"]), headline_found(claim)
        if one.defined and math.isfinite(value):
            found.append((claim, Estimate(one.value / value, one.low / value, one.high / value)))
    with drawing():
        count = max(len(found), 1)
        figure, axes = new_figure({"evidence": "unstated"}, narrow=narrow, height=1.5 + 0.42 * count, narrow_height=1.7 + 0.6 * count)
        axes.set_title("found over claimed; whisker: interval or margin", loc="left", color=MUTED, style="italic", pad=9)
        ends = [item for _, one in found for item in (one.value, one.low, one.high)]
        low, high = padded([1.0, *ends])
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.axvline(1.0, color="#a8791a", linewidth=1.6, linestyle=(0, (6, 2)), zorder=1)
        told: set[str] = set()
        for row, (claim, one) in enumerate(found):
            state = str(claim["verdict"]["state"])
            label = None if state in told else SHORT[state]
            told.add(state)
            if one.has_interval:
                axes.plot([one.low, one.high], [row, row], color=COLORS[state], linewidth=1.8, zorder=3, solid_capstyle="round")
            axes.plot([one.value], [row], marker=MARKS[state], markersize=9, linestyle="none", color=COLORS[state], label=label, zorder=4)
            axes.annotate(
                factor(one.value), (1.0, row), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), textcoords="offset points", va="center",
                annotation_clip=False,
            )  # fmt: skip
        axes.set_yticks(range(len(found)), [wrap(str(claim["title"]), 26 if narrow else 62, lines=2) for claim, _ in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        for text in axes.get_yticklabels():
            text.set_color(INK)
        axes.grid(axis="y", linestyle=(0, (1, 3)))
        log_ticks(axes.xaxis, low, high, lambda tick: f"{tick:.3g}{TIMES}", most=4 if narrow else 8)
        axes.set_xlabel("found over claimed (log scale)")
        add_legend(figure, axes, narrow=narrow, columns=5)
        return figure
