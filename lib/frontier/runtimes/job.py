"""What shall run in a container: image, command, what it may see, and what it may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from frontier.errors import ConfigError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
GPUS = re.compile(r"all|\d+(,\d+)*")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine that the container sees.

    Parameters
    ----------
    source : Path
        Absolute, on this machine.
    target : str
        Absolute, in the container; not its root.
    writable : bool
        Whether the container may write there.

    Raises
    ------
    ConfigError
        If a path is not absolute, climbs with ``..``, or holds a control character.
    """

    source: Path
    target: str
    writable: bool = False

    def __post_init__(self) -> None:
        if not self.source.is_absolute():
            raise ConfigError(f"a mount's source must be an absolute path, got {str(self.source)!r}", hint="Path(...).resolve()")
        check_inside(self.target, "a mount's target")
        if CONTROL.search(str(self.source)):
            raise ConfigError(f"a mount's source must hold no control character, got {str(self.source)!r}")


@dataclass(frozen=True)
class ContainerJob:
    """One command in one container. What is not listed here is not in the container: no folder, no variable, no network, no GPU.

    Parameters
    ----------
    image : str
        podman, docker: an image ID (``sha256:...``) or a name; apptainer: a SIF file or an archive (``oci-archive:FILE``,
        ``docker-archive:FILE``); pyxis: a squashfs file or an enroot name.
    command : tuple of str
        Program and arguments. The image's entry point does not run.
    workdir : str
        Absolute, in the container.
    mounts : tuple of Mount
    environment : mapping of str to str
        Variables that the container gets beside those of its image.
    secrets : tuple of str
        Names of variables of the calling process that the container gets too; their values stand on no command line and in no file.
    gpus : str
        Empty for none, ``all``, or indices like ``0,1``.
    network : bool
        Whether the container shares this machine's network; without it there is only its own loopback.
    memory_gib : float
        Limit, GiB; 0 for none.
    tmpfs : tuple of str
        Folders in memory that the container may write to; everything else of its root is read-only.
    shm_gib : float
        Size of /dev/shm, GiB; engines that span GPUs pass tensors through it. podman and docker only, the others share the machine's.

    Raises
    ------
    ConfigError
        If one of them breaks its rule; the message names it.
    """

    image: str
    command: tuple[str, ...]
    workdir: str
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    gpus: str = ""
    network: bool = False
    memory_gib: float = 0.0
    tmpfs: tuple[str, ...] = ("/tmp",)
    shm_gib: float = 1.0

    def __post_init__(self) -> None:
        if not self.image or self.image.startswith("-") or CONTROL.search(self.image):
            raise ConfigError(f"image must be an image's ID, name or file, got {self.image!r}")
        if not self.command or any("\0" in word for word in self.command):
            raise ConfigError(f"command must name a program and hold no NUL, got {self.command!r}")
        check_inside(self.workdir, "workdir")
        for folder in self.tmpfs:
            check_inside(folder, "tmpfs")
        for name in (*self.environment, *self.secrets):
            if not NAME.fullmatch(name):
                raise ConfigError(f"a variable's name must be letters, digits and underscores, got {name!r}")
        both = sorted(set(self.environment) & set(self.secrets))
        if both:
            raise ConfigError(f"given both as a value and as a secret: {', '.join(both)}", hint="a secret is only named")
        if any("\0" in value for value in self.environment.values()):
            raise ConfigError("a variable's value must hold no NUL")
        targets = [mount.target for mount in self.mounts]
        twice = sorted({target for target in targets if targets.count(target) > 1} | (set(targets) & set(self.tmpfs)))
        if twice:
            raise ConfigError(f"mounted twice in the container: {', '.join(twice)}")
        if self.gpus and not GPUS.fullmatch(self.gpus):
            raise ConfigError(f'gpus must be "", "all" or indices like "0,1", got {self.gpus!r}')
        if not (0.0 <= self.memory_gib < float("inf") and 0.0 < self.shm_gib < float("inf")):
            raise ConfigError(f"memory_gib must be at least 0 and shm_gib above 0, got {self.memory_gib} and {self.shm_gib}")


def check_inside(path: str, what: str) -> None:
    """Refuse what is no plain absolute path in a container, or its root.

    Raises
    ------
    ConfigError
    """
    parts = PurePosixPath(path).parts
    if not path.startswith("/") or ".." in parts or len(parts) < 2 or CONTROL.search(path):
        raise ConfigError(f"{what} must be an absolute path below the container's root without '..', got {path!r}")
