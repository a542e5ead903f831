"""podman on a plain Debian machine, for the tests: its packages, and a store of its own that leaves nothing behind.

``python tests/containers/podman_for_tests.py`` installs the packages where that is possible (root, apt-get); elsewhere it says why not, and the tests
that need them skip with the same reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("podman", "buildah", "skopeo", "runc", "mmdebstrap", "uidmap")
PROGRAMS = ("podman", "skopeo", "runc", "mmdebstrap", "git")


def cannot_install() -> str:
    """Why the packages cannot be installed here; empty when they can."""
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        return "this is no Debian machine (no apt-get)"
    return "" if os.getuid() == 0 else "installing packages needs root"


def install() -> None:
    """Install the packages that are missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = [*PACKAGES, *(["git"] if "git" in missing else [])]
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *words], env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Store:
    """A store of images of its own.

    Attributes
    ----------
    folder : Path
        Everything that podman keeps is below it.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make podman use this store."""
        return {"CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"), "CONTAINERS_CONF": str(self.folder / "containers.conf")}

    def make(self) -> None:
        """Write the settings.

        The limits keep below a small machine's own; crun does not start where control groups are mixed. State and locks are the store's own too:
        left shared, another store's reset takes them away, and containers wait for each other.
        """
        self.folder.mkdir(parents=True)
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/graph"\nrunroot = "{self.folder}/run"\n', encoding="utf-8"
        )
        (self.folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]\n'
            f'[network]\nnetwork_config_dir = "{self.folder}/networks"\n'
            f'[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\ntmp_dir = "{self.folder}/state"\nlock_type = "file"\n',
            encoding="utf-8",
        )

    def unusable(self) -> str:
        """Why podman cannot run containers with this store; empty when it can."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            return f"not installed: {', '.join(missing)} (python tests/containers/podman_for_tests.py)"
        if os.getuid() != 0:
            return "not root: rootless podman was not tried with this store"
        done = self.podman("info")
        return "" if done.returncode == 0 else f"podman info: {done.stderr.strip()[-300:]}"

    def reset(self) -> None:
        """Remove every image and container of this store, with podman itself."""
        self.podman("system", "reset", "--force")

    def podman(self, *words: str) -> subprocess.CompletedProcess[str]:
        """podman with this store."""
        return subprocess.run(
            ["podman", *words], env={**os.environ, **self.environment}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )


if __name__ == "__main__":
    reason = cannot_install()
    if reason:
        print(f"container tests will skip: {reason}", file=sys.stderr)
    else:
        install()
