"""What was different around two runs, how near they are, and what can have moved the result."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest

from frontier.compare import Source
from frontier.rerun.surroundings import OTHER_IMAGE, OTHER_MACHINE, SAME, level, one_kind, surroundings

HERE: dict[str, Any] = {
    "kit": {"commit": "a" * 40, "dirty": False, "source_sha256": "1" * 64},
    "container": {"runtime": "podman", "image": "kit", "image_id": "sha256:" + "2" * 64},
    "machine": "0123456789abcdef",
    "python": {"version": "3.11.2", "implementation": "CPython"},
    "platform": {"system": "Linux", "machine": "x86_64", "libc": "glibc-2.36"},
    "cpu": {"model": "some processor", "cores": 2},
    "ram_gib": 23.5,
    "gpus": [{"name": "H200", "memory_gib": 139.0, "driver": "570.1", "sm_clock_mhz": 1980, "power_limit_w": 700.0}],
    "wheels": {"aiconfigurator-core": {"version": "0.12.0", "sha256": "3" * 64}},
    "packages": {"numpy": "2.2.6", "rich": "14.0"},
}


def points(evidence: str = "measured", **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"evidence": [evidence] * 2, "engine_version": ["1.2.1"] * 2, "image": [None, None], **columns})


def run(environment: dict[str, Any] | None = None, table: pd.DataFrame | None = None, *placements: dict[str, Any]) -> Source:
    table = points() if table is None else table
    return Source("run", "run", table, "total", None, None, environment or HERE, placements=placements)


def near(old: dict[str, Any], new: dict[str, Any]) -> str:
    return level(run(old), run(new))


def changed(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(HERE), **parts}


def facts(there: dict[str, Any], evidence: str = "measured") -> dict[str, bool]:
    return {row["fact"]: row["likely_cause"] for row in surroundings(run(HERE, points(evidence)), run(there, points(evidence)))}


def test_three_levels() -> None:
    assert near(HERE, changed()) == SAME
    assert near(HERE, changed(machine="f" * 16)) == OTHER_MACHINE
    assert near(HERE, changed(container={**HERE["container"], "image_id": "sha256:" + "4" * 64})) == OTHER_IMAGE
    assert near(HERE, changed(container=None)) == OTHER_IMAGE


def test_without_a_container_the_image_is_the_software() -> None:
    bare = changed(container=None)
    assert near(bare, changed(container=None)) == SAME
    assert near(bare, changed(container=None, packages={**HERE["packages"], "rich": "15.0"})) == OTHER_IMAGE


def test_a_machine_without_an_identity_is_told_by_its_kind() -> None:
    old, new = changed(machine=""), changed(machine="")
    assert near(old, new) == SAME
    assert near(old, {**new, "ram_gib": 100.0}) == OTHER_MACHINE


def test_equal_surroundings_say_nothing() -> None:
    assert facts(changed()) == {}
    assert surroundings(run(HERE, points(), PLACED), run(HERE, points(), {**PLACED, "job": "9_9"})) == []


@pytest.mark.parametrize("evidence", ["measured", "predicted"])
def test_what_can_have_moved_a_result_depends_on_how_it_was_found(evidence: str) -> None:
    gpu = facts(changed(gpus=[{**HERE["gpus"][0], "name": "B200"}]), evidence)
    numpy = facts(changed(packages={"numpy": "2.3.0", "rich": "14.0"}), evidence)
    assert gpu == {"GPUs": evidence == "measured"}
    assert numpy == ({"numpy": True} if evidence == "predicted" else {"1 packages": False})


def test_another_source_of_the_kit_is_a_likely_cause_of_anything() -> None:
    there = changed(kit={**HERE["kit"], "source_sha256": "6" * 64})
    assert facts(there) == facts(there, "predicted") == {"kit source": True}


def test_other_packages_are_listed_and_cause_nothing() -> None:
    found = surroundings(run(), run(changed(packages={"numpy": "2.2.6", "rich": "15.0"})))
    assert [(row["fact"], row["rerun"], row["likely_cause"]) for row in found] == [("1 packages", "rich 15.0", False)]


def test_a_gpu_that_was_held_back_is_told() -> None:
    found = surroundings(run(), run(changed(gpus=[{**HERE["gpus"][0], "power_limit_w": 500.0}])))
    assert [(row["fact"], row["original"], row["rerun"]) for row in found] == [("GPU clocks and power limits", "1980 MHz, 700 W", "1980 MHz, 500 W")]
    older = changed(gpus=[{"name": "H200", "memory_gib": 139.0, "driver": "570.1"}])  # made before these were recorded
    (row,) = surroundings(run(), run(older))
    assert (row["rerun"], row["likely_cause"]) == ("not stated", False)


def test_the_content_of_the_operator_database_counts() -> None:
    assert facts(changed(wheels={"aiconfigurator-core": {"version": "0.12.0", "sha256": "5" * 64}}), "predicted") == {
        "aiconfigurator-core": True
    }


def test_versions_that_the_points_name() -> None:
    found = surroundings(run(), run(HERE, points(engine_version=["1.3.0", "1.3.0"])))
    assert [(row["fact"], row["original"], row["rerun"]) for row in found] == [("engine version", "1.2.1", "1.3.0")]


def test_a_slower_machine_is_told_by_its_probes() -> None:
    old, new = points(probe_matmul_gflop_s=[100.0, 102.0]), points(probe_matmul_gflop_s=[80.0, 81.6])
    (row,) = surroundings(run(HERE, old), run(HERE, new))
    assert (row["fact"], row["why"]) == ("speed of matrix products", "the machine itself was 0.80 times as fast")
    assert surroundings(run(HERE, old), run(HERE, points(probe_matmul_gflop_s=[101.0, 102.0]))) == []


def test_likely_causes_come_first() -> None:
    found = surroundings(run(), run(changed(cpu={"model": "another", "cores": 2}, container=None, packages={**HERE["packages"], "rich": "15.0"})))
    assert [(row["fact"], row["likely_cause"]) for row in found] == [
        ("image ID", True), ("processor", True), ("container runtime", False), ("1 packages", False),
    ]  # fmt: skip


PLACED: dict[str, Any] = {
    "node": "n1", "nodes": ["n1"], "job": "7_0", "kernel": "6.1.0", "cores": 8,
    "gpus": [{"index": 0, "name": "H200", "driver": "570.1", "sm_clock_mhz": 345, "max_sm_clock_mhz": 1980, "power_limit_w": 700.0}],
}  # fmt: skip


def placed(nodes: list[str], **gpu: Any) -> dict[str, Any]:
    return {**PLACED, "node": nodes[0], "nodes": nodes, "gpus": [{**PLACED["gpus"][0], **gpu}]}


def test_trials_on_other_nodes_of_a_cluster() -> None:
    """What the login node is tells nothing of what was measured; the clock at one moment neither."""
    login = changed(cpu={"model": "another", "cores": 96}, machine="f" * 16)
    old, new = run(HERE, points(), placed(["n1"]), placed(["n2"])), run(login, points(), placed(["n3"], sm_clock_mhz=1200))
    assert [(row["fact"], row["original"], row["rerun"], row["likely_cause"], row["why"]) for row in surroundings(old, new)] == [
        ("node", "n1, n2", "n3", True, "ran elsewhere")
    ]
    assert (level(old, new), one_kind(old, new)) == (OTHER_MACHINE, True)
    assert level(run(HERE, points(), placed(["n1"])), run(HERE, points(), placed(["n2"]))) == OTHER_MACHINE
    assert level(run(HERE, points(), placed(["n1"])), run(login, points(), placed(["n1"]))) == SAME
    part = run(HERE, points(), placed(["n2"]), placed(["n4"]))
    assert [(row["rerun"], row["likely_cause"]) for row in surroundings(old, part)] == [("n2, n4", False)]


def test_nodes_with_another_driver_or_held_back() -> None:
    old = run(HERE, points(), placed(["n1"]), placed(["n2"]))
    new = run(HERE, points(), placed(["n1"], driver="580.2"), placed(["n2"], power_limit_w=500.0))
    assert [(row["fact"], row["original"], row["rerun"], row["likely_cause"]) for row in surroundings(old, new)] == [
        ("driver", "570.1", "570.1; 580.2", True), ("GPU clocks and power limits", "1980 MHz, 700 W", "1980 MHz, 500 W; 1980 MHz, 700 W", True),
    ]  # fmt: skip
    assert one_kind(old, new)
    assert not one_kind(old, run(HERE, points(), placed(["n1"], name="B200")))


def test_every_node_of_a_deployment_over_several_counts() -> None:
    both = {"n1": {"kernel": "6.1.0", "cores": 8, "gpus": PLACED["gpus"]}, "n2": {"kernel": "6.1.0", "cores": 8, "gpus": []}}
    spanning = run(HERE, points(), {**PLACED, "nodes": ["n1", "n2"], "by_node": both})
    found = {row["fact"]: row for row in surroundings(run(HERE, points(), PLACED), spanning)}
    assert (found["GPUs"]["original"], found["GPUs"]["rerun"], found["GPUs"]["likely_cause"]) == ("1 x H200", "1 x H200; none", True)
    assert found["node"]["rerun"] == "n1, n2"


def test_a_container_that_only_the_trials_name() -> None:
    bare = changed(container=None)
    inside = {**PLACED, "container": HERE["container"]}
    assert level(run(bare, points(), inside), run(bare, points(), PLACED)) == OTHER_IMAGE
    assert [row["fact"] for row in surroundings(run(bare, points(), inside), run(bare, points(), PLACED))] == ["image ID", "container runtime"]
