"""The lock of base images: which image a Containerfile starts from, by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from frontier.errors import ConfigError
from frontier.files import write_text

SCHEMA = "frontier.images-lock/1"
FILE = "containers/images.lock.yaml"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HEADER = """\
# Base images by digest. `frontier images lock NAME` asks the registry and writes image_id (digest of the image's configuration: its identity) and
# manifest_digest (what is pulled). null: not locked yet; `frontier images build` refuses such a base.
# bootstrap: the base made from Debian's packages, for machines without a registry (`frontier images build NAME --base bootstrap`).
"""


@dataclass(frozen=True)
class Base:
    """A base image in a registry.

    Attributes
    ----------
    reference : str
        Registry, repository and tag.
    platform : str
        Like ``linux/amd64``.
    image_id, manifest_digest : str or None
        ``sha256:...`` each; None while it is not locked.
    bootstrap : bool
        Whether the base made from Debian's packages can stand in.
    """

    reference: str
    platform: str = "linux/amd64"
    image_id: str | None = None
    manifest_digest: str | None = None
    bootstrap: bool = False

    @property
    def locked(self) -> bool:
        """Whether both digests are known."""
        return self.image_id is not None and self.manifest_digest is not None

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        head, slash, last = self.reference.rpartition("/")
        return f"{head}{slash}{last.split(':')[0]}"


@dataclass(frozen=True)
class Bootstrap:
    """How a base is made from Debian's packages.

    Attributes
    ----------
    suite : str
        Of Debian, like bookworm.
    packages : tuple of str
        Beside the essential ones.
    epoch_s : int
        Seconds since 1970 that files newer than it are dated; fixed, so that the base does not change with the kit's commit.
    """

    suite: str
    packages: tuple[str, ...]
    epoch_s: int


@dataclass(frozen=True)
class Lock:
    """The lock file's content."""

    bases: Mapping[str, Base]
    bootstrap: Bootstrap
    file: Path = field(compare=False, default=Path(FILE))

    def base(self, name: str) -> Base:
        """The base of an image.

        Raises
        ------
        ConfigError
            If there is no such image; the message lists them.
        """
        if name not in self.bases:
            raise ConfigError(f"there is no image {name!r}", origin=str(self.file), hint=f"one of: {', '.join(self.bases)}")
        return self.bases[name]

    def with_base(self, name: str, base: Base) -> Lock:
        """The lock with another entry for one image."""
        return replace(self, bases={**self.bases, name: base})


def read_lock(root: Path) -> Lock:
    """The lock of a clone.

    Parameters
    ----------
    root : Path
        The clone's folder.

    Raises
    ------
    ConfigError
        If it is missing, has an unknown key, or a digest that is none.
    """
    file = root / FILE
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as cause:
        raise ConfigError(f"cannot read the lock of images: {cause}", origin=str(file), hint="run inside a clone of frontier-kit") from cause
    _keys(document, {"schema", "images", "bootstrap"}, "the lock", file)
    if document["schema"] != SCHEMA:
        raise ConfigError(f"schema must be {SCHEMA}, got {document['schema']!r}", origin=str(file))
    bases = {}
    for name, entry in document["images"].items():
        _keys(entry, {"base"}, name, file)
        _keys(entry["base"], set(asdict(Base(""))), f"{name}.base", file)
        base = Base(**entry["base"])
        for digest in (base.image_id, base.manifest_digest):
            if digest is not None and not DIGEST.fullmatch(digest):
                raise ConfigError(f"{name}: a digest must be sha256: and 64 hexadecimal digits, or null, got {digest!r}", origin=str(file))
        bases[name] = base
    _keys(document["bootstrap"], set(asdict(Bootstrap("", (), 0))), "bootstrap", file)
    given = document["bootstrap"]
    return Lock(bases, Bootstrap(given["suite"], tuple(given["packages"]), given["epoch_s"]), file)


def write_lock(lock: Lock) -> None:
    """Write the lock file whole."""
    document = {
        "schema": SCHEMA,
        "images": {name: {"base": asdict(base)} for name, base in lock.bases.items()},
        "bootstrap": {**asdict(lock.bootstrap), "packages": list(lock.bootstrap.packages)},
    }
    write_text(lock.file, HEADER + yaml.safe_dump(document, sort_keys=False, width=150))


def _keys(found: Any, wanted: Iterable[str], what: str, file: Path) -> None:
    wanted = set(wanted)
    if not isinstance(found, dict) or set(found) != wanted:
        got = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise ConfigError(f"{what} must have the keys {', '.join(sorted(wanted))}, got {got}", origin=str(file))
