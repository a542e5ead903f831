"""Words of the report: how a ratio and its interval read, what a kind of evidence means, what an interval lets one say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from frontier.report.document import UNSTATED, Document, Estimate, evidence_kinds, lever_title, part, rows

_SHORT = {
    "measured": "measured",
    "published": "published records",
    "predicted": "predicted, not measured on hardware",
    "simulated": "simulated: not evidence about hardware",
    UNSTATED: "kind of evidence not stated",
}
_LONG = {
    "measured": "measured: an engine ran under load on the hardware named",
    "published": "published: taken from public records, not measured by this kit (points of InferenceX: SemiAnalysis, Apache-2.0)",
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
    """A ratio as a factor, three significant digits.

    >>> factor(4.1).replace(TIMES, "x"), factor(1234.5).replace(TIMES, "x")
    ('4.10x', '1,230x')
    """
    return f"{quantity(float(f'{value:.3g}'))}{TIMES}" if math.isfinite(value) else NOT_DEFINED


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


def verdict(found: Estimate, document: Document) -> str:
    """What the interval lets one say about a factor."""
    if not found.defined:
        return NOT_DEFINED
    if not found.has_interval:
        return "no interval, not judged"
    if not found.consistent:
        biased = "predicted" in evidence_kinds(document)
        return "not judged: the model is biased here" if biased else "not judged: estimate outside its interval"
    if not found.separated:
        return "not distinguished from no change"
    return "raises the frontier" if found.low > 1.0 else "lowers the frontier"


def bias_sentence(found: Sequence[tuple[str, Estimate]]) -> str:
    """Which predicted estimates lie outside their own interval, and why that can be; empty when none does.

    Parameters
    ----------
    found : sequence of (name, Estimate)
    """
    names = [name for name, one in found if one.defined and one.has_interval and not one.consistent]
    if not names:
        return ""
    lies, own = ("lies", "its") if len(names) == 1 else ("lie", "their")
    return (
        f"{listed(names)} {lies} outside {own} own 95 % interval: in these groups the model is known to be biased. "
        "The interval allows for that bias, the estimate is the model's own and does not."
    )


def on_path(document: Document) -> bool:
    """Whether the shift is split along an observed path (``method`` is ``ladder``), which gives no Shapley shares."""
    return document.get("method") == "ladder"


def split_words(document: Document) -> str:
    """What the document's shares are.

    >>> split_words({"method": "ladder"}), split_words({"method": "shapley"})
    ('contributions along the observed path', 'Shapley shares')
    """
    if document.get("method") == "half_fraction":
        return "main effects of a half fraction"
    return "contributions along the observed path" if on_path(document) else "Shapley shares"


def path_text(document: Document) -> str:
    """The observed path as a chain of titles."""
    return " → ".join(["baseline", *(lever_title(document, str(row.get("lever"))) for row in rows(document, "ladder"))])


def listed(items: Sequence[str]) -> str:
    """Items as a list in prose.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


_GLUE = re.compile(r"(?<=\d) (?=%)|(?<=\d) x (?=\w)")


def glued(text: str) -> str:
    """The text with a number and its sign kept on one line.

    >>> glued("8 x H200, 95 % interval").replace("\xa0", "_")
    '8_x_H200, 95_% interval'
    """
    return _GLUE.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


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
