"""Tables of the audit's pages: other readings, denominators, tables of power and price, shares, and the overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.report.audit.words import (
    EVIDENCE,
    SHORT,
    claimed_note,
    claimed_sign,
    claimed_text,
    found_text,
    headline_found,
    interval_words,
    kind_of,
    ranges_text,
    value_text,
)
from frontier.report.document import estimate, number
from frontier.report.tables import Cell, Table, numeric_cell
from frontier.report.wording import NOT_DEFINED, factor, interval_text, percent

Claim = Mapping[str, Any]


def readings_table(claim: Claim) -> Table | None:
    """Every reading with every kind of evidence: rows, number, verdict; None with less than one that found something."""
    body = []
    for row in claim["readings"]:
        rows, nothing = row["rows"], row["at"] is None and row["mean"] is None and row["peak"] is None
        counts = f"{rows['baseline']} and {rows['target']}" if claim["claimed"]["quantity"] != "level" else str(rows["target"])
        shown = row["at"] or row["mean"] or row["peak"]
        body.append(
            [
                Cell(str(row["title"] or row["reading"])),
                Cell(EVIDENCE[row["evidence"]]),
                Cell(counts),
                Cell("" if nothing else found_text(claim, shown)),
                Cell(SHORT[row["verdict"]]),
                Cell(str(row["reason"])),
            ]
        )
    return Table(["Reading", "Evidence", "Rows", "Found", "Verdict", "Why"], body, numeric=frozenset({2})) if body else None


def denominators_table(claim: Claim) -> Table | None:
    """The ratio per GPU, die, megawatt, dollar and bit."""
    body = [
        [
            Cell(str(row["title"])),
            numeric_cell(number(row["factor"]), factor(number(row["factor"]))),
            numeric_cell(estimate(row["found"]).value, factor(estimate(row["found"]).value)),
            Cell(interval_text(estimate(row["found"])) if row["found"] else NOT_DEFINED),
        ]
        for row in claim["by_denominator"]
    ]
    strong = frozenset(i for i, row in enumerate(claim["by_denominator"]) if row["claimed"])
    heads = ["Denominator", "Known factor", "Ratio", "Interval or margin"]
    return Table(heads, body, numeric=frozenset({1, 2}), strong=strong) if body else None


def tables_table(claim: Claim) -> Table | None:
    """The verdict under every table of power and price."""
    body = []
    for row in claim["by_table"]:
        name = f"{row['title']}{' (what if)' if row['what_if'] else ''}{', ' + row['price'] if row['price'] else ''}"
        verdict = SHORT[row["verdict"]]
        if row["verdict"] != row["verdict_if_comparable"]:
            verdict += f"; {SHORT[row['verdict_if_comparable']].lower()} if it were"
        known = factor(number(row["factor"])) if row["factor"] is not None else ""
        body.append([Cell(name), Cell(known), Cell(found_text(claim, row["found"])), Cell(verdict)])
    strong = frozenset(i for i, row in enumerate(claim["by_table"]) if row["table"] == claim["table"])
    heads = ["Table of power and price", "Factor", "Found", "Verdict"]
    return Table(heads, body, numeric=frozenset({1}), strong=strong) if body else None


def shares_table(claim: Claim) -> Table | None:
    """Share of the software per pair and kind of evidence, on both scales and under both meanings of software."""
    body = []
    for row in claim["shares"]:
        wide, narrow = row["meanings"]
        body.append(
            [
                Cell(f"{row['title']} ({row['evidence']})"),
                Cell(factor(estimate(wide["hardware"]).value)),
                Cell(factor(estimate(wide["software"]).value)),
                *(Cell(f"{percent(estimate(one).value)} ({_percents(one)})") for one in (wide["of_log"], wide["of_gain"])),
                Cell(f"{percent(estimate(narrow['of_log']).value)} and {percent(estimate(narrow['of_gain']).value)}"),
            ]
        )
    heads = ["Pair", "Hardware", "Software", "Share of the logarithm", "Share of the gain, hardware first", "Both, precision as hardware"]
    return Table(heads, body, numeric=frozenset({1, 2})) if body else None


def _percents(found: Any) -> str:
    one = estimate(found)
    return f"{percent(one.low)} to {percent(one.high)}" if one.has_interval else "no interval"


def holds_rows(claim: Claim) -> list[tuple[str, str]]:
    """What would have to hold, each with its number."""
    out = []
    for row in claim["would_have_to_hold"]:
        value, low, high = (number(row[key]) for key in ("value", "low", "high"))
        share = row["what"].startswith(("share", "part"))
        text = percent(value) if share else factor(value)
        bounds = f" ({factor(low)} to {factor(high)})" if low == low and high == high else ""
        out.append((str(row["what"]), text + bounds))
    return out


def key_numbers(claim: Claim) -> list[tuple[str, str, str]]:
    """Name, number and note of what a card shows first."""
    out = [("Claimed", claimed_sign(claim), claimed_note(claim))]
    head = claim["headline"]
    if claim["shares"]:
        first = claim["shares"][0]
        one = first["meanings"][0]
        out.append(("Found, share of the logarithm", percent(estimate(one["of_log"]).value), f"{_percents(one['of_log'])}; {first['title']}"))
        out.append(("Hardware alone", factor(estimate(one["hardware"]).value), interval_text(estimate(one["hardware"]))))
        return out
    if head is None:
        return [*out, ("Found", "nothing", "no evidence at hand")]
    if head["at"] is not None and head["at"] != head["mean"]:
        out.append(("Found", value_text(claim, estimate(head["at"]).value), f"{interval_words(claim, head['at'])}; {head['where']}"))
    if head["mean"] is not None:
        note = f"{interval_words(claim, head['mean'])}; {_range(head)}"
        out.append(("Over the whole range", value_text(claim, estimate(head["mean"]).value), note))
    alone = None if claim["parts"] is None else claim["parts"]["hardware_alone"]
    if alone is not None:
        note = f"{interval_words(claim, alone)}; the hardware's part in the claim's denominator ({EVIDENCE[claim['parts']['evidence']]})"
        out.append(("Hardware alone", value_text(claim, estimate(alone).value), note))
    if head["as_given"] is not None and head["as_given"]["at"] is not None and any(part["name"] == "harness" for part in _parts(claim)):
        given = head["as_given"]
        note = f"{interval_words(claim, given['at'])}; rows as given, before the integrity checks' corrections: {SHORT[given['verdict']].lower()}"
        out.append(("As given", value_text(claim, estimate(given["at"]).value), note))
    return out


def _parts(claim: Claim) -> list[Any]:
    return [] if claim["parts"] is None else list(claim["parts"]["factors"])


def _range(head: Mapping[str, Any]) -> str:
    span = head["overlap_tok_s_user"]
    return f"log-mean over {ranges_text([span])}" if span else "log-mean"


def overview_rows(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row per claim as texts: claim, claimed, found, verdict, where it holds, evidence."""
    out = []
    for claim in document["claims"]:
        found = headline_found(claim)
        head = claim["headline"]
        if claim["shares"]:
            text = f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"
        elif head is None:
            text = ""
        else:
            text = found_text(claim, head["at"] or head["mean"] or head["peak"])
        out.append(
            {
                "claim": str(claim["name"]),
                "title": str(claim["title"]),
                "claimed": claimed_text(claim),
                "found": text,
                "verdict": SHORT[claim["verdict"]["state"]],
                "holds": ranges_text(claim["verdict"]["holds_tok_s_user"]) if claim["verdict"]["state"] == "supported_in_range" else "",
                "evidence": EVIDENCE.get(kind_of(claim), ""),
            }
        )
    return out
