"""Designed attribution on closed-form points: the answer of every test is a formula."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.attribute import LeverSpec, attribute, parse_levers
from frontier.errors import PointsError, UsageError
from frontier.evidence.residuals import ResidualModel
from frontier.records import normalize_points

BATCHES = np.array([1, 2, 4, 8, 16, 32, 64, 128.0])


def closed_form(factors: Mapping[str, float], *, launches: int = 1, noise: float = 0.0, seed: int = 0, skip: Any = None) -> pd.DataFrame:
    """Every cell of a design whose levers multiply throughput: interactivity 120 / (1 + b/16), throughput b * interactivity / 8."""
    rng = np.random.default_rng(seed)
    rows = []
    for levels in itertools.product((False, True), repeat=len(factors)):
        if skip is not None and skip(dict(zip(factors, levels, strict=True))):
            continue
        gain = np.prod([factor if level else 1.0 for factor, level in zip(factors.values(), levels, strict=True)])
        for launch in range(launches):
            launch_noise = np.exp(rng.normal(0, noise))
            for batch in BATCHES:
                x = 120.0 / (1 + batch / 16)
                rows.append(
                    {
                        "evidence": "simulated", "concurrency": batch, "replicate": launch, "interactivity_tok_s_user": x,
                        "total_tput_tok_s_gpu": gain * batch * x / 8 * launch_noise,
                        **{name: "new" if level else "old" for name, level in zip(factors, levels, strict=True)},
                    }
                )
    return normalize_points(pd.DataFrame(rows), origin="test")


def levers(names: Any, mode: str = "forced") -> list[LeverSpec]:
    return [LeverSpec(name, name, ("old",), ("new",), mode) for name in names]


def shares(document: dict[str, Any]) -> dict[str, float]:
    return {share["lever"]: share["log_ratio"] for share in document["shares"]}


FACTORS = {"a": 1.5, "b": 2.0, "c": 1.0, "d": 0.8}


def test_multiplicative_effects_are_recovered() -> None:
    document = attribute(closed_form(FACTORS), levers(FACTORS))
    for name, factor in FACTORS.items():
        assert shares(document)[name] == pytest.approx(np.log(factor), abs=1e-9)
    assert document["total"]["ratio"] == pytest.approx(1.5 * 2.0 * 0.8)
    assert document["shift"]["ratio"]["value"] == pytest.approx(2.4)
    assert all(abs(pair["log_ratio"]) < 1e-9 for pair in document["interactions"])
    for row in document["by_interactivity"]:
        assert sum(row["shares"].values()) == pytest.approx(row["total"])
        assert row["shares"]["b"] == pytest.approx(np.log(2.0))


def test_unlocked_harmful_lever_does_nothing() -> None:
    # With the baseline setting still available, a lever that only loses throughput leaves the frontier where it is.
    document = attribute(closed_form(FACTORS), levers(FACTORS, "unlocked"))
    assert shares(document)["d"] == pytest.approx(0.0, abs=1e-9)
    assert document["total"]["ratio"] == pytest.approx(3.0)


def test_unlocking_never_costs_throughput_under_small_noise() -> None:
    # Points of a slightly weaker cell stand just right of better ones and are not dominated; Steffen's curve of the union would sag to them.
    tables = [jitter(closed_form({"a": 1.5, "b": 1.25}, launches=3), seed) for seed in range(8)]
    ratios = [attribute(table, levers(["a", "b"], "unlocked"))["total"]["ratio"] for table in tables]
    assert np.mean(ratios) == pytest.approx(1.875, rel=0.015)  # the union's own curve gives about 1.79


def jitter(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.003, len(table)))
    columns = ["interactivity_tok_s_user", "total_tput_tok_s_gpu"]
    return table.assign(**{column: table[column] * noise for column in columns})


def test_lever_on_the_other_axis() -> None:
    # Lever m makes every user 2x faster at equal throughput: at x the frontier is f(x / 2), so the whole belongs to m at every interactivity.
    table = closed_form({"a": 1.5, "m": 1.0})
    fast = table["m"] == "new"
    table.loc[fast, "interactivity_tok_s_user"] *= 2
    document = attribute(table, levers(["a", "m"]))
    assert shares(document)["a"] == pytest.approx(np.log(1.5), abs=1e-9)
    assert shares(document)["m"] > 0
    assert document["shift"]["max_interactivity_ratio"] == pytest.approx(2.0)
    assert document["shift"]["newly_reached_tok_s_user"] == pytest.approx([120 / (1 + 1 / 16), 240 / (1 + 1 / 16)])


def test_shares_do_not_depend_on_the_order_of_levers_but_the_ladder_does() -> None:
    table = closed_form(FACTORS)
    both = (table["a"] == "new") & (table["b"] == "new")
    table.loc[both, "total_tput_tok_s_gpu"] *= 1.3  # a and b help each other
    forward, backward = attribute(table, levers(FACTORS)), attribute(table, levers(list(FACTORS)[::-1]))
    assert shares(forward) == pytest.approx(shares(backward))
    assert forward["shares"][0]["log_ratio"] == pytest.approx(np.log(1.5) + np.log(1.3) / 2)
    ladder = {step["lever"]: step["log_ratio"] for step in forward["ladder"]}
    assert ladder["b"] == pytest.approx(np.log(2 * 1.3))
    pair = next(p for p in forward["interactions"] if p["levers"] == ["a", "b"])
    assert pair["log_ratio"] == pytest.approx(np.log(1.3))
    leave = {step["lever"]: step["log_ratio"] for step in forward["leave_one_out"]}
    assert leave["a"] == pytest.approx(np.log(1.5 * 1.3))


def test_infeasible_cell_by_hand() -> None:
    # NVFP4 (x3) exists on Blackwell only; hardware alone gives x2. v = {} 0, {hw} ln2, {fp4} 0 (feasible part), both ln6.
    # Shapley: hw = (ln2 + ln6 - 0) / 2, fp4 = (0 + ln6 - ln2) / 2.
    table = closed_form({"hardware": 2.0, "precision": 3.0}, skip=lambda c: c["precision"] and not c["hardware"])
    table["hardware"] = table["hardware"].replace({"old": "h200_sxm", "new": "gb200"})
    table["precision"] = table["precision"].replace({"old": "fp8", "new": "fp4"})
    specs = [LeverSpec("hardware", "hardware", ("h200_sxm",), ("gb200",)), LeverSpec("precision", "precision", ("fp8",), ("fp4",))]
    document = attribute(table, specs)
    assert shares(document)["hardware"] == pytest.approx((np.log(2) + np.log(6)) / 2)
    assert shares(document)["precision"] == pytest.approx((np.log(6) - np.log(2)) / 2)
    cell = next(c for c in document["cells"] if c["cell"] == "precision")
    assert cell["status"] == "infeasible"
    assert cell["reason"] == "fp4 needs blackwell, h200_sxm is hopper"
    assert "largest feasible part" in document["infeasible_rule"]


def test_a_missing_cell_is_refused_unless_told() -> None:
    table = closed_form({"a": 2.0, "b": 3.0}, skip=lambda c: c["b"] and not c["a"])
    with pytest.raises(PointsError, match=r"1 of 4 cells have no usable point: b"):
        attribute(table, levers(["a", "b"]))
    document = attribute(table, levers(["a", "b"]), missing="restrict")
    assert shares(document)["a"] == pytest.approx((np.log(2) + np.log(6)) / 2)
    assert any("count as their largest available part" in note for note in document["notes"])


def test_an_observed_path_is_split_by_its_ladder() -> None:
    # Only the cells along a -> a+b -> a+b+c were measured: the ladder is known, a Shapley split is not.
    path = [set(), {"a"}, {"a", "b"}, {"a", "b", "c"}]
    table = closed_form({"a": 1.5, "b": 2.0, "c": 3.0}, skip=lambda cell: {name for name, on in cell.items() if on} not in path)
    document = attribute(table, levers(["a", "b", "c"]), missing="ladder")
    assert document["method"] == "ladder"
    assert {name: round(np.exp(value), 9) for name, value in shares(document).items()} == {"a": 1.5, "b": 2.0, "c": 3.0}
    assert document["interactions"] == []
    assert any("observed path" in note for note in document["notes"])
    with pytest.raises(PointsError, match="cells of the path"):
        attribute(table, levers(["c", "b", "a"]), missing="ladder")


def test_contrasts_between_coalitions() -> None:
    document = attribute(closed_form(FACTORS), levers(FACTORS), contrasts={"b given a": (["a"], ["a", "b"])})
    assert document["contrasts"] == [
        {"name": "b given a", "from": ["a"], "to": ["a", "b"], "log_ratio": pytest.approx(np.log(2)), "ratio": pytest.approx(2.0), "ci95": None}
    ]


def test_no_replicates_no_interval() -> None:
    document = attribute(closed_form({"a": 2.0}), levers(["a"]))
    assert document["total"]["ci95"] is None
    assert document["interval"]["method"].startswith("no interval")


def test_predicted_points_carry_the_models_error_where_it_is_known() -> None:
    table = closed_form({"a": 2.0}).assign(evidence="predicted", engine="trtllm", hardware="h200_sxm", precision="fp8", disagg=False)
    table["replicate"] = pd.NA
    document = attribute(normalize_points(table, origin="test"), levers(["a"]), residuals=ResidualModel(), resamples=400)
    low, high = document["total"]["ci95"]
    assert low < 2.0 < high
    # Both cells share the error of their group, so the ratio is far surer than either throughput.
    band = document["steps"][0]["ci95_tput_tok_s_gpu"]
    assert high / low < (band[1][-1] / band[0][-1]) ** 1.5
    elsewhere = attribute(normalize_points(table.assign(engine="vllm"), origin="test"), levers(["a"]), residuals=ResidualModel())
    assert elsewhere["total"]["ci95"] is None
    assert elsewhere["interval"]["method"] == "no interval: the prediction error is known for trtllm, not for vllm"


def test_pooled_repeats_do_not_inflate_the_frontier() -> None:
    # With 5 % noise and eight launches the best of the pooled repeats lies above the truth; the mean does not.
    table = closed_form({"a": 1.0}, launches=8, noise=0.05, seed=4)
    document = attribute(table, levers(["a"]))
    baseline = document["steps"][0]
    truth = sorted(b * 120 / (1 + b / 16) / 8 for b in BATCHES)
    assert max(baseline["tput_tok_s_gpu"]) == pytest.approx(truth[-1], rel=0.04)
    pooled = table[table["a"] == "old"]["total_tput_tok_s_gpu"].max()
    assert pooled > 1.04 * truth[-1]


@pytest.mark.parametrize("effect", [1.0, 1.25])
def test_intervals_cover_the_truth(effect: float) -> None:
    covered, runs = 0, 120
    for seed in range(runs):
        table = closed_form({"a": effect, "b": 1.0}, launches=3, noise=0.04, seed=seed)
        document = attribute(table, levers(["a", "b"]), resamples=300, grid_points=9)
        low, high = document["shares"][0]["ci95"]
        covered += low <= effect <= high
    assert covered / runs >= 0.90


def test_mixed_questions_are_refused() -> None:
    table = closed_form({"a": 2.0})
    table.loc[0, "evidence"] = "published"
    with pytest.raises(PointsError, match="mixes 2 values of evidence"):
        attribute(table, levers(["a"]))
    table = closed_form({"a": 2.0})
    table["isl_tokens"] = np.where(np.arange(len(table)) % 2, 1024.0, 8192.0)
    with pytest.raises(PointsError, match="--where isl_tokens"):
        attribute(table, levers(["a"]))


def test_undefined_rows_are_counted_and_carry_nothing() -> None:
    table = closed_form({"a": 2.0})
    bad = table.iloc[[0, 1, 2]].assign(total_tput_tok_s_gpu=[np.nan, -5.0, np.inf], concurrency=[901, 902, 903])
    document = attribute(normalize_points(pd.concat([table, bad]), origin="test"), levers(["a"]))
    assert document["total"]["ratio"] == pytest.approx(2.0)
    assert "3 of 19 rows" in document["notes"][0]


def test_ranges_without_overlap_give_null_and_a_reason() -> None:
    table = closed_form({"a": 2.0})
    table.loc[table["a"] == "new", "interactivity_tok_s_user"] += 1000
    document = attribute(table, levers(["a"]))
    assert document["total"]["ratio"] is None
    assert document["shift"]["ratio"] is None
    assert document["shift"]["reason"]
    assert document["shift"]["peak_ratio"] == pytest.approx(2.0)
    assert any("share no interactivity" in note for note in document["notes"])


def test_levels_are_inferred_only_where_plain() -> None:
    table = closed_form({"a": 2.0})
    table["disagg"] = table["a"] == "new"
    table["draft_len"] = np.where(table["a"] == "new", 3, 0)
    found = {spec.name: (spec.baseline, spec.target) for spec in parse_levers(table, ["disagg", "draft_len", "a"], {}, {})}
    assert found == {"disagg": (("false",), ("true",)), "draft_len": (("0",), ("3",)), "a": (("old",), ("new",))}
    table["precision"] = np.where(table["a"] == "new", "fp8", "fp4")
    table["hardware"] = np.where(table["a"] == "new", "h200_sxm", "gb200")
    newest = {spec.name: (spec.baseline, spec.target) for spec in parse_levers(table, ["precision", "hardware"], {}, {})}
    assert newest == {"precision": (("fp8",), ("fp4",)), "hardware": (("h200_sxm",), ("gb200",))}
    with pytest.raises(UsageError, match="has 8 values"):
        parse_levers(table, ["concurrency"], {}, {})
    chosen = parse_levers(table, ["concurrency"], {"concurrency": "1|2"}, {"concurrency": "64"})[0]
    assert (chosen.baseline, chosen.target) == (("1", "2"), ("64",))


@pytest.mark.parametrize(
    ("names", "baseline", "match"),
    [
        (["nope"], {}, "no column 'nope'"),
        (["a", "a"], {}, "named twice"),
        (["a"], {"b": "x"}, "not among the levers"),
        (["a"], {"a": "weird"}, "has no value 'weird'"),
        ([], {}, "no levers"),
    ],
)
def test_wrong_levers_are_named(names: list[str], baseline: dict[str, str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_levers(closed_form({"a": 2.0}), names, baseline, {})
