"""NVIDIA GPUs through NVML; nothing where there is no driver. Not run on hardware by the tests: they hold it against a stand-in of the library."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Columns of one GPU in a sample, behind "gpu<index>_".
FIELDS = ("power_w", "energy_j", "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "throttle_reasons", "memory_used_gib", "utilization")


@dataclass
class Gpus:
    """The GPUs of this machine.

    Parameters
    ----------
    library : module, optional
        ``pynvml`` by default; tests pass a stand-in.
    """

    library: Any = None
    _handles: list[Any] = field(default_factory=list)
    reason: str = ""

    def __post_init__(self) -> None:
        if self.library is None:
            try:
                # Imported on use: machines without a driver never need it.
                import pynvml
            except ImportError as error:
                self.reason = f"no NVML: {error}"
                return
            self.library = pynvml
        try:
            self.library.nvmlInit()
            self._handles = [self.library.nvmlDeviceGetHandleByIndex(at) for at in range(self.library.nvmlDeviceGetCount())]
        except self.library.NVMLError as error:
            self.reason = f"no NVIDIA GPU: {error}"

    def __len__(self) -> int:
        return len(self._handles)

    def names(self) -> list[str]:
        """Product name of each GPU."""
        found = [self.library.nvmlDeviceGetName(handle) for handle in self._handles]
        return [name.decode() if isinstance(name, bytes) else str(name) for name in found]

    def sample(self) -> dict[str, float]:
        """One reading of every GPU: ``gpu0_power_w`` and so on, by `FIELDS`; NaN for what a GPU does not tell.

        Notes
        -----
        Power is the driver's own average (over a second on Ampere and later, NVML's reference); ``energy_j`` is the counter since the driver was
        loaded, ``throttle_reasons`` NVML's bit mask (1 is idle).
        """
        return {f"gpu{at}_{name}": value for at, handle in enumerate(self._handles) for name, value in self._one(handle).items()}

    def _one(self, handle: Any) -> dict[str, float]:
        nvml = self.library
        reads: dict[str, Callable[[], float]] = {
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
            "energy_j": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,
            "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "throttle_reasons": lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
            "memory_used_gib": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used / 2**30,
            "utilization": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        }
        return {name: self._or_nan(read) for name, read in reads.items()}

    def _or_nan(self, read: Callable[[], float]) -> float:
        try:
            return float(read())
        except self.library.NVMLError:
            return math.nan

    def close(self) -> None:
        """Let the library go; harmless when repeated."""
        if self._handles:
            self._handles = []
            try:
                self.library.nvmlShutdown()
            except self.library.NVMLError:
                return
