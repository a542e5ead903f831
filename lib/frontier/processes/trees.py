"""Who belongs to a tree of processes, and what they hold."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

MARK = "FRONTIER_CHILD"


def descendants(pid: int) -> list[psutil.Process]:
    """Children, grandchildren and so on of a process that still run; empty if there is no such process."""
    try:
        return [process for process in psutil.Process(pid).children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:  # one of them ended during the walk
        return [process for process in _quiet_walk(pid) if process.is_running()]


def _quiet_walk(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def threads(pid: int) -> list[int]:
    """Ids of a process's threads; empty if there is no such process."""
    try:
        return [thread.id for thread in psutil.Process(pid).threads()]
    except psutil.Error:
        return []


def marked(mark: str) -> list[psutil.Process]:
    """Processes that have the mark in their environment, wherever they are."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each that still runs."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def kill_marked(mark: str) -> None:
    """Kill every process with the mark."""
    while left := marked(mark):
        send(left, signal.SIGKILL)
        time.sleep(0.02)


def shared_memory(pids: Iterable[int]) -> set[str]:
    """Python's named shared memory that these processes have mapped; a process that is killed cannot unlink its own, and it is memory."""
    found = set()
    for pid in pids:
        try:
            maps = Path("/proc", str(pid), "maps").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found |= {line.split(maxsplit=5)[5] for line in maps.splitlines() if " /dev/shm/psm_" in line and not line.endswith("(deleted)")}
    return found
