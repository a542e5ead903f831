"""The comparison of several runs as one document: each against the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frontier.compare.cause import attributed
from frontier.compare.curves import frontiers
from frontier.compare.ends import compare_ends, probes
from frontier.compare.facts import candidates, differences, machine_of, unstated, visible_settings
from frontier.compare.published import beside_published
from frontier.compare.quantities import SHIFTS, compared, not_compared, quantities, widest
from frontier.compare.sources import Source
from frontier.errors import UsageError
from frontier.records import INTERACTIVITY, METRICS, row_codes
from frontier.report.document import part
from frontier.report.wording import factor, listed, upper_first
from frontier.shift import MARGIN_OTHER_SYSTEM, MARGIN_SAME_SYSTEM

SCHEMA = "frontier.compare/1"
MOST_RUNS = 8  # more frontiers than that in one picture are no picture
LETTERS = "ABCDEFGH"


def compare(
    runs: Sequence[Source],
    *,
    margin: float | None = None,
    published: pd.DataFrame | None = None,
    published_name: str = "published points",
    verdicts: Mapping[tuple[str, str], str] | None = None,
) -> dict[str, Any]:
    """The ``frontier.compare/1`` document of several runs, the first of which is the reference.

    Parameters
    ----------
    runs : sequence of Source
        At least one; with one alone there is nothing but published points to hold it against.
    margin : float, optional
        Changes by less than this factor above 1 count as none; by default 0.05 on one machine, 0.10 between two (MLPerf Endpoints draft).
    published : DataFrame, optional
        A normalized points table of public records.
    published_name : str
        What to call it.
    verdicts : mapping (kind, name) -> state, optional
        Quantities that were judged already, by a rerun.

    Raises
    ------
    UsageError
        For no run, too many, the same one twice, a margin that is not positive, or runs that report different metrics.
    """
    _check(runs, margin, published)
    pairs = [_pair(runs[0], other, margin, verdicts or {}) for other in runs[1:]]
    beside = [] if published is None else [beside_published(run, published, published_name) for run in runs]
    return {
        "schema": SCHEMA,
        "metric": runs[0].metric,
        "evidence": sorted({run.evidence for run in runs}),
        "runs": [_run(letter, run) for letter, run in zip(LETTERS, runs, strict=False)],
        "pairs": pairs,
        "published": beside,
        "notes": [*(note for run in runs for note in run.notes), *_limits(runs, beside)],
    }


def _check(runs: Sequence[Source], margin: float | None, published: pd.DataFrame | None) -> None:
    least = 2 if published is None else 1
    if not least <= len(runs) <= MOST_RUNS:
        raise UsageError(f"a comparison takes {least} to {MOST_RUNS} runs, got {len(runs)}", hint="frontier report RUN_A RUN_B")
    ids = [run.run_id for run in runs]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise UsageError(f"{listed(twice)} is named more than once", hint="name each run once; a run is always the same as itself")
    metrics = {run.run_id: run.metric for run in runs}
    if len(set(metrics.values())) > 1:
        raise UsageError(
            f"the runs report different metrics: {listed([f'{name} {metric}' for name, metric in metrics.items()])}",
            hint="run them with one report.metric; a points table takes --metric",
        )
    if margin is not None and not 0 < margin < math.inf:
        raise UsageError(f"margin must be above 0, got {margin:g}", hint="--margin 0.05 counts changes below 5 % as none")


def _run(letter: str, run: Source) -> dict[str, Any]:
    """A run's identity, its quantities and its frontiers."""
    kit, container = (part(run.environment or {}, key) for key in ("kit", "container"))
    launches, variants = run.launches()
    stated = {key: sorted(map(str, run.points[key].dropna().unique())) for key in ("model", "hardware", "engine", "engine_version", "image")}
    return {
        "label": letter,
        "run_id": run.run_id,
        "kind": run.kind,
        "title": run.title,
        "created_utc": run.created_utc,
        "evidence": run.evidence,
        **stated,
        "kit_commit": str(kit.get("commit") or ""),
        "image_id": str(container.get("image_id") or ""),
        "machine": machine_of(run),
        "points": len(run.points),
        "variants": variants,
        "launches": launches,
        "quantities": [one.record() for one in quantities(run.document)],
        "frontiers": frontiers(run),
    }


def _pair(original: Source, new: Source, margin: float | None, verdicts: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """One run against the reference."""
    found = differences(original, new)
    measured = "measured" in (original.evidence, new.evidence)
    groups = candidates(found, measured=measured)
    visible = visible_settings(found)
    hidden = candidates(found, visible=visible, measured=measured)
    least = margin if margin is not None else MARGIN_OTHER_SYSTEM if "machine" in groups else MARGIN_SAME_SYSTEM
    speed, shared = probes(original, new), shared_points(original, new)
    exact = _noiseless(original, new) or shared == len(new.points) == len(original.points)
    numbers = compared(original, new, least, exact=exact)
    for one in numbers:
        one["state"] = verdicts.get((one["kind"], one["name"]), one["state"])
    ends = compare_ends(original, new, least, matched_groups=hidden, settings_only=not visible, exact=exact)
    cause = attributed(
        numbers, ends, found, groups, hidden, evidence=(original.evidence, new.evidence), probes=speed, unstated=unstated(original, new), margin=least
    )
    states = [str(one["state"]) for one in (*numbers, *ends)]
    verdict = "moved" if "moved" in states else "not_moved" if states and set(states) == {"not_moved"} else "not_resolved"
    notes = [*not_compared(original, new), *_shared(shared, len(new.points), original), *dict.fromkeys(note for end in ends for note in end["notes"])]
    wanted = launches_needed(numbers, ends)
    return {
        "original": original.run_id,
        "new": new.run_id,
        "margin": least,
        "verdict": verdict,
        "sentence": sentence(verdict, numbers, ends, least, wanted),
        "launches_needed": wanted,
        "same_points": shared,
        "quantities": numbers,
        "ends": ends,
        "cause": cause,
        "probes": speed,
        "environment": [one.record() for one in found],
        "notes": notes,
    }


def _noiseless(original: Source, new: Source) -> bool:
    """Whether both were computed without noise: predictions of one model, or simulations of which one launch is like another."""
    if original.evidence == new.evidence == "simulated":
        return max(original.launches()[0], new.launches()[0]) <= 1
    return original.evidence == new.evidence == "predicted"


def launches_needed(numbers: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]]) -> int | None:
    """How many launches per variant would settle the whole shift; where that is settled or not there, the most that anything else needs."""
    wanted = [one["launches_needed"] for one in (*numbers, *ends) if one["state"] == "not_resolved" and one["launches_needed"]]
    total = next((one["launches_needed"] for one in numbers if one["name"] == "total"), None)
    return int(total) if total else max(wanted, default=None)


def sentence(
    verdict: str, numbers: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]], margin: float, wanted: int | None
) -> str:
    """The verdict on a pair in one sentence."""
    percent = f"{100 * margin:g} %"
    if not numbers and not ends:
        return "They share no shift, no share and no frontier."
    if verdict == "not_moved":
        return f"Nothing moved by {percent} or more."
    shifts = widest(numbers, "moved", "shift")
    headline = next((one for one in numbers if one["name"] == "total"), None)
    # The whole shift is what a reader asks for; another reading of it stands in only where that did not move.
    moved = [*([headline] if headline in shifts else shifts[:1]), *widest(numbers, "moved", "share")]
    texts = [f"{_of(one)} moved {factor(one['change']['ratio'])}{_from_to(one)}" for one in moved[:4]]
    texts += [f"the frontier of {one['end']} moved {factor(one['ratio'])}" for one in ends if one["state"] == "moved"][: 1 if moved else 2]
    if headline is not None and headline["state"] == "not_moved":
        texts.append(f"the whole shift did not, within {percent}")
    if verdict == "moved":
        return f"{upper_first(listed(texts))}."
    advice = f"; about {wanted} launches per variant would settle the shift" if wanted else ""
    held = f", and {texts[0]}" if texts else ""
    return f"Nothing is seen to move{held}, but not everything is resolved{advice}."


def _of(one: Mapping[str, Any]) -> str:
    if one["kind"] == "share":
        return f"the share of {one['title']}"
    return f"the {SHIFTS[one['name']]}" if one["name"] == "total" else f"the {SHIFTS[one['name']]} ratio"


def _from_to(one: Mapping[str, Any]) -> str:
    return f" (from {factor(one['original']['ratio'])} to {factor(one['new']['ratio'])})"


def shared_points(original: Source, new: Source) -> int:
    """Rows of the new run whose measured values all stand, to the last digit, in the original one too: the same launches, not new ones."""
    columns = ["variant", "replicate", "concurrency", INTERACTIVITY, *METRICS.values(), "median_ttft_s", "median_e2el_s"]
    code = row_codes(pd.concat([side.points[columns] for side in (original, new)], ignore_index=True), columns)
    return int(np.isin(code[len(original.points) :], code[: len(original.points)]).sum())


def _shared(count: int, rows: int, original: Source) -> list[str]:
    if not count:
        return []
    if original.evidence == "predicted":
        return [f"{count} of {rows} predicted points are identical to the last digit."]
    return [
        f"{count} of {rows} points are identical to the last digit: the same launches, taken over or drawn from the same seed. The runs are not "
        "independent, and say less about noise than they seem to."
    ]


def _limits(runs: Sequence[Source], beside: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the comparison does not show."""
    kinds = {run.evidence for run in runs}
    out = [
        "A cause is found by what the runs record. What they do not record (temperature, neighbours on the machine, firmware) can be a cause all the "
        "same, and is in the noise only as far as launches differ in it.",
    ]
    if "predicted" in kinds:
        out.append(
            "The model's error is the same in two predictions from one database, so it is left out of their change; each run's own interval has it."
        )
    if kinds - {"predicted"}:
        out.append("Changes of shares are of each run's own shift: a lever whose share moved may owe it to what stands beside it.")
    if beside:
        out.append("Published points are held against a run's frontiers, never mixed into one; they were made by other tools, on other machines.")
    return out
