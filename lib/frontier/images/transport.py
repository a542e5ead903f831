"""Carry an image to a machine without a network, and see that it is the same there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError, RunError, UsageError
from frontier.files import TEMPORARY, read_json
from frontier.images.build import read_record
from frontier.images.commands import load_command, run, save_command
from frontier.runtimes import archive_image_id, get_runtime, record_file, recorded_image_id, write_record


@dataclass(frozen=True)
class Carried:
    """An image and the archive that carries it.

    Attributes
    ----------
    image_id : str
        The image's identity, the same on both sides.
    file : Path
    archive_digest : str
        SHA-256 of the file, ``sha256:...``: tells whether the file arrived whole; not the image's identity.
    size_bytes : int
    """

    image_id: str
    file: Path
    archive_digest: str
    size_bytes: int


def save(image: str, file: Path, root: Path, *, runtime: str = "podman", form: str = "oci") -> Carried:
    """Write an image to an archive, with a record beside it.

    Parameters
    ----------
    image : str
        A name whose build is recorded here, or any ID or reference of the local store.
    file : Path
        Must not exist.
    root : Path
        The clone.
    runtime : str
        podman or docker.
    form : str
        ``oci`` or ``docker``; podman and apptainer read both, docker its own.

    Raises
    ------
    UsageError
        If the file exists, or the form is none.
    MachineError
        If the image is not here.
    RunError
        If the archive holds another image than asked for.
    """
    if file.exists():
        raise UsageError(f"{file} exists; nothing is overwritten", hint="choose another name")
    temporary = file.with_name(f"{TEMPORARY}{file.name}")
    record = read_record(root, image) if image.replace("_", "").isalnum() else None
    wanted = record["image_id"] if record else get_runtime(runtime).image_id(image)
    reference = _reference(record["reference"], wanted, runtime) if record else image
    command = save_command(runtime, reference, temporary, form)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)  # what an interrupted save left
    run(command, f"saving {image}")
    found = archive_image_id(temporary)
    if found != wanted:
        raise RunError(f"the archive holds {found}, the image is {wanted}", origin=str(temporary))
    temporary.replace(file)
    return _carried(file, wanted, write_record(file, wanted))


def load(file: Path, *, runtime: str = "podman") -> Carried:
    """Read an archive into the local store, and check that the image there is the one in the archive.

    Raises
    ------
    MachineError
        If the file is no archive, or is not the one that its record was written for.
    RunError
        If the image's ID did not survive.
    """
    if not file.is_file():
        raise MachineError(f"no image archive {file}")
    inside = archive_image_id(file)
    place = record_file(file)
    if place.is_file() and recorded_image_id(file) != inside:
        raise RunError(f"the archive holds {inside}, its record says {recorded_image_id(file)}", origin=str(place))
    run(load_command(runtime, file), f"loading {file.name}")
    found = get_runtime(runtime).image_id(inside)
    if found != inside:
        raise RunError(f"the archive holds {inside}, after loading it is {found}", origin=str(file))
    return _carried(file, found, place if place.is_file() else write_record(file, found))


def note(file: Path, archive: Path) -> Carried:
    """State that an image file of another form (SIF, squashfs) was made from an archive.

    Nothing in such a file proves it; the record binds the statement to the file's digest, so that a run names the image it really used.

    Raises
    ------
    MachineError
        If one of the files is missing or the archive is none.
    """
    for each in (file, archive):
        if not each.is_file():
            raise MachineError(f"no file {each}")
    image_id = archive_image_id(archive)
    return _carried(file, image_id, write_record(file, image_id))


def _reference(tag: str, image_id: str, runtime: str) -> str:
    """The tag while it still means the image, so that the archive carries a name; else the ID."""
    adapter = get_runtime(runtime)
    known = adapter.ask("image", "inspect", "--format", "{{.Id}}", tag).returncode == 0
    return tag if known and adapter.image_id(tag) == image_id else image_id


def _carried(file: Path, image_id: str, record: Path) -> Carried:
    document = read_json(record)
    return Carried(image_id, file, f"sha256:{document['sha256']}", int(document["bytes"]))
