"""Resolve the newest allowed versions in fresh environments and write the locks. Run by ``make lock``; takes minutes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {"base": "", "measure": "[torch]", "dev": "[lab,torch,dev]"}


def freeze(extras: str, constraint: Path | None) -> list[str]:
    """Pinned requirements of the kit with these extras, sorted; versions agree with ``constraint``."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        limits = ["-c", str(constraint)] if constraint else []
        subprocess.run([python, "-m", "pip", "install", "--quiet", *limits, f"{ROOT}{extras}", "setuptools>=77"], check=True)
        listed = subprocess.run([python, "-m", "pip", "freeze", "--all"], check=True, capture_output=True, text=True).stdout
    pins = (line.split("+")[0] for line in listed.splitlines() if "==" in line)  # torch==2.13.0+cpu is the name of one build of it
    return sorted(line for line in pins if not line.startswith(("pip==", "frontier-kit")))


def main() -> None:
    """Write the locks; later ones agree with the first."""
    base: Path | None = None
    for name, extras in EXTRAS.items():
        pins = freeze(extras, base)
        path = ROOT / "requirements" / f"{name}.lock"
        path.write_text("\n".join([f"# Pinned packages of the {name} environment; regenerate with `make lock`.", *pins, ""]), encoding="utf-8")
        base = base or path


if __name__ == "__main__":
    main()
