"""The notebooks under plain papermill and in JupyterLab's working folder, one after the other, on the smoke experiment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from frontier.plan import root
from frontier.store import Store

STEMS = ("10_build_engine", "20_measure_frontier", "30_attribute_shift", "35_account_for_shifts", "40_write_report", "50_audit_claim")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the executed notebooks and the artifacts they made."""
    folder = tmp_path_factory.mktemp("by_hand")
    # 30 runs where JupyterLab would run it, the others in the clone's folder.
    for stem, cwd in zip(STEMS, (root(), root(), root() / "notebooks", root(), root(), root()), strict=True):
        command = [sys.executable, "-m", "papermill", str(root() / "notebooks" / f"{stem}.ipynb"), str(folder / f"{stem}.ipynb")]
        command += ["-p", "experiment", "smoke", "-p", "artifacts_dir", str(folder / "artifacts"), "--no-progress-bar"]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def test_together_they_make_a_measured_attributed_and_reported_run(executed: Path) -> None:
    (run,) = Store(executed / "artifacts").list_runs("smoke")
    assert run.measured()
    assert {"points.parquet", "attribution.json", "report.html"} <= {path.name for path in run.path.iterdir()}


@pytest.mark.parametrize("stem", STEMS)
def test_every_step_shows_something_and_no_warning(executed: Path, stem: str) -> None:
    code = [cell for cell in nbformat.read(executed / f"{stem}.ipynb", as_version=4).cells if cell.cell_type == "code"]
    steps = [cell for cell in code if not {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))]
    assert steps
    for cell in steps:
        assert [output.output_type for output in cell.outputs] == ["execute_result"], cell.source


@pytest.mark.parametrize("stem", STEMS)
def test_outputs_hold_no_folder_and_no_address(executed: Path, stem: str) -> None:
    for cell in nbformat.read(executed / f"{stem}.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            text = "".join(str(value) for key, value in output.get("data", {}).items() if key != "image/png")
            assert str(executed) not in text
            assert "object at 0x" not in text
