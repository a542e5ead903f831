"""Opening a bundle: verified, unpacked beside other opened ones, and reported on by this kit. Nothing of it is executed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from frontier.bundle.checking import read_bundle
from frontier.bundle.names import MARK, is_drawn, listed, shown, unpacked_name
from frontier.errors import FrontierError, RunError, UsageError
from frontier.files import TEMPORARY, read_json, write_json
from frontier.provenance import sha256_file
from frontier.report import write_report


def open_bundle(file: Path, folder: Path) -> Path:
    """Verify a bundle, unpack it to ``folder/<run_id>`` and draw its report anew; the path of the run's folder.

    The folder appears whole or not at all. It is marked as foreign by ``bundle.json``. The bundle's own page and figures stand under
    ``theirs/``: they are not the kit's work. ``report.html`` and ``figures/`` are drawn here from the bundle's tables. Of a bundle that was
    opened before, the folder is compared and returned.

    Parameters
    ----------
    file : Path
        The bundle.
    folder : Path
        Where opened bundles stand; not a folder of runs, where one would be taken for a run made here.

    Raises
    ------
    UsageError
        If there is no such file, or ``folder`` is a folder of runs, or holds another bundle of this run or a changed one.
    RunError, PointsError
        If the bundle does not verify, or the report cannot be drawn from it.
    """
    file, folder = Path(file), Path(folder)
    if folder.name == "runs" or (folder / ".locks").exists():
        raise UsageError(
            f"{folder} holds this kit's own runs; an opened bundle would be taken for one of them", hint=f"open it in {folder.parent / 'bundles'}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}bundle-", dir=folder))
    except OSError as cause:
        raise _unwritable(folder, cause) from cause
    try:
        inside = staging / "members"

        def keep(name: str, pieces: Iterator[bytes]) -> None:
            path = inside / unpacked_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as stream:
                for piece in pieces:
                    stream.write(piece)

        facts = read_bundle(file, keep).facts
        target = folder / facts.run_id
        if target.exists():
            return _same(target, facts.sha256, inside)
        run = staging / facts.run_id  # the report shows the folder's name
        inside.rename(run)
        _report(run)
        write_json(
            run / MARK,
            {
                "schema": "frontier.opened/1", "foreign": True, "file": facts.file, "sha256": facts.sha256, "run_id": facts.run_id,
                "drawn_here": ["report.html", "figures"], "theirs": sorted(path.name for path in (run / "theirs").glob("*")),
            },
        )  # fmt: skip
        for path in run.rglob("*"):
            if path.is_file():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        if target.exists():  # another process opened it meanwhile
            return _same(target, facts.sha256, run)
        run.rename(target)
        return target
    except OSError as cause:
        raise _unwritable(folder, cause) from cause
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _report(run: Path) -> None:
    """The kit's own report from the bundle's tables; drawn before the manifest is back, because a finished run's report is never redrawn."""
    manifest, aside = run / "manifest.json", run.parent / "manifest.json"
    manifest.rename(aside)
    try:
        write_report(run)
    except FrontierError:
        raise
    except Exception as cause:  # documents that pass every check and still make no sense together
        raise RunError(f"no report can be drawn from it: {type(cause).__name__}: {shown(cause)}", origin=run.name) from cause
    aside.rename(manifest)


def _unwritable(folder: Path, cause: OSError) -> RunError:
    return RunError(f"cannot open a bundle in {folder}: {cause.strerror or cause}", hint="free space, or another folder")


def _same(target: Path, sha256: str, fresh: Path) -> Path:
    """The folder where the bundle was opened before, if it still holds what was just unpacked to ``fresh``."""
    mark = target / MARK
    known = read_json(mark) if mark.is_file() else {}
    if known.get("sha256") != sha256:
        raise UsageError(f"{target} is there already and was not opened from this file", hint="open it in another folder")
    names = sorted(path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file() and path.name != MARK)
    changed = [name for name in names if not is_drawn(name) and not _equal(fresh / name, target / name)]
    if changed:
        raise UsageError(f"{target} was changed after it was opened: {listed(changed)}", hint="move it away, or open the bundle in another folder")
    return target


def _equal(first: Path, second: Path) -> bool:
    return second.is_file() and sha256_file(first) == sha256_file(second)
