"""Files that came from elsewhere, and beside each one a record of its URL, date, status and SHA-256.

A file is complete when its record is there and its hash agrees; the record is written after the file. Both are written under a temporary
name, flushed to the disk and renamed, so that a fetch that is killed leaves either the old file or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from frontier import __version__
from frontier.errors import RunError
from frontier.provenance import sha256_file

SCHEMA = "frontier.source/1"
SUFFIX = ".source.json"
ROOM = "free space, or -o FOLDER elsewhere"


@dataclass(frozen=True)
class SourceRecord:
    """Where a file came from.

    Attributes
    ----------
    url, final_url : str
        What was asked, and what answered after redirects.
    fetched_utc : str
        ISO date and time of the answer.
    status : int
        Of the answer; 206 for a download that was continued.
    sha256, bytes
        Of the file as it lies on disk.
    rows : int or None
        Rows of a table; None for what is none.
    etag, last_modified : str
        As the server gave them; empty without.
    """

    url: str
    final_url: str
    fetched_utc: str
    status: int
    sha256: str
    bytes: int
    rows: int | None = None
    etag: str = ""
    last_modified: str = ""
    by: str = f"frontier-kit {__version__}"
    schema: str = SCHEMA


def utc_now() -> str:
    """The time, as records carry it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def source_path(file: Path) -> Path:
    """Where the record of a file lies."""
    return file.with_name(file.name + SUFFIX)


def read_source(file: Path) -> SourceRecord | None:
    """The record of a file that is complete; None if the file or its record is missing, broken or of another content."""
    try:
        document = json.loads(source_path(file).read_text(encoding="utf-8"))
        record = SourceRecord(**document)
        complete = record.schema == SCHEMA and file.stat().st_size == record.bytes and sha256_file(file) == record.sha256
    except (OSError, ValueError, TypeError):
        return None
    return record if complete else None


def write_durably(file: Path, pieces: Iterable[bytes]) -> str:
    """Write a file under a temporary name, flush it, rename it; its SHA-256.

    Raises
    ------
    RunError
        If the disk is full or the folder cannot be written; what was there before stays.
    """
    temporary = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    total = hashlib.sha256()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
                total.update(piece)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        flush_folder(file.parent)
    except OSError as cause:
        temporary.unlink(missing_ok=True)
        raise RunError(f"cannot write {file.name}: {cause.strerror or cause}", origin=str(file.parent), hint=ROOM) from cause
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return total.hexdigest()


def flush_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_document(file: Path, document: Any) -> None:
    """Write a JSON document durably."""
    write_durably(file, [(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()])


def write_record(file: Path, record: SourceRecord) -> None:
    """Write the record of a file that is there already."""
    write_document(source_path(file), asdict(record))


@contextmanager
def only_fetch(folder: Path) -> Iterator[None]:
    """The one fetch that works in a folder.

    Raises
    ------
    RunError
        If another one does.
    """
    (folder / "source").mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "source" / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as cause:
        raise RunError("another fetch works in this folder", origin=str(folder), hint="wait for it, or -o FOLDER elsewhere") from cause
    try:
        yield
    finally:
        lock.release()
