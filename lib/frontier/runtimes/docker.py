"""docker: a daemon runs the containers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from frontier.errors import MachineError
from frontier.runtimes.base import last_line
from frontier.runtimes.engine import Engine


@dataclass(frozen=True)
class Docker(Engine):
    """Command lines of Docker 20 and later."""

    name = "docker"
    program = "docker"

    def user(self) -> list[str]:
        """The caller's numbers; the daemon itself is root."""
        return [f"--user={self.uid}:{self.gid}"]

    def own(self) -> list[str]:
        """Nothing."""
        return []

    def gpu_flags(self, gpus: str) -> list[str]:
        """The value is a comma-separated list itself, so indices need quotes inside it."""
        return ["--gpus=all"] if gpus == "all" else [f'--gpus="device={gpus}"']

    def image_id(self, image: str) -> str:
        """The ID; refused where Docker keeps images in containerd's store, whose IDs are digests of manifests."""
        done = self.ask("image", "inspect", "--format", "{{json .}}", image)
        if done.returncode != 0:
            raise MachineError(f"docker has no image {image}: {last_line(done)}", hint="frontier images build kit, or frontier images load FILE")
        found = json.loads(done.stdout)
        if found.get("Descriptor") and found["Descriptor"].get("digest") == found["Id"]:
            raise MachineError(
                f"this Docker keeps images in containerd's store, where the ID of {image} is its manifest's digest and changes with compression",
                hint='set "features": {"containerd-snapshotter": false} in /etc/docker/daemon.json, or use podman',
            )
        return str(found["Id"])
