"""Importing the package and asking for help loads no plotting, notebook or engine package."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("matplotlib", "papermill", "aiconfigurator_core", "seaborn", "hydra", "pandas")


def test_importing_the_command_stays_light() -> None:
    code = f"import sys, frontier.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
