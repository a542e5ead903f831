"""Where a trial ran: the nodes of its job, and the GPUs it was given with their driver and clocks."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from frontier.places.element import node_name
from frontier.provenance import container
from frontier.serving.devices import given_devices

ANSWER_S = 120.0


def placement(node: str, nodes: Sequence[str], job: str, *, serials: bool) -> dict[str, Any]:
    """Facts for the trial's record.

    Parameters
    ----------
    node, nodes, job : as Slurm names them
    serials : bool
        Whether serial numbers and UUIDs are noted.

    Returns
    -------
    dict of plain JSON values: ``node``, ``nodes``, ``job``, and of the first node ``kernel``, ``cores`` and ``gpus``, empty where there is no driver.
    Clocks in MHz, power limits in W. A job of several nodes has ``by_node`` with the same of each, or ``by_node_unknown``, which says why not. In a
    container ``container`` says which.
    """
    facts = {"node": node, "nodes": list(nodes), "job": job, **_here(serials)}
    if len(nodes) > 1:
        facts |= _by_node(list(nodes), serials)
    inside = container()
    return {**facts, **({"container": inside} if inside else {})}


def _here(serials: bool) -> dict[str, Any]:
    return {"kernel": platform.release(), "cores": _cores(), "gpus": _gpus(serials)}


def _by_node(nodes: list[str], serials: bool) -> dict[str, Any]:
    """What every node says of itself, asked in one step of the job."""
    count = str(len(nodes))
    step = ["srun", "--overlap", "--mpi=none", "--cpu-bind=none", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1"]
    command = [*step, sys.executable, "-m", "frontier.places.placement", *(["--serials"] if serials else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"by_node_unknown": str(error)}
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {one.pop("node"): one for one in said}
    silent = [name for name in nodes if name not in found]
    if done.returncode != 0 or silent:
        lines = done.stderr.strip().splitlines() or [f"srun: exit code {done.returncode}, no word from {', '.join(silent)}"]
        return {"by_node_unknown": lines[-1]}
    return {"by_node": {name: found[name] for name in nodes}}


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _gpus(serials: bool) -> list[dict[str, Any]]:
    # Imported on use, and by name because the package carries no types.
    pynvml: Any = importlib.import_module("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        """What the driver answers; None for what this GPU does not tell."""
        try:
            return function(*arguments)
        except pynvml.NVMLError:
            return None

    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for index in _indices(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            limit = ask(pynvml.nvmlDeviceGetPowerManagementLimit, handle)
            one = {
                "index": index,
                "name": str(pynvml.nvmlDeviceGetName(handle)),
                "driver": driver,
                "sm_clock_mhz": ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
                "max_sm_clock_mhz": ask(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM),
                "memory_clock_mhz": ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
                "power_limit_w": None if limit is None else limit / 1000,
            }
            if serials:
                one |= {"serial": ask(pynvml.nvmlDeviceGetSerial, handle), "uuid": ask(pynvml.nvmlDeviceGetUUID, handle)}
            found.append(one)
        return found
    finally:
        pynvml.nvmlShutdown()


def _indices(count: int) -> list[int]:
    """The GPUs that this job was given; all where nothing restricts it or they are named by id."""
    given = given_devices()
    if given is None or not all(name.isdigit() for name in given):
        return list(range(count))
    return [int(name) for name in given if int(name) < count]


if __name__ == "__main__":  # a step on every node of a job; see _by_node
    sys.stdout.write(json.dumps({"node": node_name(), **_here("--serials" in sys.argv)}) + "\n")
