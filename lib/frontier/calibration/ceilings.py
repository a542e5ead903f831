"""The rates that a bound may use: the best that was seen, so that nothing on this machine is faster."""

from __future__ import annotations

from frontier.calibration.document import Calibration, Measurement
from frontier.errors import ConfigError, MachineError

# Form of the weights -> precisions whose products may compute it. Wider ones are allowed, since a server may convert up where that is faster.
_COMPUTES = {
    "fp32": ("fp32",),
    "bf16": ("bf16", "fp16", "fp32"),
    "w8a16_int8": ("bf16", "fp16", "fp32"),
    "w4a16_mxfp4": ("bf16", "fp16", "fp32"),
    "int8": ("int8", "bf16", "fp16", "fp32"),
    "fp8": ("fp8", "bf16", "fp16", "fp32"),
    "fp8_block": ("fp8", "bf16", "fp16", "fp32"),
}


def operations_per_s(calibration: Calibration, precision: str, device: str, count: int) -> float:
    """The best rate of any product of a precision, with at most this many cores, or on one GPU times their number.

    Raises
    ------
    ConfigError
        If no product that was measured bounds this precision.
    MachineError
        If the calibration has no such device, or held fewer cores.
    """
    if precision not in _COMPUTES:
        raise ConfigError(f"no measured product bounds {precision!r}", hint=f"one of {', '.join(_COMPUTES)}")
    found, scale = _within(calibration, "matmul", device, count)
    best = [one.best for one in found if one.name in _COMPUTES[precision]]
    if not best:
        raise MachineError(f"this {device} measured none of {', '.join(_COMPUTES[precision])}, which {precision} computes in")
    return scale * max(best)


def bytes_per_s(calibration: Calibration, size_bytes: float, device: str, count: int) -> float:
    """The best rate at which anything moved a working set of this size.

    Reads, copies, triads and skinny products count, the last by their weights. Rates are those of the largest measured size that is not above the
    working set and of all larger ones: a working set between two sizes is granted the smaller one's cache.

    Parameters
    ----------
    calibration : Calibration
    size_bytes : float, bytes, > 0
        Of all devices together.
    device : "cpu" | "cuda"
    count : int
        Cores, or GPUs.
    """
    memory, scale = _within(calibration, "memory", device, count)
    products, _ = _within(calibration, "matmul", device, count)
    moved = [(one.size_bytes or 0, one.best) for one in memory]
    moved += [(one.size_bytes or 0, one.best * (one.size_bytes or 0) / one.work) for one in products]
    if not memory:
        raise MachineError(f"the calibration has no memory bandwidth of {device}", hint="measure again: notebook 00_calibrate_machine")
    # The grid is the memory's own: products time few sizes, and one that is limited by arithmetic says nothing about its size.
    grid = sorted({one.size_bytes or 0 for one in memory})
    floor = max((size for size in grid if size <= size_bytes / scale), default=grid[0])
    return scale * max(rate for size, rate in moved if size >= floor)


def memory_bytes(calibration: Calibration, device: str, count: int) -> float:
    """Memory of the devices together: the machine's for cores, the GPUs' own otherwise."""
    if device == "cpu":
        return float(calibration.machine["memory_gib"]) * 2**30
    return sum(float(gpu["memory_gib"]) for gpu in list(calibration.machine["gpus"])[:count]) * 2**30


def _within(calibration: Calibration, kind: str, device: str, count: int) -> tuple[list[Measurement], float]:
    """Measurements that bound what ``count`` cores or GPUs do, and the factor on them.

    More cores do at least as much as fewer, so the next larger count that was measured bounds counts between. GPUs are measured one at a time;
    several do at most as many times as much.
    """
    found = calibration.of_kind(kind, device)
    counts = sorted({one.count for one in found})
    if not counts:
        raise MachineError(f"the calibration has no {kind} of {device}", hint="measure it on the machine that serves: notebook 00_calibrate_machine")
    if device != "cpu":
        if count > len(calibration.machine["gpus"]):
            raise MachineError(f"the calibrated machine has {len(calibration.machine['gpus'])} GPUs, the deployment holds {count}")
        return found, float(count)
    if count > counts[-1]:
        raise MachineError(f"the calibration held {counts[-1]} cores, the deployment holds {count}", hint="calibrate with all cores that serve")
    limit = next(measured for measured in counts if measured >= count)
    return [one for one in found if one.count <= limit], 1.0
