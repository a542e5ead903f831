"""Numbers and sentences of the report: how a ratio reads, what a kind of evidence means, the answer in two sentences."""

from __future__ import annotations

import math
import textwrap

from frontier.report.document import UNSTATED, Document, Estimate, estimate, evidence_kinds, lever_title, pair, part, rows, undefined_reason

_SHORT = {
    "measured": "measured",
    "published": "published records",
    "predicted": "predicted, not measured on hardware",
    "simulated": "simulated: not evidence about hardware",
    UNSTATED: "kind of evidence not stated",
}
_LONG = {
    "measured": "measured: an engine ran under load on the hardware named",
    "published": "published: taken from public records, not measured by this kit",
    "predicted": "predicted from measured operator latencies, not measured on hardware",
    "simulated": "simulated by a closed form with known answers: not evidence about hardware",
    UNSTATED: "of a kind that the points do not state",
}
METRIC_LONG = {"total": "input + output tokens/s per GPU", "output": "output tokens/s per GPU"}
NOT_DEFINED = "not defined"
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"


def evidence_short(document: Document) -> str:
    """The document's kinds of evidence in a few words, for a figure or a heading."""
    kinds = evidence_kinds(document)
    return _SHORT[kinds[0]] if len(kinds) == 1 else f"mixed evidence: {' and '.join(kinds)}"


def evidence_long(document: Document) -> str:
    """The document's kinds of evidence and what each means."""
    kinds = evidence_kinds(document)
    return _LONG[kinds[0]] if len(kinds) == 1 else f"mixed: {'; '.join(_LONG[kind] for kind in kinds)}"


def quantity(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, whole part never rounded, thousands grouped; ``not defined`` for NaN.

    >>> quantity(12.345), quantity(12345.6), quantity(0.08712), quantity(float("nan"))
    ('12.3', '12,346', '0.0871', 'not defined')
    """
    if not math.isfinite(value):
        return NOT_DEFINED
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    rounded = round(value, places)
    # Rounding up may add a digit (9.996 -> 10.0); one decimal fewer then keeps the digits significant.
    places = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    return f"{rounded:,.{places}f}"


def place_text(value: float) -> str:
    """A place on an axis, without digits that say nothing.

    >>> place_text(20.0), place_text(12.346), place_text(1234.6)
    ('20', '12.3', '1,235')
    """
    text = quantity(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def upper_first(text: str) -> str:
    """The text with its first letter in upper case and the rest as it was.

    >>> upper_first("tokens/s per GPU")
    'Tokens/s per GPU'
    """
    return text[:1].upper() + text[1:]


def factor(value: float) -> str:
    """A ratio as a factor.

    >>> factor(4.1).replace(TIMES, "x")
    '4.10x'
    """
    return f"{quantity(value)}{TIMES}" if math.isfinite(value) else NOT_DEFINED


def interval_text(found: Estimate) -> str:
    """The 95 % interval of a ratio in words; says so when there is none."""
    return f"{factor(found.low)} to {factor(found.high)}" if found.has_interval else "no interval"


def percent(value: float) -> str:
    """A fraction in percent with a true minus sign.

    >>> percent(-0.052).replace(MINUS, "-")
    '-5 %'
    """
    return f"{100 * value:.0f} %".replace("-0 %", "0 %").replace("-", MINUS) if math.isfinite(value) else NOT_DEFINED


def range_text(low: float, high: float, unit: str) -> str:
    """A range with its unit; ``not defined`` when an end is missing."""
    return f"{place_text(low)} to {place_text(high)} {unit}" if math.isfinite(low) and math.isfinite(high) else NOT_DEFINED


def verdict(found: Estimate) -> str:
    """What the interval lets one say about a factor."""
    if not found.defined:
        return NOT_DEFINED
    if not found.has_interval:
        return "no interval, not judged"
    if not found.consistent:
        return "estimate outside its interval, not judged"
    if not found.separated:
        return "not distinguished from no change"
    return "raises the frontier" if found.low > 1.0 else "lowers the frontier"


def setting_title(config: Document, lever: str, setting: object) -> str:
    """A lever's setting for people: systems have titles, the rest is its own name."""
    system = part(part(config, "systems"), str(setting))
    if lever == "hardware":
        hardware = part(config, "hardware")
        if system.get("title"):
            return str(system["title"])
        if hardware.get("name") == setting and hardware.get("title"):
            return str(hardware["title"])
    return str(setting)


def settings_text(config: Document, lever: Document, level: str) -> str:
    """The settings of a lever's level, separated by commas."""
    return ", ".join(setting_title(config, str(lever.get("name")), item) for item in lever.get(level) or []) or NOT_DEFINED


def answer(document: Document, config: Document) -> tuple[str, str]:
    """The answer in two sentences: how far the frontier moved, and what carried it with which kind of evidence."""
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
    parts = [
        (textwrap.shorten(lever_title(document, str(share.get("lever"))), 48, placeholder="…"), estimate(share)) for share in rows(document, "shares")
    ]
    known = sorted(((title, found) for title, found in parts if found.defined), key=lambda item: -abs(math.log(item[1].value)))
    if not known:
        return first, f"No lever's share is defined. {evidence}"
    named = [f"{title} {factor(found.value)} ({interval_text(found)})" for title, found in known[:3]]
    named[0] = f"{known[0][0]} carries {factor(known[0][1].value)} ({interval_text(known[0][1])})"
    rest = len(known) - len(named)
    tail = f" and {rest} more lever{'s' if rest > 1 else ''} the rest" if rest else ""
    return first, f"Of this, {_listed(named, last=not rest)}{tail}; {evidence[0].lower()}{evidence[1:]}"


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


def _listed(items: list[str], *, last: bool) -> str:
    """Items as a list in prose; ``and`` before the last one when it ends the list."""
    if len(items) < 2 or not last:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."
