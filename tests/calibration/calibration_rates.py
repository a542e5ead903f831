"""Measurements with round numbers."""

from __future__ import annotations

from typing import Any

from frontier.calibration import Calibration, Measurement
from frontier.calibration.spread import Spread


def rate(kind: str, name: str, count: int, best: float, *, device: str = "cpu", work: float = 1e9, **where: int) -> Measurement:
    """A measurement whose best rate is ``best``, its quartiles 70 and 90 % of it."""
    unit = "op/s" if kind == "matmul" else "B/s"
    return Measurement.of(kind, name, device, count, work, unit, Spread(0.8 * best, 0.7 * best, 0.9 * best, best, 5), **where)


def product(name: str, count: int, best: float, rows: int, side: int, width: int, *, device: str = "cpu") -> Measurement:
    """A product of (rows, side) and (side, side) whose weights have ``width`` bytes each."""
    return rate(
        "matmul", name, count, best, device=device, work=2.0 * rows * side * side, rows=rows, inner=side, columns=side, size_bytes=width * side * side
    )


def make_calibration(*measurements: Measurement, machine: dict[str, Any] | None = None, **conditions: Any) -> Calibration:
    """A machine of two cores with round numbers: 10 GB/s and 100 Gop/s per core in bf16, a cache of 1 MB with 40 GB/s."""
    default = (
        rate("memory", "read", 1, 40e9, size_bytes=1_000_000),
        rate("memory", "read", 1, 10e9, size_bytes=10_000_000),
        rate("memory", "read", 1, 10e9, size_bytes=100_000_000),
        rate("memory", "read", 2, 80e9, size_bytes=1_000_000),
        rate("memory", "read", 2, 20e9, size_bytes=10_000_000),
        rate("memory", "read", 2, 20e9, size_bytes=100_000_000),
        product("bf16", 1, 100e9, 1000, 1000, 2),
        product("bf16", 2, 200e9, 1000, 1000, 2),
        product("int8", 2, 400e9, 1000, 1000, 1),
    )
    facts = {
        "cpu": "test processor", "cores": 2, "core_quota": None, "caches": [{"level": 2, "kib": 512, "cores": 1}], "memory_gib": 1.0,
        "kernel": "Linux 6", "governor": None, "max_clock_mhz": None, "gpus": [], "driver": None, "python": "3.11.0", "torch": "2.0",
        "instructions": "AVX2", **(machine or {}),
    }  # fmt: skip
    told = {"date": "2025-01-01T00:00:00+00:00", "quick": False, "duration_s": 1.0, "busy_cores": 0.0, **conditions}
    return Calibration(facts, told, measurements or default, {"copy between devices": "one device"})
