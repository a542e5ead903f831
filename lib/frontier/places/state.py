"""The state of a run's trials, derived from its folder and from what Slurm says of its jobs; no process has to live for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from frontier.errors import MachineError
from frontier.places.jobs import SHORT, Jobs, Start, Submission, now_s
from frontier.places.queue import Queued, queued, queued_by_name
from frontier.store import RunFolder

TAIL_LINES = 5
OVER = ("done", "failed", "infeasible", "not needed")
_SLURM_END = re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON (\S+) CANCELLED AT \S+(?: DUE TO (.+?))? \*\*\*")
_WORDS = {"TIME LIMIT": "killed by its time limit", "PREEMPTION": "preempted", "NODE FAILURE": "its node failed", "JOB REQUEUE": "queued again"}


@dataclass(frozen=True)
class TrialState:
    """One trial as it stands.

    Parameters
    ----------
    part, variant, digest : str
    replicate : int
    state : str
        done | failed | infeasible | not needed: it has its record; running | waiting: a job has it; cancelled | lost: its job ended without
        a record; planned: no job ever had it.
    job, node : str
        Of its newest start, or of the job that has it; empty where there is none.
    elapsed_s : float, seconds
        Of the job, while it runs.
    tries : int
        Starts so far.
    reason : str
        Slurm's reason for waiting, the record's for a failure, or how the last start ended.
    tail : tuple of str
        Last lines of the log of a trial that failed or was lost.
    """

    part: str
    variant: str
    replicate: int
    digest: str
    state: str
    job: str = ""
    node: str = ""
    elapsed_s: float = 0.0
    tries: int = 0
    reason: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunState:
    """All trials of a run.

    Parameters
    ----------
    trials : tuple of TrialState, in plan order
    left_s : float, seconds; None where nothing has ended yet or nothing is under way
        Estimate of the time to the end, from what trials took so far and how many run at once.
    note : str
        Why Slurm's part is not known; empty where it is.
    """

    trials: tuple[TrialState, ...]
    left_s: float | None
    note: str

    def counts(self) -> dict[str, int]:
        """Trials by state."""
        return dict(Counter(trial.state for trial in self.trials))

    def of(self, *states: str) -> list[TrialState]:
        """Trials in one of these states."""
        return [trial for trial in self.trials if trial.state in states]


def run_state(run: RunFolder, *, asking: bool = True) -> RunState:
    """The state of every trial of a run.

    Parameters
    ----------
    run : RunFolder
    asking : bool
        Raise where Slurm does not answer; otherwise the note says so, and trials whose job is not known to have ended count as waiting.

    Raises
    ------
    MachineError
        If Slurm does not answer and ``asking``.
    """
    jobs, plan = Jobs(run.path), run.plan
    planned = [(part, entry) for part in ("main", "companion") for entry in (plan[part] or {"trials": []})["trials"]]
    records = {entry["digest"]: record for _, entry in planned if (record := run.trial_record(entry["digest"])) is not None}
    newest = jobs.newest_of()
    submissions = {submission.number: submission for submission in newest.values()}
    note, slurm = "", {}
    if len(records) < len(planned) and submissions:
        try:
            slurm = ask_slurm(list(submissions.values()))
        except MachineError as error:
            if asking:
                raise
            note = error.message
    job_of = {number: submission.job_of() for number, submission in submissions.items()}
    starts: dict[str, list[Start]] = {}
    for submission in jobs.all():
        for start in submission.starts():
            starts.setdefault(start.trial, []).append(start)
    trials = []
    for part, entry in planned:
        digest = entry["digest"]
        begun = starts.get(digest[:SHORT], [])
        about = {"part": part, "variant": entry["variant"], "replicate": entry["replicate"], "digest": digest, "tries": len(begun)}
        if digest in records:
            trials.append(_recorded(run, about, records[digest], begun))
        elif digest not in newest:
            trials.append(TrialState(**about, state="planned"))
        else:
            submission = newest[digest]
            job = job_of[submission.number].get(digest, "") or _found_job(submission, digest, slurm)
            trials.append(_submitted(run, about, submission, job, slurm.get(job), begun, known=not note))
    return RunState(tuple(trials), _left_s(trials, starts), note)


def ask_slurm(submissions: list[Submission]) -> dict[str, Queued]:
    """What Slurm says of all jobs of these submissions.

    Raises
    ------
    MachineError
        If it does not answer.
    """
    ids = {job for submission in submissions for job in submission.job_ids().values()}
    found = queued(ids, {submission.name for submission in submissions})
    # Whoever submitted may have ended before it could keep the id that Slurm gave.
    unknown = {submission.name for submission in submissions if len(submission.job_ids()) < len(submission.arrays)}
    return {**found, **queued_by_name(unknown)}


def _found_job(submission: Submission, digest: str, slurm: Mapping[str, Queued]) -> str:
    """The job of a trial whose submission does not know its id: by name, array by array in the order in which they were submitted."""
    known = set(submission.job_ids().values())
    heads = sorted({job.split("_")[0] for job, said in slurm.items() if said.name == submission.name} - known, key=int)
    missing = [index for index in range(len(submission.arrays)) if index not in submission.job_ids()]
    for index, head in zip(missing, heads, strict=False):
        for at, digests in enumerate(submission.arrays[index]["jobs"]):
            if digest in digests:
                return f"{head}_{at}" if len(submission.arrays[index]["jobs"]) > 1 else head
    return ""


def _recorded(run: RunFolder, about: Mapping[str, Any], record: Mapping[str, Any], begun: list[Start]) -> TrialState:
    state = str(record["status"])
    tail = _tail(run.trial_folder(about["digest"]) / "log.txt") or _tail(run.trial_folder(about["digest"]) / "error.txt") if state == "failed" else ()
    last = begun[-1] if begun else None
    return TrialState(
        **about, state=state, job=last.job if last else "", node=last.node if last else "", reason=str(record.get("reason", "")), tail=tail
    )


def _submitted(
    run: RunFolder, about: Mapping[str, Any], submission: Submission, job: str, said: Queued | None, begun: list[Start], *, known: bool
) -> TrialState:
    last = begun[-1] if begun else None
    node = last.node if last else ""
    if said is not None and not said.ended:
        if said.waiting:
            return TrialState(**about, state="waiting", job=job, reason=said.reason or said.state)
        mine = last is not None and last.job == job and last.ended_s is None
        state = "running" if mine else "waiting"  # a job of several trials has one under way
        reason = "" if mine else f"its job runs another trial or has just begun ({said.state.lower()})"
        return TrialState(**about, state=state, job=job, node=node if mine else said.nodes, elapsed_s=said.elapsed_s, reason=reason)
    if submission.cancelled:
        return TrialState(**about, state="cancelled", job=job, node=node, reason="cancelled")
    if said is None and not known:
        return TrialState(**about, state="waiting", job=job, node=node, reason="Slurm does not answer")
    log = log_of(submission, job)
    tail = _tail(run.trial_folder(about["digest"]) / "log.txt") or _tail(log)
    return TrialState(**about, state="lost", job=job, node=node, reason=_how_it_ended(log, said, last), tail=tail)


def log_of(submission: Submission, job: str) -> Path:
    """Where a job's output is: submitit's name for it."""
    return submission.log / f"{job}_0_log.out"


def _how_it_ended(log: Path, said: Queued | None, last: Start | None) -> str:
    """Why a job left no record: Slurm's words in its log, Slurm's state, or what the job said itself."""
    found = _SLURM_END.findall("\n".join(_tail(log, 50)))
    if found:
        node, why = found[-1]
        cause = why.split(",")[0].strip()
        return f"{_WORDS.get(cause, cause.lower() or 'cancelled in Slurm')} (on {node})"
    if said is not None and said.state != "COMPLETED":
        return f"{said.state.lower().replace('_', ' ')}{f' ({said.reason})' if said.reason else ''}"
    return (last.how if last else "") or "its job is gone"


def _tail(file: Path, lines: int = TAIL_LINES) -> tuple[str, ...]:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - 8192))
            return tuple(stream.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ()


def _left_s(trials: list[TrialState], starts: Mapping[str, list[Start]]) -> float | None:
    """Mean time of a start that led to a record, times the trials to go, over those that run at once."""
    took = [start.ended_s - start.started_s for begun in starts.values() for start in begun if start.ended_s is not None and start.how == "record"]
    running = [trial for trial in trials if trial.state == "running"]
    waiting = [trial for trial in trials if trial.state == "waiting"]
    if not took or not (running or waiting):
        return None
    one = fmean(took)
    spent = sum(min(one, now_s() - starts[trial.digest[:SHORT]][-1].started_s) for trial in running)
    return max(0.0, (one * (len(running) + len(waiting)) - spent) / max(1, len(running)))
