"""What podman and docker share: nearly one command line."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass, field

from frontier.errors import MachineError
from frontier.runtimes.base import Runtime, last_line, secret
from frontier.runtimes.job import ContainerJob, Mount

# The first process of a container. It reads one line per secret from standard input and exports it: an engine would write `--env` values into the
# container's configuration on disk and show them in `inspect`; standard input leaves no trace. A missing line ends it before anything runs. Then it
# starts the command and hands SIGTERM on: the kernel keeps signals from a first process that has no handler for them, so a command that ran as the
# first one could not be ended. A shell lets what it starts in the background ignore SIGINT; env(1) takes that back.
START = (
    'while [ "$1" != -- ]; do IFS= read -r _line || { echo "the secret $1 did not arrive" >&2; exit 3; }; '
    'export "$1=$_line"; shift; done; shift; unset _line; '
    'trap \'kill -TERM "$_pid" 2>/dev/null\' TERM INT HUP; /usr/bin/env --default-signal=INT,QUIT "$@" </dev/null & _pid=$!; '
    'while :; do wait "$_pid"; _code=$?; kill -0 "$_pid" 2>/dev/null || exit "$_code"; done'
)


@dataclass(frozen=True)
class Engine(Runtime):
    """podman or docker.

    Attributes
    ----------
    uid, gid : int
        Of the caller; files that the container writes belong to them.
    """

    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)

    refused = ',"'  # --mount is a comma-separated list; podman 4 has no quoting in it

    @abstractmethod
    def user(self) -> list[str]:
        """Flags that make the container's user the caller."""

    @abstractmethod
    def own(self) -> list[str]:
        """Flags that only this engine needs."""

    @abstractmethod
    def gpu_flags(self, gpus: str) -> list[str]:
        """Flags that show GPUs to the container; ``gpus`` is not empty."""

    def command(self, job: ContainerJob) -> list[str]:
        """Argument list; see :meth:`Runtime.command`."""
        self.check_paths(job)
        words = [self.program, "run", "--rm", "--pull=never", "--log-driver=none", "--read-only", *self.own()]
        words += ["--cap-drop=ALL", "--security-opt=no-new-privileges"]
        words += [f"--network={'host' if job.network else 'none'}", *self.user(), f"--workdir={job.workdir}", f"--shm-size={_bytes(job.shm_gib)}"]
        words += [f"--memory={_bytes(job.memory_gib)}"] if job.memory_gib else []
        words += self.gpu_flags(job.gpus) if job.gpus else []
        # exec: engines compile kernels there. 1777: the caller is not root.
        words += [f"--tmpfs={folder}:rw,exec,nosuid,nodev,mode=1777" for folder in job.tmpfs]
        words += [f"--mount={_mount(mount)}" for mount in job.mounts]
        words += [f"--env={name}={value}" for name, value in sorted(job.environment.items())]
        words += ["--interactive"] if job.secrets else []
        words += ["--entrypoint=", job.image]
        return [*words, "/bin/sh", "-c", START, "sh", *job.secrets, "--", *job.command]

    def standard_input(self, job: ContainerJob) -> str:
        """One line per secret; see :meth:`Runtime.standard_input`."""
        values = {name: secret(name) for name in job.secrets}
        broken = sorted(name for name, value in values.items() if "\n" in value)
        if broken:
            raise MachineError(f"a secret for {self.name} must be one line: {', '.join(broken)}", hint="mount a file instead")
        return "".join(f"{values[name]}\n" for name in job.secrets)

    def image_id(self, image: str) -> str:
        """The ID that the engine itself names; see :meth:`Runtime.image_id`."""
        done = self.ask("image", "inspect", "--format", "{{.Id}}", image)
        found = done.stdout.strip()
        if done.returncode != 0 or not found:
            raise MachineError(f"{self.name} has no image {image}: {last_line(done)}", hint="frontier images build kit, or frontier images load FILE")
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def unready(self) -> str:
        """What ``info`` complains about."""
        done = self.ask("info")
        return "" if done.returncode == 0 else last_line(done)


def _bytes(gib: float) -> str:
    return f"{round(gib * 2**30)}b"


def _mount(mount: Mount) -> str:
    return f"type=bind,source={mount.source},target={mount.target}" + ("" if mount.writable else ",readonly")
