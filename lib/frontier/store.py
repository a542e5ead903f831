"""Runs on disk: folders, trials, locks and manifests. Written to a temporary name, flushed, renamed; nothing is overwritten.

    <artifacts>/runs/<utc>-<name>-<digest8>/
        config.yaml plan.json environment.json                 there from the start
        trials/<digest>/points.parquet resolved.json trial.json [error.txt log.txt kept/]
                                                               trial.json last: without it the trial is not complete
        jobs/                                                  only for a run on a cluster: submissions, starts of trials, logs of jobs
        points.parquet companion_points.parquet attribution.json report.html figures/ notebooks/
        manifest.json                                          last: with it the run is finished
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from frontier.errors import RunError
from frontier.files import JOBS, TEMPORARY, read_json, write_atomic, write_json, write_text
from frontier.leases import LeaseHeldError, lease
from frontier.provenance import sha256_file
from frontier.records import KEPT, Manifest, Trial, read_points, write_points

TRIAL_FILES = ("points.parquet", "resolved.json", "log.txt", "error.txt", "trial.json")
RUN_ID = re.compile(r"^(?P<utc>\d{8}T\d{6}Z)-(?P<name>.+)-(?P<digest8>[0-9a-f]{8})$")

@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Parameters
    ----------
    path : Path
        The run's folder; its name is the run's id.
    """

    path: Path

    @property
    def run_id(self) -> str:
        """The folder's name: time of creation, experiment, digest."""
        return self.path.name

    @property
    def name(self) -> str:
        """The experiment's name, read from the run's id."""
        match = RUN_ID.match(self.run_id)
        return match["name"] if match else ""

    @property
    def created_s(self) -> float:
        """When the run was created, seconds since the epoch; 0.0 for a folder that is no run's."""
        match = RUN_ID.match(self.run_id)
        return datetime.strptime(match["utc"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() if match else 0.0

    @property
    def created_utc(self) -> str:
        """When the run was created, ISO 8601; empty for a folder that is no run's."""
        return datetime.fromtimestamp(self.created_s, UTC).isoformat(timespec="seconds") if RUN_ID.match(self.run_id) else ""

    @property
    def plan(self) -> dict[str, Any]:
        """``plan.json``."""
        document: dict[str, Any] = read_json(self.path / "plan.json")
        return document

    @property
    def manifest(self) -> dict[str, Any] | None:
        """``manifest.json``; None while the run is not finished."""
        file = self.path / "manifest.json"
        return read_json(file) if file.exists() else None

    def trial_folder(self, digest: str) -> Path:
        """Folder of one trial."""
        return self.path / "trials" / digest

    def trial_record(self, digest: str) -> dict[str, Any] | None:
        """``trial.json``; None while the trial is not complete."""
        file = self.trial_folder(digest) / "trial.json"
        return read_json(file) if file.exists() else None

    def trial_digests(self) -> list[str]:
        """Digests of all planned trials, in plan order."""
        plan = self.plan
        parts = [plan["main"], *([plan["companion"]] if plan["companion"] else [])]
        return [trial["digest"] for part in parts for trial in part["trials"]]

    def measured(self) -> bool:
        """Whether every planned trial has its record."""
        return all((self.trial_folder(digest) / "trial.json").exists() for digest in self.trial_digests())

    def begin_trial(self, digest: str) -> Path:
        """A folder for a trial; what an interrupted attempt left is removed, except its finished points under ``kept/``.

        Raises
        ------
        RunError
            If it holds a file that no trial writes, or the trial is complete.
        """
        folder = self.trial_folder(digest)
        if (folder / "trial.json").exists():
            raise RunError(f"trial {digest[:12]} is complete and never run again", origin=str(folder))
        found = sorted(folder.iterdir()) if folder.exists() else []
        foreign = [file.name for file in found if file.name not in (*TRIAL_FILES, KEPT) and not file.name.startswith(TEMPORARY)]
        if foreign:
            raise RunError(
                f"trial {digest[:12]} holds files that no trial writes: {', '.join(foreign)}",
                origin=str(folder),
                hint="move them out of the run's folder",
            )
        for file in found:
            if file.name != KEPT:
                file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish_trial(self, trial: Trial, record: Mapping[str, Any], points: pd.DataFrame | None, error: str = "") -> None:
        """Write what a trial gave; its record last."""
        folder = self.trial_folder(trial.digest)
        if points is not None:
            write_atomic(folder / "points.parquet", lambda temporary: write_points(points, temporary))
        if error:
            write_text(folder / "error.txt", error)
        write_json(
            folder / "trial.json",
            {
                "schema": "frontier.trial/1",
                "digest": trial.digest,
                "variant": trial.variant.name,
                "levels": dict(trial.variant.levels),
                "settings": {lever: list(values) for lever, values in trial.variant.settings.items()},
                "replicate": trial.replicate,
                **record,
            },
        )

    def trial_points(self, digest: str) -> pd.DataFrame | None:
        """Points of a complete trial; None if it gave none."""
        file = self.trial_folder(digest) / "points.parquet"
        return read_points(file) if file.exists() else None

    def files(self) -> list[Path]:
        """All that is no folder, sorted; without what a cluster's jobs say of themselves, which may go on after the run's end."""
        own = (path for path in self.path.rglob("*") if JOBS not in path.relative_to(self.path).parts)
        return sorted(path for path in own if path.is_symlink() or not path.is_dir())

    def remove_temporaries(self) -> None:
        """Remove what interrupted writes left; call it only while holding the run's lock."""
        for file in self.files():
            if file.name.startswith(TEMPORARY):
                file.unlink(missing_ok=True)

    def write_manifest(self, status: str, digest: str) -> None:
        """Write ``manifest.json``: states of the trials and the hash of every file."""
        records = {key: self.trial_record(key) for key in self.trial_digests()}
        files = [file for file in self.files() if file.is_file() and file.name != "manifest.json"]
        manifest = Manifest(
            schema="frontier.manifest/1",
            name=self.name,
            run_id=self.run_id,
            status=status,
            digest=digest,
            created_utc=self.created_utc or datetime.now(UTC).isoformat(timespec="seconds"),
            finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            trials={key: record["status"] if record else "missing" for key, record in records.items()},
            files={file.relative_to(self.path).as_posix(): sha256_file(file) for file in files},
        )
        write_json(self.path / "manifest.json", manifest.to_dict())


@dataclass(frozen=True)
class Store:
    """All runs under one artifacts folder.

    Parameters
    ----------
    artifacts_dir : Path
    shared : bool
        Several machines work on them: locks are leases that expire with their holder, instead of the operating system's.
    """

    artifacts_dir: Path
    shared: bool = False

    @property
    def runs_dir(self) -> Path:
        """Where the runs are."""
        return self.artifacts_dir / "runs"

    def list_runs(self, experiment: str | None = None) -> list[RunFolder]:
        """Runs, oldest first; only those of one experiment if it is named."""
        if not self.runs_dir.is_dir():
            return []
        # A run's folder appears by rename with its plan inside; anything else in here is not ours.
        found = [RunFolder(path) for path in sorted(self.runs_dir.iterdir()) if RUN_ID.match(path.name) and (path / "plan.json").exists()]
        return [run for run in found if experiment is None or run.name == experiment]

    def find_run(self, experiment: str | None = None, run_id: str = "", *, digest: str = "") -> RunFolder:
        """The run of an id, or the newest one of an experiment (or of a configuration's digest) whose trials are all there.

        Raises
        ------
        RunError
            If there is none; the message lists the runs there are.
        """
        if run_id:
            path = self.runs_dir / run_id
            if RUN_ID.match(run_id) and (path / "plan.json").exists():
                return RunFolder(path)
            raise RunError(f"no run {run_id!r}", origin=str(self.runs_dir), hint=f"runs there are: {self._listing()}")
        for run in reversed(self.list_runs(None if digest else experiment)):
            if run.measured() and digest in ("", run.plan["digest"]):
                return run
        raise RunError(
            f"no run of experiment {experiment!r} has all its trials",
            origin=str(self.runs_dir),
            hint=f"`frontier run experiment={experiment}`, or execute notebook 20_measure_frontier first; runs there are: {self._listing()}",
        )

    def named(self, word: str) -> RunFolder:
        """The run that a word means: the newest finished one of an experiment of that name, else the one of that id.

        Raises
        ------
        RunError
            If there is neither; the message lists the runs there are.
        """
        finished = [run for run in self.list_runs(word) if run.manifest is not None]
        return finished[-1] if finished else self.find_run(run_id=word)

    def find_identity(self, identity: str) -> RunFolder | None:
        """The run to continue or to return: the newest unfinished one of this identity, else the newest complete one, else None."""
        same = [run for run in reversed(self.list_runs()) if run.plan.get("identity") == identity]
        unfinished = [run for run in same if run.manifest is None]
        complete = [run for run in same if (run.manifest or {}).get("status") == "complete"]
        # A complete run is the answer even if an older attempt was never finished.
        return next(iter([*complete, *unfinished]), None)

    def open_or_create(self, name: str, plan: Mapping[str, Any], files: Callable[[], Mapping[str, str]]) -> RunFolder:
        """The run of the plan's identity, or a new one.

        Parameters
        ----------
        name : str
            The experiment.
        plan : mapping
            ``plan.json``, with ``identity`` and ``digest``.
        files : function
            Gives name -> text of the further files there from the start; called only for a new run.

        Notes
        -----
        A run whose trials failed and that was finished is left as it is: the next one starts anew and takes over the trials that are done.
        """
        with self.lock("create", wait_s=60.0):
            found = self.find_identity(str(plan["identity"]))
            if found is not None:
                return found
            return self._create(name, plan, files())

    def _create(self, name: str, plan: Mapping[str, Any], files: Mapping[str, str]) -> RunFolder:
        for stale in self.runs_dir.glob(f"{TEMPORARY}*"):
            shutil.rmtree(stale)
        staging = self.runs_dir / f"{TEMPORARY}{os.getpid()}"
        for file, text in files.items():
            write_text(staging / file, text)
        write_json(staging / "plan.json", dict(plan))
        (staging / "trials").mkdir()
        while True:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            path = self.runs_dir / f"{stamp}-{name}-{str(plan['digest'])[:8]}"
            if not path.exists():
                staging.rename(path)
                return RunFolder(path)
            time.sleep(0.1)  # two runs of one experiment within a second: the next second gives the next id

    def reuse_trials(self, run: RunFolder, digests: Iterable[str]) -> list[str]:
        """Copy trials that another run completed with the same digest; the digests taken over."""
        others = [other for other in reversed(self.list_runs()) if other.path != run.path]
        taken = []
        for digest in digests:
            source = next((other for other in others if (other.trial_record(digest) or {}).get("status") in ("done", "infeasible")), None)
            if source is None:
                continue
            folder = run.begin_trial(digest)
            kept = [file.relative_to(source.trial_folder(digest)) for file in (source.trial_folder(digest) / KEPT).rglob("*") if file.is_file()]
            for name in [*kept, *map(Path, TRIAL_FILES)]:  # trial.json stands last, here as when it was made
                original = source.trial_folder(digest) / name
                if original.exists():
                    write_atomic(folder / name, lambda temporary, original=original: shutil.copyfile(original, temporary))  # type: ignore[misc]
            taken.append(digest)
        return taken

    @contextmanager
    def lock(self, name: str, *, wait_s: float) -> Iterator[None]:
        """Hold a lock by name; a process that dies gives it up.

        Raises
        ------
        RunError
            If another process still holds it after ``wait_s`` seconds.
        """
        folder = self.runs_dir / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise RunError(f"cannot create {folder}: {cause.strerror}", hint="choose another folder with paths.artifacts_dir=...") from cause
        if self.shared:
            try:
                with lease(folder, name, wait_s=wait_s):
                    yield
                    return
            except LeaseHeldError as cause:
                raise _busy(name, f" ({cause})", folder) from cause
        held = FileLock(folder / f"{name}.lock", timeout=wait_s)
        try:
            held.acquire()
        except Timeout as cause:
            raise _busy(name, "", folder) from cause
        try:
            yield
        finally:
            held.release()

    def _listing(self) -> str:
        return ", ".join(run.run_id for run in self.list_runs()) or "none"


def _busy(name: str, who: str, folder: Path) -> RunError:
    hint = "wait until it is done, or watch it with `frontier status`"
    return RunError(f"another process is working on {name}{who}", origin=str(folder), hint=hint)
