from __future__ import annotations

import math
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.errors import MachineError, UsageError
from frontier.telemetry import (
    CpuReading,
    Gpus,
    Sampler,
    background_load,
    clock_jumps,
    energy_j,
    joules_per_output_token,
    power_w_gpu,
    probe_machine,
)
from frontier.telemetry.nvml import FIELDS

S = 10**9


class FakeNvml:
    """Stands in for pynvml: two GPUs, the second without an energy counter. Names and units as in NVML's reference (milliwatts, millijoules)."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        pass

    def __init__(self, gpus: int = 2) -> None:
        self.gpus, self.open = gpus, 0

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.gpus:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return b"NVIDIA H100"

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return 300_000 + 50_000 * handle

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if handle:
            raise self.NVMLError("Not Supported")
        return 5_000

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:  # noqa: N802
        return {1: 1980, 2: 2619}[kind]

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:  # noqa: N802
        return 55

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        return 4

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(used=2**31)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=87)


def test_gpus_are_read_in_units_of_the_kit() -> None:
    library = FakeNvml()
    gpus = Gpus(library)
    assert len(gpus) == 2
    assert gpus.names() == ["NVIDIA H100"] * 2
    found = gpus.sample()
    assert set(found) == {f"gpu{at}_{name}" for at in (0, 1) for name in FIELDS}
    assert [found[f"gpu{at}_power_w"] for at in (0, 1)] == [300.0, 350.0]
    assert (found["gpu0_energy_j"], found["gpu0_sm_clock_mhz"], found["gpu0_memory_clock_mhz"]) == (5.0, 1980.0, 2619.0)
    assert (found["gpu0_throttle_reasons"], found["gpu0_memory_used_gib"], found["gpu0_utilization"]) == (4.0, 2.0, 0.87)
    assert math.isnan(found["gpu1_energy_j"])
    gpus.close()
    gpus.close()
    assert library.open == 0


def test_the_stand_in_has_the_names_of_the_library() -> None:
    pynvml = pytest.importorskip("pynvml")
    assert [name for name in dir(FakeNvml) if name.lower().startswith("nvml") and not hasattr(pynvml, name)] == []
    assert (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_TEMPERATURE_GPU) == (1, 2, 0)


def test_no_gpu_is_no_error() -> None:
    gpus = Gpus(FakeNvml(0))
    assert len(gpus) == 0
    assert gpus.sample() == {}
    assert "Driver Not Loaded" in gpus.reason


def _power(values: list[float], at_s: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"at_ns": [round(t * S) for t in at_s], "gpu0_power_w": values})


def test_energy_by_hand() -> None:
    # 100 W rising to 300 W over 2 s, then 300 W: from 1 s to 3 s it is (200 + 300) / 2 x 1 + 300 x 1 = 550 J.
    samples = _power([100, 300, 300], [0, 2, 4])
    assert energy_j(samples, S, 3 * S, [0]) == pytest.approx(550.0)
    assert power_w_gpu(samples, S, 3 * S, [0]) == pytest.approx(275.0)
    # A second GPU that idles at 50 W counts: the deployment holds it.
    both = samples.assign(gpu1_power_w=50.0)
    assert power_w_gpu(both, S, 3 * S, [0, 1]) == pytest.approx((275 + 50) / 2)
    assert joules_per_output_token(275.0, 550.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("samples", "gpus"),
    [
        (_power([100, 100], [1.5, 4]), [0]),  # begins after the window does
        (_power([100, 100], [0, 2]), [0]),  # ends before it
        (_power([100, 100, 100], [0, 0.5, 9]), [0]),  # a hole of 8.5 s
        (_power([100, math.nan, math.nan], [0, 2, 4]), [0]),
        (_power([100, 100], [0, 4]), [1]),  # a GPU that was not sampled
        (_power([100, 100], [0, 4]), []),
        (_power([], []), [0]),
    ],
)
def test_unknown_energy_is_nan(samples: pd.DataFrame, gpus: list[int]) -> None:
    assert math.isnan(energy_j(samples, S, 3 * S, gpus))
    assert math.isnan(power_w_gpu(samples, S, 3 * S, gpus))
    assert math.isnan(joules_per_output_token(power_w_gpu(samples, S, 3 * S, gpus), 100.0))
    assert math.isnan(joules_per_output_token(100.0, 0.0))


def test_energy_of_any_sampling_of_a_line_is_exact() -> None:
    rng = np.random.default_rng(0)
    at = np.sort(np.concatenate([[0.0, 10.0], rng.uniform(0, 10, 12)]))
    samples = _power([100 + 20 * t for t in at], list(at))
    # The integral of 100 + 20 t from 2 to 7: 500 + 10 (49 - 4) = 950.
    assert energy_j(samples, 2 * S, 7 * S, [0]) == pytest.approx(950.0)


def test_a_jump_of_the_clock_is_seen_and_slewing_is_not() -> None:
    wall = [0, 1.0, 2.0005, 3.0010, 63.0, 64.0, 63.5]  # a minute forward, then one and a half seconds back
    mono = [0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    samples = pd.DataFrame({"at_ns": [round(t * S) for t in wall], "monotonic_ns": [round(t * S) for t in mono]})
    assert [(jump.at_ns, round(jump.seconds, 3)) for jump in clock_jumps(samples)] == [(63 * S, 58.999), (round(63.5 * S), -1.5)]
    assert clock_jumps(samples.iloc[:1]) == []


def test_the_sampler_reads_what_the_machine_tells(tmp_path: Path) -> None:
    for core in (0, 1):
        base = tmp_path / "devices" / "system" / "cpu" / f"cpu{core}"
        (base / "thermal_throttle").mkdir(parents=True)
        (base / "thermal_throttle" / "core_throttle_count").write_text(f"{core + 1}\n")
        (base / "cpufreq").mkdir()
        (base / "cpufreq" / "scaling_cur_freq").write_text(f"{2_000_000 + core * 1_000_000}\n")
    for zone, temperature in enumerate(("45000", "71000", "broken")):
        (tmp_path / "class" / "thermal" / f"thermal_zone{zone}").mkdir(parents=True)
        (tmp_path / "class" / "thermal" / f"thermal_zone{zone}" / "temp").write_text(temperature)
    with Sampler(0.02, Gpus(FakeNvml()), tmp_path) as sampler:
        while len(sampler.frame()) < 4:
            time.sleep(0.005)
    frame = sampler.frame()
    assert (frame["at_ns"].dtype, frame["monotonic_ns"].dtype) == (np.int64, np.int64)
    assert frame["monotonic_ns"].is_monotonic_increasing
    assert set(frame["cpu_frequency_mhz"]) == {2500.0}
    assert set(frame["cpu_temperature_c"]) == {71.0}
    assert set(frame["cpu_throttle_count"]) == {3.0}
    assert set(frame["gpu1_power_w"]) == {350.0}
    assert (frame["memory_available_gib"] > 0).all()
    assert not [thread for thread in threading.enumerate() if thread.name == "telemetry"]
    pd.testing.assert_frame_equal(pd.read_parquet(_parquet(frame, tmp_path)), frame)


def _parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "telemetry.parquet", index=False)
    return folder / "telemetry.parquet"


def test_what_a_machine_does_not_tell_is_nan(tmp_path: Path) -> None:
    with Sampler(5.0, Gpus(FakeNvml(0)), tmp_path) as sampler:
        pass
    frame = sampler.frame()
    assert len(frame) == 2  # one on entering, one on leaving
    assert frame[["cpu_temperature_c", "cpu_throttle_count"]].isna().all(axis=None)
    assert not [name for name in frame if str(name).startswith("gpu")]
    with pytest.raises(UsageError, match="period_s must be more than 0"):
        Sampler(0.0)


def _reading(at_s: float, busy_s: float, own: dict[int, float], steal_s: float = 0.0, cores: tuple[int, ...] = (0, 1)) -> CpuReading:
    return CpuReading(at_s, busy_s, steal_s, own, cores)


def test_background_by_hand() -> None:
    # Two cores for 10 s: 12 core seconds busy, of them 5 by process 7 and 3 by process 8, which began in between; 2 stolen.
    found = _reading(0, 100, {7: 1.0}).until(_reading(10, 112, {7: 6.0, 8: 3.0}, 2.0))
    assert found.share == pytest.approx((12 - 8) / 20)
    assert found.own_share == pytest.approx(8 / 20)
    assert found.steal_share == pytest.approx(2 / 20)
    assert found.disturbance == pytest.approx(6 / 20)
    # Own processes that ran elsewhere leave nothing for others, never less than nothing.
    assert _reading(0, 100, {7: 0.0}).until(_reading(10, 104, {7: 9.0})).share == 0.0
    with pytest.raises(UsageError, match="same cores and in order"):
        _reading(0, 0, {}).until(_reading(1, 0, {}, cores=(0,)))


def test_background_of_this_machine() -> None:
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    found = background_load([core], 0.2, [os.getpid()])
    assert 0.0 <= found.share <= 1.0
    assert found.cores == (core,)
    with pytest.raises(MachineError, match=r"cores \[4096\] are not there"):
        background_load([4096], 0.1)
    with pytest.raises(UsageError, match="at least one core"):
        background_load([], 0.1)
    with pytest.raises(UsageError, match="seconds must be more than 0"):
        background_load([core], 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="cores are bound on Linux")
def test_the_probe_runs_on_the_cores_named() -> None:
    core = min(os.sched_getaffinity(0))
    found = probe_machine([core, core], seconds=0.02)
    assert found.cores == (core,)
    assert found.matmul_gflop_s > 0.1
    assert found.copy_gib_s > 0.05
    assert found.to_dict()["cores"] == [core]
    with pytest.raises(MachineError, match=r"probe failed on cores \[4096\]"):
        probe_machine([4096], seconds=0.02)
    with pytest.raises(UsageError, match="at least one core"):
        probe_machine([])
