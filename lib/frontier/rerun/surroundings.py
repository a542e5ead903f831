"""What was different around two runs, and which of it can have moved a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

SAME, OTHER_MACHINE, OTHER_IMAGE = "same machine and image", "same image, other machine", "other image"
PROBES = {"probe_matmul_gflop_s": "matrix products", "probe_copy_gib_s": "memory copies"}
PROBE_CHANGE = 0.03  # a probe of the machine's speed that moved by more is worth a word
# Distributions whose version decides what a computation gives.
COMPUTING = ("numpy", "scipy", "pandas", "moocore", "aiconfigurator-core")


def surroundings(original: Mapping[str, Any], again: Mapping[str, Any], tables: tuple[pd.DataFrame, pd.DataFrame]) -> list[dict[str, Any]]:
    """Facts of two runs' surroundings that differ.

    Parameters
    ----------
    original, again : mapping
        ``environment.json`` of the two runs.
    tables : two DataFrames
        Their points, for what only a measurement knows: engine versions, and how fast the machine was.

    Returns
    -------
    list of dict
        ``fact``, ``original``, ``rerun`` (texts), ``likely_cause`` and ``why``; the likely causes first.
    """
    measured = "measured" in {kind for table in tables for kind in table["evidence"].dropna().unique()}
    pairs = [(fact, *(read(side) for side in (original, again)), likely, why) for fact, read, likely, why in _facts(measured)]
    rows = [
        {"fact": fact, "original": old, "rerun": new, "likely_cause": likely, "why": why if likely else ""}
        for fact, old, new, likely, why in pairs
        if old != new
    ]
    rows += _packages(original, again, measured)
    rows += _columns(tables)
    rows += _probes(tables)
    return sorted(rows, key=lambda row: not row["likely_cause"])


def level(original: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    """How near the rerun is to the original: same machine and image, same image on another machine, or another image.

    Without a container the image is the software itself: the kit's source, Python and the packages.
    """
    if _image(original) != _image(again):
        return OTHER_IMAGE
    return SAME if _machine(original) == _machine(again) else OTHER_MACHINE


def _image(environment: Mapping[str, Any]) -> object:
    inside = environment.get("container")
    if inside:
        return inside["image_id"]
    return (environment["kit"].get("source_sha256"), environment["python"], environment["packages"])


def _machine(environment: Mapping[str, Any]) -> object:
    if environment.get("machine"):
        return environment["machine"]
    return (environment["cpu"], environment["ram_gib"], [gpu["name"] for gpu in environment["gpus"]])


def _facts(measured: bool) -> list[tuple[str, Any, bool, str]]:
    """Fact, how it is read, whether it can have moved a result of this kind, and why."""
    hardware = "what was measured was measured on it"
    return [
        ("GPUs", lambda e: ", ".join(gpu["name"] for gpu in e["gpus"]) or "none", measured, hardware),
        ("GPU driver", lambda e: ", ".join(sorted({gpu["driver"] for gpu in e["gpus"]})) or "none", measured, "a driver has clocks of its own"),
        ("GPU clocks and power limits", _limits, measured, "a GPU is as fast as its clock and its power limit let it be"),
        ("processor", lambda e: f"{e['cpu']['model']}, {e['cpu']['cores']} cores", measured, hardware),
        ("memory, GiB", lambda e: f"{e['ram_gib']:g}", False, ""),
        ("machine", lambda e: e.get("machine") or "not stated", measured, "two machines of one kind differ by some percent"),
        ("container image", _image_text, measured, "engine and libraries come from it"),
        ("runtime", lambda e: (e.get("container") or {}).get("runtime", "host"), False, ""),
        ("kit commit", lambda e: _commit(e["kit"]), False, ""),
        ("kit source", lambda e: str(e["kit"].get("source_sha256"))[:12], True, "the code that measures, predicts and attributes is another"),
        ("Python", lambda e: e["python"]["version"], False, ""),
        ("C library", lambda e: e["platform"]["libc"], False, ""),
    ]


def _image_text(environment: Mapping[str, Any]) -> str:
    inside = environment.get("container")
    return inside["image_id"].removeprefix("sha256:")[:12] if inside else "none"


def _limits(environment: Mapping[str, Any]) -> str:
    known = [(gpu.get("sm_clock_mhz"), gpu.get("power_limit_w")) for gpu in environment["gpus"]]
    told = [f"{'?' if clock is None else f'{clock:g}'} MHz, {'?' if limit is None else f'{limit:g}'} W" for clock, limit in known]
    return "; ".join(dict.fromkeys(told)) or "none"


def _commit(kit: Mapping[str, Any]) -> str:
    return f"{(kit.get('commit') or 'unknown')[:12]}{' with changes' if kit.get('dirty') else ''}"


def _packages(original: Mapping[str, Any], again: Mapping[str, Any], measured: bool) -> list[dict[str, Any]]:
    """Distributions whose versions differ: those that compute by name, the others counted."""
    old, new = original["packages"], again["packages"]
    changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name) and name != "frontier-kit"]
    telling = [name for name in changed if name in COMPUTING]
    rows = [
        {
            "fact": name, "original": old.get(name, "none"), "rerun": new.get(name, "none"), "likely_cause": not measured,
            "why": "results are computed with it" if not measured else "",
        }
        for name in telling
    ]  # fmt: skip
    wheels = (original.get("wheels", {}), again.get("wheels", {}))
    rows += [
        {
            "fact": f"content of {name}", "original": wheels[0][name]["sha256"][:12], "rerun": wheels[1][name]["sha256"][:12], "likely_cause": True,
            "why": "predictions are read from it",
        }
        for name in sorted(wheels[0].keys() & wheels[1].keys())
        if wheels[0][name]["sha256"] != wheels[1][name]["sha256"]
    ]  # fmt: skip
    if len(changed) > len(telling):
        rest = [name for name in changed if name not in telling]
        shown = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
        words = (f"{len(old)} installed", f"other versions of {shown}")
        rows.append({"fact": "other packages", "original": words[0], "rerun": words[1], "likely_cause": False, "why": ""})
    return rows


def _columns(tables: tuple[pd.DataFrame, pd.DataFrame]) -> list[dict[str, Any]]:
    """Engine versions and images that the points themselves name."""
    rows = []
    for column, fact in (("engine_version", "engine version"), ("image", "engine's image")):
        old, new = (", ".join(sorted({str(value) for value in table[column].dropna()})) or "not stated" for table in tables)
        if old != new:
            rows.append({"fact": fact, "original": old, "rerun": new, "likely_cause": True, "why": "another engine serves at another speed"})
    return rows


def _probes(tables: tuple[pd.DataFrame, pd.DataFrame]) -> list[dict[str, Any]]:
    """How fast the machine itself was before the launches, where both runs probed it."""
    rows = []
    for column, what in PROBES.items():
        if not all(column in table and table[column].notna().any() for table in tables):
            continue
        old, new = (float(table[column].median()) for table in tables)
        if abs(new / old - 1) > PROBE_CHANGE:
            why = f"the machine itself was {new / old:.2f} times as fast"
            rows.append({"fact": f"speed of {what}", "original": f"{old:.4g}", "rerun": f"{new:.4g}", "likely_cause": True, "why": why})
    return rows
