"""The worker of a job in its container: the command lines inside a job, written by hand, and which GPUs it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from frontier.places.boxed import boxed_job, job_command
from frontier.places.element import TIE
from frontier.places.jobs import Jobs
from frontier.provenance import machine_fingerprint
from frontier.schema import RuntimeConfig
from frontier.session import Session, start_run

ID = "sha256:" + "ab" * 32


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A run that nothing was submitted of, in no job."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "FRONTIER_MACHINE"):
        monkeypatch.delenv(name, raising=False)
    return start_run("smoke", ["lever=[hardware]", "sweep.replicates=1", "place=slurm"], str(tmp_path / "artifacts"))


def command(session: Session, folder: Path, **runtime: Any) -> list[str]:
    """The command line of a worker on a node, with what depends on this machine as a word in capitals."""
    wanted = {"kind": "podman", "image": "/images/kit.file", **runtime}
    submission = Jobs(session.run.path).create([{"nodes": 1, "gpus_per_node": 0, "jobs": [["d"]]}], {}, "", {**vars(RuntimeConfig()), **wanted}, ID)
    request = {"run": str(session.run.path), "number": submission.number, "digests": ["d"], "cache": str(folder / "cache")}
    adapter, job = boxed_job(request, folder / "tie")
    inside = {**request, "run": f"/artifacts/runs/{session.run.run_id}", "cache": "/cache", TIE: "/job/tie"}
    known = {
        json.dumps(inside): "REQUEST", str(folder / "cache"): "CACHE", str(folder / "tie"): "TIED",
        str(session.store.artifacts_dir): "ARTIFACTS", machine_fingerprint() or "no identity": "MACHINE",
    }  # fmt: skip
    words = job_command(adapter, job)
    for text, name in known.items():
        words = [word.replace(text, name) for word in words]
    return words


INSIDE = [
    "/usr/bin/env", "FRONTIER_IMAGE=/images/kit.file", f"FRONTIER_IMAGE_ID={ID}", "FRONTIER_MACHINE=MACHINE", "FRONTIER_RUNTIME={kind}", "HOME=/tmp",
    "MPLCONFIGDIR=/tmp/matplotlib", "PYTHONDONTWRITEBYTECODE=1",
]  # fmt: skip
WORKER = ["python", "-u", "-m", "frontier.places", "REQUEST"]


def test_pyxis_starts_a_step_of_the_job_that_waits_for_no_other(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("HF_TOKEN", "never on a command line")
    assert command(session, tmp_path, kind="pyxis", gpus="all", network=True, environment=["HF_TOKEN"]) == [
        "srun", "--overlap", "--cpu-bind=none", "--nodes=1", "--ntasks=1", "--export=NVIDIA_VISIBLE_DEVICES,HF_TOKEN",
        "--container-image=/images/kit.file", "--container-mounts=tmpfs:/tmp:mode=1777,ARTIFACTS:/artifacts:rw,CACHE:/cache:rw,TIED:/job:ro",
        "--container-workdir=/opt/frontier-kit", "--container-readonly", "--no-container-mount-home", "--no-container-remap-root",
        "--no-container-entrypoint", "--container-env=NVIDIA_VISIBLE_DEVICES,HF_TOKEN",
        *(word.format(kind="pyxis") for word in INSIDE), *WORKER,
    ]  # fmt: skip


def test_apptainer_is_a_process_of_the_job(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert command(session, tmp_path, kind="apptainer", gpus="all") == [
        "apptainer", "exec", "--containall", "--no-home", "--no-eval", "--no-privs", "--pwd=/opt/frontier-kit", "--net", "--network=none", "--nv",
        "--mount=type=bind,source=ARTIFACTS,destination=/artifacts", "--mount=type=bind,source=CACHE,destination=/cache",
        "--mount=type=bind,source=TIED,destination=/job,ro", "/images/kit.file",
        *(word.format(kind="apptainer") for word in INSIDE), "CUDA_VISIBLE_DEVICES=2,3", *WORKER,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "environment", "shown"),
    [
        ("all", {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "4,6"}, ["nvidia.com/gpu=4", "nvidia.com/gpu=6"]),
        ("all", {"CUDA_VISIBLE_DEVICES": "4,6"}, ["nvidia.com/gpu=4", "nvidia.com/gpu=6"]),
        ("all", {}, ["nvidia.com/gpu=all"]),
        ("", {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "4,6"}, []),
    ],
)
def test_podman_shows_the_jobs_gpus_by_the_nodes_numbers(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, environment: dict[str, str], shown: list[str]
) -> None:
    """A control group numbers a job's GPUs from 0, and podman's containers are not in it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = command(session, tmp_path, gpus=asked)
    assert [word.removeprefix("--device=") for word in words if word.startswith("--device=")] == shown


def test_the_cache_is_made_where_a_node_has_none(session: Session, tmp_path: Path) -> None:
    command(session, tmp_path)
    assert (tmp_path / "cache").is_dir()


def test_other_runtimes_need_no_words_of_their_own_in_a_job(session: Session, tmp_path: Path) -> None:
    assert command(session, tmp_path)[:3] == ["podman", "run", "--rm"]
