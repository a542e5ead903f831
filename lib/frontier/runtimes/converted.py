"""Image files in forms that do not keep the image ID (SIF, squashfs): a record beside the file says which image it was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from frontier.errors import MachineError
from frontier.files import read_json, write_json

SCHEMA = "frontier.image-file/1"


def record_file(file: Path) -> Path:
    """Where the record of an image file stands."""
    return file.with_name(f"{file.name}.image.json")


def write_record(file: Path, image_id: str) -> Path:
    """State which image a converted file was made from; the file's own digest binds the statement to it."""
    place = record_file(file)
    write_json(place, {"schema": SCHEMA, "image_id": image_id, "sha256": _sha256(file), "bytes": file.stat().st_size})
    return place


def recorded_image_id(file: Path) -> str:
    """Image ID that the record beside a file states, if the file is still the one it was written for.

    Raises
    ------
    MachineError
        If there is no file, no record, or the file is another one now.
    """
    if not file.is_file():
        raise MachineError(f"no image file {file}")
    place = record_file(file)
    hint = f"frontier images note {file} --from ARCHIVE, with the archive that it was made from"
    if not place.is_file():
        raise MachineError(f"{file.name} does not say which image it was made from, and there is no {place.name} beside it", hint=hint)
    record = read_json(place)
    if record.get("schema") != SCHEMA or record.get("sha256") != _sha256(file):
        raise MachineError(f"{place.name} was written for another file than this {file.name}", origin=str(place), hint=hint)
    return str(record["image_id"])


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
