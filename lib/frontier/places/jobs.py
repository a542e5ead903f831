"""What a run on a cluster keeps on disk: what was submitted, which job has it, and every start of a trial.

    <run>/jobs/0001/submission.json        trials by job, and the place they were submitted to; there before anything is submitted
                    array-0.json           the job that Slurm made of an array of them
                    cancelled.json         when and why it was cancelled
                    starts/<trial>-<job>-r<restart>.json [.end.json]
                    log/                   submitit's own files, and what the jobs printed

Nothing here is ever changed: what is known later is another file, and each appears by rename. A run's state follows from these files, the trials'
records and what Slurm says of the jobs; no process has to live for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from frontier.errors import RunError
from frontier.files import JOBS, read_json, write_json

SCHEMA = "frontier.submission/1"
SHORT = 16  # digits of a trial's digest in file names


@dataclass(frozen=True)
class Start:
    """One start of a trial in a job.

    Parameters
    ----------
    trial : str
        The first digits of its digest.
    job : str
        Slurm's id of the job, as ``17`` or ``17_3``.
    restart : int
        How often Slurm had queued the job again before.
    node : str
        The job's first node.
    started_s, ended_s : float, seconds since the epoch; None while it runs, or where it ended without a word
    how : str
        How it ended, as far as the job could say; empty where it could not.
    """

    trial: str
    job: str
    restart: int
    node: str
    started_s: float
    ended_s: float | None
    how: str


@dataclass(frozen=True)
class Submission:
    """One submission of trials, as its folder tells it.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """``submission.json``."""
        found: dict[str, Any] = read_json(self.folder / "submission.json")
        if found.get("schema") != SCHEMA:
            raise RunError(f"{self.folder.name} is no submission of this kit's version", origin=str(self.folder), hint=f"schema {SCHEMA}")
        return found

    @property
    def number(self) -> int:
        """Its place among the run's submissions, from 1."""
        return int(self.folder.name)

    @property
    def name(self) -> str:
        """Slurm's name of its jobs; no other submission has it."""
        return str(self.document["name"])

    @property
    def created_s(self) -> float:
        """When it was made, seconds since the epoch."""
        return float(self.document["created_s"])

    @property
    def arrays(self) -> list[dict[str, Any]]:
        """Arrays of jobs that ask for the same: nodes, GPUs per node, and the digests of the trials of each job."""
        found: list[dict[str, Any]] = self.document["arrays"]
        return found

    @property
    def log(self) -> Path:
        """Where the jobs' output goes."""
        return self.folder / "log"

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return (self.folder / "cancelled.json").exists()

    def job_ids(self) -> dict[int, str]:
        """Array -> Slurm's id of its job, as far as it is known."""
        found = {}
        for index in range(len(self.arrays)):
            file = self.folder / f"array-{index}.json"
            if file.exists():
                found[index] = str(read_json(file)["job_id"])
        return found

    def job_of(self) -> dict[str, str]:
        """Digest -> id of the job that has the trial, ``17_3`` or ``17``; trials of arrays without a known id are left out."""
        ids, out = self.job_ids(), dict[str, str]()
        for index, array in enumerate(self.arrays):
            jobs = array["jobs"]
            for at, digests in enumerate(jobs):
                if index in ids:
                    out |= dict.fromkeys(digests, f"{ids[index]}_{at}" if len(jobs) > 1 else ids[index])
        return out

    def digests(self) -> set[str]:
        """All trials of it."""
        return {digest for array in self.arrays for job in array["jobs"] for digest in job}

    def note_job(self, array: int, job_id: str) -> None:
        """Keep the id that Slurm gave to an array."""
        write_json(self.folder / f"array-{array}.json", {"job_id": job_id, "submitted_s": now_s()})

    def note_cancelled(self, why: str) -> None:
        """Keep that it was cancelled."""
        if not self.cancelled:
            write_json(self.folder / "cancelled.json", {"cancelled_s": now_s(), "why": why})

    def note_start(self, digest: str, job: str, restart: int, node: str) -> Path:
        """Keep that a job starts a trial; the file that :meth:`note_end` adds to."""
        file = self.folder / "starts" / f"{digest[:SHORT]}-{job}-r{restart}.json"
        write_json(file, {"trial": digest[:SHORT], "job": job, "restart": restart, "node": node, "started_s": now_s()})
        return file

    @staticmethod
    def note_end(start: Path, how: str) -> None:
        """Keep how a start ended, unless that is known."""
        file = start.with_suffix(".end.json")
        if start.exists() and not file.exists():
            write_json(file, {"ended_s": now_s(), "how": how})

    def starts(self, digest: str = "") -> Iterator[Start]:
        """Starts of one trial, or of all, the earliest first."""
        files = sorted((self.folder / "starts").glob(f"{digest[:SHORT]}*.json")) if (self.folder / "starts").is_dir() else []
        ends = {file.name for file in files if file.name.endswith(".end.json")}
        found = []
        for file in files:
            if file.name in ends:
                continue
            said = read_json(file)
            name = f"{file.stem}.end.json"
            end = read_json(file.with_name(name)) if name in ends else {"ended_s": None, "how": ""}
            found.append(Start(**said, **end))
        yield from sorted(found, key=lambda start: start.started_s)


@dataclass(frozen=True)
class Jobs:
    """All submissions of a run.

    Parameters
    ----------
    run : Path
        The run's folder.
    """

    run: Path

    def all(self) -> list[Submission]:
        """Submissions, oldest first."""
        folder = self.run / JOBS
        found = [path for path in folder.glob("[0-9]*") if path.name.isdigit()] if folder.is_dir() else []
        return [Submission(path) for path in sorted(found, key=lambda path: int(path.name))]

    def read(self, number: int) -> Submission:
        """A submission by its number.

        Raises
        ------
        RunError
            If there is none.
        """
        found = Submission(self.run / JOBS / f"{number:04d}")
        _ = found.document
        return found

    def create(
        self,
        arrays: Sequence[Mapping[str, Any]],
        place: Mapping[str, Any],
        cache: str,
        runtime: Mapping[str, Any],
        image_id: str = "",
        code: Mapping[str, str] | None = None,
    ) -> Submission:
        """A new submission, on disk before anything is submitted.

        Notes
        -----
        Its folder appears by rename, which fails where another process made one of the same number: that one is then the newer.
        """
        number = 1 + max((submission.number for submission in self.all()), default=0)
        document = {
            "schema": SCHEMA,
            "number": number,
            "name": f"frontier-{self.run.name}-{number:04d}",
            "created_s": now_s(),
            "arrays": [dict(array) for array in arrays],
            "place": dict(place),
            "runtime": dict(runtime),
            "image_id": image_id,
            "code": dict(code or {}),
            "cache": cache,
        }
        final = self.run / JOBS / f"{number:04d}"
        staging = self.run / JOBS / f".making-{number:04d}"
        write_json(staging / "submission.json", json.loads(json.dumps(document)))
        staging.rename(final)
        return Submission(final)

    def newest_of(self) -> dict[str, Submission]:
        """Digest -> the newest submission that has the trial."""
        return {digest: submission for submission in self.all() for digest in submission.digests()}

    def tries(self) -> dict[str, int]:
        """First digits of a digest -> starts so far, over all submissions."""
        counts: dict[str, int] = {}
        for submission in self.all():
            for file in (submission.folder / "starts").glob("*.json"):
                if not file.name.endswith(".end.json"):
                    counts[file.name[:SHORT]] = counts.get(file.name[:SHORT], 0) + 1
        return counts


def now_s() -> float:
    """Seconds since the epoch, to the tenth."""
    return round(datetime.now(UTC).timestamp(), 1)
