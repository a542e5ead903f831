"""Memory bandwidth by buffer size, operation and cores held: the caches show as steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from frontier.calibration.devices import Device
from frontier.calibration.document import Measurement
from frontier.calibration.spread import Effort, repeat, spread

KIB, MIB = 2**10, 2**20
_FLOAT = 4  # bytes of an element


def sizes(device: str, *, quick: bool) -> list[int]:
    """Bytes of all buffers together, from what a core's cache holds to what none does."""
    if device == "cuda":
        return [MIB * 4**step for step in range(2 if quick else 0, 6 if quick else 7)]
    if quick:
        return [256 * KIB, 4 * MIB, 32 * MIB, 64 * MIB, 128 * MIB]
    # Smaller buffers would time the call of the operation, not the memory. Steps are finer where the last cache ends on most machines.
    return [128 * KIB, 256 * KIB, 512 * KIB, *(MIB * size for size in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512))]


def measure_memory(device: Device, effort: Effort) -> Iterator[Measurement]:
    """Bytes per second of reading, copying and the triad, at every size.

    Bytes are counted as the STREAM benchmark counts them (McCalpin 1995): every operand once, without the lines that a write may fetch first. With
    ``n`` elements of 4 bytes: *read* 4 n (the faster of a sum and a dot product); *copy* (b = a) 8 n; *triad* (c = a + s b) 12 n. The size is that
    of all operands together, so that equal sizes compete for the same cache.
    """
    for total in sizes(device.kind, quick=effort.quick):
        with device.held():
            for name, (work, moved) in _operations(device, total).items():
                found = [spread(moved, repeat(call, effort, device.settle)) for call in work]
                fastest = max(found, key=lambda one: one.median)
                yield Measurement.of("memory", name, device.kind, device.count, moved, "B/s", fastest, size_bytes=total)


def _operations(device: Device, total: int) -> dict[str, tuple[list[Callable[[], object]], float]]:
    """Per operation the calls that do it, and the bytes each moves."""
    torch = device.torch
    whole = torch.ones(total // _FLOAT, device=device.kind)
    half, rest = whole[: total // (2 * _FLOAT)], whole[total // (2 * _FLOAT) :]
    third = total // (3 * _FLOAT)
    a, b, c = (whole[place * third : (place + 1) * third] for place in range(3))
    return {
        "read": ([lambda: torch.sum(whole), lambda: torch.dot(half, rest)], float(total)),
        "copy": ([lambda: half.copy_(rest)], float(total)),
        "triad": ([lambda: torch.add(a, b, alpha=1.0000001, out=c)], float(3 * third * _FLOAT)),
    }
