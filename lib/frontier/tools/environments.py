"""Environments of tools: virtual environments of their own, made from pinned requirements, complete or not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from frontier.errors import MachineError, RunError
from frontier.tools.machine import gpus
from frontier.tools.recipes import Recipe, recipe

COMPLETE = "complete.json"
VERSIONS = """
import importlib.metadata as metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
SAY_EVERY_S = 5.0


@dataclass(frozen=True)
class Tool:
    """An environment that has a tool.

    Attributes
    ----------
    name, variant : str
    python : Path
        Its interpreter; run the tool as ``python -m <module>``.
    versions : mapping of str to str
        Of Python, the tool and the packages that decide what it does.
    pinned : bool
        Whether the kit made it from its own pins, or it was pointed at.
    """

    name: str
    variant: str
    python: Path
    versions: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = True


def build_for_this_machine(name: str) -> Recipe:
    """The recipe of a tool's build for what is here: the CUDA build where an NVIDIA GPU answers, else the CPU build."""
    return recipe(name, "cuda" if name == "vllm" and gpus() else "cpu")


def home(build: Recipe, folder: Path, requirements: Path | None = None) -> Path:
    """Where a build's environment stands; other pins give another place."""
    return folder / f"{build.name}-{build.digest(requirements)}"


def find(name: str, folder: Path, *, python: Path | None = None, variant: str | None = None, requirements: Path | None = None) -> Tool:
    """A tool's environment that is there.

    Parameters
    ----------
    name : str
        One of ``NAMES``.
    folder : Path
        Where :func:`install` puts environments.
    python : Path, optional
        Interpreter of an environment made elsewhere; used as it is, whatever its versions, which are recorded.
    variant : str, optional
        The build; by default the one for this machine.
    requirements : Path, optional
        Folder of the requirements files; by default the clone's.

    Raises
    ------
    MachineError
        If it is not there, or not complete; the hint installs it.
    """
    build = recipe(name, variant) if variant else build_for_this_machine(name)
    hint = f"frontier doctor --install {name}"
    if python is not None:
        if not python.is_file():
            raise MachineError(f"no Python at {python}", hint=hint)
        versions = _versions(python, build)
        if build.distribution not in versions:
            raise MachineError(f"{build.distribution} is not in the environment of {python}", hint=hint)
        return Tool(build.name, build.variant, python, versions, pinned=False)
    place = home(build, folder, requirements)
    try:
        record = json.loads((place / COMPLETE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        state = "is incomplete" if place.exists() else "is not installed"
        raise MachineError(f"{name} {build.version(requirements)} {state}, looked in {place}", hint=hint) from None
    return Tool(build.name, build.variant, _python(place), record["versions"])


def install(name: str, folder: Path, *, progress: Callable[[str], None], variant: str | None = None, requirements: Path | None = None) -> Tool:
    """Make a tool's environment, or return the one that is there.

    The record that makes an environment complete is written last; what an interrupted installation left is removed by the next one. Two
    installations of one tool wait for each other. What pip prints stands in ``<folder>/<name>-<digest>.log``.

    Parameters
    ----------
    name, folder, variant, requirements
        As for :func:`find`.
    progress : callable
        Gets one line of text now and then.

    Raises
    ------
    MachineError
        If there is not enough room on the disk.
    RunError
        If the installation or the first import fails; the message ends with what pip or Python said.
    """
    build = recipe(name, variant) if variant else build_for_this_machine(name)
    pins = build.file(requirements)
    place = home(build, folder, requirements)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{place}.lock")
    if lock.is_locked or not _free(lock):
        progress(f"{name}: another installation runs, waiting for it")
    with lock:
        if (place / COMPLETE).exists():
            progress(f"{name}: already there, {place}")
            return find(name, folder, variant=build.variant or None, requirements=requirements)
        if place.exists():
            progress(f"{name}: removing what an interrupted installation left")
            shutil.rmtree(place)
        free_gib = shutil.disk_usage(folder).free / 2**30
        if free_gib < 2 * build.disk_gib:
            raise MachineError(f"{name} needs {2 * build.disk_gib:g} GiB of disk while it is installed, {folder} has {free_gib:.1f} GiB free")
        if not build.tried:
            progress(f"{name} {build.variant}: this build was not run on hardware by the kit's authors")
        began_s = time.monotonic()
        log = Path(f"{place}.log")
        log.unlink(missing_ok=True)
        _run([sys.executable, "-m", "venv", str(place)], f"{name}: new environment", log, progress)
        pip = [str(_python(place)), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        _run([*pip, "install", "-r", str(pins)], f"{name}: installing {build.distribution} {build.version(requirements)}", log, progress)
        if build.remove:
            _run([*pip, "uninstall", "-y", *build.remove], f"{name}: removing {', '.join(build.remove)}", log, progress)
        _run([str(_python(place)), "-I", "-c", f"import {build.module}"], f"{name}: first import", log, progress)
        versions = _versions(_python(place), build)
        took_s = time.monotonic() - began_s
        half = place / f"{COMPLETE}.half"
        record = {"name": build.name, "variant": build.variant, "requirements": pins.name, "digest": build.digest(requirements)}
        half.write_text(json.dumps({**record, "versions": versions, "took_s": round(took_s, 1)}, indent=1), encoding="utf-8")
        half.replace(place / COMPLETE)
    progress(f"{name}: ready after {took_s:.0f} s, {place}")
    return Tool(build.name, build.variant, _python(place), versions)


def _free(lock: FileLock) -> bool:
    try:
        with lock.acquire(blocking=False):
            return True
    except TimeoutError:
        return False


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _clean_environment() -> dict[str, str]:
    """The starter's environment without what would leak the kit's own packages into the tool's."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")}


def _versions(python: Path, build: Recipe) -> dict[str, str]:
    command = [str(python), "-I", "-c", VERSIONS, build.distribution, *build.report]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_clean_environment(), timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise MachineError(f"{python} does not answer: {error}", hint=f"frontier doctor --install {build.name}") from error
    return dict(json.loads(done.stdout))


def distribution_version(python: Path, name: str) -> str:
    """Version of a distribution in an interpreter's environment, nothing of it imported; empty where it is not there or cannot be asked."""
    command = [str(python), "-I", "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_clean_environment(), timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _run(command: Sequence[str], what: str, log: Path, progress: Callable[[str], None]) -> None:
    """Run a step with its output in the log, saying now and then how far it is."""
    progress(what)
    began_s = said_s = time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        start = file.tell()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=_clean_environment())
        try:
            while (code := _wait(process)) is None:
                if time.monotonic() - said_s >= SAY_EVERY_S:
                    said_s = time.monotonic()
                    progress(f"{what}: {said_s - began_s:.0f} s{_step(log, start)}")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        raise RunError(f"{what}: failed with exit code {code}\n{_reason(log, start)}", origin=str(log))


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(0.2)
    except subprocess.TimeoutExpired:
        return None


def _said(log: Path, start: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", "replace").splitlines()


def _step(log: Path, start: int) -> str:
    lines = _said(log, start)
    if any(line.startswith("Installing collected packages") for line in lines):
        return ", writing files"
    found = sum(line.startswith("Collecting ") for line in lines)
    return f", {found} packages found" if found else ""


def _reason(log: Path, start: int, count: int = 12) -> str:
    """The lines that say why: pip's own ERROR lines if there are any, else the end, without pip's warnings."""
    lines = [line for line in _said(log, start) if line.strip() and not line.lstrip().startswith("WARNING")]
    errors = [line for line in lines if line.startswith("ERROR")]
    return "\n".join((errors or lines)[-count:])
