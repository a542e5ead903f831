"""Slurm's commands as small scripts on a path of their own: what they say is given, what they are asked is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SILENT = "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n"


class SlurmStandin:
    """``squeue`` prints what it is told, ``scancel`` and ``sbatch`` note what they are asked; jobs are numbered from 17."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        scripts = {
            "squeue": f"cat {folder}/queue",
            "scancel": f'echo "$@" >> {folder}/cancelled',
            "scontrol": "echo 'MaxArraySize = 1001'",
            "srun": "exit 1",
            "sbatch": f'echo x >> {folder}/submitted; echo "Submitted batch job $((16 + $(wc -l < {folder}/submitted)))"',
        }
        for name, line in scripts.items():
            self.becomes(name, f"#!/bin/sh\n{line}\n")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        self.says()

    def becomes(self, name: str, script: str) -> None:
        """Let a command be another script."""
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)

    def says(self, *lines: str) -> None:
        """What the queue holds."""
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    def cancelled(self) -> str:
        file = self.folder / "cancelled"
        return file.read_text().strip() if file.exists() else ""

    def submitted(self) -> int:
        """How many arrays were submitted."""
        file = self.folder / "submitted"
        return len(file.read_text().splitlines()) if file.exists() else 0
