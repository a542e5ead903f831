"""The claim beside what was found: the number at the claim's interactivity, its interval, and what that interval says of the claim."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from frontier.report.document import Document, Estimate, estimate, number, pair, part, rows
from frontier.report.wording import NOT_DEFINED, factor, interval_text, place_text, range_text


@dataclass(frozen=True)
class CurvePoint:
    """The shift at one interactivity: throughput per GPU before and after, and their ratio with its interval; NaN where undefined."""

    interactivity_tok_s_user: float
    before: float
    after: float
    ratio: Estimate


@dataclass(frozen=True)
class ClaimRow:
    """One place at which the claim can be compared: where, what was claimed and found there, and what the interval says of it."""

    where: str
    claimed: float
    found: Estimate
    verdict: str


def shift_at(document: Document, interactivity_tok_s_user: float) -> CurvePoint:
    """The shift at an interactivity, log-linear between the two points of the curve around it; undefined outside the curve or beside a gap.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``shift.by_interactivity`` is read, which runs from low to high interactivity.
    interactivity_tok_s_user : float, tokens/s/user
    """
    curve = rows(part(document, "shift"), "by_interactivity")
    places = [number(row.get("interactivity_tok_s_user")) for row in curve]
    inside = bool(places) and places[0] <= interactivity_tok_s_user <= places[-1]
    if not inside:
        return CurvePoint(interactivity_tok_s_user, math.nan, math.nan, Estimate(math.nan))

    right = bisect_left(places, interactivity_tok_s_user)

    def at(values: list[float]) -> float:
        if places[right] == interactivity_tok_s_user:
            return values[right]
        left_value, right_value = values[right - 1], values[right]
        if not (left_value > 0 and right_value > 0):  # also where a value is NaN
            return math.nan
        share = (interactivity_tok_s_user - places[right - 1]) / (places[right] - places[right - 1])
        return math.exp((1 - share) * math.log(left_value) + share * math.log(right_value))

    before, after, ratio = (at([number(row.get(key)) for row in curve]) for key in ("before", "after", "ratio"))
    low, high = (at([pair(row.get("ci95"))[end] for row in curve]) for end in (0, 1))
    return CurvePoint(interactivity_tok_s_user, before, after, Estimate(ratio, low, high))


def claim_rows(document: Document, claim: Mapping[str, Any], workload: str) -> list[ClaimRow]:
    """The log-mean over the overlap and, where the claim states an interactivity, the ratio there; the last row is the one to judge by.

    Parameters
    ----------
    document : mapping
        The attribution document.
    claim : mapping
        The experiment's claim; its ``ratio``, ``interactivity_tok_s_user`` and ``workload`` are read.
    workload : str
        Name of the run's workload.
    """
    claimed, where = number(claim.get("ratio")), number(claim.get("interactivity_tok_s_user"))
    asked = str(claim.get("workload") or "")
    other = f"not judged: claimed for workload {asked}" if asked and workload and asked != workload else ""
    mean, total = estimate(part(document, "shift").get("ratio")), estimate(document.get("total"))
    if math.isclose(mean.value, total.value, rel_tol=1e-9):
        mean = total  # the same number: quoted with one interval everywhere, the headline's
    if not math.isfinite(where):
        return [ClaimRow("log-mean over the overlap", claimed, mean, other or _judge(claimed, mean))]
    there = shift_at(document, where).ratio
    elsewhere = other or f"not judged: claimed at {place_text(where)} tokens/s/user"
    return [
        ClaimRow("log-mean over the overlap", claimed, mean, elsewhere if math.isfinite(claimed) else _judge(claimed, mean)),
        ClaimRow(f"at {place_text(where)} tokens/s/user", claimed, there, other or _judge(claimed, there)),
    ]


def _judge(claimed: float, found: Estimate) -> str:
    if not found.defined:
        return "not defined here"
    if not math.isfinite(claimed):
        return "no ratio claimed"
    if not found.has_interval:
        return "no interval: not judged"
    if found.low <= claimed <= found.high:
        return "claim inside the interval"
    return f"claim {'above' if claimed > found.high else 'below'} the interval"


def claim_view(config: Document, document: Document) -> Mapping[str, Any]:
    """The claim under examination with its source, and what stands here where the claim was made."""
    claim = part(config, "claim")
    url = str(claim.get("url") or "")
    return {
        "statement": str(claim.get("statement") or ""),
        "source": str(claim.get("source") or "source not stated"),
        "url": url if urlsplit(url).scheme in ("http", "https") else "",
        "beside": claim_sentence(config, document),
    }


def claim_sentence(config: Document, document: Document) -> str:
    """The claimed ratio, the one found in the same place, and the verdict; empty when no ratio is claimed."""
    claim, workload = part(config, "claim"), str(part(config, "workload").get("name") or "")
    judged = claim_rows(document, claim, workload)[-1]
    if not math.isfinite(judged.claimed):
        return ""
    where = number(claim.get("interactivity_tok_s_user"))
    place = f" at {place_text(where)} tokens/s/user" if math.isfinite(where) else ", at no stated interactivity"
    found = f"{factor(judged.found.value)} ({interval_text(judged.found)})"
    if not judged.found.defined:
        found = f"{NOT_DEFINED} there{_overlap(document)}"
    elif not math.isfinite(where):
        found += " as the log-mean over the overlap"
    told = f"The claim is {factor(judged.claimed)}{place}; {'found there' if math.isfinite(where) else 'found'}: {found}."
    asked = str(claim.get("workload") or "")
    if asked and workload and asked != workload:
        return f"{told} The claim is for the workload {asked}, this run's is {workload}: the two numbers do not answer the same question."
    if not judged.found.defined:
        return told
    sides = {"claim inside the interval": "inside", "claim above the interval": "above", "claim below the interval": "below"}
    if judged.verdict in sides:
        return f"{told} The claimed value lies {sides[judged.verdict]} the interval."
    return f"{told} Without an interval the claim is not judged."


def there_sentence(config: Document, document: Document) -> str:
    """What another document gives at the claim's interactivity; empty where it is undefined or the claim names none."""
    where = number(part(config, "claim").get("interactivity_tok_s_user"))
    found = shift_at(document, where).ratio if math.isfinite(where) else Estimate(math.nan)
    if not found.defined:
        return ""
    return f"At the claim's {place_text(where)} tokens/s/user it gives {factor(found.value)} ({interval_text(found)})."


def _overlap(document: Document) -> str:
    overlap = range_text(*pair(part(document, "shift").get("overlap_tok_s_user")), "tokens/s/user")
    return "" if overlap == NOT_DEFINED else f", the frontiers overlap from {overlap}"
