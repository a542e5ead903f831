"""Writing a bundle: a finished run whose files are what its manifest says, in one zip file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from frontier.bundle.checking import TABLES, Bundle, read_bundle, verify_bundle
from frontier.bundle.container import Member, check_sizes, pack
from frontier.bundle.crate import describe, read_me
from frontier.bundle.names import CRATE, MANIFEST, MARK, README, RUN_ID, is_raw, listed, name_problem, shown
from frontier.errors import FrontierError, RunError, UsageError
from frontier.files import read_json, write_atomic
from frontier.provenance import sha256_file
from frontier.records import evidence_of, read_points
from frontier.store import RunFolder

_NEEDED = ("config.yaml", "plan.json", "environment.json", "points.parquet", "attribution.json")


def write_bundle(run: Path, file: Path, *, raw: bool = False) -> Bundle:
    """Write a finished run as a bundle, an RO-Crate in a zip file, and return what it holds.

    The same run gives the same bytes. What was written has been verified as :func:`verify_bundle` does.

    Parameters
    ----------
    run : Path
        The run's folder.
    file : Path
        The zip file to write; it must not be there yet.
    raw : bool
        Also the raw records of the requests and the logs of the trials.

    Raises
    ------
    UsageError
        If the file is there already, does not end in .zip, or stands in the run's folder.
    RunError
        If the run is not finished, its files are not those of its manifest (all are named), or it holds what no bundle may hold.
    """
    run, file = Path(run), Path(file)
    if file.suffix.lower() != ".zip":
        raise UsageError(f"a bundle's name ends in .zip, got {file.name!r}", hint=f"-o {file.stem or 'run'}.zip")
    if file.exists():
        raise UsageError(f"{file} is there already; nothing is overwritten", hint="another name with -o, or move it away")
    if run.resolve() in file.resolve().parents:
        raise UsageError(f"{file} would stand in the run's own folder and change it", hint="write it elsewhere with -o")
    manifest = finished(run)
    files = _checked_files(run, manifest)
    kept = {name: digest for name, digest in files.items() if raw or not is_raw(name)}
    kept[MANIFEST] = sha256_file(run / MANIFEST)
    environment, config = read_json(run / "environment.json"), yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    tables = [read_points(run / name) for name in TABLES if name in files]
    words = read_me(manifest, config, environment, evidence_of(tables[0]))
    sizes = {name: (digest, (run / name).stat().st_size) for name, digest in kept.items()}
    sizes[README] = (hashlib.sha256(words).hexdigest(), len(words))
    check_sizes([Member(name, 0, 0, size, size, 0) for name, (_, size) in sizes.items()], origin=run.name)
    crate = describe(sizes, manifest, config, environment, tables)

    def write(temporary: Path) -> None:
        members = [(name, partial(_read, run / name, digest)) for name, digest in kept.items()]
        try:
            pack(temporary, [(CRATE, lambda: crate), (README, lambda: words), *members])
            read_bundle(temporary, called=file.name)
        except FrontierError:
            temporary.unlink(missing_ok=True)
            raise

    write_atomic(file, write)
    return verify_bundle(file)


def finished(run: Path) -> dict[str, Any]:
    """The manifest of a finished run that was made here.

    Raises
    ------
    RunError
        If the folder is no run's, the run is not finished, or it was opened from a bundle.
    """
    if not (run / "plan.json").is_file() or not RUN_ID.fullmatch(run.resolve().name):
        raise RunError(f"{shown(run)} is not the folder of a run", hint="the folder that `frontier run` names; `frontier status` lists the runs")
    if (run / MARK).exists():
        raise RunError(f"{run.name} was opened from a bundle", hint=f"pass the bundle itself on; {MARK} names it")
    if not (run / MANIFEST).is_file():
        raise RunError(
            f"{run.name} is not finished: it has no {MANIFEST}, which is written last",
            hint="the same `frontier run` continues it",
        )
    manifest: dict[str, Any] = read_json(run / MANIFEST)
    return manifest


def _checked_files(run: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SHA-256 of the run's files, all of them as the manifest says."""
    stated: dict[str, str] = dict(manifest["files"])
    there = {path.relative_to(run).as_posix(): path for path in RunFolder(run).files()}
    there.pop(MANIFEST)
    problems = {
        "missing": sorted(set(stated) - set(there)),
        "not of the run": sorted(set(there) - set(stated)),
        "links": sorted(name for name, path in there.items() if path.is_symlink()),
        "changed": sorted(
            name
            for name, path in there.items()
            if name in stated and not path.is_symlink() and (not path.is_file() or sha256_file(path) != stated[name])
        ),
    }
    said = [f"{what}: {listed(names, 10)}" for what, names in problems.items() if names]
    if said:
        raise RunError(f"{run.name} is not what its manifest says; {'; '.join(said)}", hint="a run that was changed after it finished is not bundled")
    lacking = [name for name in _NEEDED if name not in stated]
    if lacking:
        raise RunError(f"{run.name} has no {', '.join(lacking)}", hint="the same `frontier run` continues it")
    for name in stated:
        if problem := name_problem(name):
            raise RunError(f"{shown(name)!r} of {run.name} cannot be bundled: {problem}")
    return stated


def _read(path: Path, digest: str) -> bytes:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise RunError(f"{path.name} changed while the bundle was written", origin=str(path.parent))
    return data
