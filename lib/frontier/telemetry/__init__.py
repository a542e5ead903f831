"""The machine while it is measured: who else uses it, how fast it is, what it draws."""

from frontier.telemetry.background import BackgroundLoad, CpuReading, background_load
from frontier.telemetry.clock import Jump, clock_jumps
from frontier.telemetry.nvml import Gpus
from frontier.telemetry.power import energy_j, joules_per_output_token, power_w_gpu
from frontier.telemetry.probe import MachineProbe, probe_machine
from frontier.telemetry.sampler import Sampler

__all__ = [
    "BackgroundLoad", "CpuReading", "Gpus", "Jump", "MachineProbe", "Sampler", "background_load", "clock_jumps", "energy_j",
    "joules_per_output_token", "power_w_gpu", "probe_machine",
]  # fmt: skip
