"""Trials as jobs of Slurm, submitted through submitit as arrays; afterwards no process of the login node is needed."""

from __future__ import annotations

import importlib
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frontier.engines import get_engine
from frontier.errors import MachineError, RunError
from frontier.places.arrays import Awaited, Need, arrays_of, awaited
from frontier.places.element import Element
from frontier.places.jobs import Jobs, Submission
from frontier.places.queue import end_jobs, largest_array, queued, queued_by_name
from frontier.places.state import RunState, run_state
from frontier.places.worker import give_up
from frontier.provenance import package_sha256
from frontier.records import Trial
from frontier.runtimes import get_runtime
from frontier.schema import Config, PlaceConfig
from frontier.store import RunFolder

POLL_S = 5.0


def hand_over(run: RunFolder, cfg: Config, pending: Sequence[tuple[str, Trial]], cache: Path) -> RunState:
    """Submit every trial that has no record and no job, and give up those that were started as often as they may be.

    The caller holds the run's lock. What waits or runs in Slurm is left alone.

    Parameters
    ----------
    run : RunFolder
    cfg : Config
    pending : (part, trial) pairs without a record
    cache : Path

    Returns
    -------
    RunState
        After submitting.

    Raises
    ------
    MachineError
        If Slurm does not answer or refuses the jobs, or the container's runtime is not here.
    """
    state = run_state(run)
    free = {trial.digest: trial for trial in state.of("planned", "lost", "cancelled")}
    wanted = []
    for part, trial in pending:
        found = free.get(trial.digest)
        if found is None:
            continue
        if found.tries >= cfg.place.max_tries and found.state != "cancelled":
            give_up(run, trial, found.tries)
        else:
            wanted.append((part, trial))
    if wanted:
        _submit(run, cfg, wanted, cache, awaited(run, cfg, state, wanted))
    return run_state(run)


def run_and_wait(run: RunFolder, cfg: Config, pending: Sequence[tuple[str, Trial]], cache: Path) -> None:
    """Hand trials over and come back when all have their record; what ends without one is submitted again, up to ``place.max_tries`` starts.

    Raises
    ------
    RunError
        If jobs were cancelled meanwhile.
    """
    known = {submission.number for submission in Jobs(run.path).all()}
    while left := [(part, trial) for part, trial in pending if run.trial_record(trial.digest) is None]:
        new = [submission for submission in Jobs(run.path).all() if submission.number not in known]
        if any(submission.cancelled for submission in new):
            raise RunError(f"the jobs of run {run.run_id} were cancelled", hint="the same command submits them again")
        state = hand_over(run, cfg, left, cache)
        broken = next((trial for trial in state.of("lost") if trial.tries == 0 and new), None)
        if broken is not None:
            said = "\n".join(broken.tail)
            raise RunError(f"job {broken.job} of run {run.run_id} ended before it started a trial: {broken.reason}\n{said}", origin=str(new[-1].log))
        time.sleep(POLL_S)


def cancel_jobs(run: RunFolder) -> list[str]:
    """End the jobs of a run, and only those; their ids. Trials keep what they have finished.

    Raises
    ------
    MachineError
        If Slurm does not answer; jobs that it starts all the same then end at once.
    """
    submissions = Jobs(run.path).all()
    for submission in submissions:
        submission.note_cancelled("frontier cancel")  # first: a job that starts in this moment reads it
    ended = []
    for submission in submissions:
        names = {submission.name}
        ids = set(submission.job_ids().values())
        # Asked by name beside the id: an id that Slurm gave away again is somebody else's job, and has another name.
        said = {**queued(ids, names), **(queued_by_name(names) if len(ids) < len(submission.arrays) else {})}
        alive = sorted(job for job, one in said.items() if not one.ended)
        heads = sorted({job.split("_")[0] for job in alive}, key=int)
        end_jobs(heads)
        ended += alive
    return ended


def _submit(run: RunFolder, cfg: Config, trials: Sequence[tuple[str, Trial]], cache: Path, after: Awaited) -> Submission:
    submitit: Any = importlib.import_module("submitit")  # on use: most runs submit nothing; by name: its parameters are not typed
    most = largest_array()  # first: it also tells whether Slurm is there, before anything is kept
    image_id = get_runtime(cfg.runtime.kind).image_id(cfg.runtime.image) if cfg.runtime.kind != "host" else ""
    arrays = arrays_of(cfg, trials, after.digest, most)
    packages = {name for part in {part for part, _ in trials} for name in get_engine(cfg, part).code_packages}
    code = {name: package_sha256(name) for name in sorted(packages)}
    submission = Jobs(run.path).create(arrays, asdict(cfg.place), str(cache.resolve()), asdict(cfg.runtime), image_id, code)
    path = str(run.path.resolve())
    awaited_job = after.job
    for index, array in enumerate(arrays):
        executor = submitit.SlurmExecutor(
            folder=submission.log.resolve(),
            max_num_timeout=cfg.place.max_tries,
            python=f"exec {shlex.quote(cfg.place.python or sys.executable)}",  # in place of the shell, so that Slurm's signal reaches it
        )
        need = Need(array["nodes"], array["gpus_per_node"])
        executor.update_parameters(**sbatch_parameters(cfg.place, need, submission.name, awaited_job))
        try:
            with executor.batch():
                handles = [executor.submit(Element(path, submission.number, index, at)) for at in range(len(array["jobs"]))]
            job = str(handles[0].job_id).split("_")[0]
            submission.note_job(index, job)
            awaited_job = job if after.digest and index == 0 else awaited_job
        except submitit.core.utils.FailedJobError as error:
            submission.note_cancelled("Slurm refused it")
            lines = [line for line in str(error).splitlines() if line.startswith("sbatch:")]
            reason = lines[-1].removeprefix("sbatch: error: ") if lines else str(error)
            raise MachineError(f"Slurm refuses the jobs: {reason}", origin="place", hint="`sinfo` shows what partitions there are") from error
    return submission


def sbatch_parameters(place: PlaceConfig, need: Need, name: str, awaited_job: str = "") -> dict[str, Any]:
    """What submitit is told of an array; its defaults stand for nothing that is not here. Nothing of it starts before ``awaited_job`` has ended."""
    further: dict[str, Any] = {option: text or True for option, text in place.sbatch.items()}
    if awaited_job:
        further["dependency"] = ",".join([*([place.sbatch["dependency"]] if "dependency" in place.sbatch else []), f"afterany:{awaited_job}"])
    # To the job's first process only; the kit's own, which passes it on. Without notice the signal has no effect.
    further |= {"requeue": True, "signal": f"B:USR2@{place.notice_s}" if place.notice_s else "B:CONT@1"}
    given = {
        "partition": place.partition,
        "account": place.account,
        "qos": place.qos,
        "gpus_per_node": need.gpus_per_node,
        "gpus_per_task": place.gpus_per_task,
        "gres": place.gres,
        "cpus_per_task": place.cpus_per_task,
        "mem": f"{round(place.mem_gib * 1024)}M" if place.mem_gib else "",
        "constraint": place.constraint,
        "nodelist": place.nodelist,
        "exclude": place.exclude,
        "exclusive": place.exclusive,
        "setup": list(place.setup),
    }
    return {
        "job_name": name,
        "time": place.time_min,
        "nodes": need.nodes,
        "array_parallelism": place.parallel or 100_000,
        "stderr_to_stdout": True,
        "use_srun": False,  # one process on the first node; a deployment that spans nodes starts its own steps
        "wckey": None,
        "additional_parameters": further,
        **{key: value for key, value in given.items() if value},
    }

