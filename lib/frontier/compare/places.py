"""Where a run was measured: the nodes that a cluster gave its trials, or the machine that it ran on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from frontier.report.wording import listed

Place = Mapping[str, Any]  # facts of one machine, as ``environment.json`` or a trial's placement has them


def places_of(environment: Place | None, placements: Sequence[Place]) -> list[Place]:
    """Machines under the measured software: each node of each trial where a cluster placed them, else the one of ``environment.json``.

    Where trials were placed the environment is that of the machine that submitted them, which measured nothing.
    """
    if not placements:
        return [environment] if environment else []
    return [place for one in placements for place in (one.get("by_node") or {"": one}).values() if isinstance(place, Mapping)]


def nodes_of(placements: Sequence[Place]) -> list[str]:
    """All nodes of all trials."""
    return sorted({str(node) for one in placements for node in (one.get("nodes") or [one.get("node")]) if node})


def stated(places: Sequence[Place], of: Callable[[Place], str]) -> str:
    """A fact of several machines: each different text once."""
    return "; ".join(sorted({of(place) for place in places} - {""}))


def cores_of(place: Place) -> str:
    """Cores that a trial or a machine had."""
    cpu = place.get("cpu")
    found = place.get("cores", cpu.get("cores") if isinstance(cpu, Mapping) else None)
    return str(found) if isinstance(found, (int, float)) else ""


def gpus_of(place: Place) -> str:
    """GPUs by name; ``none`` where it is said that there are none."""
    names = [str(gpu.get("name")) for gpu in _gpus(place)]
    if place.get("gpus") == []:
        return "none"
    return listed([f"{names.count(name)} x {name}" for name in dict.fromkeys(names)])


def drivers_of(place: Place) -> str:
    """Versions of the GPUs' driver."""
    return ", ".join(sorted({str(gpu["driver"]) for gpu in _gpus(place) if gpu.get("driver")}))


def limits_of(place: Place) -> str:
    """How fast the GPUs may be: their clock and power limit. The clock at one moment, which placements have too, says nothing of that."""
    known = [(gpu.get("max_sm_clock_mhz") or gpu.get("sm_clock_mhz"), gpu.get("power_limit_w")) for gpu in _gpus(place)]
    told = [f"{_number(clock)} MHz, {_number(limit)} W" for clock, limit in known if clock is not None or limit is not None]
    return ", ".join(dict.fromkeys(told))


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else "?"


def _gpus(place: Place) -> list[Place]:
    found = place.get("gpus")
    return [gpu for gpu in found if isinstance(gpu, Mapping)] if isinstance(found, list) else []
