"""What moved between two runs with known answers, and by which cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from comparison_runs import CONFIG, EFFECTS, MACHINE, by_name, make_run, points

from frontier.compare import compare, compare_paths, read_source
from frontier.errors import UsageError

OTHER_MACHINE = {**MACHINE, "machine": "bbbb000011112222", "cpu": {"model": "Intel Xeon", "cores": 64}}


def pair_of(folder: Path, original: pd.DataFrame, new: pd.DataFrame, **changed: Mapping[str, Any] | None) -> dict[str, Any]:
    """The pair of two runs; ``environment`` and ``config`` are the new one's."""
    paths = [make_run(folder, original, stamp=1), make_run(folder, new, stamp=2, **changed)]
    document = compare_paths(paths)
    json.dumps(document, allow_nan=False)
    return document["pairs"][0]


def test_a_lever_whose_effect_changed_is_named_with_its_factor(tmp_path: Path) -> None:
    config = {**CONFIG, "engine": {**CONFIG["engine"], "max_num_seqs": 64}}
    pair = pair_of(tmp_path, points(), points(effects={**EFFECTS, "mtp": 1.25 * 1.2}), config=config)
    found = by_name(pair["quantities"])
    assert found["mtp"]["change"]["ratio"] == pytest.approx(1.2)
    assert found["total"]["change"]["ratio"] == pytest.approx(1.2)
    assert found["precision"]["change"]["ratio"] == pytest.approx(1.0)
    assert [name for name, one in found.items() if one["state"] == "moved"] == ["total", "peak_ratio", "hypervolume_ratio", "mtp"]
    assert pair["verdict"] == "moved"
    assert "the share of mtp moved 1.20" in pair["sentence"]
    assert pair["cause"]["cause"] == "configuration"
    assert "engine.max_num_seqs 32 → 64" in pair["cause"]["sentences"][0]
    ends = by_name(pair["ends"], "end")
    assert ends["baseline"]["state"] == "not_moved"
    assert ends["target"]["ratio"] == pytest.approx(1.2)
    assert ends["target"]["separated"] == ["configuration"]


def test_the_same_effects_in_noise_are_not_called_moved(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(noise=0.02, seed=1), points(noise=0.02, seed=2))
    assert {one["state"] for one in (*pair["quantities"], *pair["ends"])} <= {"not_moved", "not_resolved"}
    assert pair["cause"]["cause"] in ("noise", "none")
    unresolved = [one for one in pair["quantities"] if one["state"] == "not_resolved"]
    assert unresolved
    assert all(one["launches_needed"] > 3 for one in unresolved)


def test_with_little_noise_a_change_within_the_margin_is_none(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(noise=0.002, seed=1), points(factor=1.01, noise=0.002, seed=2))
    assert pair["verdict"] == "not_moved"
    assert pair["cause"]["cause"] == "none"
    assert by_name(pair["ends"], "end")["baseline"]["ratio"] == pytest.approx(1.01, rel=0.005)


def test_another_version_alone_is_software(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3, engine_version="2.0"))
    assert pair["cause"]["cause"] == "software"
    assert pair["margin"] == 0.05
    for end in pair["ends"]:
        assert [(one["cause"], pytest.approx(one["ratio"])) for one in end["factors"]] == [("software", 1.3)]
        assert end["separated"] == ["software"]
    # Both ends moved alike, so the shift did not move at all.
    assert by_name(pair["quantities"])["total"]["state"] == "not_moved"
    assert "did not, within 5 %" in pair["sentence"]


def test_another_machine_alone_is_the_machine(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3), environment=OTHER_MACHINE)
    assert pair["cause"]["cause"] == "platform"
    assert pair["margin"] == 0.10
    assert {factor["cause"] for end in pair["ends"] for factor in end["factors"]} == {"platform"}
    assert [end["separated"] for end in pair["ends"]] == [["platform"], ["platform"]]
    facts = by_name(pair["environment"], "fact")
    assert facts["processor"]["likely_cause"]
    assert facts["processor"]["new"] == "Intel Xeon"


def test_a_driver_alone_is_a_change_of_the_machine(tmp_path: Path) -> None:
    driver = {**MACHINE, "gpus": [{**gpu, "driver": "580.2"} for gpu in MACHINE["gpus"]]}
    pair = pair_of(tmp_path, points(), points(factor=1.3), environment=driver)
    assert pair["cause"]["cause"] == "platform"
    assert "driver 570.1 → 580.2" in pair["cause"]["sentences"][0]


def test_version_and_machine_together_are_not_identifiable(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3, engine_version="2.0"), environment=OTHER_MACHINE)
    assert pair["cause"]["cause"] == "not_identifiable"
    assert pair["cause"]["candidates"] == ["software", "machine"]
    assert {factor["cause"] for end in pair["ends"] for factor in end["factors"]} == {"not_identifiable"}
    assert "changed together" in pair["cause"]["sentences"][0]


def test_speed_probes_speak_of_the_machine_as_evidence_only(tmp_path: Path) -> None:
    slow = points(factor=1.3, engine_version="2.0", probe_matmul_gflop_s=80.0)
    pair = pair_of(tmp_path, points(probe_matmul_gflop_s=100.0), slow, environment=OTHER_MACHINE)
    assert pair["probes"] == [
        {"probe": "probe_matmul_gflop_s", "title": "matrix products", "original": 100.0, "new": 80.0, "ratio": 0.8, "spread": 0.0}
    ]
    assert pair["cause"]["cause"] == "not_identifiable"  # still
    assert "matrix products 0.8 times as fast" in pair["cause"]["sentences"][-1]
    assert "the machine itself was not the same" in pair["cause"]["sentences"][-1]


def test_a_change_that_nothing_recorded_explains_says_so(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3))
    assert pair["cause"]["cause"] == "unexplained"
    assert "nothing that the runs record differs" in pair["cause"]["sentences"][0]


def test_the_kit_alone_is_no_cause_of_what_was_measured(tmp_path: Path) -> None:
    kit = {**MACHINE, "kit": {**MACHINE["kit"], "commit": "d00d" * 10}}
    pair = pair_of(tmp_path, points(), points(factor=1.3), environment=kit)
    assert pair["cause"]["cause"] == "unexplained"
    assert by_name(pair["environment"], "fact")["kit commit"]["likely_cause"] is False


def test_the_source_of_the_kit_is_a_cause_where_nothing_else_is(tmp_path: Path) -> None:
    kit = {**MACHINE, "kit": {**MACHINE["kit"], "source_sha256": "6" * 64}}
    pair = pair_of(tmp_path / "alone", points(), points(factor=1.3), environment=kit)
    assert by_name(pair["environment"], "fact")["kit source"]["likely_cause"]
    assert (pair["cause"]["cause"], pair["cause"]["candidates"]) == ("kit", ["kit"])
    pair = pair_of(tmp_path / "both", points(), points(factor=1.3, engine_version="2.0"), environment=kit)
    assert (pair["cause"]["cause"], pair["cause"]["candidates"]) == ("software", ["software"])


def on_nodes(run: Path, *nodes: str, **gpu: Any) -> Path:
    """The same run as a cluster leaves it: every trial with its placement."""
    for number, node in enumerate(nodes):
        placement = {"node": node, "nodes": [node], "job": f"7_{number}", "kernel": "6.1.0", "cores": 8}
        placement["gpus"] = [{"name": "NVIDIA H100", "driver": "570.1", "sm_clock_mhz": 345, "max_sm_clock_mhz": 1980, "power_limit_w": 700.0, **gpu}]
        file = run / "trials" / f"{number}" / "trial.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"status": "done", "placement": placement}), encoding="utf-8")
    return run


@pytest.mark.parametrize(
    ("nodes", "gpu", "fact"), [(("n3", "n4"), {}, "node"), (("n1", "n2"), {"driver": "580.2"}, "driver"), (("n1", "n2"), {}, ""),
                               (("n1", "n2"), {"power_limit_w": 500.0}, "GPU clocks and power limits")]
)  # fmt: skip
def test_a_cluster_is_compared_by_the_nodes_that_measured(tmp_path: Path, nodes: tuple[str, ...], gpu: dict[str, Any], fact: str) -> None:
    """That the second run was submitted from another login node means nothing."""
    original = on_nodes(make_run(tmp_path, points(), stamp=1), "n1", "n2")
    document = compare_paths([original, on_nodes(make_run(tmp_path, points(1.3), OTHER_MACHINE, stamp=2), *nodes, **gpu)])
    pair = document["pairs"][0]
    assert [one["fact"] for one in pair["environment"] if one["likely_cause"]] == [fact] * bool(fact)
    assert pair["cause"]["cause"] == ("platform" if fact else "unexplained")
    assert document["runs"][1]["machine"] == ", ".join(nodes)


def test_another_image_is_software(tmp_path: Path) -> None:
    inside = [{"runtime": "podman", "image": "i", "image_id": f"sha256:{digit * 64}"} for digit in "12"]
    both = zip((1.0, 1.3), inside, strict=True)
    paths = [make_run(tmp_path, points(factor), {**MACHINE, "container": found}, stamp=n) for n, (factor, found) in enumerate(both, 1)]
    pair = compare_paths(paths)["pairs"][0]
    assert pair["cause"]["cause"] == "software"
    assert by_name(pair["environment"], "fact")["image ID"]["group"] == "software"
    assert {factor["cause"] for end in pair["ends"] for factor in end["factors"]} == {"software"}


def test_a_visible_setting_and_a_version_are_told_apart(tmp_path: Path) -> None:
    more = points(factor=1.3, engine_version="2.0")
    added = more[more["concurrency"] == 8].assign(concurrency=16.0, interactivity_tok_s_user=5.0)
    added["total_tput_tok_s_gpu"] *= 95 / 90
    config = {**CONFIG, "sweep": {"concurrencies": [1, 2, 4, 8, 16]}}
    pair = pair_of(tmp_path, points(), pd.concat([more, added], ignore_index=True), config=config)
    assert pair["cause"]["candidates"] == ["software", "configuration"]
    assert pair["cause"]["cause"] == "several"
    factors = {factor["cause"]: factor["ratio"] for factor in pair["ends"][0]["factors"]}
    assert factors["software"] == pytest.approx(1.3, rel=0.01)


def test_seeds_and_places_are_no_settings(tmp_path: Path) -> None:
    config = {**CONFIG, "engine": {**CONFIG["engine"], "seed": 7}, "place": {"workers": 3}, "title": "Another title"}
    pair = pair_of(tmp_path, points(), points(factor=1.3), config=config)
    assert pair["cause"]["cause"] == "unexplained"
    assert [one["fact"] for one in pair["environment"]] == ["engine.seed"]


def test_what_one_side_does_not_state_is_no_likely_cause(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3, engine_version="2.0"), environment=None)
    assert pair["cause"]["cause"] == "software"
    assert "does not state its machine" in pair["cause"]["sentences"][1]
    assert not any(one["likely_cause"] for one in pair["environment"] if one["group"] == "machine")


def test_predictions_are_compared_to_the_last_digit(tmp_path: Path) -> None:
    columns = {"evidence": "predicted", "engine": "trtllm"}
    same, other = points(**columns, launches=1), points(1.02, {**EFFECTS, "mtp": 1.4}, launches=1, engine_version="2.0", **columns)
    pair = pair_of(tmp_path / "same", same, same)
    assert pair["verdict"] == "not_moved"
    assert {one["reason"] for one in pair["quantities"]} == {"identical to the last digit"}
    pair = pair_of(tmp_path / "other", same, other)
    found = by_name(pair["quantities"])
    assert found["mtp"]["change"] == {"ratio": pytest.approx(1.12), "ci90": None, "ci95": None}
    assert found["mtp"]["state"] == "moved"
    assert found["precision"]["state"] == "not_moved"
    assert pair["cause"]["cause"] == "software"


def test_the_machine_is_no_cause_of_a_prediction(tmp_path: Path) -> None:
    columns = {"evidence": "predicted", "engine": "trtllm", "launches": 1}
    pair = pair_of(tmp_path, points(**columns), points(1.2, **columns), environment=OTHER_MACHINE)
    assert pair["cause"]["cause"] == "unexplained"
    assert by_name(pair["environment"], "fact")["processor"]["why"] == "a prediction does not depend on it"


def test_an_operator_database_is_the_cause_of_a_prediction(tmp_path: Path) -> None:
    columns = {"evidence": "predicted", "engine": "trtllm", "launches": 1}
    wheels = [{**MACHINE, "wheels": {"aiconfigurator-core": {"version": v, "sha256": v[-1] * 64}}} for v in ("0.12.0", "0.12.1")]
    paths = [make_run(tmp_path, points(f, **columns), e, stamp=n) for n, (f, e) in enumerate(zip((1.0, 1.2), wheels, strict=True), 1)]
    pair = compare_paths(paths)["pairs"][0]
    assert pair["cause"]["cause"] == "software"
    assert "aiconfigurator-core 0.12.0" in pair["cause"]["sentences"][0]


def test_launches_taken_over_are_not_independent_and_say_so(tmp_path: Path) -> None:
    noisy = points(noise=0.05, seed=3)
    pair = pair_of(tmp_path, noisy, noisy)
    assert pair["same_points"] == len(noisy)
    assert pair["verdict"] == "not_moved"
    assert any("the same launches" in note for note in pair["notes"])


def test_different_kinds_of_evidence_are_named(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, points(), points(factor=1.3, evidence="predicted", engine="trtllm", launches=1))
    assert any("different kinds of evidence (measured and predicted)" in text for text in pair["cause"]["sentences"])


def test_a_lever_that_stands_for_other_settings_is_said(tmp_path: Path) -> None:
    paths = [make_run(tmp_path, points(), stamp=n) for n in (1, 2)]
    for path, target in zip(paths, ("fp8", "nvfp4"), strict=True):
        file = path / "attribution.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        document["levers"][0] |= {"baseline": ["bf16"], "target": [target]}
        file.write_text(json.dumps(document), encoding="utf-8")
    found = by_name(compare_paths(paths)["pairs"][0]["quantities"])
    assert "other settings: bf16 to fp8, now bf16 to nvfp4" in found["precision"]["reason"]


def test_several_runs_are_each_held_against_the_first(tmp_path: Path) -> None:
    paths = [make_run(tmp_path, points(effects={**EFFECTS, "mtp": 1.25 * f}), stamp=n) for n, f in enumerate((1.0, 1.1, 1.2), 1)]
    document = compare_paths(paths)
    assert [run["label"] for run in document["runs"]] == ["A", "B", "C"]
    assert [pair["original"] for pair in document["pairs"]] == [paths[0].name] * 2
    assert [by_name(pair["quantities"])["mtp"]["change"]["ratio"] for pair in document["pairs"]] == [pytest.approx(1.1), pytest.approx(1.2)]


def test_verdicts_of_a_rerun_count(tmp_path: Path) -> None:
    sources = [read_source(make_run(tmp_path, points(f), stamp=n)) for n, f in ((1, 1.0), (2, 1.0))]
    pair = compare(sources, verdicts={("share", "mtp"): "not_resolved"})["pairs"][0]
    assert by_name(pair["quantities"])["mtp"]["state"] == "not_resolved"


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_or_too_many_runs_are_refused(tmp_path: Path, count: int) -> None:
    source = read_source(make_run(tmp_path, points()))
    with pytest.raises(UsageError, match=f"2 to 8 runs, got {count}"):
        compare([source] * count)


def test_one_run_twice_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    with pytest.raises(UsageError, match="named more than once"):
        compare_paths([run, tmp_path / "." / run.name])


def test_runs_of_one_id_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    document = compare_paths([make_run(tmp_path / name, points()) for name in ("here", "there")])
    first = document["runs"][0]["run_id"]
    assert document["runs"][1]["run_id"] == f"{first} (2)"


def test_different_metrics_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    table = points(output_tput_tok_s_gpu=5.0)
    table.to_parquet(tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="different metrics"):
        compare_paths([run, tmp_path / "out.parquet"], metric="output")


def test_a_margin_that_is_none_is_refused(tmp_path: Path) -> None:
    sources = [read_source(make_run(tmp_path, points(), stamp=n)) for n in (1, 2)]
    with pytest.raises(UsageError, match=r"margin must be above 0, got -0\.1"):
        compare(sources, margin=-0.1)
