"""The answer in two sentences: how far the frontier moved, and what carried it with which kind of evidence."""

from __future__ import annotations

import math
import textwrap

from frontier.report.document import Document, estimate, lever_title, pair, part, rows, undefined_reason
from frontier.report.wording import METRIC_LONG, NOT_DEFINED, evidence_long, factor, interval_text, listed, range_text, settings_text

# The three largest shares are quoted with their intervals; of the rest, more names than these make no sentence any more.
_QUOTED, _MOST_NAMED = 3, 4


def answer(document: Document, config: Document) -> tuple[str, str]:
    """How far the frontier moved; then what carried it, and the kind of evidence.

    Parameters
    ----------
    document : mapping
        The attribution document.
    config : mapping
        The run's configuration, for the titles of systems.
    """
    total = estimate(document.get("total"))
    evidence = f"The evidence is {evidence_long(document)}."
    metric = METRIC_LONG[str(document["metric"])]
    where = _endpoints(document, config)
    if not total.defined:
        first = f"How far throughput per GPU ({metric}) moved at equal interactivity {where} is not defined: {undefined_reason(document)}"
        return _sentence(first), evidence
    low, high = pair(part(document, "domain").get("interactivity_tok_s_user"))
    over = range_text(low, high, "tokens/s/user")
    span = f", averaged over {over}" if over != NOT_DEFINED else ""
    spread = f" (95 % interval {interval_text(total)})" if total.has_interval else " (no interval)"
    moved = "rose" if total.value >= 1 else "fell to"
    doubt = "; the interval does not exclude no change" if total.has_interval and not total.separated else ""
    first = f"Throughput per GPU ({metric}) at equal interactivity {moved} {factor(total.value)}{spread} {where}{span}{doubt}."
    carried = _carried(document)
    if not carried:
        return first, f"No lever's share is defined. {evidence}"
    return first, f"Of this, {carried}; {evidence[0].lower()}{evidence[1:]}"


def _carried(document: Document) -> str:
    """The largest shares with their intervals, the others by name; empty when none is defined."""
    parts = [(_brief(lever_title(document, str(share.get("lever")))), estimate(share)) for share in rows(document, "shares")]
    known = sorted(((title, found) for title, found in parts if found.defined), key=lambda item: -abs(math.log(item[1].value)))
    if not known:
        return ""
    named = [f"{title} {factor(found.value)} ({interval_text(found)})" for title, found in known[:_QUOTED]]
    named[0] = f"{known[0][0]} carries {factor(known[0][1].value)} ({interval_text(known[0][1])})"
    rest = [title for title, _ in known[_QUOTED:]]
    if not rest:
        return listed(named)
    others = listed(rest) if len(rest) <= _MOST_NAMED else f"{len(rest)} further levers"
    return f"{', '.join(named)}, and {others} the rest"


def _brief(title: str) -> str:
    return textwrap.shorten(title, 48, placeholder="…")


def _endpoints(document: Document, config: Document) -> str:
    """Between what and what, in words."""
    levers = rows(document, "levers")
    others = [lever for lever in levers if lever.get("name") != "hardware"]
    for lever in levers:
        if lever.get("name") == "hardware":
            here, there = settings_text(config, lever, "baseline"), settings_text(config, lever, "target")
            also = f" with {_count(len(others), 'further ')} at target" if others else ""
            return f"from {here} to {there}{also}"
    if len(levers) == 1:
        return f"from {settings_text(config, levers[0], 'baseline')} to {settings_text(config, levers[0], 'target')}"
    return f"from the baseline to {_count(len(levers))} at target"


def _count(count: int, kind: str = "") -> str:
    return f"{count} {kind}lever{'s' if count != 1 else ''}"


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."
