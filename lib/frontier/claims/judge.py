"""One finding against one claim under one table of power and price: the number in the claim's own terms, and the verdict on it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from frontier.claim_schema import ClaimConfig, TcoConfig
from frontier.claims.denominators import factor, price
from frontier.claims.finding import Finding
from frontier.claims.verdict import NOT_COMPARABLE, NOT_TESTABLE, Band, Found, Judged, judge_curve, judge_value

UNDEFINED = Found(math.nan)
NEAR = 0.95  # evidence that begins this close above the stated interactivity is taken there, and the answer says so


@dataclass(frozen=True)
class Answer:
    """What a finding says on a claim.

    Attributes
    ----------
    judged : Judged
    where : str
        What the number ``at`` is and where it was read.
    at : Found
        The number the verdict rests on; NaN where the claim covers a range and no single number decides.
    scaled : Finding
        The finding in the claim's denominator.
    given : Answer or None
        The answer from the rows as given, where an integrity check set some of them right.
    """

    judged: Judged
    where: str
    at: Found
    scaled: Finding
    given: Answer | None = None


def answer(claim: ClaimConfig, finding: Finding, table: TcoConfig, differs: Sequence[str] = ()) -> Answer:
    """The verdict on a claim about a ratio or a level.

    Parameters
    ----------
    differs : sequence of str
        In what the evidence differs from what the claim states; with any, the numbers are given but the verdict is ``not_comparable``.
    """
    if finding.missing:
        return Answer(Judged(NOT_TESTABLE, finding.missing), "", UNDEFINED, finding)
    scaled = in_terms(claim, finding, table)
    found = _level(claim, scaled) if claim.quantity == "level" else _ratio(claim, scaled)
    if scaled.given is not None:
        found = replace(found, given=_ratio(claim, scaled.given))
    if differs:
        found = replace(found, judged=Judged(NOT_COMPARABLE, "; ".join(differs), found.judged.ranges))
    return found


def in_terms(claim: ClaimConfig, finding: Finding, table: TcoConfig) -> Finding:
    """The finding in the claim's denominator; every number NaN where the table lacks what it needs."""
    if claim.per == "usd_per_mtok":
        cost = price(table, finding.ends.hardware[1], claim.usd_kind) / 3600.0 * 1e6
        return replace(
            finding,
            curve=tuple(one.inverse(cost) for one in finding.curve),
            peak=finding.peak.inverse(cost),
            mean=finding.mean.inverse(cost) if finding.mean.defined else finding.mean,
        )
    if claim.quantity == "level":
        return finding
    return finding.times(factor(claim.per, finding.ends, table, claim.usd_kind))


def _ratio(claim: ClaimConfig, found: Finding) -> Answer:
    if claim.at == "peak":
        return _single(claim, found, found.peak, "the ratio of the largest throughputs")
    if claim.at == "reach":
        return _single(claim, found, found.reach, "the ratio of the largest interactivities")
    stated, until = claim.interactivity_tok_s_user, claim.interactivity_until_tok_s_user
    if stated is not None and until is None:
        there = value_at(found.places, found.curve, stated)
        if there.defined:
            return _single(claim, found, there, f"the ratio at {stated:g} tokens/s/user")
        if all(stated <= first for first in found.first):
            # Each side's best throughput is reached at a higher interactivity than is asked, so it answers the lower demand too.
            return _single(claim, found, found.peak, f"the ratio of the largest throughputs, which both sides reach above {stated:g} tokens/s/user")
        if found.places and found.places[0] * NEAR <= stated < found.places[0]:
            return _single(claim, found, found.curve[0], f"the ratio at {found.places[0]:.3g} tokens/s/user, the lowest that both sides cover")
        return Answer(Judged(NOT_TESTABLE, f"no evidence at {stated:g} tokens/s/user{_covered(found)}"), "", UNDEFINED, found)
    if not found.places:
        return Answer(Judged(NOT_TESTABLE, "the two sides share no interactivity"), "", UNDEFINED, found)
    if not found.mean.defined:
        return Answer(Judged(NOT_TESTABLE, "the table of power and price lacks a system"), "", UNDEFINED, found)
    span = None if stated is None or until is None else (stated, until)
    if claim.value is None:
        return Answer(Judged(NOT_TESTABLE, "the claim states no number"), "the log-mean over the overlap", found.mean, found)
    judged = judge_curve(Band.of(claim.value, claim.direction, claim.tolerance), found.places, found.curve, span)
    return Answer(judged, "the log-mean over the overlap", found.mean, found)


def _level(claim: ClaimConfig, found: Finding) -> Answer:
    stated = claim.interactivity_tok_s_user
    if claim.per == "user" or claim.at == "reach":
        return _single(claim, found, found.reach, "the largest interactivity")
    if stated is None:
        best = "the lowest cost" if claim.per == "usd_per_mtok" else "the largest throughput"
        return _single(claim, found, found.peak, best)
    there = value_at(found.places, found.curve, stated)
    what = "the cost" if claim.per == "usd_per_mtok" else "the throughput"
    if there.defined:
        return _single(claim, found, there, f"{what} at {stated:g} tokens/s/user")
    if found.first[1] >= stated:
        return _single(claim, found, found.peak, f"{what} at the peak, which is reached above {stated:g} tokens/s/user")
    return Answer(Judged(NOT_TESTABLE, f"no evidence at {stated:g} tokens/s/user{_covered(found)}"), "", UNDEFINED, found)


def _single(claim: ClaimConfig, found: Finding, value: Found, what: str) -> Answer:
    if claim.value is None:
        return Answer(Judged(NOT_TESTABLE, "the claim states no number"), what, value, found)
    if not value.defined and found.peak.defined is False:
        return Answer(Judged(NOT_TESTABLE, "the table of power and price lacks a system, or the evidence the number"), what, value, found)
    return Answer(judge_value(Band.of(claim.value, claim.direction, claim.tolerance), value, what), what, value, found)


def _covered(found: Finding) -> str:
    return f"; the evidence covers {found.places[0]:.3g} to {found.places[-1]:.3g}" if found.places else ""


def value_at(places: Sequence[float], curve: Sequence[Found], at: float) -> Found:
    """The number at an interactivity, log-linear between the two places around it; undefined outside the curve or beside a gap.

    >>> value_at([10.0, 20.0], [Found(1.0, 1.0, 1.0), Found(4.0, 4.0, 4.0)], 15.0).value
    2.0
    """
    if not places or not places[0] <= at <= places[-1]:
        return UNDEFINED
    right = bisect_left(places, at)
    if places[right] == at:
        return curve[right]
    left, share = curve[right - 1], (at - places[right - 1]) / (places[right] - places[right - 1])

    def between(a: float, b: float) -> float:
        return math.exp((1 - share) * math.log(a) + share * math.log(b)) if a > 0 and b > 0 else math.nan

    after = curve[right]
    return Found(
        between(left.value, after.value), between(left.low, after.low), between(left.high, after.high), left.by_margin or after.by_margin
    )
