"""Many answers, one verdict: which reading decides, what several say together, and the share of the software over pairs of systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontier.claim_schema import ClaimConfig, ReadingConfig
from frontier.claims.document import share_document
from frontier.claims.judge import Answer
from frontier.claims.shares import share_of
from frontier.claims.verdict import IN_RANGE, NOT_COMPARABLE, NOT_SUPPORTED, NOT_TESTABLE, SUPPORTED, Band, Judged, judge_value


def headline(claim: ClaimConfig, keys: Sequence[str], answers: Sequence[Answer]) -> tuple[Judged, Answer | None]:
    """The verdict on a claim and the answer it rests on.

    The first reading in the file's order, and in it the best kind of evidence, that is comparable and there. Without one, the first that is
    there makes the verdict ``not_comparable``. A claim that asks for every reading is decided by all comparable ones together; one that leaves
    open which reading is meant is held to be supported in a range as soon as one reading holds it.
    """
    there = [found for found in answers if found.scaled.there]
    same = [found for found in there if found.judged.state != NOT_COMPARABLE]
    if claim.quantity in ("saving", "projection"):
        why = "a projection of a system that cannot be measured yet" if claim.quantity == "projection" else "no evidence at hand measures the saving"
        return Judged(NOT_TESTABLE, why), there[0] if there else None
    if not there:
        reasons = list(dict.fromkeys(found.judged.reason for found in answers)) or ["the kinds of evidence in use answer no reading of the claim"]
        return Judged(NOT_TESTABLE, "; ".join(reasons)), None
    if not same:
        return there[0].judged, there[0]
    decided = next((found for found in same if found.judged.state != NOT_TESTABLE), same[0])
    if claim.combine == "first":
        return decided.judged, decided
    by_reading = _best_per_reading(keys, answers)
    if claim.combine == "every":
        return _together([found.judged for found in by_reading]), decided
    held = [found for found in by_reading if found.judged.state in (SUPPORTED, IN_RANGE)]
    if not held or len(by_reading) == 1:
        return decided.judged, decided
    told = f"{len(held)} of {len(by_reading)} readings hold it at least in a range; the claim does not say which reading is meant"
    state = SUPPORTED if all(found.judged.state == SUPPORTED for found in by_reading) else IN_RANGE
    return Judged(state, told, held[0].judged.ranges), held[0]


def _best_per_reading(keys: Sequence[str], answers: Sequence[Answer]) -> list[Answer]:
    """Of each reading the answer of the best kind of evidence that is comparable and there; the answers stand in the order of rank."""
    best: dict[str, Answer] = {}
    for key, found in zip(keys, answers, strict=True):
        if found.scaled.there and found.judged.state != NOT_COMPARABLE:
            kept = best.get(key)
            if kept is None or (kept.judged.state == NOT_TESTABLE and found.judged.state != NOT_TESTABLE):
                best[key] = found
    return list(best.values())


def _together(judged: Sequence[Judged]) -> Judged:
    """One verdict from several readings of a claim that must hold in all of them: one that contradicts it is enough where none holds it."""
    states = [one.state for one in judged]
    held, partly, failed = (states.count(state) for state in (SUPPORTED, IN_RANGE, NOT_SUPPORTED))
    rest = len(states) - held - partly - failed
    told = f"{held} of {len(states)} readings support it, {partly} in a range, {failed} contradict it, {rest} decide nothing"
    if held == len(states):
        return Judged(SUPPORTED, told)
    if held or partly:
        return Judged(IN_RANGE, told)
    return Judged(NOT_SUPPORTED if failed else NOT_TESTABLE, told)


def share_rows(claim: ClaimConfig, answers: Sequence[tuple[str, ReadingConfig, Answer]]) -> list[dict[str, Any]]:
    """The share of the software per reading and kind of evidence, under both meanings of software."""
    if claim.value is None:
        return []
    band = Band.of(claim.value, claim.direction, claim.tolerance)
    out = []
    for key, reading, found in answers:
        finding = found.scaled
        wide = share_of(finding, claim.share_of) if finding.there else None
        narrow = share_of(finding, [name for name in claim.share_of if name != "precision"]) if finding.there else None
        if wide is None or narrow is None:
            continue
        judged = judge_value(band, wide.of_log, "the share of the logarithm")
        gain = judge_value(band, wide.of_gain, "the share of the gain")
        hardware = _within(claim.hardware_factor, claim.tolerance, wide.hardware.low, wide.hardware.high)
        out.append(
            {
                "reading": key,
                "title": reading.title,
                "evidence": finding.kind,
                "verdict": judged.state,
                "verdict_of_gain": gain.state,
                "hardware_in_claimed_range": hardware,
                "meanings": [
                    share_document(wide, "all but the system: precision counts as software"),
                    share_document(narrow, "what needs no new number format: precision counts as hardware"),
                ],
                "_answer": found,
                "_judged": (judged, gain),
            }
        )
    return out


def _within(span: Sequence[float], tolerance: float, low: float, high: float) -> str:
    """Whether an interval lies in a claimed range: ``holds``, ``fails`` or ``open``; empty where no range is claimed."""
    if len(span) != 2:
        return ""
    from_, to = span[0] / (1 + tolerance), span[1] * (1 + tolerance)
    return "holds" if from_ <= low and high <= to else "fails" if high < from_ or low > to else "open"


def combined_shares(shares: Sequence[Mapping[str, Any]]) -> Judged:
    """The verdict over all pairs and both scales, since the claim names neither."""
    every = [judged for row in shares for judged in row["_judged"]]
    joint = _together(every)
    held = [
        f"{row['title']} ({row['evidence']}, {scale})"
        for row in shares
        for scale, judged in zip(("share of the logarithm", "share of the gain"), row["_judged"], strict=True)
        if judged.state == SUPPORTED
    ]
    words = joint.reason.replace("readings", f"numbers ({len(shares)} pairs and kinds of evidence on two scales)")
    return Judged(joint.state, words + (f"; it holds for {', '.join(held)}" if held else ""))
