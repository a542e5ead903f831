"""Container runtimes: one small adapter each, that turns a job into a command line.

Every adapter keeps the same promises: the image's root is read-only, mounts are read-only unless they say otherwise, there is no network and no
GPU unless asked, the caller's user owns what is written, nothing of this process's environment is inherited, and a secret stands on no
command line and in no file.
"""

from collections.abc import Callable

from frontier.errors import ConfigError
from frontier.runtimes.apptainer import Apptainer
from frontier.runtimes.archive import archive_image_id
from frontier.runtimes.base import Runtime, run_job
from frontier.runtimes.converted import record_file, recorded_image_id, write_record
from frontier.runtimes.docker import Docker
from frontier.runtimes.job import ContainerJob, Mount
from frontier.runtimes.podman import Podman
from frontier.runtimes.pyxis import Pyxis

_ADAPTERS: dict[str, Callable[[], Runtime]] = {"podman": Podman, "docker": Docker, "apptainer": Apptainer, "pyxis": Pyxis}
RUNTIMES = tuple(_ADAPTERS)


def get_runtime(name: str) -> Runtime:
    """The adapter of a runtime.

    Raises
    ------
    ConfigError
        If there is none of that name; the message lists them.
    """
    if name not in _ADAPTERS:
        raise ConfigError(f"there is no container runtime {name!r}", hint=f"one of: {', '.join(RUNTIMES)}")
    return _ADAPTERS[name]()


__all__ = [
    "RUNTIMES", "ContainerJob", "Mount", "Runtime", "archive_image_id", "get_runtime", "record_file", "recorded_image_id", "run_job", "write_record",
]  # fmt: skip
