"""Copy bandwidth between devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from frontier.calibration.document import Measurement
from frontier.calibration.memory import MIB
from frontier.calibration.spread import Effort, repeat, spread


def measure_copies(torch: Any, effort: Effort, absent: dict[str, str]) -> Iterator[Measurement]:
    """Bytes per second between the CPU's pinned memory and a GPU, and between GPUs, both ways; a copy of ``n`` bytes is counted as ``n``.

    Parameters
    ----------
    torch : module
    effort : Effort
    absent : dict
        Receives the reason where there is nothing to copy between.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus == 0:
        absent["copy between devices"] = "this machine has one device, its CPU"
        return
    if gpus == 1:
        absent["copy between GPUs"] = "this machine has one GPU"
    for size in (MIB, 64 * MIB) if effort.quick else (64 * 2**10, MIB, 16 * MIB, 256 * MIB):
        for name, source, target in _pairs(torch, gpus, size):
            times = repeat(_copy(source, target), effort, lambda: _settle(torch, gpus))
            yield Measurement.of("copy", name, "cuda", 1, float(size), "B/s", spread(size, times), size_bytes=size)


def _pairs(torch: Any, gpus: int, size: int) -> Iterator[tuple[str, Any, Any]]:
    """Name, source and target buffer of every pair of devices."""
    pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    buffers = [torch.empty(size, dtype=torch.uint8, device=f"cuda:{index}") for index in range(gpus)]
    for index, buffer in enumerate(buffers):
        yield f"cpu->cuda:{index}", pinned, buffer
        yield f"cuda:{index}->cpu", buffer, pinned
    for first, source in enumerate(buffers):
        for second, target in enumerate(buffers):
            if first != second:
                yield f"cuda:{first}->cuda:{second}", source, target


def _copy(source: Any, target: Any) -> Callable[[], object]:
    return lambda: target.copy_(source, non_blocking=True)


def _settle(torch: Any, gpus: int) -> None:
    for index in range(gpus):
        torch.cuda.synchronize(index)
