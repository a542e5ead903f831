"""What ran, and where: versions, source, wheels and hardware, without names of people, hosts or folders."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import uuid
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from frontier.errors import MachineError
from frontier.tools import processor_name

DISTRIBUTION = "frontier-kit"
GIB = 2**30


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path], root: Path) -> str:
    """SHA-256 (hex) over names relative to ``root`` and contents, independent of the order given."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(root).as_posix()}\0{sha256_file(path)}\n".encode())
    return total.hexdigest()


@cache
def package_sha256(name: str) -> str:
    """SHA-256 (hex) of the source and data files of an importable module or package.

    Raises
    ------
    MachineError
        If it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise MachineError(f"module {name} is not installed", hint=f"pip install {DISTRIBUTION}")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        return sha256_files([origin], origin.parent)
    files = (path for path in origin.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sha256_files(files, origin.parent)


@cache
def wheel_sha256(distribution: str) -> str:
    """SHA-256 (hex) over the file hashes that a wheel's RECORD lists: equal for equal content, whatever the folder.

    Raises
    ------
    MachineError
        If the distribution is not installed or has no RECORD.
    """
    try:
        record = importlib.metadata.distribution(distribution).read_text("RECORD")
    except importlib.metadata.PackageNotFoundError as cause:
        raise MachineError(f"{distribution} is not installed", hint=f"pip install {DISTRIBUTION}") from cause
    if record is None:
        raise MachineError(f"{distribution} was installed without a RECORD file", hint=f"pip install --force-reinstall {distribution}")
    # Installers add lines of their own (INSTALLER, direct_url.json, scripts, bytecode); the wheel's are those inside the package.
    hashed = sorted(line for line in record.splitlines() if ",sha256=" in line and ".dist-info/" not in line and not line.startswith(".."))
    return hashlib.sha256("\n".join(hashed).encode()).hexdigest()


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the clone that holds a folder, and whether tracked files differ from it; nulls outside a clone.

    An image of the kit holds no clone: it says in ``FRONTIER_KIT_COMMIT`` what it was made from, ``<commit>+changes`` if files differed.
    """
    stated = os.environ.get("FRONTIER_KIT_COMMIT", "")
    if stated:
        commit, plus, _ = stated.partition("+")
        return {"commit": commit, "dirty": bool(plus)}

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changed is None else bool(changed)}


def gpus() -> list[dict[str, Any]]:
    """Name, memory, driver, clock and power limit of every NVIDIA GPU of this machine; empty where there is no driver.

    The clock (MHz) is the one that applications are set to, or the highest the GPU has; clock and limit (W) are None where the driver does not say.
    """
    # Imported on use, and by name because the package carries no types.
    pynvml: Any = importlib.import_module("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory_gib = round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / GIB, 1)
            clock = _asked(pynvml, "nvmlDeviceGetApplicationsClock", handle, pynvml.NVML_CLOCK_SM)
            clock = clock or _asked(pynvml, "nvmlDeviceGetMaxClockInfo", handle, pynvml.NVML_CLOCK_SM)
            limit = _asked(pynvml, "nvmlDeviceGetEnforcedPowerLimit", handle)  # milliwatts
            facts = {"name": str(pynvml.nvmlDeviceGetName(handle)), "memory_gib": memory_gib, "driver": driver}
            found.append({**facts, "sm_clock_mhz": clock, "power_limit_w": None if limit is None else limit / 1000})
        return found
    finally:
        pynvml.nvmlShutdown()


def _asked(pynvml: Any, question: str, *arguments: Any) -> int | None:
    """A whole number that the driver gives; None where it does not support the question."""
    try:
        return int(getattr(pynvml, question)(*arguments))
    except pynvml.NVMLError:
        return None


def machine_identity() -> dict[str, Any]:
    """What tells this machine from another kind of machine: processor, cores, memory, GPUs; no names of people or hosts."""
    return {
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / GIB),
        "gpus": [gpu["name"] for gpu in gpus()],
    }


def container() -> dict[str, str] | None:
    """The container this process runs in, as the kit that started it says: runtime, image and image ID; None on the host."""
    runtime = os.environ.get("FRONTIER_RUNTIME", "")
    if not runtime:
        return None
    return {"runtime": runtime, "image": os.environ.get("FRONTIER_IMAGE", ""), "image_id": os.environ.get("FRONTIER_IMAGE_ID", "")}


def machine_fingerprint() -> str:
    """Sixteen hexadecimal digits that tell this machine from others and name nobody; empty where the system has no identity of its own.

    A hash of the system's own identity. A container has none: the kit that started it hands over the host's.
    """
    stated = os.environ.get("FRONTIER_MACHINE", "")
    if stated:
        return stated
    try:
        identity = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        identity = f"{uuid.getnode():x}" if not uuid.getnode() >> 40 & 1 else ""  # the multicast bit marks a number drawn at random
    return hashlib.sha256(f"{DISTRIBUTION} machine {identity}".encode()).hexdigest()[:16] if identity else ""


def environment(root: Path, wheels: Iterable[str] = ()) -> dict[str, Any]:
    """What a run says of the machine and the software it ran on.

    Parameters
    ----------
    root : Path
        The clone's folder.
    wheels : distributions whose content decides results

    Returns
    -------
    dict of plain JSON values; no user, host or folder names
    """
    packages = {
        distribution.metadata["Name"]: distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }
    return {
        "schema": "frontier.environment/1",
        "kit": {
            "name": DISTRIBUTION,
            "version": importlib.metadata.version(DISTRIBUTION),
            "source_sha256": package_sha256("frontier"),
            **git_state(root),
        },
        "container": container(),
        "machine": machine_fingerprint(),
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {"system": platform.system(), "machine": platform.machine(), "libc": "-".join(platform.libc_ver())},
        "cpu": {"model": processor_name(), "cores": os.cpu_count()},
        "ram_gib": round(psutil.virtual_memory().total / GIB, 1),
        "gpus": gpus(),
        "wheels": {name: {"version": importlib.metadata.version(name), "sha256": wheel_sha256(name)} for name in sorted(set(wheels))},
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }
