"""The frontiers themselves: each end of the shift in one run against the same end in the other, accounted for by cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from frontier.compare.change import Change, change_between, judge
from frontier.compare.sources import Source
from frontier.errors import PointsError
from frontier.report.document import Estimate, estimate
from frontier.shift import account

RESAMPLES = 1000
# Causes that the account gives to configurations standing on both sides, by what else differs there.
MATCHED = ("software", "platform", "unexplained")
CAUSE_OF = {"software": "software", "machine": "platform", "configuration": "configuration", "kit": "kit"}
PROBES = {"probe_matmul_gflop_s": "matrix products", "probe_copy_gib_s": "copies in memory"}


def compare_ends(
    original: Source, new: Source, margin: float, *, matched_groups: Sequence[str], settings_only: bool, exact: bool
) -> list[dict[str, Any]]:
    """One entry per end that both runs have: how far its frontier moved, and by which factors.

    Parameters
    ----------
    original, new : Source
    margin : float
    matched_groups : sequence of "software" | "machine" | "configuration" | "kit"
        What differs between the runs and does not show in a column that tells configurations apart.
    settings_only : bool
        Whether that is all that differs.
    exact : bool
        Whether no noise is between the runs.
    """
    here, there = original.ends(), new.ends()
    whole = settings_only and list(matched_groups) == ["configuration"]
    return [
        _end(name, rows, there[name], original, new, margin, matched_groups, whole=whole, exact=exact) for name, rows in here.items() if name in there
    ]


def _end(
    name: str, before: pd.DataFrame, after: pd.DataFrame, original: Source, new: Source, margin: float, groups: Sequence[str],
    *, whole: bool, exact: bool,
) -> dict[str, Any]:
    # Rows that say they ran elsewhere make the account call a change at equal configuration by a name, and hold it against the noise under it.
    sides = [table.assign(platform=side) if groups else table for side, table in (("original", before), ("new", after))]
    try:
        found = account(*sides, metric=original.metric, resamples=RESAMPLES, names=(original.run_id, new.run_id))
    except PointsError as cause:
        return {**_undefined(name), "reason": str(cause)}
    moved = estimate(found["ratio"])
    change = _from_interval(moved, exact)
    (launches, cells), (other_launches, other_cells) = _launches(before), _launches(after)
    judged = judge(change, margin, launches=min(launches, other_launches), cells=cells + other_cells)
    return {
        "end": name,
        **change.record(),
        "state": judged.state,
        "launches_needed": judged.launches_needed,
        "reason": judged.reason or str(found["reason"]),
        "factors": _relabelled(found, groups, whole),
        "separated": list(dict.fromkeys(_relabel(cause, groups, whole) for cause in found["verdict"])),
        "interval": "" if exact else str(found["interval"]["method"]),
        "notes": [str(note) for note in found["notes"]],
    }


def _undefined(name: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"factors": [], "separated": [], "interval": "", "notes": []}
    return {"end": name, **Change(math.nan).record(), "state": "not_resolved", "launches_needed": None, **nothing}


def _from_interval(moved: Estimate, exact: bool) -> Change:
    """A ratio that was drawn as one, as a change."""
    return change_between(Estimate(1.0, 1.0, 1.0), moved, exact=exact)


def _launches(rows: pd.DataFrame) -> tuple[int, int]:
    return int(rows["replicate"].nunique()), 1


def _relabel(cause: str, groups: Sequence[str], whole: bool) -> str:
    """The cause of what moved at an equal configuration: the one thing that differs, or ``not_identifiable`` where several do at once.

    ``whole``: settings are all that differs and no lever or load was set otherwise. Loads that only one run has then come of the setting too.
    """
    if cause not in MATCHED and not (whole and cause.split(":")[0] in ("search_space", "coverage")):
        return cause
    if len(groups) > 1:
        return "not_identifiable"
    return CAUSE_OF[groups[0]] if groups else cause


def _relabelled(found: Mapping[str, Any], groups: Sequence[str], whole: bool) -> list[dict[str, Any]]:
    """Factors under their causes between two runs.

    Factors that come to one cause are multiplied. Their product has an interval only where it is the whole ratio: those of parts that are drawn
    together do not multiply.
    """
    out: list[dict[str, Any]] = []
    for factor in found["factors"]:
        cause = _relabel(str(factor["cause"]), groups, whole)
        same = next((one for one in out if one["cause"] == cause), None)
        if same is None:
            out.append({**factor, "cause": cause})
        else:
            same.update(ratio=same["ratio"] * factor["ratio"], points=same["points"] + factor["points"], ci95=None)
    if len(out) == 1 and found["ratio"] is not None:
        out[0]["ci95"] = found["ratio"]["ci95"]
    return out


def probes(original: Source, new: Source) -> list[dict[str, Any]]:
    """How fast the machine itself was in both runs, by the probes that measured points carry; empty where either has none.

    The spread is that of the middle half of the points, relative to the median: a difference within it says nothing of the machine.
    """
    out = []
    for column, title in PROBES.items():
        if column not in original.points or column not in new.points:
            continue
        sides = [side.points[column].dropna().astype(float) for side in (original, new)]
        sides = [side[side > 0] for side in sides]
        if any(side.empty for side in sides):
            continue
        old, now = (float(side.median()) for side in sides)
        spread = max(float((side.quantile(0.75) - side.quantile(0.25)) / side.median()) for side in sides)
        out.append({"probe": column, "title": title, "original": old, "new": now, "ratio": now / old, "spread": spread})
    return out
