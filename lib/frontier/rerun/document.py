"""The document ``frontier.rerun/1``: two runs, how near they are, and the verdict on every shift and share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frontier.compare import source_of
from frontier.errors import RunError
from frontier.files import read_json
from frontier.records import read_points
from frontier.rerun.identity import document_differences, equal, page_differences, table_differences
from frontier.rerun.surroundings import OTHER_IMAGE, SAME, level, one_kind, surroundings
from frontier.rerun.verdict import DIFFERS, INCONCLUSIVE, REPRODUCED, judge, overall
from frontier.shift import MARGIN_OTHER_SYSTEM, MARGIN_SAME_SYSTEM
from frontier.store import RunFolder

# Another build of Python or of a library may round a logarithm another way; between images that is no difference.
ROUNDING = 1e-9
ROUNDED = f"The two images round the last digits another way; everything agrees to {ROUNDING:g} of its size, which counts as the same."
TABLES = ("points.parquet", "companion_points.parquet")


def rerun_document(
    original: RunFolder, again: RunFolder, *, only: str = "all", changed: Sequence[str] = (), margin: float | None = None
) -> dict[str, Any]:
    """What two executions of one configuration say of each other.

    Parameters
    ----------
    original, again : RunFolder
        Both with points, attribution and environment.
    only : "all" | "attribution" | "report"
        What of the second was made anew.
    changed : sequence of str
        Overrides that make it another configuration.
    margin : float, optional
        By default 5 % on the same machine, 10 % on another.

    Raises
    ------
    RunError
        If one of them lacks a document.
    """
    runs = (original, again)
    documents = [_attribution(run) for run in runs]
    sources = [source_of(run, document) for run, document in zip(runs, documents, strict=True)]
    environments = [side.environment or {} for side in sources]
    near = level(sources[0], sources[1])
    margin = margin if margin is not None else MARGIN_SAME_SYSTEM if one_kind(sources[0], sources[1]) else MARGIN_OTHER_SYSTEM
    # Whatever was computed from the same numbers must be the same to the last digit; only new measurements may scatter.
    computed = only != "all" or documents[0]["evidence"] != "measured"
    quantities = _quantities(documents, margin, *_launches([side.points for side in sources]))
    identical = _identical(runs, documents, only) if computed and not changed else None
    rounding = ROUNDING if near == OTHER_IMAGE else 0.0
    if computed:
        quantities = [{**entry, **_computed_verdict(entry, margin if changed else None, rounding)} for entry in quantities]
    verdict = overall([entry["verdict"] for entry in quantities])
    rounded = False
    if identical is not None and identical["differences"]:
        rounded = bool(rounding) and not _identical(runs, documents, only, rounding)["differences"]
        verdict = verdict if rounded else DIFFERS
    return {
        "schema": "frontier.rerun/1",
        "original": _identity(original, documents[0], environments[0]),
        "rerun": _identity(again, documents[1], environments[1]),
        "level": near,
        "only": only,
        "changed": list(changed),
        "margin": margin,
        "verdict": verdict,
        "quantities": quantities,
        "identical": identical,
        "environment": surroundings(sources[0], sources[1]),
        "notes": [*([ROUNDED] if rounded else []), *_notes(computed, changed, near, documents, runs, quantities)],
    }


def _attribution(run: RunFolder) -> dict[str, Any]:
    file = run.path / "attribution.json"
    if not file.exists():
        raise RunError(f"run {run.run_id} has no attribution", origin=str(run.path), hint="it failed before it got there; its notebooks say why")
    document: dict[str, Any] = read_json(file)
    return document


def _identity(run: RunFolder, document: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    inside = environment.get("container")
    return {
        "run_id": run.run_id,
        "created_utc": run.created_utc,
        "evidence": document["evidence"],
        "kit_commit": environment["kit"].get("commit"),
        "image_id": inside["image_id"] if inside else None,
        "machine": environment.get("machine") or None,
    }


def _launches(tables: Sequence[pd.DataFrame]) -> tuple[int, int]:
    """Fewest launches behind a variant of the rerun, and the variants of both runs together."""
    counts = [table.groupby("variant", observed=True)["replicate"].nunique() for table in tables]
    return int(counts[1].min()) if len(counts[1]) else 0, sum(map(len, counts))


def _quantities(documents: Sequence[Mapping[str, Any]], margin: float, launches: int, cells: int) -> list[dict[str, Any]]:
    """The whole shift and every share, in the original's order; a lever that only one of them has is undefined in the other."""
    old, new = ({share["lever"]: share for share in document["shares"]} for document in documents)
    levers = list(dict.fromkeys([*old, *new]))
    pairs = [("shift", "total", "whole shift", documents[0]["total"], documents[1]["total"])]
    pairs += [("share", name, str((old.get(name) or new[name]).get("title") or name), old.get(name), new.get(name)) for name in levers]
    return [
        {
            "kind": kind,
            "name": name,
            "title": title,
            "original": _shown(before),
            "rerun": _shown(after),
            **judge(before, after, margin, quantities=len(pairs), launches=launches, cells=cells),
        }
        for kind, name, title, before, after in pairs
    ]


def _shown(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"ratio": (entry or {}).get("ratio"), "ci95": (entry or {}).get("ci95")}


def _computed_verdict(entry: Mapping[str, Any], margin: float | None, rounding: float) -> dict[str, Any]:
    """The verdict on what was computed and has no noise: the same to the last digit, or, of another configuration, the same within a margin."""
    moved = entry["change"]["ratio"]
    same = equal(entry["original"], entry["rerun"], rounding)
    exact = {"change": {"ratio": moved, "ci90": None, "ci95": None}, "launches_needed": None}
    if margin is not None and moved is not None and not same:
        within = abs(math.log(moved)) <= math.log1p(margin)
        reason = f"changed by {moved - 1:+.1%}, {'within' if within else 'beyond'} the margin of {margin:.0%}; computed, so without noise"
        return {**exact, "verdict": REPRODUCED if within else DIFFERS, "reason": reason}
    to = "to the last digit" if entry["original"] == entry["rerun"] else "but for the rounding of another build"
    reason = f"the same {to}" if same else f"computed anew it is {moved:.12g} times as large" if moved else "undefined in one of them"
    return {**exact, "verdict": REPRODUCED if same else DIFFERS, "reason": reason}


def _identical(runs: tuple[RunFolder, RunFolder], documents: Sequence[Mapping[str, Any]], only: str, rounding: float = 0.0) -> dict[str, Any]:
    """Whether points, attribution and report are the same to the last digit, and what differs."""
    if only == "report":
        pages = page_differences(runs[0].path, runs[1].path)
        return {"points": True, "attribution": True, "differences": pages}
    points = [difference for name in TABLES for difference in _tables(runs, name, rounding)] if only == "all" else []
    attribution = document_differences(documents[0], documents[1], rounding=rounding)
    return {"points": not points, "attribution": not attribution, "differences": [*points, *attribution]}


def _tables(runs: tuple[RunFolder, RunFolder], name: str, rounding: float) -> list[str]:
    there = [(run.path / name).exists() for run in runs]
    if not all(there):
        return [f"{name} is only in the {'rerun' if there[1] else 'original'}"] if any(there) else []
    old, new = (read_points(run.path / name) for run in runs)
    return [f"{name}: {text}" for text in table_differences(old, new, rounding=rounding)]


def _notes(
    computed: bool,
    changed: Sequence[str],
    near: str,
    documents: Sequence[Mapping[str, Any]],
    runs: Sequence[RunFolder],
    quantities: Sequence[Mapping[str, Any]],
) -> list[str]:
    notes = []
    if changed:
        notes.append(f"The configuration was changed for the rerun: {', '.join(changed)}. What moved may come from that.")
    if computed and not changed:
        notes.append("Computed from the same inputs, so it must be the same to the last digit, and was compared so.")
    elif not computed and near != SAME:
        where = "in another image" if near == OTHER_IMAGE else "on another machine"
        notes.append(f"The rerun ran {where}: what differs may come from there. The table of the surroundings says what was different.")
    if not computed and all(entry["verdict"] == INCONCLUSIVE for entry in quantities):
        notes.append("Nothing could be settled: the intervals are wider than the margin.")
    for name, run in zip(("original", "rerun"), runs, strict=True):
        failed = [key for key in run.trial_digests() if (run.trial_record(key) or {}).get("status") == "failed"]
        if failed:
            notes.append(f"{len(failed)} trials of the {name} failed; the shares rest on the cells that are there.")
    levels = {float(document["interval"].get("level", np.nan)) for document in documents if document.get("interval")}
    if levels - {0.95}:
        notes.append(f"Intervals were drawn at level {', '.join(f'{value:g}' for value in sorted(levels))} and are taken for 95 % ones.")
    return notes
