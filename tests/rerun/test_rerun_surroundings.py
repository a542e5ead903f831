"""What was different around two runs, how near they are, and what can have moved the result."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest

from frontier.rerun.surroundings import OTHER_IMAGE, OTHER_MACHINE, SAME, level, surroundings

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


def changed(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(HERE), **parts}


def facts(there: dict[str, Any], evidence: str = "measured") -> dict[str, bool]:
    return {row["fact"]: row["likely_cause"] for row in surroundings(HERE, there, (points(evidence), points(evidence)))}


def test_three_levels() -> None:
    assert level(HERE, changed()) == SAME
    assert level(HERE, changed(machine="f" * 16)) == OTHER_MACHINE
    assert level(HERE, changed(container={**HERE["container"], "image_id": "sha256:" + "4" * 64})) == OTHER_IMAGE
    assert level(HERE, changed(container=None)) == OTHER_IMAGE


def test_without_a_container_the_image_is_the_software() -> None:
    bare = changed(container=None)
    assert level(bare, changed(container=None)) == SAME
    assert level(bare, changed(container=None, packages={**HERE["packages"], "rich": "15.0"})) == OTHER_IMAGE


def test_a_machine_without_an_identity_is_told_by_its_kind() -> None:
    old, new = changed(machine=""), changed(machine="")
    assert level(old, new) == SAME
    assert level(old, {**new, "ram_gib": 100.0}) == OTHER_MACHINE


def test_equal_surroundings_say_nothing() -> None:
    assert facts(changed()) == {}


@pytest.mark.parametrize("evidence", ["measured", "predicted"])
def test_what_can_have_moved_a_result_depends_on_how_it_was_found(evidence: str) -> None:
    gpu = facts(changed(gpus=[{**HERE["gpus"][0], "name": "B200"}]), evidence)
    numpy = facts(changed(packages={"numpy": "2.3.0", "rich": "14.0"}), evidence)
    assert gpu == {"GPUs": evidence == "measured"}
    assert numpy == {"numpy": evidence == "predicted"}


def test_other_packages_are_listed_and_cause_nothing() -> None:
    found = surroundings(HERE, changed(packages={"numpy": "2.2.6", "rich": "15.0"}), (points(), points()))
    assert [(row["fact"], row["rerun"], row["likely_cause"]) for row in found] == [("other packages", "other versions of rich", False)]


def test_a_gpu_that_was_held_back_is_told() -> None:
    found = surroundings(HERE, changed(gpus=[{**HERE["gpus"][0], "power_limit_w": 500.0}]), (points(), points()))
    assert [(row["fact"], row["original"], row["rerun"]) for row in found] == [("GPU clocks and power limits", "1980 MHz, 700 W", "1980 MHz, 500 W")]
    older = changed(gpus=[{"name": "H200", "memory_gib": 139.0, "driver": "570.1"}])  # made before these were recorded
    assert surroundings(HERE, older, (points(), points()))[0]["rerun"] == "? MHz, ? W"


def test_the_content_of_the_operator_database_counts() -> None:
    assert facts(changed(wheels={"aiconfigurator-core": {"version": "0.12.0", "sha256": "5" * 64}}), "predicted") == {
        "content of aiconfigurator-core": True
    }


def test_versions_that_the_points_name() -> None:
    found = surroundings(HERE, HERE, (points(), points(engine_version=["1.3.0", "1.3.0"])))
    assert [(row["fact"], row["original"], row["rerun"]) for row in found] == [("engine version", "1.2.1", "1.3.0")]


def test_a_slower_machine_is_told_by_its_probes() -> None:
    old, new = points(probe_matmul_gflop_s=[100.0, 102.0]), points(probe_matmul_gflop_s=[80.0, 81.6])
    (row,) = surroundings(HERE, HERE, (old, new))
    assert (row["fact"], row["why"]) == ("speed of matrix products", "the machine itself was 0.80 times as fast")
    assert surroundings(HERE, HERE, (old, points(probe_matmul_gflop_s=[101.0, 102.0]))) == []


def test_likely_causes_come_first() -> None:
    found = surroundings(HERE, changed(ram_gib=12.0, cpu={"model": "another", "cores": 2}), (points(), points()))
    assert [row["fact"] for row in found] == ["processor", "memory, GiB"]
