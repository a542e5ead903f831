"""Files that are there whole or not at all: written to a temporary name, flushed, renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frontier.errors import RunError

TEMPORARY = ".tmp-"  # what the name of an unfinished file begins with
JOBS = "jobs"  # folder of a run with what was submitted to a cluster, and what its jobs say of themselves: frontier.places


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to the disk, and rename it.

    Raises
    ------
    RunError
        If the disk is full or the folder cannot be written.
    """
    # The suffix stays at the end: writers choose the format by it.
    # Process ids repeat between machines and containers that share a folder.
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as cause:
        temporary.unlink(missing_ok=True)
        raise RunError(
            f"cannot write {path.name}: {cause.strerror or cause}",
            origin=str(path.parent),
            hint="free space or choose another folder with paths.artifacts_dir=...",
        ) from cause


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document atomically; NaN is refused, undefined is null."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The document in a JSON file.

    Raises
    ------
    RunError
        If it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise RunError(f"cannot read {path.name}: {cause}", origin=str(path.parent)) from cause
