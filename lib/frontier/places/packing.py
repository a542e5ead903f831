"""Which trials run beside one another on this machine: each on devices and cores of its own, so that neighbours disturb no measurement."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontier.serving import DEVICES, physical, usable, usable_devices
from frontier.telemetry import Gpus


@dataclass(frozen=True)
class Machine:
    """What there is to share out.

    Parameters
    ----------
    gpus : tuple of str, optional
        By the names that ``CUDA_VISIBLE_DEVICES`` takes; None where nothing tells which there are.
    cores : tuple of tuple of int
        Numbers of each physical core; empty where processes cannot be bound to cores.
    """

    gpus: tuple[str, ...] | None
    cores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Need:
    """What a trial, or several that one process runs, must have.

    Parameters
    ----------
    gpus : int
    cores : int
        Cores that servers compute on.
    alone : bool
        Nothing else runs meanwhile, and nothing is shared out.
    block : int
        A trial may be overtaken by others of its block, never by a later block's.
    """

    gpus: int = 0
    cores: int = 0
    alone: bool = False
    block: int = 0


ANYWHERE = Need()


@dataclass(frozen=True)
class Share:
    """What a process was given: a packed trial has cores of its own, and GPUs where it needs them."""

    gpus: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    alone: bool = False

    def bind(self) -> None:
        """Keep this process, and all that it starts from now on, on its share; threads that it has already stay as they are."""
        if self.gpus:
            os.environ[DEVICES] = ",".join(self.gpus)
        if self.cores:
            os.sched_setaffinity(0, self.cores)

    def placement(self, neighbours: int) -> dict[str, Any] | None:
        """Facts for the record of a packed trial; None for others, whose records are the same wherever they run."""
        return {"devices": list(self.gpus), "cores": list(self.cores), "neighbours": neighbours} if self.cores else None


def this_machine() -> Machine:
    """GPUs that the driver sees and the environment leaves, and cores that this process may use."""
    gpus = Gpus()
    there = None if gpus.reason else len(gpus)
    gpus.close()
    return Machine(usable_devices(there), physical(usable()) if hasattr(os, "sched_setaffinity") else ())


def startable(machine: Machine, waiting: Sequence[Need], running: Sequence[Share], most: int) -> list[tuple[int, Share]]:
    """Those of the waiting that can start now, with their shares.

    In order; while one waits for room, others of its block may start before it. A block is one replicate of every variant: its order is random
    anyway, it ends, so that nothing waits for ever, and a drift of the machine still meets all variants of it alike.

    Parameters
    ----------
    machine : Machine
    waiting : sequence of Need
        In plan order.
    running : sequence of Share
    most : int, >= 1
        How many may run at once.

    Returns
    -------
    list of (int, Share)
        Places in ``waiting``, rising. Not empty where nothing runs and something waits.
    """
    taken, found = list(running), []
    held: int | None = None
    for at, need in enumerate(waiting):
        if len(taken) >= most or held not in (None, need.block):
            break
        share = _share(machine, need, taken)
        if share is None:
            held = need.block
            continue
        taken.append(share)
        found.append((at, share))
    return found


def _share(machine: Machine, need: Need, taken: Sequence[Share]) -> Share | None:
    """Room for one beside those that run; None while there is none."""
    whole = _whole(machine, need)
    if any(share.alone for share in taken) or (whole is not None and taken):
        return None
    if whole is not None or not (need.gpus or need.cores):
        return whole or Share()
    held = {gpu for share in taken for gpu in share.gpus}
    cores = {core for share in taken for core in share.cores}
    free = [core for core in machine.cores if not cores.intersection(core)]
    if not need.gpus or machine.gpus is None:
        return _on_cores(free, need.cores)
    gpus = _together(machine.gpus, need.gpus, held)
    if not gpus or not free:
        return None
    # Cores by the GPUs' own share of them, at the same place in their row: on common boards that is the same socket.
    count = max(1, len(machine.cores) * need.gpus // len(machine.gpus))
    first = len(machine.cores) * machine.gpus.index(gpus[0]) // len(machine.gpus)
    own = machine.cores[first : first + count]
    chosen = own if len(own) == count and not any(cores.intersection(core) for core in own) else free[:count]
    return Share(gpus, tuple(sorted(number for core in chosen for number in core)))


def _whole(machine: Machine, need: Need) -> Share | None:
    """The share of one that has the machine to itself: by its own wish, because nobody can tell the devices apart, or because it needs more.

    Who needs more than there is meets the refusal of `frontier.serving.held_devices`, in the trial's record.
    """
    if need.alone or ((need.gpus or need.cores) and not machine.cores):
        return Share(alone=True)
    if need.gpus and machine.gpus is None:
        return Share(alone=True)
    if need.gpus > len(machine.gpus or ()):
        return Share(machine.gpus or ("",), alone=True)
    return Share(alone=True) if _on_cores(machine.cores, need.cores) is None else None


def _together(gpus: Sequence[str], count: int, held: set[str]) -> tuple[str, ...]:
    """So many free GPUs, a whole group of that size where one is free: that keeps the larger groups whole; empty where there are too few."""
    groups = [gpus[start : start + count] for start in range(0, len(gpus) - count + 1, count)]
    free = [gpu for gpu in gpus if gpu not in held]
    chosen = next((group for group in groups if not held.intersection(group)), free[:count])
    return tuple(chosen) if len(chosen) == count else ()


def _on_cores(free: Sequence[tuple[int, ...]], needed: int) -> Share | None:
    """The first cores that are free, a third more than the servers compute on: the client has a quarter, as beside GPUs."""
    wanted = needed + math.ceil(needed / 3)
    chosen: list[int] = []
    for core in free:
        if len(chosen) >= wanted:
            break
        chosen += core
    return Share(cores=tuple(sorted(chosen))) if len(chosen) >= wanted else None
