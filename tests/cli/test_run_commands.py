"""`frontier plan`, `run`, `status` and `report` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from frontier import cli
from frontier.config import experiments

ROOT = Path(__file__).parents[2]


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "frontier.cli", *words], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("experiment", experiments())
def test_every_experiment_can_be_planned_and_starts_nothing(experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifacts = tmp_path / "artifacts"
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", f"experiment={experiment}", f"paths.artifacts_dir={artifacts}"])
    out = capsys.readouterr().out
    assert not stop.value.code
    assert "baseline" in out
    assert "GPU-hours here" in out
    assert not artifacts.exists()


def test_a_run_from_start_to_report(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    place = f"paths.artifacts_dir={artifacts}"
    small = ["sweep.replicates=2", "design.resamples=200", "lever=[hardware,precision]", "engine.effects={hardware: 2.0, precision: 1.5}"]
    done = call("run", "experiment=smoke", place, "--json", *small)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "complete"
    assert [share["lever"] for share in document["shares"]] == ["hardware", "precision"]
    assert "trials done" in done.stderr
    shown = json.loads(call("status", "--artifacts", str(artifacts), "--json").stdout)["runs"]
    assert shown == [{"run_id": document["run_id"], "status": "complete", "trials": 8, "done": 8, "failed": 0, "left": 0}]
    page = call("report", "--experiment", "smoke", "--artifacts", str(artifacts)).stdout.strip()
    assert page == document["report"]
    assert Path(page).read_text(encoding="utf-8").startswith("<!")
    again = call("run", "experiment=smoke", place, *small)
    assert again.returncode == 0
    assert "nothing was computed" in again.stderr
    # The run's own points answer `frontier attribute` too, by their level columns.
    split = call("attribute", str(Path(page).parent), "--levers", "level_hardware,level_precision", "--unlocked", "level_precision", "--json")
    shares = {share["lever"]: share["ratio"] for share in json.loads(split.stdout)["shares"]}
    assert shares["level_hardware"] == pytest.approx(document["shares"][0]["ratio"], rel=0.01)  # on 65 interactivities instead of 33
    assert shares["level_precision"] == pytest.approx(document["shares"][1]["ratio"], rel=0.01)


def test_a_ladder_runs_its_own_cells_only(tmp_path: Path) -> None:
    done = call("run", "experiment=smoke", "design=ladder", f"paths.artifacts_dir={tmp_path}", "--json", "--quiet", "engine.noise_cv=0.0")
    assert done.returncode == 0, done.stderr
    shares = {share["lever"]: share["ratio"] for share in json.loads(done.stdout)["shares"]}
    assert shares == {"hardware": pytest.approx(2.0), "precision": pytest.approx(1.5), "disaggregation": pytest.approx(1.25)}
    document = json.loads(next(tmp_path.rglob("attribution.json")).read_text(encoding="utf-8"))
    assert document["method"] == "ladder"
    assert {cell["cell"]: cell["evaluated"] for cell in document["cells"] if cell["status"] == "done"} == {
        "baseline": 9, "hardware": 9, "hardware+precision": 9, "hardware+precision+disaggregation": 9
    }  # fmt: skip


def test_a_failing_variant_gives_exit_code_4_and_the_rest_is_there(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    words = ["lever=[hardware,precision]", "engine.effects={hardware: 2.0, precision: 1.5}", "engine.fail_cells=[precision]", "sweep.replicates=2"]
    done = call("run", "experiment=smoke", f"paths.artifacts_dir={artifacts}", "--quiet", *words)
    assert done.returncode == 4
    assert "1 variant failed: precision" in done.stderr
    assert "Traceback" not in done.stderr
    report = next(artifacts.rglob("report.html")).read_text(encoding="utf-8")
    assert "missing" in report


def test_a_pipe_that_closes_early_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m frontier.cli plan experiment=smoke --json | head -1", shell=True, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.strip() == "{"
    assert "Traceback" not in done.stderr


def test_status_without_runs(tmp_path: Path) -> None:
    done = call("status", "--artifacts", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert "no runs" in done.stderr


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    done = call("report", "20200101T000000Z-x-00000000", "--artifacts", str(tmp_path))
    assert done.returncode == 4
    assert "no run '20200101T000000Z-x-00000000'" in done.stderr
