"""Whether the output still holds: the quality gate's findings per variant as a table, a figure, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable

from frontier.errors import RunError
from frontier.report.document import Document, Estimate, estimate, number, part, rows
from frontier.report.dots import Dot, draw_dots
from frontier.report.style import INK, MUTED, ReportFigure, drawing, empty_figure, new_figure, wrap
from frontier.report.tables import Cell, Table, numeric_cell
from frontier.report.wording import NOT_DEFINED, TIMES, listed, place_text, quantity

SCHEMA = "frontier.quality/1"
BELOW = "below_gate"  # status of a cell in the attribution document
_WAYS = {"forced": "along the baseline's text", "generated": "in own generation"}


def checked(document: Document | None) -> Document | None:
    """The run's quality document; None where a run has none, or one without variants.

    Raises
    ------
    RunError
        If it has another schema.
    """
    if document is None:
        return None
    if document.get("schema") != SCHEMA:
        raise RunError(f"the report reads schema {SCHEMA}, got {document.get('schema')!r}", origin="quality.json")
    return document if rows(document, "variants") else None


def quality_table(document: Document | None) -> Table | None:
    """Every variant with perplexity, its ratio to the baseline's, greedy agreement, and the verdict with its reason; None without variants."""
    found = rows(document or {}, "variants")
    if not found:
        return None
    body = []
    for row in found:
        perplexity, ratio = number(row.get("perplexity")), estimate(row.get("perplexity_ratio"))
        ways = [estimate(part(part(row, "agreement"), way)) for way in _WAYS]
        body.append(
            [
                Cell(str(row.get("variant"))),
                Cell(_verdict(row)),
                numeric_cell(perplexity, quantity(perplexity, 4)),
                numeric_cell(ratio.value, _near_one(ratio.value)),
                Cell(_interval(ratio, _near_one)),
                *(cell for one in ways for cell in (numeric_cell(one.value, _share(one.value)), Cell(_interval(one, _share)))),
            ]
        )
    heads = (
        "Variant", "Verdict", "Perplexity", "Over the baseline's", "95 % interval",
        *(head for words in _WAYS.values() for head in (f"Greedy agreement {words}", "95 % interval")),
    )  # fmt: skip
    return Table(heads, body, numeric=frozenset(range(2, 9)))


def quality_sentence(document: Document | None) -> str:
    """What the gate asks, and how many variants pass; empty without a document."""
    if not document:
        return ""
    gate, found = part(document, "gate"), rows(document, "variants")
    failed = [str(row.get("variant")) for row in found if not row.get("passed")]
    increase = 100 * number(gate.get("max_perplexity_increase"))
    asked = (
        f"A variant counts if perplexity on held-out text rises by at most {increase:.3g} % over the baseline and at least "
        f"{_share(number(gate.get('min_greedy_agreement')))} of greedy decisions after the same text agree with the baseline's "
        f"({place_text(number(gate.get('documents')))} documents of {place_text(number(gate.get('prompt_tokens')))} tokens, "
        f"{place_text(number(gate.get('output_tokens')))} generated after each)."
    )
    outcome = f"Below the gate and left out of every frontier: {listed(failed)}." if failed else f"All {len(found)} variants pass."
    return f"{asked} {outcome}"


def gated_sentence(document: Document) -> str:
    """Which cells of the design are left out for their output's sake, and what that means for the headline; empty when none is."""
    cells = rows(document, "cells")
    names = [str(row.get("cell")) for row in cells if row.get("status") == BELOW]
    if not names:
        return ""
    levers = {str(lever.get("name")) for lever in rows(document, "levers")}
    target = any(row.get("status") == BELOW and set(row.get("levers") or []) == levers for row in cells)
    so = " With all levers at target the output does not hold, so the shift is that of the largest set of levers with which it does."
    many = f"{len(names)} of {len(cells)} combinations were measured and are not counted"
    return f"{many}: their output is below the quality gate ({listed(names)}).{so if target else ''}"


def quality_notes(document: Document | None) -> list[str]:
    """Notes of the judgements, each once."""
    return list(dict.fromkeys(str(note) for row in rows(document or {}, "variants") for note in row.get("notes") or []))


def score_table(document: Document | None) -> Table | None:
    """Scores of lm-evaluation-harness per variant; None without any."""
    body = []
    for row in rows(document or {}, "variants"):
        for score in rows(row, "scores"):
            value, stderr, samples = (number(score.get(key)) for key in ("value", "stderr", "samples"))
            better = {True: "larger", False: "smaller"}.get(score.get("larger_is_better"), "not stated")  # type: ignore[arg-type]
            names = [Cell(str(row.get("variant"))), Cell(str(score.get("task"))), Cell(f"{score.get('metric')} ({score.get('filter')})")]
            body.append([*names, *(numeric_cell(x, quantity(x)) for x in (value, stderr, samples)), Cell(better)])
    heads = ("Variant", "Task", "Metric (filter)", "Value", "Standard error", "Documents", "Better when")
    return Table(heads, body, numeric=frozenset({3, 4, 5})) if body else None


def fig_quality(document: Document, quality: Document, *, narrow: bool = False) -> ReportFigure:
    """Perplexity over the baseline's, one dot per variant with its interval, and the gate as a line; hollow dots fail the gate in some way.

    Parameters
    ----------
    document : mapping
        The attribution document, for its kind of evidence.
    quality : mapping
        A ``frontier.quality/1`` document.
    narrow : bool
        The rendering for a phone.
    """
    found = rows(quality, "variants")
    limit = 1.0 + number(part(quality, "gate").get("max_perplexity_increase"))
    with drawing():
        labels = [wrap(str(row.get("variant")).replace("+", " + "), 20 if narrow else 34, 3) for row in found]
        dots = [Dot(label, estimate(row.get("perplexity_ratio"))) for label, row in zip(labels, found, strict=True)]
        if not any(dot.found.defined for dot in dots):
            return empty_figure(document, "not defined: no variant has a perplexity to compare", narrow=narrow)
        figure, axes = new_figure(document, narrow=narrow, height=1.5 + 0.42 * len(dots))
        draw_dots(axes, dots, narrow=narrow, color=INK, hollow=[not row.get("passed") for row in found], within=[limit], text=_near_one, tick=_tick)
        at_gate = ""
        if math.isfinite(limit):
            axes.axvline(limit, color=MUTED, linewidth=1.4, linestyle=(0, (4, 2)), zorder=2)
            at_gate = f"; dashed: the gate, {_near_one(limit)}"
        axes.set_xlabel(f"perplexity over the baseline's{at_gate}")
        return figure


def _verdict(row: Document) -> str:
    reasons = "; ".join(map(str, row.get("reasons") or []))
    word = "passes" if row.get("passed") else "below the gate"
    doubt = "" if row.get("resolved", True) else " (an interval holds the limit: more documents could turn this)"
    return f"{word}{f': {reasons}' if reasons else ''}{doubt}"


def _interval(found: Estimate, text: Callable[[float], str]) -> str:
    return f"{text(found.low)} to {text(found.high)}" if found.has_interval else "no interval"


def _near_one(value: float) -> str:
    """A ratio close to one, with the digits that tell it from one.

    >>> _near_one(1.00321).replace(TIMES, "x")
    '1.0032x'
    """
    return f"{value:.4f}{TIMES}" if math.isfinite(value) else NOT_DEFINED


def _tick(value: float) -> str:
    return f"{value:.4g}{TIMES}"


def _share(value: float) -> str:
    """A share in percent, one decimal.

    >>> _share(0.984375)
    '98.4 %'
    """
    return f"{100 * value:.1f} %" if math.isfinite(value) else NOT_DEFINED
