"""The notebook runs top to bottom on the smoke experiment, and tells what to install where torch is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from frontier.calibration import kept
from frontier.plan import root

NOTEBOOK = root() / "notebooks" / "00_calibrate_machine.ipynb"


def execute(folder: Path, environment: dict[str, str]) -> nbformat.NotebookNode:
    command = [sys.executable, "-m", "papermill", str(NOTEBOOK), str(folder / "out.ipynb"), "--no-progress-bar"]
    command += ["-p", "experiment", "smoke", "-p", "artifacts_dir", str(folder / "artifacts")]
    done = subprocess.run(command, cwd=root(), capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "out.ipynb", as_version=4)


def results(notebook: nbformat.NotebookNode) -> list[str]:
    """What every step shows, as text."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = [cell for cell in code if not {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))]
    assert [[output.output_type for output in cell.outputs] for cell in code] == [["execute_result"]] * len(code)
    return ["".join(str(value) for key, value in cell.outputs[0].data.items() if key != "image/png") for cell in code]


def test_it_measures_this_machine_and_keeps_the_calibration(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the calibration's extra is not installed")
    shown = results(execute(tmp_path, dict(os.environ)))
    (file,) = kept(tmp_path / "artifacts")
    assert file.stem in shown[0]
    assert "reference decoder, bf16" in "".join(shown)
    assert not [text for text in shown if str(tmp_path) in text]


def test_without_torch_it_shows_the_command(tmp_path: Path) -> None:
    # A module of that name that cannot be imported, before the real one on the path.
    (tmp_path / "torch.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
    shown = results(execute(tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path)}))
    assert "pip install 'frontier-kit[torch]'" in shown[0].replace("&#x27;", "'")
    assert kept(tmp_path / "artifacts") == []
