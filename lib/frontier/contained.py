"""A run inside a container: the same command, started there with the resolved configuration, and its answer read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from frontier import config
from frontier.errors import ConfigError, FrontierError, MachineError, RunError
from frontier.files import write_text
from frontier.plan import artifacts_folder, cache_folder
from frontier.provenance import machine_fingerprint
from frontier.runtimes import ContainerJob, Mount, Runtime, get_runtime
from frontier.schema import Config, PathsConfig, RuntimeConfig

ARTIFACTS, CACHE, NOTEBOOKS = "/artifacts", "/cache", "/notebooks"
KIT = "/opt/frontier-kit"  # where an image of the kit keeps conf/ and notebooks/
# A read-only root leaves only /tmp to write to: settings of libraries go there.
HOME = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp/matplotlib", "PYTHONDONTWRITEBYTECODE": "1"}
LAST_LINES = 30
ERRORS: dict[int, type[FrontierError]] = {2: ConfigError, 3: MachineError}
STOP_WAIT_S = 30.0


def run_contained(cfg: Config, *, progress: bool) -> dict[str, Any]:
    """Run an experiment in its container, and return what ``frontier run --json`` says there, paths as they are here.

    The container sees the folder of the runs and the cache, both writable, and the folders of ``runtime.folders``; nothing else of this machine.

    Parameters
    ----------
    cfg : Config
        With a runtime other than host.
    progress : bool
        Pass on what it says while it works.

    Raises
    ------
    MachineError
        If the runtime or the image is not here, or the engine lacks something in the container.
    RunError
        If the run fails, or the container says nothing that can be read.
    """
    runtime = get_runtime(cfg.runtime.kind)
    missing = runtime.missing()
    if missing:
        raise MachineError(f"{runtime.name} cannot run containers here: {missing}", origin="runtime.kind", hint="runtime=host runs without one")
    image_id = runtime.image_id(cfg.runtime.image)
    artifacts, cache = artifacts_folder(cfg), cache_folder(cfg)
    for folder in (artifacts, cache):
        folder.mkdir(parents=True, exist_ok=True)
    request = _write_request(cfg, artifacts)
    command = ("frontier", "run", f"experiment={ARTIFACTS}/{request.relative_to(artifacts).as_posix()}", "--json")
    job = container_job(cfg, artifacts, cache, command, image_id)
    code, said, complaint = _run(runtime, job, progress)
    document = _answer(said)
    if document is None:
        kind = ERRORS.get(code, RunError)
        text = "\n".join(complaint) or "it said nothing"
        raise kind(f"frontier ended with exit code {code} in the container:\n{text}", origin=f"{runtime.name}, image {image_id}")
    return {key: _here(value, artifacts) if key in ("path", "report") else value for key, value in document.items()}


def _write_request(cfg: Config, artifacts: Path) -> Path:
    """The configuration as the container reads it: its own folders, and no container inside the container. Equal requests share a file."""
    notebooks = PathsConfig().notebooks_dir if cfg.paths.notebooks_dir == PathsConfig().notebooks_dir else NOTEBOOKS
    inside = replace(cfg, paths=PathsConfig(ARTIFACTS, CACHE, notebooks), runtime=RuntimeConfig())
    file = artifacts / "requests" / f"{cfg.name}-{config.digest(cfg)[:16]}.yaml"
    text = config.to_yaml(inside)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
    return file


def container_job(cfg: Config, artifacts: Path, cache: Path, command: tuple[str, ...], image_id: str) -> ContainerJob:
    """A command in the container of the configuration, which sees artifacts and cache, both writable, and the folders of ``runtime.folders``.

    Raises
    ------
    MachineError
        If a folder is not here, or a variable that the container shall get is not set.
    """
    wanted = cfg.runtime
    mounts = [Mount(artifacts.resolve(), ARTIFACTS, writable=True), Mount(cache.resolve(), CACHE, writable=True)]
    mounts += [Mount(Path(folder), folder) for folder in wanted.folders]
    if cfg.paths.notebooks_dir != PathsConfig().notebooks_dir:
        mounts.append(Mount(Path(cfg.paths.notebooks_dir).resolve(), NOTEBOOKS))
    lost = [str(mount.source) for mount in mounts if not mount.source.is_dir()]
    if lost:
        raise MachineError(f"no folder {', '.join(lost)} to show to the container", origin="runtime.folders", hint="name folders that exist")
    unset = [name for name in wanted.environment if name not in os.environ]
    if unset:
        raise MachineError(f"variables that the container shall get are not set here: {', '.join(unset)}", origin="runtime.environment")
    known = {
        "FRONTIER_RUNTIME": wanted.kind,
        "FRONTIER_IMAGE": Path(wanted.image).name if "/" in wanted.image and Path(wanted.image).exists() else wanted.image,
        "FRONTIER_IMAGE_ID": image_id,
        "FRONTIER_MACHINE": machine_fingerprint(),
    }
    return ContainerJob(
        image=wanted.image if wanted.kind in ("apptainer", "pyxis") else image_id,
        command=command,
        workdir=KIT,
        mounts=tuple(mounts),
        environment={**HOME, **known},
        secrets=tuple(wanted.environment),
        gpus=wanted.gpus,
        network=wanted.network,
        memory_gib=wanted.memory_gib,
    )


def _run(runtime: Runtime, job: ContainerJob, progress: bool) -> tuple[int, str, list[str]]:
    """Exit code, standard output, and the last lines of standard error. An interrupt is passed on, and the container's end awaited."""
    pipe = subprocess.PIPE
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        runtime.command(job), stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", env=runtime.calling_environment(job)
    ) as process:
        reader = threading.Thread(target=_pass_on, args=(process.stderr, last, progress), daemon=True)
        reader.start()
        try:
            if process.stdin:
                with suppress(BrokenPipeError):  # it ended at once; what it said tells why
                    process.stdin.write(runtime.standard_input(job))
                    process.stdin.close()
            said = process.stdout.read() if process.stdout else ""
            code = process.wait()
        except BaseException:
            process.terminate()  # the runtimes pass the signal on
            try:
                process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        reader.join(5.0)
    return code, said, list(last)


def _pass_on(stream: IO[str] | None, last: deque[str], progress: bool) -> None:
    for line in stream or ():
        last.append(line.rstrip("\n"))
        if progress:
            sys.stderr.write(line)
            sys.stderr.flush()


def _answer(said: str) -> dict[str, Any] | None:
    """The document of ``frontier run --json``; None where there is none."""
    try:
        document = json.loads(said)
    except ValueError:
        return None
    return dict(document) if isinstance(document, Mapping) and document.get("schema") == "frontier.run/1" else None


def _here(path: object, artifacts: Path) -> str:
    """A path in the container as the path it has here."""
    return str(artifacts / Path(str(path)).relative_to(ARTIFACTS))
