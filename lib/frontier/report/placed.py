"""Where the trials of a run were put, as their records say: nodes of a cluster, or devices of a machine that several trials shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from frontier.report.document import Document, part
from frontier.report.tables import Cell, Table
from frontier.report.wording import listed

HERE = "this machine"
NOT_TOLD = "not told"
NUMBERS = {"Launches", "Variants", "SM clock, MHz", "Power limit, W", "Neighbours at most"}


def placement_table(records: Sequence[Document]) -> Table | None:
    """One row per node: launches, variants, GPUs with driver, clocks and power limits; None where every trial ran here, one after another.

    Parameters
    ----------
    records : sequence of trial records (``trial.json``)
    """
    placed = [(record, part(record, "placement")) for record in records if part(record, "placement")]
    if not placed:
        return None
    by_node: dict[str, list[tuple[Document, Document]]] = {}
    for record, where in placed:
        found = part(where, "by_node")
        for node in where.get("nodes") or [HERE]:
            by_node.setdefault(str(node), []).append((record, {**where, **part(found, str(node))} if node in found else where))
    columns = {
        "Node": sorted(by_node),
        "Launches": [str(len(by_node[node])) for node in sorted(by_node)],
        "Variants": [str(len({record.get("variant") for record, _ in by_node[node]})) for node in sorted(by_node)],
        **_hardware([[where for _, where in by_node[node]] for node in sorted(by_node)]),
    }
    told = {head: cells for head, cells in columns.items() if any(cells)}
    body = [[Cell(text or NOT_TOLD) for text in row] for row in zip(*told.values(), strict=True)]
    return Table(tuple(told), body, numeric=frozenset(at for at, head in enumerate(told) if head in NUMBERS))


def _hardware(nodes: Sequence[Sequence[Document]]) -> dict[str, list[str]]:
    """Columns of what the launches of each node were given; empty texts where nothing told."""
    gpus = [[gpu for where in wheres for gpu in where.get("gpus") or []] for wheres in nodes]
    neighbours = [max((int(where.get("neighbours") or 0) for where in wheres), default=0) for wheres in nodes]
    return {
        "GPUs of a launch": [_models(wheres) or _devices(wheres) for wheres in nodes],
        "Driver": [listed(sorted({str(gpu["driver"]) for gpu in own if gpu.get("driver")})) for own in gpus],
        "SM clock, MHz": [_range(gpu.get("sm_clock_mhz") for gpu in own) for own in gpus],
        "Power limit, W": [_range(gpu.get("power_limit_w") for gpu in own) for own in gpus],
        "Neighbours at most": [str(count) if any(neighbours) else "" for count in neighbours],
    }


def _devices(wheres: Iterable[Document]) -> str:
    """GPUs that were shared out, by the names they were given."""
    names = {str(device) for where in wheres for device in where.get("devices") or []}
    return f"of GPU {', '.join(sorted(names, key=lambda name: (len(name), name)))}" if names else ""


def _models(wheres: Iterable[Document]) -> str:
    """GPUs of a launch by name, each way of it once, the most frequent first."""
    ways = Counter(
        listed([f"{count} x {name}" for name, count in sorted(Counter(str(gpu.get("name")) for gpu in where.get("gpus") or []).items())])
        for where in wheres
    )
    return " or ".join(way for way, _ in ways.most_common() if way)


def _range(values: Iterable[object]) -> str:
    known = sorted(float(value) for value in values if isinstance(value, (int, float)))
    if not known:
        return ""
    return f"{known[0]:g}" if known[0] == known[-1] else f"{known[0]:g} to {known[-1]:g}"
