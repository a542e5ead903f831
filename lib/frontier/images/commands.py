"""Command lines that build, save and load images."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError, RunError, UsageError

BUILDERS = ("podman", "docker")
FORMS = {"oci": "oci-archive", "docker": "docker-archive"}
LAST_LINES = 15


@dataclass(frozen=True)
class Order:
    """One build.

    Attributes
    ----------
    context : Path
        Folder with ``Containerfile`` and what it copies.
    tag : str
    epoch_s : int
        Date of every file and of the image, seconds since 1970.
    arguments : mapping of str to str
        Of the Containerfile.
    wheels : Path or None
        Folder shown to the build as the context ``wheels``, never copied.
    network : bool
    secrets : mapping of str to Path
        Files shown to single steps as ``/run/secrets/NAME``; nothing of them is in the image.
    """

    context: Path
    tag: str
    epoch_s: int
    arguments: Mapping[str, str]
    wheels: Path | None
    network: bool
    secrets: Mapping[str, Path]


def build_command(builder: str, order: Order) -> list[str]:
    """Argument list of a build without a cache: what a cache holds may be older than the pins' wheels.

    Raises
    ------
    UsageError
        If there is no such builder.
    """
    check_builder(builder)
    if builder == "podman":
        # The label with the builder's version would be in the image's configuration, and so in its identity. With a network, podman would leave an
        # empty /etc/hosts in the layer, and without one it would not.
        words = ["podman", "build", "--pull=never", "--no-cache", "--identity-label=false", f"--timestamp={order.epoch_s}"]
        words += ["--http-proxy=false", "--no-hosts", f"--tag={order.tag}"]
    else:
        words = ["docker", "buildx", "build", "--no-cache", "--provenance=false", "--sbom=false"]
        words += [f"--output=type=docker,rewrite-timestamp=true,name={order.tag}"]
    words += [f"--network={'host' if order.network else 'none'}", f"--file={order.context / 'Containerfile'}"]
    for name, value in sorted({**order.arguments, "SOURCE_DATE_EPOCH": str(order.epoch_s)}.items()):
        words.append(f"--build-arg={name}={value}")
    if order.wheels is not None:
        words.append(f"--build-context=wheels={order.wheels}")
    words += [f"--secret=id={name},src={file}" for name, file in sorted(order.secrets.items())]
    return [*words, str(order.context)]


def save_command(builder: str, image: str, file: Path, form: str) -> list[str]:
    """Argument list that writes an image to an archive.

    Raises
    ------
    UsageError
        If there is no such builder or form, or docker is asked for another form than its own.
    """
    check_builder(builder)
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}", hint=f"one of: {', '.join(FORMS)}")
    if builder == "podman":
        return ["podman", "save", f"--format={FORMS[form]}", f"--output={file}", image]
    if form != "docker":
        raise UsageError("docker writes archives of its own form only", hint="--form docker")
    return ["docker", "save", f"--output={file}", image]


def load_command(builder: str, file: Path) -> list[str]:
    """Argument list that reads an archive into the local store."""
    check_builder(builder)
    return [builder, "load", f"--input={file}"]


def check_builder(builder: str) -> None:
    """Refuse what cannot build.

    Raises
    ------
    UsageError
    """
    if builder not in BUILDERS:
        raise UsageError(f"{builder!r} does not build or store images", hint=f"one of: {', '.join(BUILDERS)}")


def run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a command that must succeed.

    Raises
    ------
    MachineError
        If the program is not there.
    RunError
        If it fails; the message ends with what it said.
    """
    env = None if environment is None else dict(environment)
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL, env=env)
    except FileNotFoundError:
        raise MachineError(f"{command[0]} is not on the path", hint=f"apt-get install {command[0]}") from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise RunError(f"{what} failed with exit code {done.returncode}:\n{said}")
    return done.stdout
