"""podman: as root or rootless, no daemon."""

from __future__ import annotations

from dataclasses import dataclass

from frontier.runtimes.engine import Engine


@dataclass(frozen=True)
class Podman(Engine):
    """Command lines of podman 4.3 and later."""

    name = "podman"
    program = "podman"

    def user(self) -> list[str]:
        """Rootless, the caller's ID is mapped to itself; root stays root."""
        return [*(["--userns=keep-id"] if self.uid else []), f"--user={self.uid}:{self.gid}"]

    def own(self) -> list[str]:
        """podman hands the host's proxy variables to containers unless told not to."""
        return ["--http-proxy=false"]

    def gpu_flags(self, gpus: str) -> list[str]:
        """Devices of the Container Device Interface, as ``nvidia-ctk cdi generate`` writes them."""
        return [f"--device=nvidia.com/gpu={each}" for each in gpus.split(",")]
