"""Nodes that differ, in a design of blocks: the ratio stays, the interval does not pay for them; confounded, they are said to be."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from frontier.attribute import LeverSpec, attribute
from frontier.records import normalize_points

LEVER = LeverSpec("mtp", "level_mtp", ("baseline",), ("target",), "forced", "MTP", {"baseline": ["0"], "target": ["3"]})
FAST = 1.2  # node b gives so much more than node a


def points(nodes: dict[str, list[str]], seed: int = 3, noise: float = 0.005) -> pd.DataFrame:
    """Launches of two variants, target twice as fast; ``nodes`` names the node of each launch."""
    rng = np.random.default_rng(seed)
    rows = []
    for level, places in nodes.items():
        for replicate, node in enumerate(places, start=1):
            speed = (2.0 if level == "target" else 1.0) * (FAST if node == "b" else 1.0) * np.exp(rng.normal(0, noise))
            for load in (1, 2, 4, 8):
                rows.append(
                    {
                        "evidence": "measured", "model": "m", "hardware": "cpu", "engine": "vllm", "isl_tokens": 16.0, "osl_tokens": 16.0,
                        "variant": level, "level_mtp": level, "replicate": replicate, "node": node, "concurrency": float(load), "gpus": 1,
                        "total_tput_tok_s_gpu": 100.0 * load * speed, "output_tput_tok_s_gpu": 50.0 * load * speed,
                        "interactivity_tok_s_user": 100.0 / load, "valid": True,
                    }
                )  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


def width(document: dict) -> float:  # type: ignore[type-arg]
    low, high = document["total"]["ci95"]
    return float(np.log(high / low))


def test_in_blocks_the_interval_does_not_pay_for_the_nodes() -> None:
    blocks = ["a", "b", "a", "b"]
    table = points({"baseline": blocks, "target": blocks})
    found = attribute(table, [LEVER], resamples=400)
    unknown = attribute(table.drop(columns="node"), [LEVER], resamples=400)
    assert found["total"]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert unknown["total"]["ratio"] == pytest.approx(found["total"]["ratio"], rel=1e-3), "in blocks a node's effect cancels in the ratio"
    assert width(unknown) > 0.2
    assert width(found) < 0.05
    assert any(re.search(r"on 2 nodes in blocks; their effects differ by up to (19|20|21)\.", note) for note in found["notes"])


def test_nodes_that_are_confounded_with_the_lever_are_said_to_be() -> None:
    table = points({"baseline": ["a", "a", "b"], "target": ["b", "b", "a"]})
    found = attribute(table, [LEVER], resamples=200)
    assert any("not on each in the same share for every variant" in note for note in found["notes"])
    assert width(found) == pytest.approx(width(attribute(table.drop(columns="node"), [LEVER], resamples=200)))


def test_one_node_says_nothing() -> None:
    found = attribute(points({"baseline": ["a", "a"], "target": ["a", "a"]}), [LEVER], resamples=200)
    assert not any("nodes" in note for note in found["notes"])


def test_too_many_nodes_for_the_launches() -> None:
    found = attribute(points({"baseline": ["a"], "target": ["b"]}), [LEVER], resamples=200)
    assert any("not on each in the same share" in note for note in found["notes"])


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    blocks = ["a", "b", "a", "b"]
    held = []
    for seed in range(60):
        low, high = attribute(points({"baseline": blocks, "target": blocks}, seed, 0.02), [LEVER], resamples=200)["total"]["ci95"]
        held.append(low <= 2.0 <= high)
    assert np.mean(held) >= 0.85  # 95 % of 60 is 57; below 51 has a probability of about 2 in 1000 if they are right
