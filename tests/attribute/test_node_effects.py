"""Nodes that differ: in blocks, at random, after a move; confounded with a lever, they are said to be. Against statsmodels and closed forms."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, t

from frontier.attribute import LeverSpec, attribute
from frontier.cli import main
from frontier.evidence.node_model import NodeModel
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


def test_random_placement_is_set_right() -> None:
    """Most of the target's launches were on the faster node: by the plain means it would be 2 x 1.2^(1/3) times as fast."""
    table = points({"baseline": ["a", "a", "b"], "target": ["b", "b", "a"]})
    found = attribute(table, [LEVER], resamples=200)
    plain = attribute(table.drop(columns="node"), [LEVER], resamples=200)
    assert found["total"]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert plain["total"]["ratio"] == pytest.approx(2.0 * FAST ** (1 / 3), rel=0.01)
    assert width(found) < 0.1 < width(plain)
    (note,) = [note for note in found["notes"] if "nodes" in note]
    assert re.search(r"on 2 nodes, not on each in the same share for every variant: the nodes' effects, up to (19|20|21)\.\d% apart", note)


def test_a_launch_that_lacks_a_load() -> None:
    table = points({"baseline": ["a", "a", "b"], "target": ["b", "b", "a"]}, noise=0.0)
    lost = table[~((table["variant"] == "target") & (table["replicate"] == 3) & (table["concurrency"] == 8))]
    assert attribute(lost, [LEVER], resamples=200)["total"]["ratio"] == pytest.approx(2.0, rel=1e-4)


def test_nodes_of_their_own_for_each_level_are_said_to_be_confounded() -> None:
    found = attribute(points({"baseline": ["a", "a"], "target": ["b", "b"]}), [LEVER], resamples=200)
    (note,) = [note for note in found["notes"] if "nodes" in note]
    assert "confounded with levers: launches ran on 2 nodes in 2 groups (a | b)" in note
    assert "nothing shows how far they differ: intervals do not allow for it" in note


def test_confounded_nodes_widen_the_interval_by_what_other_nodes_show() -> None:
    """Nodes a and b differ by 1.2x, so c and d may as well; without that the interval would be that of the noise of 0.5 %."""
    found = attribute(points({"baseline": ["a", "b", "a", "b"], "target": ["c", "d", "c", "d"]}), [LEVER], resamples=400)
    (note,) = [note for note in found["notes"] if "nodes" in note]
    assert "in 2 groups (a, b | c, d)" in note
    assert "Intervals allow for it by the spread between nodes that the other launches show" in note
    assert width(found) > 2 * np.log(FAST)


def test_one_node_says_nothing() -> None:
    found = attribute(points({"baseline": ["a", "a"], "target": ["a", "a"]}), [LEVER], resamples=200)
    assert not any("nodes" in note for note in found["notes"])


def test_a_node_for_every_launch_is_noise_between_launches() -> None:
    table = points({"baseline": ["a", "b"], "target": ["c", "d"]})
    found = attribute(table, [LEVER], resamples=200)
    assert any("on 4 nodes, too many for 2 degrees of freedom: their effects are in the noise between launches" in note for note in found["notes"])
    assert width(found) == pytest.approx(width(attribute(table.drop(columns="node"), [LEVER], resamples=200)))


def test_a_single_launch_on_each_side() -> None:
    found = attribute(points({"baseline": ["a"], "target": ["b"]}), [LEVER], resamples=200)
    assert any("confounded with levers" in note and "nothing shows" in note for note in found["notes"])


def test_rows_that_do_not_name_their_node() -> None:
    table = points({"baseline": ["a", "b"], "target": ["a", "b"]})
    some = table.assign(node=table["node"].where(table["replicate"] == 1))
    assert any("8 of 16 rows do not name their node" in note for note in attribute(some, [LEVER], resamples=200)["notes"])


def test_imported_points_whose_launches_are_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = points({"baseline": ["a", "a", "b"], "target": ["b", "b", "a"]})
    dated = table.assign(date="2026-11-0" + table["replicate"].astype(str), replicate=pd.NA, precision=table["variant"]).drop(columns="variant")
    dated.dropna(axis=1, how="all").drop(columns="level_mtp").to_csv(tmp_path / "points.csv", index=False)
    words = ["attribute", str(tmp_path / "points.csv"), "--levers", "precision", "--baseline", "precision=baseline", "--target", "precision=target"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["total"]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert any("on 2 nodes, not on each in the same share" in note for note in document["notes"])


# 18 launches of 6 cells on 4 nodes, and what statsmodels 0.15.0 says of them: smf.mixedlm("y ~ 0 + C(cell)", groups=node).fit(reml=True).
CELL, PLACE = np.repeat(np.arange(6), 3), np.array([0, 1, 2, 0, 0, 1, 2, 2, 3, 1, 3, 3, 0, 2, 1, 3, 0, 2])
LOGS = np.array(
    [0.05, -0.024, 0.0145, 0.1322, 0.1409, 0.0502, 0.2212, 0.2468, 0.1502, 0.2576, 0.2698, 0.2671, 0.4521, 0.4014, 0.3694, 0.4739, 0.5231, 0.5108]
)
RATIO, SCALE = 6.586885605772676, 0.000224325282378449
CELLS = np.array([0.003328889515914612, 0.08892756881671239, 0.20411139342520204, 0.2957988149088372, 0.3974622228492479, 0.49197673939266656])
PLACES = np.array([0.04419353768593138, -0.031869781822000114, 0.01818957558832475, -0.0305133314522557])


def of_cells(values: Any, cell: Any) -> Any:
    return (np.bincount(cell, values) / np.bincount(cell))[cell]


def test_the_estimates_are_those_of_statsmodels() -> None:
    model = NodeModel.of(CELL, PLACE)
    fit = model.fit(LOGS - of_cells(LOGS, CELL))
    fine = np.geomspace(0.1, 1000, 20001)
    assert fine[fit.likelihood(fine).argmax()] == pytest.approx(RATIO, rel=2e-3)
    ratio = np.array([RATIO])
    assert fit.squares(ratio)[0] / model.freedom == pytest.approx(SCALE, rel=1e-4)
    assert fit.effects(ratio)[0] == pytest.approx(PLACES - PLACES @ model.weights, rel=1e-4)
    assert fit.spread() == pytest.approx(np.sqrt(RATIO * SCALE), rel=0.05)
    adjusted = LOGS - fit.effects(ratio)[0][PLACE]
    # Means of launches without their nodes' effects are the generalised least squares estimates, on a node like the mean of the launches'.
    assert np.bincount(CELL, adjusted) / 3 == pytest.approx(CELLS + PLACES @ model.weights, rel=1e-4)


def test_in_blocks_the_estimates_are_those_of_the_analysis_of_variance() -> None:
    """6 cells on 3 nodes, once each: squares between nodes 6 per node; the ratio is (mean square of nodes / residual - 1) / 6."""
    rng = np.random.default_rng(5)
    cell, node = np.repeat(np.arange(6), 3), np.tile(np.arange(3), 6)
    logs = rng.normal(0, 0.02, 18) + np.array([0.0, 0.05, -0.03])[node]
    left = logs - of_cells(logs, cell)
    means = np.bincount(node, left) / 6
    between, within = 6 * float(means @ means) / 2, float(((left - means[node]) ** 2).sum()) / (17 - 5 - 2)
    fit = NodeModel.of(cell, node).fit(left)
    fine = np.geomspace(0.01, 1000, 20001)
    assert fine[fit.likelihood(fine).argmax()] == pytest.approx((between / within - 1) / 6, rel=2e-3)
    assert fit.effects(np.array([1e12]))[0] == pytest.approx(means)
    assert fit.squares(np.array([1e12]))[0] == pytest.approx(10 * within)


def test_in_blocks_of_nodes_that_differ_much_the_spread_has_the_freedom_they_leave() -> None:
    """18 launches of 6 cells on 3 nodes: 18 - 6 - 2 = 10, so residual squares over the drawn variance are chi-squared with 10."""
    rng = np.random.default_rng(6)
    cell, node = np.repeat(np.arange(6), 3), np.tile(np.arange(3), 6)
    logs = rng.normal(0, 0.02, 18) + np.array([0.0, 0.5, -0.3])[node]
    left = logs - of_cells(logs, cell)
    fit = NodeModel.of(cell, node).fit(left)
    draws = 100_000
    chi_square = rng.chisquare(12, draws)
    effects, factor = fit.draw(rng.random(draws), chi_square, rng.normal(size=(draws, 3)))
    found = np.quantile(chi_square / factor**2, [0.05, 0.5, 0.95])
    assert found == pytest.approx(chi2.ppf([0.05, 0.5, 0.95], 10), rel=0.02)
    # A contrast of two nodes, 6 launches each, is Student's t with these 10 about the difference of their means.
    error = np.sqrt(float((fit.left() ** 2).sum()) / 10 * 2 / 6)
    assert np.quantile((effects[:, 0] - effects[:, 1]) / error, 0.975) == pytest.approx(t.ppf(0.975, 10), rel=0.03)


def test_the_likelihood_is_that_of_the_dense_formula() -> None:
    rng = np.random.default_rng(2)
    cell, node = np.repeat(np.arange(5), 4), rng.integers(4, size=20)
    logs, ratios = rng.normal(0, 0.02, 20), np.array([0.01, 1.0, 30.0])
    cells, nodes = np.eye(5)[cell], np.eye(4)[node]
    dense = []
    for ratio in ratios:
        variance = np.eye(20) + ratio * nodes @ nodes.T
        inverse = np.linalg.inv(variance)
        information = cells.T @ inverse @ cells
        projector = inverse - inverse @ cells @ np.linalg.inv(information) @ cells.T @ inverse
        determinants = np.linalg.slogdet(variance)[1] + np.linalg.slogdet(information)[1]
        dense.append(-(15 * np.log(logs @ projector @ logs) + determinants) / 2)
    found = NodeModel.of(cell, node).fit(logs - of_cells(logs, cell)).likelihood(ratios)
    assert np.diff(found) == pytest.approx(np.diff(dense))


def test_nodes_that_no_variant_connects() -> None:
    model = NodeModel.of(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 3, 3]))
    assert model.groups == [[0, 1, 2], [3]]
    assert (model.contrasts, model.freedom, model.estimable) == (2, 3, True)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("node_effects")


def intervals(bench: ModuleType, name: str, runs: int) -> tuple[float, float, float]:
    """Shares of intervals of levers and of the whole that hold 1x, and the median width of the whole's."""
    design = replace(next(one for one in bench.DESIGNS if one.name.startswith(name)), levers=2)
    found = [bench.one_run(design, seed, 200, 5)[0] for seed in range(1, runs + 1)]
    held = {name: np.mean([one[name][0] <= 0 <= one[name][1] for one in found]) for name in found[0]}
    return float(held["lever 1"] + held["lever 2"]) / 2, float(held["whole"]), float(np.median([one["whole"][1] - one["whole"][0] for one in found]))


@pytest.mark.parametrize(
    "name", ["blocks over 2 nodes", "random over 3 nodes, 8 variants", "a block that moved", "lever 1 on other nodes: 4 against 4"]
)
def test_intervals_hold_the_truth_as_often_as_they_say(bench: ModuleType, name: str) -> None:
    """Nodes differ by 5 %, launches by 2 %, no lever does anything."""
    levers, whole, _ = intervals(bench, name, 100)
    assert levers >= 0.92
    assert whole >= 0.92


def test_blocks_cost_no_more_than_a_degree_of_freedom(bench: ModuleType) -> None:
    """Nodes that do not differ take one of 12 degrees of freedom, their prior some; t with 9 is 4 % wider than with 12, and 3 % are for the draws."""
    *_, named = intervals(bench, "the same, nodes that do not differ", 40)
    *_, unnamed = intervals(bench, "the same, nodes that do not differ, not named", 40)
    assert named < unnamed * t.ppf(0.975, 9) / t.ppf(0.975, 12) * 1.03
