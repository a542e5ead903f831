"""Checkpoints on disk: a folder appears whole, by rename, with its manifest in it, or not at all."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from frontier.checkpoints.spec import CheckpointSpec, digest_of
from frontier.checkpoints.text import Corpus
from frontier.errors import MachineError, RunError
from frontier.tools import processor_name

MANIFEST = "checkpoint.json"
STAGING = ".making-"
SCHEMA = "frontier.checkpoint/1"
PACKAGES = ("torch", "safetensors", "tokenizers")
INSTALL = "pip install 'frontier-kit[torch]'"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk.

    Attributes
    ----------
    path : Path
    digest : str
        SHA-256 (hex) of the files: equal digests are equal checkpoints.
    report : dict
        The manifest, ``frontier.checkpoint/1``.
    """

    path: Path
    digest: str
    report: dict[str, Any]


def versions() -> dict[str, str]:
    """Versions of the packages that make a checkpoint, without loading them.

    Raises
    ------
    MachineError
        If one is not installed.
    """
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as cause:
            raise MachineError(f"making a checkpoint needs the package {package}, which is not installed", hint=INSTALL) from cause
    return found


def identity(spec: CheckpointSpec, corpus: Corpus) -> dict[str, str]:
    """All that determines a checkpoint, and the processor, whose arithmetic may round otherwise than another's."""
    return {"specification": spec.digest, "text": corpus.sha256, "machine": f"{platform.machine()} {processor_name()}", **versions()}


def folder_name(spec: CheckpointSpec, corpus: Corpus) -> str:
    """Name of a checkpoint's folder in the cache."""
    return f"{spec.name}-{digest_of(identity(spec, corpus))[:12]}"


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder; None where there is no manifest, or where a file it names is missing or has another size."""
    try:
        report = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, dict[str, Any]] = report["files"]
        whole = all((folder / name).stat().st_size == fact["bytes"] for name, fact in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Checkpoint(folder, report["digest"], report) if whole else None


def complete(cache: Path, name: str, build: Callable[[Path], dict[str, Any]]) -> Checkpoint:
    """The checkpoint ``name`` of a cache folder; built into a staging folder, flushed and renamed when it is not there.

    Parameters
    ----------
    cache : Path
    name : str
        :func:`folder_name`; the lock and the staging folder are the option's, so nothing stays behind when its digest changes.
    build : callable
        Writes the files into the folder it is given, and returns the report.

    Raises
    ------
    RunError
        If the disk is full or the cache cannot be written; nothing is left then.
    """
    folder = cache / name
    try:
        cache.mkdir(parents=True, exist_ok=True)
        option = name.rpartition("-")[0]
        stage = cache / f"{STAGING}{option}"
        with FileLock(cache / f".{option}.lock"):
            # Another process may have made it while this one waited; what a killed maker left behind is nobody's now.
            found = read_checkpoint(folder)
            if found is not None:
                return found
            for left in (stage, folder):
                shutil.rmtree(left, ignore_errors=True)
            with _staged(stage):
                report = build(stage)
                files = {file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)} for file in sorted(stage.iterdir())}
                # The report of a checkpoint has times in it; its digest is of the files alone, so that two makings can be compared.
                report = {"schema": SCHEMA, "digest": digest_of({name: fact["sha256"] for name, fact in files.items()}), **report, "files": files}
                (stage / MANIFEST).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
                for file in stage.iterdir():
                    file.chmod(0o644)  # safetensors writes for its owner alone; a server in a container may be another user
                    _flush(file)
                _flush(stage)
                stage.rename(folder)
                _flush(cache)
            return Checkpoint(folder, report["digest"], report)
    except OSError as cause:
        raise RunError(
            f"cannot write the checkpoint: {cause.strerror or cause}",
            origin=str(cache),
            hint="free space, or choose another folder with --cache FOLDER",
        ) from cause


@contextmanager
def _staged(stage: Path) -> Iterator[None]:
    """A new folder, removed again if it was not renamed."""
    stage.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
