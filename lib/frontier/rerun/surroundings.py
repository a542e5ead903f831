"""What was different around two runs, as the comparison finds it, and how near they are."""

from __future__ import annotations

from typing import Any

from frontier.compare import Source, differences, nodes_of, places_of, probes

SAME, OTHER_MACHINE, OTHER_IMAGE = "same machine and image", "same image, other machine", "other image"
PROBE_CHANGE = 0.03  # a probe of the machine's speed that moved by more is worth a word


def surroundings(original: Source, again: Source) -> list[dict[str, Any]]:
    """Facts of two runs' surroundings that differ.

    Returns
    -------
    list of dict
        ``fact``, ``original``, ``rerun`` (texts), ``likely_cause`` and ``why``; the likely causes first.
    """
    rows = [
        {"fact": one.fact, "original": one.original, "rerun": one.new, "likely_cause": one.likely_cause, "why": one.why}
        for one in differences(original, again)
    ]
    for probe in probes(original, again):
        if abs(probe["ratio"] - 1) > PROBE_CHANGE:
            old, new, why = f"{probe['original']:.4g}", f"{probe['new']:.4g}", f"the machine itself was {probe['ratio']:.2f} times as fast"
            rows.append({"fact": f"speed of {probe['title']}", "original": old, "rerun": new, "likely_cause": True, "why": why})
    return sorted(rows, key=lambda row: not row["likely_cause"])


def level(original: Source, again: Source) -> str:
    """How near the rerun is to the original: same machine and image, same image on another machine, or another image.

    Without a container the image is the software itself: the kit's source, Python and the packages. On a cluster the machine is the set of nodes.
    """
    if _image(original) != _image(again):
        return OTHER_IMAGE
    return SAME if _machine(original) == _machine(again) else OTHER_MACHINE


def one_kind(original: Source, again: Source) -> bool:
    """Whether both ran on machines of one kind: the margin for two results of one system holds for them."""
    return _kinds(original) == _kinds(again)


def _image(run: Source) -> object:
    environment = run.environment or {}
    inside = [one["container"] for one in (*run.placements, environment) if one.get("container")]
    if inside:
        return inside[0]["image_id"]
    return (environment["kit"].get("source_sha256"), environment["python"], environment["packages"])


def _machine(run: Source) -> object:
    environment = run.environment or {}
    if run.placements:
        return nodes_of(run.placements)
    if environment.get("machine"):
        return environment["machine"]
    return (environment["cpu"], environment["ram_gib"], [gpu["name"] for gpu in environment["gpus"]])


def _kinds(run: Source) -> set[str]:
    """Processor, cores and GPUs of every machine under the run."""
    places = places_of(run.environment, run.placements)
    return {f"{(place.get('cpu') or place.get('cores'))} {[gpu['name'] for gpu in place.get('gpus', [])]}" for place in places}
