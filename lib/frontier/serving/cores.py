"""Which cores the servers hold and which the client has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError

SHARED_FLAG = "client_shares_cores"


@dataclass(frozen=True)
class Cores:
    """An allocation.

    Attributes
    ----------
    servers, client : tuple of int
        Core numbers; the servers' in the order of their devices.
    shared : bool
        Whether the client runs on cores of the servers.
    """

    servers: tuple[int, ...]
    client: tuple[int, ...]
    shared: bool

    @property
    def flags(self) -> tuple[str, ...]:
        """Marks for the rows that are measured so."""
        return (SHARED_FLAG,) if self.shared else ()


def usable() -> tuple[int, ...]:
    """Cores this process may run on, ascending; all of them where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def physical(available: Sequence[int], folder: Path = Path("/sys/devices/system/cpu")) -> tuple[tuple[int, ...], ...]:
    """The cores by the piece of hardware that they share (threads of one core), ascending; each by itself where the system does not say."""
    groups: dict[str, list[int]] = {}
    for core in sorted(available):
        try:
            key = (folder / f"cpu{core}" / "topology" / "thread_siblings_list").read_text().strip()
        except OSError:
            key = str(core)
        groups.setdefault(key, []).append(core)
    return tuple(map(tuple, groups.values()))


def allocate(needed: int, available: Sequence[int]) -> Cores:
    """Share out the cores: the servers' first, the rest for the client; all for both when nothing would be left.

    Parameters
    ----------
    needed : int, cores, >= 0
        What the deployment computes on. 0, for servers that compute on GPUs, gives the client a quarter of the cores, rounded down, and the
        servers the rest.
    available : sequence of int
        Core numbers, as of :func:`usable`.

    Raises
    ------
    MachineError
        If more are needed than there are.
    """
    there = tuple(available)
    if needed > len(there) or not there:
        raise MachineError(f"the deployment needs {needed} cores, this process may use {len(there)}: {list(there)}")
    held = needed or len(there) - len(there) // 4
    if held == len(there):
        return Cores(there, there, shared=True)
    return Cores(there[:held], there[held:], shared=False)
