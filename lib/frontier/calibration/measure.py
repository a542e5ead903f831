"""The whole calibration of this machine, in one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from frontier.calibration.collectives import measure_allreduce
from frontier.calibration.copies import measure_copies
from frontier.calibration.devices import devices, load_torch
from frontier.calibration.document import Calibration, Measurement
from frontier.calibration.facts import busy_cores, cores_held, machine_facts
from frontier.calibration.memory import measure_memory
from frontier.calibration.products import measure_products
from frontier.calibration.spread import FULL, QUICK


def calibrate(*, quick: bool = False, links: bool = True, tell: Callable[[str], None] = lambda text: None) -> Calibration:
    """Measure what this machine can do.

    Matrix products by precision, shape and cores; memory bandwidth by buffer size; copies between devices; all-reduce between ranks. Processes it
    starts have ended when it returns.

    Parameters
    ----------
    quick : bool
        Fewer sizes and repetitions, for tests: seconds instead of most of a minute on two cores. Its rates are rougher and its bound is looser.
    links : bool
        Whether to measure the all-reduce, which starts a process per rank.
    tell : callable
        Receives a line before every part.

    Raises
    ------
    MachineError
        If torch is not installed; the message has the command that installs it.
    RunError
        If a rank of the all-reduce fails.
    """
    torch = load_torch()
    effort = QUICK if quick else FULL
    busy = busy_cores()
    start = time.monotonic()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    measured: list[Measurement] = []
    absent: dict[str, str] = {}
    for device in devices(torch, quick=quick):
        tell(f"{device.kind} x{device.count}: memory")
        measured += measure_memory(device, effort)
        tell(f"{device.kind} x{device.count}: matrix products")
        measured += measure_products(device, effort, absent)
    tell("copies between devices")
    measured += measure_copies(torch, effort, absent)
    if links:
        tell("all-reduce between ranks")
        measured += measure_allreduce(torch, cores_held(), effort, absent)
    else:
        absent["all-reduce"] = "not asked for"
    conditions = {"date": date, "quick": quick, "duration_s": round(time.monotonic() - start, 1), "busy_cores": busy}
    return Calibration(machine_facts(torch), conditions, tuple(measured), absent)
