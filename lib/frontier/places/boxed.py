"""The worker of a job inside the container of the run's configuration."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontier import config
from frontier.contained import ARTIFACTS, CACHE, container_job
from frontier.places.element import TIE
from frontier.places.jobs import Jobs
from frontier.runtimes import ContainerJob, Mount, Runtime, get_runtime
from frontier.schema import RuntimeConfig
from frontier.serving.devices import given_devices

TIED = "/job"
HOST_GPUS = "SLURM_JOB_GPUS"


@contextmanager
def boxed_worker(request: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m frontier.places`` in the container that the submission names; it sees the runs, the cache, and the GPUs of the job.

    Raises
    ------
    MachineError
        If a folder or a variable is not on this node.

    Notes
    -----
    podman's and docker's containers are no children of the job: Slurm's SIGTERM is passed on to them, its SIGKILL is not. So the worker waits for the
    end of a pipe whose other end this process holds: where the job is gone, however it went, the container ends.
    """
    with tempfile.TemporaryDirectory(prefix="frontier-job-") as folder:
        runtime, job = boxed_job(request, Path(folder))
        os.mkfifo(Path(folder, TIE))
        held = os.open(Path(folder, TIE), os.O_RDWR | os.O_CLOEXEC)  # unlike O_WRONLY it does not wait for a reader
        try:
            worker = subprocess.Popen(job_command(runtime, job), stdin=subprocess.PIPE, env=runtime.calling_environment(job))
            if worker.stdin is not None:
                with suppress(BrokenPipeError):  # it ended at once; what it said stands in the job's log
                    worker.stdin.write(runtime.standard_input(job).encode())
                    worker.stdin.close()
            yield worker
        finally:
            os.close(held)


def boxed_job(request: Mapping[str, Any], tie: Path) -> tuple[Runtime, ContainerJob]:
    """The runtime and the container of a request; ``tie`` is the folder of the pipe that ends it."""
    run = Path(request["run"])
    submission = Jobs(run).read(int(request["number"]))
    wanted = RuntimeConfig(**submission.document["runtime"])
    given = _given_gpus(wanted.kind)
    if wanted.gpus and given and all(name.isdigit() for name in given):
        wanted = replace(wanted, gpus=",".join(given))  # those that Slurm gave to the job
    cfg = replace(config.from_yaml((run / "config.yaml").read_text(encoding="utf-8")), runtime=wanted)
    artifacts, cache = run.parents[1], Path(request["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    inside = {**request, "run": f"{ARTIFACTS}/{run.relative_to(artifacts).as_posix()}", "cache": CACHE, TIE: f"{TIED}/{TIE}"}
    command = ("python", "-u", "-m", "frontier.places", json.dumps(inside))
    job = container_job(cfg, artifacts, cache, command, submission.document["image_id"])
    return get_runtime(wanted.kind), replace(job, mounts=(*job.mounts, Mount(tie, TIED)))


def job_command(runtime: Runtime, job: ContainerJob) -> list[str]:
    """Command line of a container inside a job."""
    program, *words = runtime.command(job)
    # A step of the job's own: without these two it could wait for cores that the job's other steps hold, and would be bound to one core.
    step = ["--overlap", "--cpu-bind=none"] if runtime.name == "pyxis" else []
    return [program, *step, *words]


def _given_gpus(kind: str) -> list[str] | None:
    """GPUs of the job, as the runtime counts them: podman and docker count those of the node, the others those that the job sees."""
    on_node = os.environ.get(HOST_GPUS, "") if kind in ("podman", "docker") else ""
    return on_node.split(",") if on_node else given_devices()
