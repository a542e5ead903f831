"""The numbers that two runs share: the whole shift in its four readings, and the share of every lever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.compare.change import change_between, judge
from frontier.compare.sources import Source
from frontier.report.document import Estimate, estimate, part, rows
from frontier.report.key_numbers import shift_estimate
from frontier.report.wording import listed

# Name in the document -> title; the whole shift at equal interactivity is the headline.
SHIFTS = {"total": "whole shift", "peak_ratio": "peak throughput", "max_interactivity_ratio": "reach", "hypervolume_ratio": "hypervolume"}


@dataclass(frozen=True)
class Quantity:
    """A ratio that a run reports, with its interval and, for a lever, what its levels stand for."""

    kind: str
    name: str
    title: str
    found: Estimate
    levels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind, "name": self.name, "title": self.title, **entry(self.found)}


def entry(found: Estimate) -> dict[str, Any]:
    """A ratio with its interval; null where undefined."""
    return {"ratio": found.value if found.defined else None, "ci95": [found.low, found.high] if found.has_interval else None}


def quantities(document: Mapping[str, Any] | None) -> list[Quantity]:
    """The quantities of an attribution document in the order of its report; none without a document."""
    if document is None:
        return []
    whole = [estimate(document.get("total")), *(shift_estimate(document, name) for name in list(SHIFTS)[1:])]
    out = [Quantity("shift", name, title, found) for (name, title), found in zip(SHIFTS.items(), whole, strict=True)]
    levers = {str(lever.get("name")): lever for lever in rows(document, "levers")}
    for share in rows(document, "shares"):
        name = str(share.get("lever"))
        lever = levers.get(name, {})
        levels = tuple(tuple(map(str, lever.get(level) or [])) for level in ("baseline", "target"))
        out.append(Quantity("share", name, str(share.get("title") or lever.get("title") or name), estimate(share), (levels[0], levels[1])))
    return out


def compared(original: Source, new: Source, margin: float, *, exact: bool = False) -> list[dict[str, Any]]:
    """One entry per quantity that both runs report: both values, the change, and what may be said of it.

    Parameters
    ----------
    original, new : Source
    margin : float
        Changes by less than this factor above 1 count as none.
    exact : bool
        Whether no noise is between the runs.
    """
    both, theirs = quantities(original.document), {(one.kind, one.name): one for one in quantities(new.document)}
    both = [one for one in both if (one.kind, one.name) in theirs]
    family = sum(one.kind == "share" or one.name == "total" for one in both)
    (launches, cells), (other_launches, other_cells) = original.launches(), new.launches()
    out = []
    for one in both:
        other = theirs[one.kind, one.name]
        change = change_between(one.found, other.found, exact=exact)
        judged = judge(
            change, margin, quantities=family, launches=min(launches, other_launches),
            cells=cells + other_cells,
        )  # fmt: skip
        reason = ". ".join(text for text in (_other_levels(one, other), judged.reason) if text)
        out.append(
            {
                "kind": one.kind, "name": one.name, "title": one.title, "original": entry(one.found), "new": entry(other.found),
                "change": change.record(), "state": judged.state, "launches_needed": judged.launches_needed, "reason": reason,
            }
        )  # fmt: skip
    return out


def not_compared(original: Source, new: Source) -> list[str]:
    """Sentences on what only one of the two runs reports."""
    out = []
    names = [{one.name for one in quantities(side.document) if one.kind == "share"} for side in (original, new)]
    for side, only in ((original, names[0] - names[1]), (new, names[1] - names[0])):
        if only and side.document is not None:
            out.append(f"Only {side.run_id} has the lever{'s' if len(only) > 1 else ''} {listed(sorted(only))}; the shares are of different shifts.")
    return out


def _other_levels(one: Quantity, other: Quantity) -> str:
    """Whether a lever's levels stand for other settings in the two runs; empty where they do not."""
    if one.kind != "share" or one.levels == other.levels:
        return ""
    texts = [" to ".join("|".join(level) for level in side.levels) for side in (one, other)]
    # A points table knows the levels by name only.
    return "" if any("as in the points" in text for text in texts) else f"the lever stands for other settings: {texts[0]}, now {texts[1]}"


def widest(found: Sequence[Mapping[str, Any]], state: str, kind: str = "") -> list[Mapping[str, Any]]:
    """The quantities in a state, the largest change first; only those of a kind if one is named."""
    chosen = [one for one in found if one["state"] == state and kind in ("", one["kind"])]
    return sorted(chosen, key=lambda one: -max(part(one, "change").get("ratio") or 0.0, 1 / (part(one, "change").get("ratio") or 1e300)))
