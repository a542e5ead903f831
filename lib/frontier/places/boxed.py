"""The worker of a job inside the container of the run's configuration."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from frontier import config
from frontier.contained import ARTIFACTS, CACHE, container_job
from frontier.places.jobs import Jobs
from frontier.runtimes import get_runtime
from frontier.schema import RuntimeConfig
from frontier.serving.devices import given_devices


def start_boxed(request: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start ``python -m frontier.places`` in the container that the submission names; it sees the runs, the cache, and the GPUs of the job.

    Raises
    ------
    MachineError
        If the image, a folder or a variable is not on this node.
    """
    run = Path(request["run"])
    submission = Jobs(run).read(int(request["number"]))
    wanted = RuntimeConfig(**submission.document["runtime"])
    given = given_devices()
    if wanted.gpus and given and all(name.isdigit() for name in given):
        wanted = replace(wanted, gpus=",".join(given))  # those that Slurm gave to the job
    cfg = replace(config.from_yaml((run / "config.yaml").read_text(encoding="utf-8")), runtime=wanted)
    artifacts = run.parents[1]
    inside = {**request, "run": f"{ARTIFACTS}/{run.relative_to(artifacts).as_posix()}", "cache": CACHE}
    runtime = get_runtime(wanted.kind)
    image_id = submission.document["image_id"]
    job = container_job(cfg, artifacts, Path(request["cache"]), ("python", "-u", "-m", "frontier.places", json.dumps(inside)), image_id)
    worker = subprocess.Popen(runtime.command(job), stdin=subprocess.PIPE, env=runtime.calling_environment(job))
    if worker.stdin is not None:
        worker.stdin.write(runtime.standard_input(job).encode())
        worker.stdin.close()
    return worker
