"""What this machine is, how busy it is, and which engines can run on it."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

BUSY_SHARE = 0.10  # more than this of the usable cores taken by others disturbs a measurement
VLLM_MEMORY_GIB = 4.0  # a server of 37 million parameters with 1 GiB of KV cache was seen to hold 2.5 GiB


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU: memory in GiB, compute capability as (major, minor)."""

    index: int
    name: str
    memory_gib: float
    capability: tuple[int, int]
    driver: str


@dataclass(frozen=True)
class Machine:
    """What was found.

    Attributes
    ----------
    system, processor : str
    cores_usable, cores_total : int
        Cores this process may run on, and all of them.
    memory_gib, memory_free_gib, disk_free_gib : float
    gpus : tuple of Gpu
    busy_share : float
        Share of all cores' time that was in use during the look, 0 to 1.
    sleep_excess_s : float
        Median of what a sleep of 1 ms took beyond it, seconds.
    clock_step_s : float
        Resolution of the monotonic clock, seconds.
    """

    system: str
    processor: str
    cores_usable: int
    cores_total: int
    memory_gib: float
    memory_free_gib: float
    disk_free_gib: float
    gpus: tuple[Gpu, ...]
    busy_share: float
    sleep_excess_s: float
    clock_step_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def warnings(self) -> list[str]:
        """What would disturb a measurement here, in words."""
        found = []
        if self.busy_share > BUSY_SHARE:
            found.append(f"other work takes {self.busy_share:.0%} of the cores; measurements want less than {BUSY_SHARE:.0%}")
        if self.cores_usable < 2:
            found.append("one core: client and server share it")
        if self.sleep_excess_s > 2e-3:
            found.append(f"a sleep of 1 ms takes {1e3 * (1e-3 + self.sleep_excess_s):.1f} ms: timing is coarse here")
        return found


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that answer; empty without a driver."""
    import pynvml as untyped  # the binding of a driver's library: only loaded where a machine is looked at

    pynvml: Any = untyped

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
            memory_gib = pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30
            found.append(Gpu(index, _text(pynvml.nvmlDeviceGetName(handle)), memory_gib, (major, minor), driver))
        return tuple(found)
    finally:
        pynvml.nvmlShutdown()


def look(folder: Path, watch_s: float = 0.5) -> Machine:
    """Look at this machine; takes ``watch_s`` seconds.

    Parameters
    ----------
    folder : Path
        Where artifacts go; its file system's free room is reported, or that of the nearest folder above that exists.
    watch_s : float
        How long the load of the cores is watched, seconds.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    memory = psutil.virtual_memory()
    busy_share = psutil.cpu_percent(interval=watch_s) / 100
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor_name(),
        cores_usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cores_total=os.cpu_count() or 1,
        memory_gib=memory.total / 2**30,
        memory_free_gib=memory.available / 2**30,
        disk_free_gib=shutil.disk_usage(folder).free / 2**30,
        gpus=gpus(),
        busy_share=busy_share,
        sleep_excess_s=_sleep_excess_s(),
        clock_step_s=time.get_clock_info("monotonic").resolution,
    )


def unfit(engine: str, machine: Machine, installed: bool) -> str:
    """Why an engine cannot run here; empty if it can.

    Parameters
    ----------
    engine : str
        ``vllm`` and ``trtllm`` need something of the machine; engines without a server (``fake``, ``predicted``, ``published``) and
        ``endpoint``, whose server is elsewhere, need nothing.
    machine : Machine
    installed : bool
        Whether the engine's environment is there.
    """
    if engine == "trtllm":
        return "" if machine.gpus else "needs an NVIDIA GPU, none answers"
    if engine != "vllm":
        return ""
    if sys.platform != "linux":
        return f"the pinned build is for Linux, this is {platform.system()}"
    if machine.memory_free_gib < VLLM_MEMORY_GIB:
        return f"needs {VLLM_MEMORY_GIB:g} GiB of free memory, there are {machine.memory_free_gib:.1f} GiB"
    return "" if installed else "its environment is not installed"


def _sleep_excess_s() -> float:
    excess = []
    for _ in range(20):
        began_s = time.perf_counter()
        time.sleep(1e-3)
        excess.append(time.perf_counter() - began_s - 1e-3)
    return statistics.median(excess)


def processor_name() -> str:
    """Name of the processor as the kernel tells it; the platform's word elsewhere, at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
