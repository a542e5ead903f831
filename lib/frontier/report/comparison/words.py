"""Words and colours of the comparison: verdicts, causes and how a run is called in a legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.report.document import Document, Estimate, pair
from frontier.report.document import number as as_number
from frontier.report.wording import NOT_DEFINED, factor

# Verdicts of a comparison and, further down, of a rerun.
STATES = {"moved": "Moved", "not_moved": "Did not move", "not_resolved": "Not resolved"}
NONE = "\N{EN DASH}"  # a cell that has nothing to say
RERUN = {"reproduced": "Reproduced", "differs": "Differs", "inconclusive": "Inconclusive"}
SAME_AS = {"reproduced": "not_moved", "differs": "moved", "inconclusive": "not_resolved"}
COLORS = {"moved": "#a8401f", "not_moved": "#1f6f61", "not_resolved": "#5d6773"}
CAUSES = {
    "software": "software", "hardware": "hardware", "platform": "machine", "configuration": "settings", "kit": "the kit", "harness": "harness",
    "denominator": "denominator", "coverage": "points that one run lacks", "unexplained": "unexplained", "not_identifiable": "not identifiable",
}  # fmt: skip


def state_of(word: object) -> str:
    """One of ``STATES`` for a verdict of a comparison or a rerun; what is neither counts as not resolved."""
    text = str(word)
    return SAME_AS.get(text, text if text in STATES else "not_resolved")


def verdict_word(word: object) -> str:
    """A verdict for people; an unknown one as it is."""
    return RERUN.get(str(word)) or STATES.get(str(word)) or str(word)


def cause_word(cause: str) -> str:
    """A factor's cause for people.

    >>> cause_word("search_space:concurrency"), cause_word("platform")
    ('newly tried concurrency', 'machine')
    """
    kind, _, lever = cause.partition(":")
    if kind == "search_space":
        return f"newly tried {lever}"
    return f"lever {lever}" if kind == "lever" else CAUSES.get(cause, cause)


def change_estimate(record: object) -> Estimate:
    """The ratio of a change with the interval that its verdict stands on: 90 %, two one-sided tests at 5 % each."""
    found: Document = record if isinstance(record, Mapping) else {}
    return Estimate(as_number(found.get("ratio")), *pair(found.get("ci90")))


def bounds_text(bounds: object) -> str:
    """An interval of a ratio; a dash where there is none."""
    low, high = pair(bounds)
    return f"{factor(low)} to {factor(high)}" if low == low and high == high else NONE


def ratio_text(entry: object) -> str:
    """A ratio with its 95 % interval in brackets."""
    found: Document = entry if isinstance(entry, Mapping) else {}
    value = as_number(found.get("ratio"))
    if value != value:
        return NOT_DEFINED
    low, high = pair(found.get("ci95"))
    return f"{factor(value)} ({factor(low)} to {factor(high)})" if low == low and high == high else factor(value)


def run_name(run: Mapping[str, Any]) -> str:
    """A run in a legend: its letter, when it was made, and the version that was under load.

    >>> run_name({"label": "A", "created_utc": "2026-11-22T00:08:22+00:00", "engine_version": ["0.32.0"], "kind": "run", "run_id": "x"})
    'A: 2026-11-22, 0.32.0'
    """
    versions = [str(version) for version in run.get("engine_version") or []]
    version = versions[0] if len(versions) == 1 else f"{len(versions)} versions" if versions else ""
    when = str(run.get("created_utc") or "")[:10]
    said = [str(run.get("run_id")), version] if run.get("kind") == "points" else [when, version]
    return f"{run.get('label')}: {', '.join(text for text in said if text) or run.get('run_id')}"


def kinds_document(document: Document) -> Document:
    """What figures need of the document: its kinds of evidence joined."""
    kinds = sorted({kind for one in document.get("evidence") or [] for kind in str(one).split("+")})
    return {"evidence": "+".join(kinds) or "unstated"}


def short(text: str, most: int = 48) -> str:
    """A text cut in its middle, so that long ids and digests keep their ends."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
