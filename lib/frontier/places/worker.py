"""A worker of a job: runs trials in this process, one after another, and notes where each ran."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from frontier import config
from frontier.engines import Engine, get_engine
from frontier.errors import MachineError
from frontier.places.jobs import SHORT, Jobs
from frontier.places.local import earlier_points, log_to, run_trial, spent_s, trial_context
from frontier.places.placement import placement
from frontier.provenance import container, package_sha256
from frontier.records import Trial, Variant
from frontier.store import RunFolder


def planned_trials(run: RunFolder) -> dict[str, tuple[str, Trial]]:
    """Digest -> part and trial, as the run's plan has them; nothing is planned anew, because a node is not the machine that planned."""
    plan, out = run.plan, dict[str, tuple[str, Trial]]()
    for part in ("main", "companion"):
        document = plan[part] or {"variants": [], "trials": []}
        variants = {entry["variant"]: Variant(entry["levels"], entry["settings"], entry["infeasible"]) for entry in document["variants"]}
        for entry in document["trials"]:
            out[entry["digest"]] = (part, Trial(variants[entry["variant"]], entry["replicate"], entry["digest"]))
    return out


def work(request: Mapping[str, Any]) -> None:
    """Run the trials of a request that have no record, belong to no newer submission, and may be tried once more.

    Parameters
    ----------
    request : mapping
        ``run``, ``number``, ``digests``, ``cache``, ``job``, ``restart``, ``node``, ``nodes``, as :class:`frontier.places.element.Element` writes it.

    Raises
    ------
    MachineError
        If the kit here, or in this container, is another than the one that submitted.
    RunError
        If a result cannot be written.
    """
    run = RunFolder(Path(request["run"]))
    jobs = Jobs(run.path)
    submission = jobs.read(request["number"])
    place = submission.document["place"]
    _check_code(submission.document["code"])
    cfg = config.from_yaml((run.path / "config.yaml").read_text(encoding="utf-8"))
    planned = planned_trials(run)
    newest, tries = jobs.newest_of(), jobs.tries()
    for digest in request["digests"]:
        if run.trial_record(digest) is not None or newest[digest].number != submission.number:
            continue
        part, trial = planned[digest]
        if tries.get(digest[:SHORT], 0) >= place["max_tries"]:
            give_up(run, trial, tries[digest[:SHORT]])
            continue
        engine = get_engine(cfg, part)
        earlier = earlier_points(run) if engine.exclusive else pd.DataFrame()
        chosen = engine.next_trial([trial], earlier, spent_s(run) if engine.exclusive else 0.0)
        if isinstance(chosen, str):
            run.begin_trial(digest)
            run.finish_trial(trial, {"status": "not needed", "reason": chosen, "evaluated": 0, "points": 0}, None)
            continue
        unfit = _unfit(engine, trial, Path(request["cache"]))
        if unfit:
            run.begin_trial(digest)
            record = {"status": "failed", "reason": f"node {request['node']}: {unfit}", "evaluated": 0, "points": 0}
            run.finish_trial(trial, record, None, error=unfit + "\n")
            continue
        start = submission.note_start(digest, request["job"], request["restart"], request["node"])
        folder = run.begin_trial(digest)
        where = placement(request["node"], list(request["nodes"]), request["job"], serials=bool(place["serials"]))
        with _into(folder / "log.txt"):
            run_trial(run, engine, trial, trial_context(run, folder, earlier, Path(request["cache"]), trial), where)
        submission.note_end(start, "record")


def _check_code(submitted: Mapping[str, str]) -> None:
    """Refuse to measure with other code than the trials' digests stand for."""
    other = [name for name, sha256 in submitted.items() if package_sha256(name) != sha256]
    if other:
        where = "in the image" if container() else "on this node"
        message = f"the kit {where} is another than the one that submitted: {', '.join(other)} differ"
        raise MachineError(message, hint="the same commit on the login node, the nodes and in the image; then frontier run again")


def _unfit(engine: Engine, trial: Trial, cache: Path) -> str:
    """What this node lacks for a trial; empty if nothing. The login node that submitted could not ask."""
    try:
        engine.check_machine(cache, [trial.variant])
    except MachineError as error:
        return str(error)
    return ""


def give_up(run: RunFolder, trial: Trial, tries: int) -> None:
    """Record a trial as failed that was started as often as it may be, and never came to its end."""
    reason = f"started {tries} times, and no start came to an end (place.max_tries)"
    run.begin_trial(trial.digest)
    run.finish_trial(trial, {"status": "failed", "reason": reason, "evaluated": 0, "points": 0}, None, error=reason + "\n")


@contextmanager
def _into(file: Path) -> Iterator[None]:
    """What this process prints goes into the trial's log for a while, and to the job's afterwards."""
    before = [os.dup(descriptor) for descriptor in (1, 2)]
    log_to(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, kept in zip((1, 2), before, strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)
