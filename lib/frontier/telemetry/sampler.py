"""A record of the machine about once a second while something runs: clocks, temperatures, load, memory, GPUs."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import psutil

from frontier.errors import UsageError
from frontier.telemetry.nvml import Gpus

GIB = 2**30
_THROTTLE = "devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"
_TEMPERATURE = "class/thermal/thermal_zone*/temp"
_FREQUENCY = "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"


@dataclass
class Sampler:
    """Samples the machine from its own thread between entering and leaving.

    Parameters
    ----------
    period_s : float, > 0, seconds
    gpus : Gpus, optional
        The machine's own by default.
    sys_folder : Path
        The kernel's view of the hardware; tests pass a folder of their own.
    """

    period_s: float = 1.0
    gpus: Gpus | None = None
    sys_folder: Path = Path("/sys")
    _rows: list[dict[str, float]] = field(default_factory=list)
    _times: list[tuple[int, int]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        if self.period_s <= 0:
            raise UsageError(f"period_s must be more than 0, got {self.period_s:g}")

    def __enter__(self) -> Sampler:
        """Take a first sample and start."""
        if self.gpus is None:
            self.gpus = Gpus()
        # Listed once: the files stay, and walking the folder costs more than reading them.
        self._files = {name: sorted(self.sys_folder.glob(pattern)) for name, pattern in
                       (("throttle", _THROTTLE), ("temperature", _TEMPERATURE), ("frequency", _FREQUENCY))}  # fmt: skip
        self._stop.clear()
        self._sample()
        self._thread = threading.Thread(target=self._loop, name="telemetry", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take a last sample and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._sample()
        if self.gpus is not None:
            self.gpus.close()

    def frame(self) -> pd.DataFrame:
        """The samples so far, one row each.

        Returns
        -------
        DataFrame
            ``at_ns`` (int64, epoch), ``monotonic_ns`` (int64), ``cpu_frequency_mhz`` (mean of the cores), ``cpu_temperature_c`` (hottest zone),
            ``cpu_throttle_count`` (since boot, all cores), ``load_1min``, ``memory_available_gib``, and per GPU the fields of
            `frontier.telemetry.nvml`; NaN where the machine does not tell.
        """
        times = pd.DataFrame(list(self._times), columns=["at_ns", "monotonic_ns"]).astype("int64")
        rows = pd.DataFrame(list(self._rows[: len(times)]), dtype="float64")
        return pd.concat([times, rows], axis=1)

    def _loop(self) -> None:
        due = time.monotonic() + self.period_s
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self._sample()
            due = max(due + self.period_s, time.monotonic())

    def _sample(self) -> None:
        at = (time.time_ns(), time.monotonic_ns())
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
        temperatures = [value / 1e3 for value in _numbers(self._files["temperature"])]
        throttles = list(_numbers(self._files["throttle"]))
        row = {
            "cpu_frequency_mhz": self._frequency(),
            "cpu_temperature_c": max(temperatures, default=math.nan),
            "cpu_throttle_count": sum(throttles) if throttles else math.nan,
            "load_1min": load,
            "memory_available_gib": psutil.virtual_memory().available / GIB,
        }
        # Times last: a reader counts the times, so a row is there before its time is.
        self._rows.append(row | (self.gpus.sample() if self.gpus is not None else {}))
        self._times.append(at)

    def _frequency(self) -> float:
        """Mean clock of the cores, MHz, from cpufreq, else from /proc/cpuinfo through psutil."""
        found = [value / 1e3 for value in _numbers(self._files["frequency"])]
        if found:
            return float(np.mean(found))
        try:
            clock = psutil.cpu_freq()
        except (OSError, NotImplementedError, RuntimeError):
            return math.nan
        return float(clock.current) if clock and clock.current else math.nan


def _numbers(files: Iterable[Path]) -> Iterable[float]:
    """Numbers that files hold; those that cannot be read now are left out."""
    for path in files:
        try:
            yield float(path.read_text())
        except (OSError, ValueError):
            continue
