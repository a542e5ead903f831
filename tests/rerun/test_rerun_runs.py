"""Whole reruns of a small experiment on the fake engine: from the command line, from a bundle, changed, interrupted and tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.bundle import write_bundle
from frontier.errors import ConfigErrors, MachineError, RunError, UsageError
from frontier.rerun import again, rerun
from frontier.rerun.source import Original, check_foreign, find_original
from frontier.runner import run_experiment
from frontier.store import RunFolder

SMALL = ["lever=[precision]", "design.resamples=100", "sweep.replicates=2", "place.workers=1"]


def frontier(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "frontier.cli", *words], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run_experiment("smoke", SMALL, artifacts_dir=tmp_path_factory.mktemp("made") / "artifacts", progress=False).run


@pytest.fixture
def original(made: RunFolder, tmp_path: Path) -> RunFolder:
    """The finished run, in a folder of the test's own."""
    place = tmp_path / "artifacts" / "runs" / made.run_id
    shutil.copytree(made.path, place)
    return RunFolder(place)


def artifacts_of(run: RunFolder) -> Path:
    return run.path.parents[1]


def plant(run: RunFolder, mark: Path) -> None:
    """Put a cell that writes a file into a notebook that came with the run."""
    executed = run.path / "notebooks" / "40_write_report.ipynb"
    notebook = json.loads(executed.read_text())
    notebook["cells"][-1] = {
        "cell_type": "code", "id": "theirs", "metadata": {}, "source": f"open({str(mark)!r}, 'w').close()", "outputs": [], "execution_count": 1,
    }  # fmt: skip
    executed.write_text(json.dumps(notebook))
    run.write_manifest("complete", run.plan["digest"])


def test_a_rerun_computes_everything_anew_and_gets_the_same(original: RunFolder, tmp_path: Path) -> None:
    artifacts = artifacts_of(original)
    plant(original, tmp_path / "executed")
    done = frontier("rerun", original.run_id, "--artifacts", str(artifacts), "--quiet", cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert f"{original.run_id}: reproduced (same machine and image, margin 5%)" in done.stdout
    assert "points and attribution: the same to the last digit" in done.stdout
    folder = artifacts / "reruns" / original.run_id / "1"
    document = json.loads((folder / "rerun.json").read_text())
    assert document["identical"] == {"points": True, "attribution": True, "differences": []}
    (run,) = (folder / "runs").glob("2*")
    assert sorted(path.name for path in (run / "trials").iterdir()) == sorted(path.name for path in (original.path / "trials").iterdir())
    assert (folder / "rerun.html").read_text().startswith("<!DOCTYPE html>")
    assert not (tmp_path / "executed").exists()  # notebooks that came with the run are not executed


@pytest.mark.parametrize("only", ["attribution", "report"])
def test_a_part_alone(original: RunFolder, only: str) -> None:
    done = rerun(original.run_id, artifacts=artifacts_of(original), only=only)
    assert (done.document["verdict"], done.document["only"]) == ("reproduced", only)


def spoil_attribution(run: RunFolder) -> None:
    document = json.loads((run.path / "attribution.json").read_text())
    document["shares"][0]["ratio"] *= 1.5
    (run.path / "attribution.json").write_text(json.dumps(document))


def test_an_attribution_that_does_not_follow_from_its_points(original: RunFolder) -> None:
    spoil_attribution(original)
    original.write_manifest("complete", original.plan["digest"])  # as a forger would
    done = rerun(original.run_id, artifacts=artifacts_of(original), only="attribution")
    assert done.document["verdict"] == "differs"
    assert any(text.startswith("shares[0].ratio: ") for text in done.document["identical"]["differences"])


def test_a_file_that_changed_since_the_run_finished_is_named(original: RunFolder) -> None:
    spoil_attribution(original)
    with pytest.raises(RunError, match=r"1 files of .* are not what they were when it finished: attribution.json"):
        rerun(original.run_id, artifacts=artifacts_of(original))
    assert not (artifacts_of(original) / "reruns").exists()


def test_an_unfinished_run_is_refused(original: RunFolder) -> None:
    (original.path / "manifest.json").unlink()
    with pytest.raises(RunError, match="is not finished"):
        rerun(original.run_id, artifacts=artifacts_of(original))


def test_a_run_is_found_by_id_by_experiment_and_by_folder(original: RunFolder) -> None:
    artifacts = artifacts_of(original)
    for named in (original.run_id, "smoke", str(original.path)):
        assert find_original(named, artifacts).run.run_id == original.run_id
    with pytest.raises(RunError, match="no run 'nothing'"):
        find_original("nothing", artifacts)
    with pytest.raises(UsageError, match=r"no bundle no\.zip"):
        find_original("no.zip", artifacts)
    with pytest.raises(UsageError, match=r"is no run's folder"):
        find_original(str(artifacts), artifacts)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Runs without kernels: the notebooks' steps, called; the list holds what was asked for."""
    asked: list[tuple[str, list[str]]] = []
    real: Callable[..., Any] = again.run_experiment

    def run(experiment: str, words: list[str], **keywords: Any) -> Any:
        asked.append((experiment, words))
        return real(experiment, words, **keywords)

    def execute(path: Path, parameters: dict[str, Any], output: Path) -> None:
        from frontier import session

        step = (session.start_run if path.stem.startswith("20") else session.open_run)(**parameters)
        {"20": step.measure, "30": step.attribute, "40": step.write_report}[path.stem[:2]]()
        output.parent.mkdir(exist_ok=True)
        output.write_text("{}")

    monkeypatch.setattr("frontier.runner.execute_notebook", execute)
    monkeypatch.setattr(again, "run_experiment", run)
    return asked


def test_a_changed_key_is_said_and_judged(original: RunFolder, in_process: list[tuple[str, list[str]]]) -> None:
    done = rerun(original.run_id, artifacts=artifacts_of(original), overrides=["engine.effects.precision=1.8"], progress=False)
    assert done.document["verdict"] == "differs"
    assert done.document["changed"] == ["engine.effects.precision=1.8"]
    (share,) = [entry for entry in done.document["quantities"] if entry["kind"] == "share"]
    assert share["change"]["ratio"] == pytest.approx(1.8 / 1.5, rel=0.03)  # its effect in conf/experiment/smoke.yaml is 1.5


def test_a_second_rerun_is_another_one_and_an_unfinished_one_goes_on(original: RunFolder, in_process: list[tuple[str, list[str]]]) -> None:
    artifacts = artifacts_of(original)
    first = rerun(original.run_id, artifacts=artifacts, progress=False)
    (first.folder / "rerun.json").unlink()  # as if it had been interrupted before the verdict
    assert rerun(original.run_id, artifacts=artifacts, progress=False).folder == first.folder
    assert len(list((first.folder / "runs").glob("2*"))) == 1
    assert rerun(original.run_id, artifacts=artifacts, progress=False).folder.name == "2"


def test_it_runs_where_the_original_ran_unless_told_otherwise(original: RunFolder, in_process: list[tuple[str, list[str]]]) -> None:
    file = original.path / "environment.json"
    environment = json.loads(file.read_text())
    file.write_text(json.dumps({**environment, "container": {"runtime": "docker", "image": "kit", "image_id": "sha256:" + "9" * 64}}))
    original.write_manifest("complete", original.plan["digest"])
    with pytest.raises(MachineError, match="docker"):
        rerun(original.run_id, artifacts=artifacts_of(original), progress=False)
    assert in_process[-1][1][:2] == ["runtime=docker", "runtime.image='sha256:" + "9" * 64 + "'"]
    done = rerun(original.run_id, artifacts=artifacts_of(original), runtime="host", progress=False)
    assert (done.document["verdict"], done.document["level"]) == ("reproduced", "other image")
    assert {"image ID", "container runtime"} <= {row["fact"] for row in done.document["environment"]}


def test_wrong_words_are_refused_before_anything_is_done(original: RunFolder) -> None:
    artifacts = artifacts_of(original)
    with pytest.raises(UsageError, match="--only must be one of all, attribution, report, got 'points'"):
        rerun(original.run_id, artifacts=artifacts, only="points")
    with pytest.raises(UsageError, match="--margin must be between 0 and 1"):
        rerun(original.run_id, artifacts=artifacts, margin=5.0)
    with pytest.raises(UsageError, match="ran in no container, so --runtime podman needs an image"):
        rerun(original.run_id, artifacts=artifacts, runtime="podman")
    for more in ({"runtime": "podman"}, {"image": "kit"}, {"overrides": ["design.seed=2"]}, {"trust_notebooks": True}):
        with pytest.raises(UsageError, match="--only report is computed here"):
            rerun(original.run_id, artifacts=artifacts, only="report", **more)
    with pytest.raises(UsageError, match="--image kit needs a container"):
        rerun(original.run_id, artifacts=artifacts, image="kit")
    assert not (artifacts / "reruns").exists()


def test_a_bundle_is_rerun_like_a_run(original: RunFolder, tmp_path: Path, in_process: list[tuple[str, list[str]]]) -> None:
    file = tmp_path / "colleague.zip"
    write_bundle(original.path, file)
    shutil.rmtree(artifacts_of(original))
    done = rerun(str(file), artifacts=tmp_path / "mine", progress=False)
    assert done.document["verdict"] == "reproduced"
    assert done.folder == tmp_path / "mine" / "reruns" / original.run_id / "1"


def test_a_bundle_starts_nothing_that_its_reader_did_not_say(original: RunFolder) -> None:
    file = original.path / "config.yaml"
    file.write_text(file.read_text().replace("server_python: ''", "server_python: /somewhere/python", 1))
    foreign = Original(original, foreign=True)
    with pytest.raises(ConfigErrors, match=r"sets engine.server_python to '/somewhere/python', which decides what is started or asked here"):
        check_foreign(foreign, [])
    check_foreign(foreign, ["engine.server_python=/usr/bin/python3"])
    check_foreign(Original(original, foreign=False), [])
    for found, theirs in (("/somewhere/python", "''"), ("setup: []", "setup: [module load theirs]"), ("sbatch: {}", "sbatch: {mail-user: them}")):
        file.write_text(file.read_text().replace(found, theirs))
    with pytest.raises(ConfigErrors, match=r"(?s)sets place.setup to .*sets place.sbatch to "):
        check_foreign(foreign, ["place.python=python3"])
    check_foreign(foreign, ["place.setup=[]", "place.sbatch={}"])


def test_notebooks_of_others_run_only_when_trusted(original: RunFolder, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    plant(original, mark)
    done = frontier("rerun", original.run_id, "--artifacts", str(artifacts_of(original)), "--quiet", "--trust-notebooks", cwd=Path.cwd())
    assert mark.exists(), done.stderr
    assert f"open({str(mark)!r}, 'w').close()" in done.stderr  # what differs is shown before it runs


def test_the_verdicts_are_exit_codes(original: RunFolder) -> None:
    spoil_attribution(original)
    original.write_manifest("complete", original.plan["digest"])
    words = ("rerun", "smoke", "--artifacts", str(artifacts_of(original)), "--only", "attribution")
    done = frontier(*words, "--json", cwd=Path.cwd())
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (1, "differs")
    assert frontier("rerun", "nothing", "--artifacts", str(artifacts_of(original)), cwd=Path.cwd()).returncode == 4
