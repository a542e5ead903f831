"""What one job of a cluster does: start a worker for its trials, look after it, and end it in good time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.places.jobs import Jobs, Submission

END_WAIT_S = 20.0  # a worker that is told to end stops its servers first
DIED = 4  # worker's exit code when it cannot write its results
TOLD_TO_END = 75  # worker's exit code after SIGTERM (EX_TEMPFAIL of sysexits.h): Slurm ends the job
KILLED_WAIT_S = 3.0
TIE = "tie"  # in a request to a worker in a container: a pipe that the job holds open
POLL_S = 0.2


@dataclass(frozen=True)
class Element:
    """A job, or one element of an array of them: callable, and picklable for submitit.

    Parameters
    ----------
    run : str
        The run's folder.
    number, array, index : int
        The submission, the array in it, and the job in that.
    """

    run: str
    number: int
    array: int
    index: int

    def __call__(self) -> int:
        """Run the trials that have no record; their count."""
        submission = Jobs(Path(self.run)).read(self.number)
        digests = list(submission.arrays[self.array]["jobs"][self.index])
        # Whoever cancelled has seen to the queue; a job that starts all the same must not run.
        while not submission.cancelled and (left := [digest for digest in digests if not self._record(digest).exists()]):
            code = self._work(submission, left)
            if code == DIED:
                raise RuntimeError("the worker could not write its results")
            lost = [digest for digest in left if not self._record(digest).exists()]
            if code in (TOLD_TO_END, *_ended_by(signal.SIGTERM)):
                break  # nothing is wrong with the trial
            if code in _ended_by(signal.SIGKILL):
                time.sleep(KILLED_WAIT_S)  # where Slurm kills the job it kills this process too, and the trial is to blame for nothing
            if code != 0 and lost:
                if not self._open_starts(submission):
                    raise RuntimeError(f"the worker ended with exit code {code} before it started a trial")  # no trial is to blame
                self._bury(submission, lost, code)
            elif len(lost) == len(left):
                break  # a newer submission has them
        return len(digests)

    def checkpoint(self) -> Any:
        """End the worker: the time is nearly over, or another job takes the place. Called by submitit, which then queues the job again."""
        from submitit.helpers import DelayedSubmission  # the package is there in a job of submitit's, and not needed elsewhere

        worker = _running.pop(0) if _running else None
        if worker is not None:
            worker.terminate()
            try:
                worker.wait(END_WAIT_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        submission = Jobs(Path(self.run)).read(self.number)
        self._end_starts(submission, "told to end: its time was nearly over, or another job took the place")
        return DelayedSubmission(self)

    def _work(self, submission: Submission, digests: list[str]) -> int:
        """Exit code of a worker that runs these trials in order."""
        request = {
            "run": self.run,
            "number": self.number,
            "digests": digests,
            "cache": submission.document["cache"],
            "job": _job_id(),
            "restart": _restart(),
            "node": node_name(),
            "nodes": _nodes(),
        }
        if submission.document["runtime"]["kind"] == "host":
            return _wait_for(subprocess.Popen([sys.executable, "-u", "-m", "frontier.places", json.dumps(request)]))
        from frontier.places.boxed import boxed_worker  # on use: it loads the configuration, which jobs without a container do not need

        with boxed_worker(request) as worker:
            return _wait_for(worker)

    def _bury(self, submission: Submission, lost: list[str], code: int) -> None:
        """Record the trial in which a worker died as failed, so that the others go on."""
        from frontier.places.local import Chunk, after_death  # on use: most workers end well, and this loads pandas
        from frontier.places.worker import planned_trials
        from frontier.store import RunFolder

        run = RunFolder(Path(self.run))
        planned = planned_trials(run)
        after_death(run, Chunk(planned[lost[0]][0], tuple(planned[digest][1] for digest in lost)), code)
        self._end_starts(submission, f"the worker died with exit code {code}")

    def _open_starts(self, submission: Submission) -> list[Path]:
        """Files of the starts of this job that have no end yet."""
        files = (submission.folder / "starts").glob(f"*-{_job_id()}-r{_restart()}.json")
        return [file for file in files if not file.with_suffix(".end.json").exists()]

    def _end_starts(self, submission: Submission, how: str) -> None:
        for file in self._open_starts(submission):
            submission.note_end(file, how)

    def _record(self, digest: str) -> Path:
        return Path(self.run) / "trials" / digest / "trial.json"


_running: list[subprocess.Popen[bytes]] = []  # the worker of this process, which is one job: a signal's handler must find it


def _wait_for(worker: subprocess.Popen[bytes]) -> int:
    _running.append(worker)
    # Not wait(): the signal's handler asks for the same worker, and would find it locked by the call that it interrupted.
    while (code := worker.poll()) is None:
        time.sleep(POLL_S)
    _running.clear()
    return code


def node_name() -> str:
    """The node that this process is on, as Slurm names it."""
    return os.environ.get("SLURMD_NODENAME", os.uname().nodename)


def _nodes() -> list[str]:
    from frontier.serving import node_names  # on use: one node needs no list of them

    count = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    return list(node_names(count)) if count > 1 else [node_name()]


def _job_id() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]


def _restart() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _ended_by(number: signal.Signals) -> tuple[int, int]:
    """Exit codes of a worker that a signal ended: on the node, and in a container."""
    return -number, 128 + number


def end_on_term() -> None:
    """Turn SIGTERM into an interrupt, so that a worker stops its servers before it ends."""

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm and the job may both send it, and a second one would break off what the first began
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def end_with(tie: str) -> None:
    """End this process, and with it its container, when the job that holds the pipe is gone."""

    def wait() -> None:
        with open(tie, "rb") as pipe:
            pipe.read(1)
        os._exit(TOLD_TO_END)

    threading.Thread(target=wait, daemon=True).start()
