"""Kill a run anywhere, run the same command again: the same files, nothing computed twice, no process left behind."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from frontier.runner import run_experiment
from frontier.store import RUN_ID, RunFolder, Store

SLOW = ("engine.delay_s=0.5", "sweep.replicates=2", "place.workers=2", "design.resamples=100")
DEADLINE_S = 120.0
Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The artifacts of a run that nobody disturbed."""
    artifacts = tmp_path_factory.mktemp("whole")
    assert run_experiment("smoke", list(SLOW), artifacts_dir=artifacts, progress=False).status == "complete"
    yield artifacts
    shutil.rmtree(artifacts)


def only_run(artifacts: Path) -> RunFolder:
    runs = Store(artifacts).list_runs()
    assert len(runs) == 1
    return runs[0]


def contents(artifacts: Path) -> dict[str, bytes]:
    """Every file of the one run there is, run id and artifacts folder replaced; the manifest holds times and is left out."""
    run = only_run(artifacts)
    own = {run.run_id.encode(): b"RUN", str(artifacts).encode(): b"ARTIFACTS"}
    found = {}
    for file in run.path.rglob("*"):
        if file.is_file() and file.name != "manifest.json":
            content = file.read_bytes()
            for text, placeholder in own.items():
                content = content.replace(text, placeholder)
            found[file.relative_to(run.path).as_posix()] = content
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        if time.monotonic() > deadline:
            raise AssertionError("nothing happened in time")
        time.sleep(0.02)


def kill_family(process: subprocess.Popen[str]) -> None:
    """SIGKILL the process alone and see its children end by themselves."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    all_gone(children)


def all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive, f"left behind: {[process.cmdline() for process in alive]}"


def trials_done(artifacts: Path) -> int:
    return len(list(artifacts.glob("runs/*/trials/*/trial.json")))


def test_disturbed_at_several_moments_the_run_is_the_same_file_by_file(whole: Path, launch: Launch, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    early, later = sorted(random.Random(7).sample(range(1, 15), 2))

    process = launch(artifacts, *SLOW)
    wait_for(lambda: trials_done(artifacts) >= early, process)
    refused_beside(launch, artifacts)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()  # a polite end first
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode != 0
    all_gone(children)

    for condition in (lambda: trials_done(artifacts) >= later, lambda: bool(list(artifacts.glob("runs/*/figures/*")))):
        process = launch(artifacts, *SLOW)
        wait_for(condition, process)
        kill_family(process)
        assert only_run(artifacts).manifest is None

    process = launch(artifacts, *SLOW)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert out.startswith("complete False")
    again, before = contents(artifacts), contents(whole)
    assert sorted(again) == sorted(before)
    assert [name for name in before if again[name] != before[name]] == []


def refused_beside(launch: Launch, artifacts: Path) -> None:
    """A second process on the run that another one works on ends with an error that says so."""
    second = launch(artifacts, *SLOW)
    _, err = second.communicate(timeout=DEADLINE_S)
    assert second.returncode != 0
    assert "another process is working on" in err


def test_a_second_run_computes_nothing_and_changes_nothing(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in only_run(whole).path.rglob("*")}
    result = run_experiment("smoke", list(SLOW), artifacts_dir=whole, progress=False)
    assert (result.status, result.reused) == ("complete", True)
    assert {path: path.stat().st_mtime_ns for path in only_run(whole).path.rglob("*")} == before


def test_a_run_leaves_what_it_promises(whole: Path) -> None:
    run = only_run(whole)
    assert RUN_ID.match(run.run_id)
    names = {path.name for path in run.path.iterdir()}
    expected = {"config.yaml", "plan.json", "environment.json", "trials", "points.parquet", "attribution.json", "report.html", "manifest.json"}
    assert expected | {"notebooks", "figures"} == names
    manifest = run.manifest
    assert manifest is not None
    assert manifest["status"] == "complete"
    assert len(manifest["trials"]) == 16
    assert not [path for path in run.path.rglob("*") if path.name.startswith((".tmp-", "."))]
