"""Facts about this machine, without names of people, hosts or folders."""

from __future__ import annotations

import importlib
import os
import platform
from pathlib import Path
from typing import Any

import psutil

_GIB = 2**30
_CPU = Path("/sys/devices/system/cpu/cpu0")


def cores_held() -> int:
    """CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def machine_facts(torch: Any) -> dict[str, Any]:
    """Processor, cores, caches, memory, system, clocks, GPUs and the torch build.

    Parameters
    ----------
    torch : module

    Returns
    -------
    dict of plain JSON values; null where the system does not tell
    """
    gpus = _gpus(torch)
    return {
        "cpu": _cpu_model(),
        "cores": cores_held(),
        "core_quota": _quota(Path("/sys/fs/cgroup/cpu.max")),
        "caches": _caches(),
        "memory_gib": _memory_gib(),
        "kernel": f"{platform.system()} {platform.release()}",
        "governor": _text(_CPU / "cpufreq/scaling_governor"),
        "max_clock_mhz": _clock_mhz(),
        "gpus": gpus,
        "driver": _driver() if gpus else None,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "instructions": str(torch.backends.cpu.get_cpu_capability()),
    }


def busy_cores(window_s: float = 0.25) -> float:
    """Processor time that runs on this machine right now, in cores; called before the measurements start, it is others' work."""
    return round(psutil.cpu_percent(interval=window_s) / 100.0 * (psutil.cpu_count() or 1), 2)


def _cpu_model() -> str:
    info = _text(Path("/proc/cpuinfo")) or ""
    fields = [line.split(":", 1) for line in info.splitlines() if ":" in line]
    named = {name.strip(): value.strip() for name, value in reversed(fields)}
    # Virtual machines may call every processor of a maker alike; family and model tell generations apart.
    known = [named[key] for key in ("cpu family", "model", "stepping") if key in named]
    name = named.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family, model, stepping {' '.join(known)})" if known else name


def _memory_gib() -> float:
    """Memory of the machine, or of the control group that holds this process if that is less."""
    limit = _text(Path("/sys/fs/cgroup/memory.max"))
    total = psutil.virtual_memory().total
    return round(min(total, int(limit)) / _GIB if limit and limit.isdigit() else total / _GIB, 1)


def _quota(file: Path) -> float | None:
    """Cores that the control group grants; None without a limit."""
    words = (_text(file) or "").split()
    return float(words[0]) / float(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _caches() -> list[dict[str, Any]]:
    """Data caches that the first core sees: level, KiB, and how many cores share one."""
    found = []
    for folder in sorted((_CPU / "cache").glob("index*")):
        level, kind, size, shared = (_text(folder / name) for name in ("level", "type", "size", "shared_cpu_list"))
        if level and size and size.endswith("K") and kind in ("Data", "Unified"):
            found.append({"level": int(level), "kib": int(size[:-1]), "cores": len(_cpu_list(shared or ""))})
    return found


def _cpu_list(text: str) -> list[int]:
    """Numbers in a list of the kernel's form.

    >>> _cpu_list("0-2,5")
    [0, 1, 2, 5]
    """
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _clock_mhz() -> float | None:
    limit = _text(_CPU / "cpufreq/cpuinfo_max_freq")
    if limit and limit.isdigit():
        return int(limit) / 1000.0
    return None


def _gpus(torch: Any) -> list[dict[str, Any]]:
    if not torch.cuda.is_available():
        return []
    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [{"name": str(one.name), "memory_gib": round(one.total_memory / _GIB, 1)} for one in properties]


def _driver() -> str | None:
    # By name and on use: the package carries no types, and only a machine with a GPU needs it.
    pynvml: Any = importlib.import_module("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
