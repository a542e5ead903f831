"""docs/formats.md names every key of what a run keeps of its jobs, and none that is not there."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from slurm_standin import SlurmStandin

from frontier.cli import main
from frontier.places.element import Element
from frontier.places.jobs import Jobs
from frontier.runner import run_experiment

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "docs"))
try:
    from doc_pages import key_paths, section, table_rows
finally:
    sys.path.remove(str(ROOT / "tests" / "docs"))
DYNAMIC: dict[str, dict[str, str]] = {
    "frontier.submission/1": {"place": "", "runtime": "", "code": "<package>"},
    "frontier.cancel/1": {"trials": "<state>"},
    "Placement of a trial": {"gpus[]": ""},
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One of each, from a run of two trials of which one has run."""
    folder = tmp_path_factory.mktemp("documents")
    with pytest.MonkeyPatch.context() as patch:
        SlurmStandin(folder / "slurm", patch)
        words = ["lever=[hardware]", "sweep.replicates=1", "place=slurm"]
        run = run_experiment("smoke", words, artifacts_dir=folder / "artifacts", progress=False).run
        for name, value in {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "0", "SLURMD_NODENAME": "n1"}.items():
            patch.setenv(name, value)
        Element(str(run.path), 1, 0, 0)()
        found = {
            "frontier.submission/1": json.loads((Jobs(run.path).read(1).folder / "submission.json").read_text()),
            "Starts of a trial": json.loads(next(file for file in run.path.glob("jobs/0001/starts/*.json") if ".end" not in file.name).read_text()),
            "Placement of a trial": json.loads(next(run.path.glob("trials/*/trial.json")).read_text())["placement"],
        }
        for command in ("status", "cancel"):
            file = folder / f"{command}.json"
            with file.open("w") as stream, redirect_stdout(stream), pytest.raises(SystemExit):
                main([command, run.run_id, "--artifacts", str(folder / "artifacts"), "--json"])
            found[f"frontier.{command}/1"] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize(
    "heading", ["frontier.submission/1", "Starts of a trial", "Placement of a trial", "frontier.status/1", "frontier.cancel/1"]
)
def test_every_key_stands_on_the_page(heading: str, documents: dict[str, Any]) -> None:
    listed = [row[0] for row in table_rows(section(ROOT / "docs" / "formats.md", heading))]
    assert len(listed) == len(set(listed)), "a key stands twice"
    assert set(listed) == key_paths(documents[heading], DYNAMIC.get(heading, {}))
