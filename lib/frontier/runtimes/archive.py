"""Which image an archive holds: read from the file itself, without a runtime."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from frontier.errors import MachineError

DOCUMENT_BYTES = 8 * 2**20  # manifests and indexes are kilobytes; anything larger is a layer
DEPTH = 4  # an index may point to an index, and no further in practice


def archive_image_id(file: Path) -> str:
    """ID (``sha256:...``) of the one image in an OCI archive or in a ``docker save`` archive, compressed or not.

    Raises
    ------
    MachineError
        If the file cannot be read, holds no image or several.
    """
    try:
        with tarfile.open(file) as archive:
            return _image_id(archive)
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise MachineError(f"{file.name} is no OCI archive and no docker archive: {cause}", origin=str(file)) from cause


def _image_id(archive: tarfile.TarFile) -> str:
    names = set(archive.getnames())
    # A docker archive of newer versions holds both documents; they name the same configuration.
    if "index.json" in names:
        return _configuration(archive, _document(archive, "index.json"), DEPTH)
    manifests = _document(archive, "manifest.json")
    if len(manifests) != 1:
        raise ValueError(f"it holds {len(manifests)} images, one is wanted")
    return _digest(str(manifests[0]["Config"]).removesuffix(".json").split("/")[-1])


def _configuration(archive: tarfile.TarFile, document: Any, depth: int) -> str:
    if "config" in document:
        return _digest(document["config"]["digest"])
    # Attestations stand beside images and have no platform of their own.
    wanted = [each for each in document["manifests"] if (each.get("platform") or {}).get("os") != "unknown"]
    if len(wanted) != 1 or depth == 0:
        raise ValueError(f"it holds {len(wanted)} images, one is wanted")
    algorithm, digest = str(wanted[0]["digest"]).split(":", 1)
    return _configuration(archive, _document(archive, f"blobs/{algorithm}/{digest}"), depth - 1)


def _document(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.getmember(name)
    stream = archive.extractfile(member) if member.isfile() and member.size <= DOCUMENT_BYTES else None
    if stream is None:
        raise ValueError(f"its member {name} is no document")
    return json.loads(stream.read())


def _digest(text: str) -> str:
    value = text.removeprefix("sha256:")
    if len(value) != 64 or any(each not in "0123456789abcdef" for each in value):
        raise ValueError(f"{text!r} is no SHA-256 digest")
    return f"sha256:{value}"
