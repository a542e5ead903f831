"""Build an image from a commit, twice if asked, and keep a record of it."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.errors import ConfigError, MachineError, UsageError
from frontier.files import read_json, write_json
from frontier.images.bootstrap import make_base
from frontier.images.commands import Order, build_command, check_builder, run
from frontier.images.lock import Base, Lock, read_lock
from frontier.images.source import Source, read_source
from frontier.runtimes import get_runtime

SCHEMA = "frontier.image/1"
CA = Path("/etc/ssl/certs/ca-certificates.crt")
BASES = ("locked", "bootstrap")


@dataclass(frozen=True)
class Wish:
    """How an image shall be built.

    Attributes
    ----------
    runtime : str
        podman or docker.
    base : str
        ``locked``: what the lock names; ``bootstrap``: made from Debian's packages.
    fresh_base : bool
        Make a bootstrapped base again even if it is there.
    wheels : Path or None
        Folder with a wheel for every pin: the build then has no network.
    twice : bool
        Build a second time and compare.
    dirty : bool
        Accept a clone that differs from its commit.
    arguments : tuple of (str, str)
        Further arguments of the Containerfile.
    ca, pip_config : Path or None
        Certificates and pip settings shown to the build while it runs; by default this machine's certificates and no settings.
    """

    runtime: str = "podman"
    base: str = "locked"
    fresh_base: bool = False
    wheels: Path | None = None
    twice: bool = False
    dirty: bool = False
    arguments: tuple[tuple[str, str], ...] = ()
    ca: Path | None = None
    pip_config: Path | None = None


def record_path(root: Path, name: str) -> Path:
    """Where the record of an image's last build stands."""
    return root / "artifacts" / "images" / f"{name}.json"


def read_record(root: Path, name: str) -> dict[str, Any] | None:
    """The record of an image's last build here; None if there was none."""
    file = record_path(root, name)
    return dict(read_json(file)) if file.is_file() else None


def build(name: str, root: Path, wish: Wish | None = None, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Build an image.

    Parameters
    ----------
    name : str
        A folder of ``containers/``.
    root : Path
        The clone.
    wish : Wish, optional
    tell : callable
        Gets a line of text now and then.

    Returns
    -------
    dict
        The record, ``frontier.image/1``, as written to ``artifacts/images/NAME.json``; ``twice`` says whether a second build gave the same.

    Raises
    ------
    ConfigError, UsageError
        If the name, the base or the clone's state is refused.
    MachineError
        If a tool is missing.
    RunError
        If a step fails.
    """
    wish = wish or Wish()
    check_builder(wish.runtime)
    lock = read_lock(root)
    base = lock.base(name)
    if wish.base not in BASES:
        raise UsageError(f"there is no base {wish.base!r}", hint=f"one of: {', '.join(BASES)}")
    wheels = _wheels(wish.wheels)
    secrets = {key: file.resolve() for key, file in (("ca", wish.ca or (CA if CA.is_file() else None)), ("pip", wish.pip_config)) if file}
    lost = [str(file) for file in secrets.values() if not file.is_file()]
    if lost:
        raise UsageError(f"no file {', '.join(lost)}")
    if wish.base == "bootstrap" and not base.bootstrap:
        raise ConfigError(f"{name} needs {base.reference}, which cannot be made from packages", origin=str(lock.file))
    if wish.base == "locked" and not base.locked:
        more = f", or --base bootstrap makes one from Debian's packages: frontier images build {name} --base bootstrap" if base.bootstrap else ""
        raise ConfigError(f"the base of {name} is not locked: {base.reference}", origin=str(lock.file), hint=f"frontier images lock {name}{more}")
    source = read_source(root, dirty=wish.dirty)
    began_s = time.monotonic()
    if wish.base == "bootstrap":
        used = make_base(wish.runtime, lock.bootstrap, tell, fresh=wish.fresh_base)
    else:
        used = _locked(name, base, wish.runtime, lock)
    base_s = time.monotonic() - began_s
    with tempfile.TemporaryDirectory(prefix="frontier-image-") as temporary:
        folder = Path(temporary)
        source.copy(folder / "context" / "kit")
        containerfile = folder / "context" / "kit" / "containers" / name / "Containerfile"
        if not containerfile.is_file():
            raise ConfigError(f"the commit has no containers/{name}/Containerfile", origin=source.label)
        (folder / "context" / "Containerfile").write_text(containerfile.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "none").mkdir()
        tag = f"localhost/frontier-{name.replace('_', '-')}:{source.tag}"
        builds = []
        for number in range(2 if wish.twice else 1):
            tell(f"{name}: build {number + 1}" + ("" if wheels is None else ", offline"))
            order = Order(
                folder / "context",
                tag if number == 0 else f"{tag}-again",
                source.epoch_s,
                {"BASE": used["reference"], "FRONTIER_KIT_COMMIT": source.label, **dict(wish.arguments)},
                wheels or folder / "none",
                wheels is None,
                secrets,
            )
            began_s = time.monotonic()
            run(build_command(wish.runtime, order), f"building {name}")
            builds.append({**_inspect(wish.runtime, order.tag), "reference": order.tag, "seconds": round(time.monotonic() - began_s, 1)})
    run([wish.runtime, "tag", tag, f"{tag.rpartition(':')[0]}:latest"], f"naming {name}")  # what the options of `runtime` take where none is named
    record = _record(name, root, source, wish, used, round(base_s, 1), builds)
    write_json(record_path(root, name), record)
    return record


def _wheels(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    if not any(folder.glob("*.whl")):
        raise UsageError(f"no wheels in {folder}", hint="pip wheel --no-deps -r requirements/base.lock -w FOLDER")
    return folder.resolve()


def _locked(name: str, base: Base, runtime: str, lock: Lock) -> dict[str, Any]:
    """The locked base in the local store, pulled if it is not there; its ID is checked either way."""
    reference = f"{base.repository}@{base.manifest_digest}"
    adapter = get_runtime(runtime)
    if adapter.ask("image", "inspect", "--format", "{{.Id}}", reference).returncode != 0:
        run([runtime, "pull", f"--platform={base.platform}", reference], f"pulling the base of {name}")
    found = adapter.image_id(reference)
    if found != base.image_id:
        raise MachineError(f"the base of {name} is {found} here and {base.image_id} in the lock", origin=str(lock.file))
    return {"kind": "locked", "reference": reference, "image_id": found, "manifest_digest": base.manifest_digest, "packages": None}


def _inspect(runtime: str, tag: str) -> dict[str, Any]:
    found = json.loads(run([runtime, "image", "inspect", tag], "looking at the image"))[0]
    history = [str(step.get("created_by") or step.get("CreatedBy") or "") for step in found.get("History") or [] if not step.get("empty_layer")]
    layers = found["RootFS"]["Layers"]
    made = history[-len(layers) :] if len(history) >= len(layers) else [""] * len(layers)
    return {
        "image_id": get_runtime(runtime).image_id(tag),
        "manifest_digest": found.get("Digest") or None,
        "size_bytes": int(found["Size"]),
        "layers": [{"digest": digest, "created_by": " ".join(step.split())[:200]} for digest, step in zip(layers, made, strict=True)],
    }


def _record(
    name: str, root: Path, source: Source, wish: Wish, base: dict[str, Any], base_s: float, builds: list[dict[str, Any]]
) -> dict[str, Any]:
    first = builds[0]
    twice = None
    if wish.twice:
        second = builds[1]
        differing = [
            {"number": number, "created_by": one["created_by"]}
            for number, (one, other) in enumerate(zip(first["layers"], second["layers"], strict=True), start=1)
            if one["digest"] != other["digest"]
        ]
        twice = {
            "same": first["image_id"] == second["image_id"], "image_id": second["image_id"], "seconds": second["seconds"],
            "differing_layers": differing,
        }  # fmt: skip
    pins = [*sorted((root / "containers" / name).glob("*.lock")), root / "requirements" / "base.lock"]
    return {
        "schema": SCHEMA,
        "name": name,
        **first,
        "kit_commit": source.label,
        "epoch_s": source.epoch_s,
        "base": {**base, "seconds": base_s},
        "builder": {"name": wish.runtime, "version": run([wish.runtime, "--version"], wish.runtime).strip()},
        "arguments": dict(wish.arguments),
        "offline": wish.wheels is not None,
        "pins_sha256": {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in pins if file.is_file()},
        "twice": twice,
    }
