"""Where a trial ran: the nodes of its job, and the GPUs it was given with their driver and clocks."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable
from typing import Any

from frontier.serving.devices import given_devices


def placement(node: str, nodes: list[str], job: str, *, serials: bool) -> dict[str, Any]:
    """Facts for the trial's record.

    Parameters
    ----------
    node, nodes, job : as Slurm names them
    serials : bool
        Whether serial numbers and UUIDs are noted.

    Returns
    -------
    dict of plain JSON values; ``gpus`` are those of the first node, empty where there is no driver. Clocks in MHz, power limits in W.
    """
    return {"node": node, "nodes": nodes, "job": job, "kernel": platform.release(), "cores": _cores(), "gpus": _gpus(serials)}


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
