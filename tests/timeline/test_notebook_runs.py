"""Notebook 35 top to bottom on a points table with several dates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat

from frontier.plan import root


def test_every_cell_shows_something_and_nothing_of_this_machine(tmp_path: Path) -> None:
    out = tmp_path / "35.ipynb"
    examples = root() / "docs" / "examples"
    title = "example gb200 example fp8 1024/1024"
    overrides = f"[points={examples}/history.csv, changelog={examples}/changelog.yaml, series={title}]"
    command = [sys.executable, "-m", "papermill", str(root() / "notebooks" / "35_account_for_shifts.ipynb"), str(out), "--no-progress-bar"]
    done = subprocess.run([*command, "-y", f"overrides: {overrides}"], cwd=root(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Unable to parse" not in done.stderr
    code = [cell for cell in nbformat.read(out, as_version=4).cells if cell.cell_type == "code"]
    steps = [cell for cell in code if not {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))]
    assert len(steps) == 7
    for cell in steps:
        assert [output.output_type for output in cell.outputs] == ["execute_result"], cell.source
        assert str(root()) not in str(cell.outputs[0].data.get("text/plain"))
    assert any("image/png" in output.data for cell in steps for output in cell.outputs)
