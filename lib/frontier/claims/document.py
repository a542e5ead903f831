"""Findings, answers and shares as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from frontier.claims.breakdown import EXACT, hardware_alone, product, title_of
from frontier.claims.finding import Factor, Finding
from frontier.claims.judge import Answer
from frontier.claims.shares import Share
from frontier.claims.verdict import Found


def plain(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def found_document(found: Found) -> dict[str, Any] | None:
    """A number with its interval; None where it is undefined. ``interval`` says whether the bounds are evidence or a stand-in margin."""
    if not found.defined:
        return None
    bounds = [plain(found.low), plain(found.high)]
    known = all(bound is not None for bound in bounds)
    return {"value": found.value, "ci95": bounds if known else None, "interval": "margin" if found.by_margin else "95 %" if known else "none"}


def answer_document(answer: Answer) -> dict[str, Any]:
    """Verdict, the number it rests on, and the figures beside it."""
    finding, judged = answer.scaled, answer.judged
    return {
        "verdict": judged.state,
        "reason": judged.reason,
        "holds_tok_s_user": [list(span) for span in judged.ranges],
        "where": answer.where,
        "at": found_document(answer.at),
        "as_given": None if answer.given is None else {"at": found_document(answer.given.at), "verdict": answer.given.judged.state},
        "mean": found_document(finding.mean),
        "peak": found_document(finding.peak),
        "reach": found_document(finding.reach),
        "overlap_tok_s_user": [finding.places[0], finding.places[-1]] if finding.places else None,
        "evidence": finding.kind,
        "source": finding.source,
        "interval_method": finding.method,
        "rerun": finding.rerun,
        "rows": {"baseline": finding.rows[0], "target": finding.rows[1]},
        "dates": {"baseline": finding.dates[0], "target": finding.dates[1]},
        "systems": {"baseline": finding.ends.hardware[0], "target": finding.ends.hardware[1]},
        "precisions": {"baseline": finding.ends.precision[0], "target": finding.ends.precision[1]},
        "checks": list(finding.checks),
        "notes": list(finding.notes),
    }


def curve_document(finding: Finding) -> list[dict[str, Any]]:
    """The curve in the claim's terms, one entry per interactivity."""
    return [
        {"interactivity_tok_s_user": place, "value": plain(one.value), "ci95": None if plain(one.low) is None else [plain(one.low), plain(one.high)]}
        for place, one in zip(finding.places, finding.curve, strict=True)
    ]


def parts_document(found: Sequence[Factor], finding: Finding) -> dict[str, Any] | None:
    """The parts of a ratio; None where it could not be split."""
    if not found:
        return None
    return {
        "method": finding.split,
        "evidence": finding.kind,
        "factors": [
            {
                "name": part.name,
                "title": title_of(part.name),
                "ratio": plain(part.found.value),
                "ci95": None if plain(part.found.low) is None or part.found.by_margin else [plain(part.found.low), plain(part.found.high)],
                "known": part.name in EXACT or part.name == "package",
            }
            for part in found
        ],
        "product": plain(product(found)),
        "hardware_alone": found_document(hardware_alone(found)),
    }


def share_document(share: Share, meaning: str) -> dict[str, Any]:
    """A share of the software under one meaning of the word."""
    return {
        "software_is": meaning,
        "whole": found_document(share.whole),
        "hardware": found_document(share.hardware),
        "software": found_document(share.software),
        "of_log": found_document(share.of_log),
        "of_gain": found_document(share.of_gain),
    }
