"""Where two kinds of evidence answer the same question: the companion's path, step by step, as moves of the main game."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frontier.report.document import Document, Estimate, estimate, lever_title, part, rows
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
    wrap,
)
from frontier.report.tables import Cell, Table, numeric_cell, ratio_cells
from frontier.report.wording import NOT_DEFINED, TIMES, factor, interval_text, listed, percent, upper_first

_TOTAL = "total"
_OURS, _THEIRS = "#17375e", "#d1603d"


@dataclass(frozen=True)
class Contrast:
    """One move that both sides answer: its title and the factor on either side."""

    title: str
    ours: Estimate
    theirs: Estimate
    whole: bool

    @property
    def ratio(self) -> float:
        """Ours over theirs; NaN where a side is undefined."""
        return self.ours.value / self.theirs.value

    @property
    def place(self) -> str:
        """Where the companion's factor lies, seen from our interval."""
        if not (self.ours.defined and self.theirs.defined):
            return NOT_DEFINED
        if not self.ours.has_interval:
            return "not judged"
        if self.ours.low <= self.theirs.value <= self.ours.high:
            return "inside"
        return "above" if self.theirs.value > self.ours.high else "below"


def contrasts(document: Document) -> list[Contrast]:
    """The moves that both sides answer, in the companion's order, the whole last; empty without a companion or without contrasts."""
    companion = part(document, "companion")
    steps = {str(row.get("lever")): estimate(row) for row in rows(companion, "ladder")}
    steps[_TOTAL] = estimate(companion.get(_TOTAL))
    return [
        Contrast("Whole move" if name == _TOTAL else lever_title(document, name), estimate(row), steps[name], name == _TOTAL)
        for row in rows(document, "contrasts")
        if (name := str(row.get("name"))) in steps
    ]


def contrast_table(document: Document) -> Table | None:
    """Every common move: factor and interval on both sides, their ratio, and whether the companion's factor lies in our interval."""
    found = contrasts(document)
    if not found:
        return None
    here, there = _kinds(document)
    body = [
        [
            Cell(one.title),
            *ratio_cells(one.ours),
            *ratio_cells(one.theirs),
            numeric_cell(one.ratio, factor(one.ratio)),
            Cell(one.place),
        ]
        for one in found
    ]
    heads = ("Change", upper_first(here), "95 % interval", upper_first(there), "95 % interval", f"{upper_first(here)} / {there}")
    strong = frozenset(row for row, one in enumerate(found) if one.whole)
    return Table((*heads, f"{upper_first(there)} lies"), body, numeric=frozenset(range(1, 6)), strong=strong)


def agreement_sentence(document: Document) -> str:
    """How the two sides agree on the whole move, in one sentence; empty where a side is undefined."""
    here, there = _kinds(document)
    for one in contrasts(document):
        if one.whole and one.ours.defined and one.theirs.defined:
            off = one.ratio - 1.0
            size = "the same as" if abs(off) < 0.005 else f"{percent(abs(off))} {'above' if off > 0 else 'below'}"
            verdict = {
                "not judged": "without an interval their agreement is not judged",
                "inside": f"the {there} factor lies inside the {here} interval",
            }.get(one.place, f"the {there} factor lies {one.place} the {here} interval")
            ours, theirs = (f"{factor(side.value)} ({interval_text(side)})" for side in (one.ours, one.theirs))
            return f"For the whole move the {here} factor, {ours}, is {size} the {there} one, {theirs}; {verdict}."
    return ""


def held_sentence(document: Document) -> str:
    """Which levers are held equal on both sides, and where."""
    companion = part(document, "companion")
    moves = rows(document, "contrasts")
    if not moves:
        return ""
    here, there = _kinds(document)
    moved = {str(row.get("lever")) for row in rows(companion, "ladder")}
    start = set(map(str, moves[-1].get("from") or []))
    names = [str(lever.get("name")) for lever in rows(document, "levers") if lever.get("name") not in moved]
    at_target = [lever_title(document, name) for name in names if name in start]
    at_baseline = [lever_title(document, name) for name in names if name not in start]
    held = []
    if at_target:
        verb = "is" if len(at_target) == 1 else "are"
        held.append(f"{listed(at_target)} {verb} held at target, as the {there} side holds whatever its submitters chose")
    if at_baseline:
        verb, them = ("is", "it") if len(at_baseline) == 1 else ("are", "them")
        held.append(f"{listed(at_baseline)} {verb} held at baseline, as the {there} side does not tell {them} apart")
    rule = f" On the {here} side {'; '.join(held)}." if held else ""
    return f"Both sides take the same steps in the same order.{rule}"


def fig_contrasts(document: Document, *, narrow: bool = False) -> ReportFigure:
    """Both kinds of evidence on every common move: a filled dot with its interval, and below it the companion's diamond with its own.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``contrasts`` and its companion's ``ladder`` and ``total`` are drawn.
    narrow : bool
        The rendering for a phone.
    """
    found = contrasts(document)
    with drawing():
        if not found:
            return empty_figure(document, "not defined: no move is answered by both kinds of evidence", narrow=narrow)
        here, there = _kinds(document)
        figure, axes = new_figure(document, narrow=narrow, height=1.1 + 0.62 * len(found))
        axes.set_title(f"{here} and {there}", loc="left", color=MUTED, style="italic", pad=9)
        low, high = padded([1.0, *(value for one in found for side in (one.ours, one.theirs) for value in (side.value, side.low, side.high))])
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.axvline(1.0, color=MUTED, linewidth=0.9, zorder=1)
        for row, one in enumerate(found):
            for side, height, mark, color, fill in (
                (one.ours, row - 0.17, "o", _OURS, _OURS),
                (one.theirs, row + 0.17, "D", _THEIRS, "white"),
            ):
                if side.has_interval:
                    axes.plot([side.low, side.high], [height, height], color=color, linewidth=1.6, zorder=3, solid_capstyle="round")
                if side.defined:
                    axes.plot([side.value], [height], marker=mark, markersize=7.5, color=fill, markeredgecolor=color, markeredgewidth=1.7, zorder=4)
                axes.annotate(
                    factor(side.value), (1.0, height), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), textcoords="offset points",
                    va="center", color=color, annotation_clip=False,
                )  # fmt: skip
            if one.whole and row:
                axes.axhline(row - 0.5, color=MUTED, linewidth=0.6, zorder=1)
        axes.set_yticks(np.arange(len(found)), [wrap(one.title, 14 if narrow else 26) for one in found])
        for label in axes.get_yticklabels():
            label.set_color(INK)
        axes.grid(axis="y", visible=False)
        log_ticks(axes.xaxis, low, high, lambda value: f"{value:.3g}{TIMES}", most=4 if narrow else 8)
        axes.set_xlabel("factor on throughput per GPU" if narrow else "factor on throughput per GPU at equal interactivity (log scale)")
        spread = any(one.ours.has_interval for one in found), any(one.theirs.has_interval for one in found)
        for name, mark, color, fill, has in ((here, "o", _OURS, _OURS, spread[0]), (there, "D", _THEIRS, "white", spread[1])):
            axes.plot(
                [], [], color=color, linewidth=1.6 if has else 0, marker=mark, markersize=7.5, markerfacecolor=fill, markeredgewidth=1.7,
                label=f"{name}, {'95 % interval' if has else 'no interval'}",
            )  # fmt: skip
        add_legend(figure, axes, narrow=narrow)
        return figure


def _kinds(document: Document) -> tuple[str, str]:
    return str(document["evidence"]), str(part(document, "companion").get("evidence"))
