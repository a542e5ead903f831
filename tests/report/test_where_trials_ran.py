"""The report's table of nodes and devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report_documents import make_pair

from frontier.report.document import read_run
from frontier.report.placed import placement_table


def record(variant: str, **placement: Any) -> dict[str, Any]:
    return {"variant": variant, "status": "done", **({"placement": placement} if placement else {})}


def gpu(clock: int | None, driver: str = "580.1") -> dict[str, Any]:
    return {"name": "NVIDIA H200", "driver": driver, "sm_clock_mhz": clock, "power_limit_w": 700.0}


def cells(*records: dict[str, Any]) -> list[dict[str, str]]:
    table = placement_table(records)
    assert table is not None
    return [dict(zip(table.heads, [cell.text for cell in row], strict=True)) for row in table.rows]


def test_nothing_is_shown_where_every_trial_ran_here() -> None:
    assert placement_table([record("baseline"), record("precision")]) is None


def test_one_row_per_node_with_its_launches_and_gpus() -> None:
    first = record("baseline", node="n1", nodes=["n1"], gpus=[gpu(1980), gpu(1965)])
    second = record("precision", node="n2", nodes=["n2"], gpus=[gpu(None, "575.2"), gpu(None, "575.2")])
    third = record("precision", node="n1", nodes=["n1"], gpus=[gpu(1980)])
    assert cells(first, second, third) == [
        {
            "Node": "n1", "Launches": "2", "Variants": "2", "GPUs of a launch": "2 x NVIDIA H200 or 1 x NVIDIA H200", "Driver": "580.1",
            "SM clock, MHz": "1965 to 1980", "Power limit, W": "700",
        },
        {
            "Node": "n2", "Launches": "1", "Variants": "1", "GPUs of a launch": "2 x NVIDIA H200", "Driver": "575.2", "SM clock, MHz": "not told",
            "Power limit, W": "700",
        },
    ]  # fmt: skip


def test_a_launch_over_several_nodes_counts_on_each_with_that_node_s_gpus() -> None:
    facts = {"n1": {"gpus": [gpu(1980)]}, "n2": {"gpus": [gpu(1500)]}}
    rows = cells(record("disaggregation", node="n1", nodes=["n1", "n2"], gpus=[gpu(1980)], by_node=facts))
    assert [(row["Node"], row["Launches"], row["SM clock, MHz"]) for row in rows] == [("n1", "1", "1980"), ("n2", "1", "1500")]


def test_shared_devices_of_this_machine() -> None:
    shared = [record("baseline", devices=["0", "1"], cores=[0], neighbours=1), record("precision", devices=["10"], cores=[1], neighbours=2)]
    (row,) = cells(*shared)
    assert row == {"Node": "this machine", "Launches": "2", "Variants": "2", "GPUs of a launch": "of GPU 0, 1, 10", "Neighbours at most": "2"}


def test_the_records_are_read_with_the_run(make_run: Callable[..., Path]) -> None:
    document, points, _ = make_pair()
    run = make_run(document, points)
    folder = run / "trials" / "abc"
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps(record("baseline", node="n1", nodes=["n1"], gpus=[])), encoding="utf-8")
    assert cells(*map(dict, read_run(run).trials)) == [{"Node": "n1", "Launches": "1", "Variants": "1"}]
