"""How much of some cores others use, before and while something is measured on them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psutil

from frontier.errors import MachineError, UsageError

_IDLE = ("idle", "iowait")
# The kernel counts a guest's time in `user` as well, and stolen time is not work done here.
_NOT_BUSY = {*_IDLE, "guest", "guest_nice", "steal"}


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds since boot at one moment.

    Parameters
    ----------
    at_s : float, seconds, monotonic
    busy_s, steal_s : float, seconds
        Of the cores together: at work; taken by the hypervisor for other machines.
    own_s : dict of int to float, seconds
        Per own process.
    cores : tuple of int
    """

    at_s: float
    busy_s: float
    steal_s: float
    own_s: dict[int, float]
    cores: tuple[int, ...]

    @classmethod
    def take(cls, cores: Sequence[int], own_pids: Collection[int] = ()) -> CpuReading:
        """Read the counters now.

        Parameters
        ----------
        cores : sequence of int
        own_pids : collection of int
            Processes that do not count as background, e.g. a server's whole tree while it is measured.

        Raises
        ------
        UsageError
            If no core is named.
        MachineError
            If a core is not there.
        """
        if not cores:
            raise UsageError("background load needs at least one core, got none")
        every = psutil.cpu_times(percpu=True)
        gone = sorted(set(cores) - set(range(len(every))))
        if gone:
            raise MachineError(f"cores {gone} are not there, this machine has 0 to {len(every) - 1}")
        rows = [every[core]._asdict() for core in sorted(set(cores))]
        busy = sum(sum(value for name, value in row.items() if name not in _NOT_BUSY) for row in rows)
        own: dict[int, float] = {}
        for pid in own_pids:
            try:
                spent = psutil.Process(pid).cpu_times()
            except psutil.Error:  # it ended
                continue
            own[pid] = spent.user + spent.system
        return cls(time.monotonic(), busy, sum(row.get("steal", 0.0) for row in rows), own, tuple(sorted(set(cores))))

    def until(self, later: CpuReading) -> BackgroundLoad:
        """What others used between this reading and a later one of the same cores."""
        seconds = later.at_s - self.at_s
        if later.cores != self.cores or seconds <= 0:
            raise UsageError(f"readings must be of the same cores and in order, got {self.cores} and {later.cores}, {seconds:g} s apart")
        # A process that started in between began at zero; of one that ended, its last stretch counts as background, since nobody tells it any more.
        own = sum(value - self.own_s.get(pid, 0.0) for pid, value in later.own_s.items())
        room = seconds * len(self.cores)
        busy = later.busy_s - self.busy_s
        return BackgroundLoad(
            share=min(max(busy - own, 0.0) / room, 1.0),
            own_share=own / room,
            steal_share=min(max(later.steal_s - self.steal_s, 0.0) / room, 1.0),
            seconds=seconds,
            cores=self.cores,
        )


@dataclass(frozen=True)
class BackgroundLoad:
    """Use of some cores by others.

    Parameters
    ----------
    share : float, 0 to 1
        Part of the cores' time that processes other than one's own used. The kernel counts in hundredths of a second: below 0.02 over half a
        second is nothing.
    own_share : float
        Part that the own processes used, on whatever cores they ran; above 1 if they ran elsewhere too.
    steal_share : float, 0 to 1
        Part that the hypervisor gave to other machines.
    seconds : float
    cores : tuple of int
    """

    share: float
    own_share: float
    steal_share: float
    seconds: float
    cores: tuple[int, ...]

    @property
    def disturbance(self) -> float:
        """Background and stolen time together, part of the cores' time."""
        return min(self.share + self.steal_share, 1.0)


def background_load(cores: Sequence[int], seconds: float, own_pids: Collection[int] = ()) -> BackgroundLoad:
    """Watch some cores for a while; for the time before a launch.

    Parameters
    ----------
    cores : sequence of int
    seconds : float, > 0
    own_pids : collection of int
        Processes that do not count.

    Raises
    ------
    UsageError
        If no core is named or the time is not positive.
    MachineError
        If a core is not there.
    """
    if seconds <= 0:
        raise UsageError(f"seconds must be more than 0, got {seconds:g}")
    before = CpuReading.take(cores, own_pids)
    time.sleep(seconds)
    return before.until(CpuReading.take(cores, own_pids))
