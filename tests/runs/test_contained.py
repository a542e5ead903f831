"""A run in a container, with a stand-in for the container's runtime: what it is shown, and what is made of its answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from frontier import contained
from frontier.config import compose
from frontier.contained import run_contained
from frontier.errors import ConfigError, ConfigErrors, MachineError, RunError
from frontier.provenance import container, machine_fingerprint
from frontier.runner import run_experiment
from frontier.runtimes import ContainerJob
from frontier.schema import Config

IMAGE = "sha256:" + "7" * 64
ANSWER = {
    "schema": "frontier.run/1", "run_id": "r", "path": "/artifacts/runs/r", "status": "complete", "reused": False, "failed": [],
    "report": "/artifacts/runs/r/report.html",
}  # fmt: skip


@dataclass
class StandIn:
    """A runtime whose containers are a Python statement; it keeps the jobs it was given."""

    says: str = f"print({json.dumps(json.dumps(ANSWER))})"
    lacks: str = ""
    name: str = "podman"
    jobs: list[ContainerJob] = field(default_factory=list)

    def missing(self) -> str:
        return self.lacks

    def image_id(self, image: str) -> str:
        return IMAGE

    def command(self, job: ContainerJob) -> list[str]:
        self.jobs.append(job)
        return [sys.executable, "-c", self.says]

    def calling_environment(self, job: ContainerJob) -> Mapping[str, str]:
        return dict(os.environ)

    def standard_input(self, job: ContainerJob) -> str:
        return ""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(contained, "get_runtime", lambda name: stand_in)
    return stand_in


def experiment(tmp_path: Path, *overrides: str) -> Config:
    places = [f"paths.artifacts_dir={tmp_path / 'artifacts'}", f"paths.cache_dir={tmp_path / 'cache'}"]
    return compose("smoke", ["runtime=podman", "runtime.image=kit", *places, *overrides])


def test_the_container_sees_the_runs_and_the_cache_and_nothing_else(runtime: StandIn, tmp_path: Path) -> None:
    run_contained(experiment(tmp_path), progress=False)
    (job,) = runtime.jobs
    assert [(mount.source, mount.target, mount.writable) for mount in job.mounts] == [
        (tmp_path / "artifacts", "/artifacts", True),
        (tmp_path / "cache", "/cache", True),
    ]
    assert (job.image, job.network, job.gpus, job.secrets) == (IMAGE, False, "", ())
    assert job.command[:2] == ("frontier", "run")
    assert set(job.environment) == {
        "HOME", "MPLCONFIGDIR", "PYTHONDONTWRITEBYTECODE", "FRONTIER_RUNTIME", "FRONTIER_IMAGE", "FRONTIER_IMAGE_ID", "FRONTIER_MACHINE",
    }  # fmt: skip


def test_the_configuration_goes_in_resolved_with_the_containers_own_folders(runtime: StandIn, tmp_path: Path) -> None:
    run_contained(experiment(tmp_path, "sweep.replicates=2"), progress=False)
    word = next(word for word in runtime.jobs[0].command if word.startswith("experiment="))
    request = yaml.safe_load((tmp_path / "artifacts" / word.removeprefix("experiment=/artifacts/")).read_text())
    assert request["paths"] == {"artifacts_dir": "/artifacts", "cache_dir": "/cache", "notebooks_dir": "notebooks"}
    assert (request["runtime"]["kind"], request["sweep"]["replicates"]) == ("host", 2)


def test_the_same_question_is_written_once(runtime: StandIn, tmp_path: Path) -> None:
    for _ in range(2):
        run_contained(experiment(tmp_path), progress=False)
    assert len(list((tmp_path / "artifacts" / "requests").iterdir())) == 1
    assert runtime.jobs[0].command == runtime.jobs[1].command


def test_paths_of_the_answer_are_this_machines(runtime: StandIn, tmp_path: Path) -> None:
    result = run_experiment("smoke", experiment_words(tmp_path), progress=False)
    assert result.run.path == tmp_path / "artifacts" / "runs" / "r"
    assert (result.status, result.failed, result.reused) == ("complete", (), False)


def experiment_words(tmp_path: Path) -> list[str]:
    return ["runtime=podman", "runtime.image=kit", f"paths.artifacts_dir={tmp_path / 'artifacts'}", f"paths.cache_dir={tmp_path / 'cache'}"]


def test_further_folders_are_shown_read_only(runtime: StandIn, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    run_contained(experiment(tmp_path, f"runtime.folders=[{models}]", "runtime.gpus=all", "runtime.network=true"), progress=False)
    mount = runtime.jobs[0].mounts[-1]
    assert (mount.source, mount.target, mount.writable) == (models, str(models), False)
    assert (runtime.jobs[0].gpus, runtime.jobs[0].network) == ("all", True)
    with pytest.raises(MachineError, match="no folder /not/here to show"):
        run_contained(experiment(tmp_path, "runtime.folders=[/not/here]"), progress=False)


def test_a_secret_goes_by_its_name_alone(runtime: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", "very-secret-value")
    cfg = experiment(tmp_path, "runtime.environment=[SITE_TOKEN]")
    run_contained(cfg, progress=False)
    assert runtime.jobs[0].secrets == ("SITE_TOKEN",)
    assert "very-secret-value" not in repr(runtime.jobs[0])
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and "very-secret-value" in file.read_text()]
    assert kept == []
    monkeypatch.delenv("SITE_TOKEN")
    with pytest.raises(MachineError, match="not set here: SITE_TOKEN"):
        run_contained(cfg, progress=False)


@pytest.mark.parametrize(("code", "kind"), [(2, ConfigError), (3, MachineError), (4, RunError), (125, RunError)])
def test_what_goes_wrong_inside_is_told_with_its_own_words(runtime: StandIn, tmp_path: Path, code: int, kind: type[Exception]) -> None:
    runtime.says = f"import sys; sys.stderr.write('RunError: no room\\n  try   another disk\\n'); sys.exit({code})"
    with pytest.raises(kind, match=f"(?s)exit code {code} in the container:\nRunError: no room\n  try   another disk.*podman, image sha256:7777"):
        run_contained(experiment(tmp_path), progress=False)


def test_failed_variants_are_an_answer(runtime: StandIn, tmp_path: Path) -> None:
    runtime.says = f"import sys; print({json.dumps(json.dumps({**ANSWER, 'failed': ['mtp'], 'status': 'incomplete'}))}); sys.exit(4)"
    result = run_experiment("smoke", experiment_words(tmp_path), progress=False)
    assert (result.status, result.failed) == ("incomplete", ("mtp",))


def test_what_is_no_answer_is_refused(runtime: StandIn, tmp_path: Path) -> None:
    runtime.says = "print('hello')"
    with pytest.raises(RunError, match="exit code 0 in the container:\nit said nothing"):
        run_contained(experiment(tmp_path), progress=False)


def test_a_runtime_that_is_not_here(runtime: StandIn, tmp_path: Path) -> None:
    runtime.lacks = "there is no podman on the path"
    with pytest.raises(MachineError, match="podman cannot run containers here: there is no podman on the path"):
        run_contained(experiment(tmp_path), progress=False)
    assert not (tmp_path / "artifacts").exists()


def test_a_container_needs_an_image_and_an_image_a_container() -> None:
    with pytest.raises(ConfigErrors, match="runtime podman needs an image"):
        compose("smoke", ["runtime=podman", "runtime.image=''"])
    with pytest.raises(ConfigErrors, match=r"runtime\.image=kit needs a container"):
        compose("smoke", ["runtime.image=kit"])


def test_who_runs_inside_knows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FRONTIER_")]:
        monkeypatch.delenv(name)
    here = machine_fingerprint()
    assert container() is None
    monkeypatch.setenv("FRONTIER_RUNTIME", "podman")
    monkeypatch.setenv("FRONTIER_IMAGE", "kit")
    monkeypatch.setenv("FRONTIER_IMAGE_ID", IMAGE)
    monkeypatch.setenv("FRONTIER_MACHINE", "0123456789abcdef")
    assert container() == {"runtime": "podman", "image": "kit", "image_id": IMAGE}
    assert machine_fingerprint() == "0123456789abcdef" != here
