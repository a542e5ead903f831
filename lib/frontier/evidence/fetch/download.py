"""One large file, continued where an earlier download stopped.

    <file>.part        what has come so far
    <file>.part.json   of which URL and which version (ETag or Last-Modified)
    <file>             the whole file, renamed when its size and its SHA-256 agree; then its record
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from frontier.errors import MachineError, RunError
from frontier.evidence.fetch.kept import ROOM, SourceRecord, flush_folder, read_source, utc_now, write_document, write_record
from frontier.evidence.fetch.refusals import html_error, is_html
from frontier.evidence.fetch.web import Again, Client, Step
from frontier.provenance import sha256_file

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Asset:
    """A file on a server, and what its publisher says of it.

    Attributes
    ----------
    size : int, bytes
    sha256 : str
        Hex; empty if the publisher does not say.
    """

    name: str
    url: str
    size: int
    sha256: str = ""


def download(client: Client, asset: Asset, file: Path, *, now: Callable[[], str] = utc_now) -> SourceRecord:
    """Get a file; one that lies there complete is kept, a part is continued by a range request if the server's version is the same.

    Raises
    ------
    RunError
        If the server refuses, or never sends the whole file with the size and SHA-256 that its publisher states.
    MachineError
        If the disk has not enough room.
    """
    record = read_source(file)
    if record is not None and record.bytes == asset.size and asset.sha256 in ("", record.sha256):
        client.tell(Step(asset.name, asset.size, asset.size, "bytes"))
        return record
    part, state = file.with_name(file.name + ".part"), file.with_name(file.name + ".part.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(file.parent).free + (part.stat().st_size if part.exists() else 0)
    if free < asset.size:
        raise MachineError(
            f"{asset.name} needs {asset.size:,} bytes, the disk has {free:,}", origin=str(file.parent), hint=ROOM
        )
    most = 0  # the longest part so far: a server that always starts anew and always breaks off must not count as progress

    def once() -> tuple[int, str, str]:
        nonlocal most
        status, final_url, etag = 200, asset.url, ""
        start = _usable(part, state, asset)
        if start < asset.size:
            headers = {"Accept-Encoding": "identity"}
            if start:
                headers |= {"Range": f"bytes={start}-", "If-Range": _state(state)["version"]}
            with client.opened(asset.url, (200, 206, 416), headers) as response:
                status, final_url, etag = response.status_code, response.url, response.headers.get("ETag", "")
                if status == 416 or (status == 206 and not _continues(response, start)):
                    _drop(part, state)
                    raise Again(f"the server does not continue at byte {start}; from the beginning")
                if is_html(response.headers, b""):
                    raise html_error(asset.url, response)
                have = _receive(client, asset, response, part, state, start if status == 206 else 0)
            gained, most = have > most, max(have, most)
            if have < asset.size:
                raise Again(f"the body broke off after {have:,} of {asset.size:,} bytes", gained=gained)
        if part.stat().st_size != asset.size:
            _drop(part, state)
            raise Again(f"more than the {asset.size:,} bytes that its publisher states came")
        sha256 = sha256_file(part)
        if asset.sha256 and sha256 != asset.sha256:
            _drop(part, state)
            raise Again(f"SHA-256 is {sha256}, its publisher states {asset.sha256}; nothing of it was kept")
        return status, final_url, etag

    status, final_url, etag = client.repeated(asset.url, once)
    record = SourceRecord(
        url=asset.url, final_url=final_url, fetched_utc=now(), status=status, sha256=sha256_file(part), bytes=asset.size, etag=etag
    )
    part.replace(file)
    flush_folder(file.parent)
    write_record(file, record)
    state.unlink(missing_ok=True)
    return record


def _receive(client: Client, asset: Asset, response: requests.Response, part: Path, state: Path, start: int) -> int:
    """Append a body to the part, or begin it anew at 0; bytes that lie on the disk afterwards."""
    if not start:
        _drop(part, state)
        etag = response.headers.get("ETag", "")
        # A weak ETag does not promise equal bytes, so a range request may not rest on it (RFC 9110, 13.1.5).
        strong = etag if not etag.startswith("W/") else ""
        write_document(state, {"url": asset.url, "version": strong or response.headers.get("Last-Modified", "")})
    have = start
    try:
        with part.open("ab", buffering=0) as stream:
            try:
                for piece in response.iter_content(CHUNK_BYTES):
                    stream.write(piece)
                    have += len(piece)
                    client.tell(Step(asset.name, have, asset.size, "bytes"))
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError, requests.exceptions.Timeout):
                return have
            finally:
                os.fsync(stream.fileno())
    except OSError as cause:
        raise RunError(f"cannot write {part.name}: {cause.strerror or cause}", origin=str(part.parent), hint=ROOM) from cause
    return have


def _usable(part: Path, state: Path, asset: Asset) -> int:
    """Bytes of a part that a range request may continue; a part of another URL or of an unknown version is removed."""
    said = _state(state)
    if not part.exists():
        return 0
    size = part.stat().st_size
    if said["url"] == asset.url and size == asset.size:
        return size
    if said["url"] != asset.url or not said["version"] or size > asset.size:
        _drop(part, state)
        return 0
    return size


def _drop(part: Path, state: Path) -> None:
    part.unlink(missing_ok=True)
    state.unlink(missing_ok=True)


def _state(state: Path) -> dict[str, str]:
    try:
        document = json.loads(state.read_text(encoding="utf-8"))
        return {"url": str(document["url"]), "version": str(document["version"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"url": "", "version": ""}


def _continues(response: requests.Response, start: int) -> bool:
    """Whether a partial response begins where the part ends."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == start
