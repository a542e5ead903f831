"""Words of the audit's pages: verdicts, claimed and found numbers with their units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.report.document import Estimate, estimate, number, pair
from frontier.report.wording import NOT_DEFINED, factor, percent, place_text, quantity

Claim = Mapping[str, Any]

VERDICTS = {
    "supported": "Supported",
    "supported_in_range": "Supported in a range",
    "not_supported": "Not supported",
    "not_comparable": "Not comparable",
    "not_testable": "Not testable with the evidence at hand",
}
SHORT = {**VERDICTS, "not_testable": "Not testable"}
COLORS = {
    "supported": "#2a7d6e", "supported_in_range": "#b98a1d", "not_supported": "#b4492a", "not_comparable": "#58626e", "not_testable": "#8a929b",
}  # fmt: skip
MARKS = {"supported": "o", "supported_in_range": "D", "not_supported": "s", "not_comparable": "^", "not_testable": "X"}
SIGNS = {"about": "\N{ALMOST EQUAL TO} ", "at_least": "\N{GREATER-THAN OR EQUAL TO} ", "at_most": "\N{LESS-THAN OR EQUAL TO} ", "up_to": "up to "}
DIRECTIONS = {"about": "", "at_least": "at least ", "at_most": "at most ", "up_to": "up to "}
PER = {
    "gpu": "per GPU", "die": "per GPU die", "bit": "per bit of weight", "megawatt": "per megawatt", "megawatt_bit": "per megawatt and bit of weight",
    "usd": "per US dollar", "usd_per_mtok": "", "user": "",
}  # fmt: skip
EVIDENCE = {
    "points": "points given",
    "published": "published record",
    "predicted": "predicted, not run on hardware",
    "measured": "measured by this kit",
    "simulated": "simulated: not evidence about hardware",
}
FIRST_LINE = "Predicted: the numbers below are computed from measured operator latencies and were not run on the hardware named."


def value_text(claim: Claim, value: float) -> str:
    """A number in the unit of the claim."""
    kind, per = claim["claimed"]["quantity"], claim["claimed"]["per"]
    if kind == "share":
        return percent(value)
    if kind == "saving":
        return f"{place_text(100 * value)} %"
    if kind != "level":
        claimed = number(claim["claimed"]["value"])
        # A claimed fall reads as a fraction; 0.0909 says less than 1/11.
        return f"1/{quantity(1 / value)}" if claimed < 1 and value < 1 else factor(value)
    return f"${place_text(value)}" if per == "usd_per_mtok" else quantity(value)


def unit(claim: Claim) -> str:
    """The unit of a claim's numbers, for an axis."""
    kind, per = claim["claimed"]["quantity"], claim["claimed"]["per"]
    if kind == "share":
        return "share of the gain"
    if kind == "saving":
        return "share of the power"
    if kind != "level":
        return f"target over baseline, {PER[per]}"
    return {"gpu": "tokens/s/GPU", "user": "tokens/s/user", "usd_per_mtok": "US dollars per million tokens"}.get(str(per), str(per))


def claimed_text(claim: Claim) -> str:
    """The claimed number with its direction, unit and place."""
    value = number(claim["claimed"]["value"])
    if value != value:
        return "no number"
    note = claimed_note(claim)
    glue = "" if not note else ", " if "performance" in note else " "
    return f"{DIRECTIONS[claim['claimed']['direction']]}{value_text(claim, value)}{glue}{note}"


def claimed_sign(claim: Claim) -> str:
    """The claimed number with a sign for its direction, for a large print."""
    value = number(claim["claimed"]["value"])
    return "no number" if value != value else f"{SIGNS[claim['claimed']['direction']]}{value_text(claim, value)}"


def claimed_note(claim: Claim) -> str:
    """Unit, denominator and place of a claimed number."""
    claimed = claim["claimed"]
    if claimed["quantity"] in ("ratio", "projection"):
        counted = claimed["metric"] in ("", "total", "output")
        text = PER[claimed["per"]] if counted else str(claimed["metric"])
    elif claimed["quantity"] == "level":
        text = unit(claim).removeprefix("US dollars ")
    else:
        text = ""
    return f"{text}{place(claim)}".strip()


def place(claim: Claim) -> str:
    """Where the claim is made, with a leading blank; empty where it names no interactivity."""
    stated, until = number(claim["claimed"]["interactivity_tok_s_user"]), number(claim["claimed"]["interactivity_until_tok_s_user"])
    if stated != stated:
        return ""
    return f" at {place_text(stated)} tokens/s/user" if until != until else f" at {place_text(stated)} to {place_text(until)} tokens/s/user"


def found_text(claim: Claim, found: Any) -> str:
    """A found number with its interval."""
    if found is None:
        return NOT_DEFINED
    one = estimate(found)
    return f"{value_text(claim, one.value)} ({interval_words(claim, found)})"


def interval_words(claim: Claim, found: Any) -> str:
    """The interval of a found number, or the margin that stands in for one."""
    low, high = pair(found.get("ci95"))
    if low != low:
        return "no interval"
    kind = "95 %" if found["interval"] == "95 %" else "margin"
    return f"{kind}: {value_text(claim, low)} to {value_text(claim, high)}"


def ranges_text(spans: Any) -> str:
    """Interactivities at which a claim holds."""
    return ", ".join(f"{place_text(low)} to {place_text(high)}" for low, high in spans) + " tokens/s/user" if spans else ""


def headline_found(claim: Claim) -> Estimate:
    """The number a verdict rests on: where it was read, else the mean over the range; for a share that of the first reading."""
    if claim["shares"]:
        return estimate(claim["shares"][0]["meanings"][0]["of_log"])
    head = claim["headline"]
    return Estimate(float("nan")) if head is None else estimate(head["at"] or head["mean"] or head["peak"])


def kind_of(claim: Claim) -> str:
    """The kind of evidence the verdict rests on; empty without any."""
    head = claim["headline"]
    return "" if head is None else str(head["evidence"])
