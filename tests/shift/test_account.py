"""Shift accounting on closed-form snapshots whose factors are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.records import normalize_points
from frontier.shift import account

BATCHES = np.array([1, 2, 4, 8, 16, 32, 64, 128.0])


def series(gain: float = 1.0, *, launches: int = 1, noise: float = 0.0, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """One configuration family over concurrency."""
    rng = np.random.default_rng(seed)
    x = 120.0 / (1 + BATCHES / 16)
    frames = []
    for launch in range(launches):
        factor = np.exp(rng.normal(0, noise))
        frames.append(
            pd.DataFrame(
                {
                    "evidence": "measured", "model": "m", "hardware": "b200_sxm", "engine": "trtllm", "image": "v1", "tp": 8, "spec": "none",
                    "precision": "fp8", "isl_tokens": 1024, "osl_tokens": 1024, "concurrency": BATCHES, "replicate": launch,
                    "interactivity_tok_s_user": x, "total_tput_tok_s_gpu": gain * BATCHES * x / 8 * factor, **columns,
                }
            )
        )
    return normalize_points(pd.concat(frames), origin="test")


def join(*frames: pd.DataFrame) -> pd.DataFrame:
    return normalize_points(pd.concat(frames), origin="test")


def factors(document: dict[str, Any]) -> dict[str, float]:
    return {factor["cause"]: factor["ratio"] for factor in document["factors"]}


def product(document: dict[str, Any]) -> float:
    return float(np.prod([factor["ratio"] for factor in document["factors"]]))


def test_engine_upgrade_at_the_same_configuration_is_software() -> None:
    document = account(series(), series(1.3, image="v2"))
    assert factors(document) == {"software": pytest.approx(1.3)}
    assert document["verdict"] == ["software"]
    assert document["ratio"]["value"] == pytest.approx(1.3)
    assert document["peak_ratio"] == pytest.approx(1.3)
    assert document["state"] == "moved"


def test_an_unknown_version_is_said() -> None:
    document = account(series(image=None), series(1.3, image=None))
    assert factors(document) == {"software": pytest.approx(1.3)}
    assert any("neither engine version nor image" in note for note in document["notes"])
    assert not any("neither engine version" in note for note in account(series(), series(1.3, image="v2"))["notes"])


def test_search_space_is_told_from_software() -> None:
    # The upgrade gives 1.1 at the same configuration; a new parallelism gives 1.5 on top of it.
    after = join(series(1.1, image="v2"), series(1.1 * 1.5, image="v2", tp=4))
    document = account(series(), after)
    assert product(document) == pytest.approx(document["ratio"]["value"])
    assert document["ratio"]["value"] == pytest.approx(1.65)
    # Shapley of {0, ln1.1, ln1.65, ln1.65}: software (ln1.1 + 0)/2, search space (ln1.65 + ln1.5)/2.
    assert factors(document)["software"] == pytest.approx(np.sqrt(1.1))
    assert factors(document)["search_space:parallelism"] == pytest.approx(np.sqrt(1.65 * 1.5))


def test_mtp_at_an_unchanged_image_is_the_lever() -> None:
    document = account(series(), join(series(), series(1.4, spec="mtp", draft_len=3)))
    assert factors(document)["lever:mtp"] == pytest.approx(1.4)
    assert "lever:mtp" in document["verdict"]


def test_mtp_with_a_new_image_is_search_space() -> None:
    document = account(series(), join(series(image="v2"), series(1.4, spec="mtp", image="v2")))
    assert factors(document)["search_space:mtp"] == pytest.approx(1.4)
    assert factors(document)["software"] == pytest.approx(1.0)
    assert document["verdict"] == ["search_space:mtp"]


def test_a_lever_that_a_whole_side_pulled_at_an_unchanged_image() -> None:
    document = account(series(), series(1.4, spec="mtp", draft_len=3))
    assert factors(document) == {"lever:mtp": pytest.approx(1.4)}
    # With another image beside it the two cannot be told apart, nor can two levers that were pulled at once.
    together = account(series(), series(1.4, spec="mtp", image="v2"))
    assert factors(together) == {"not_identifiable": pytest.approx(1.4)}
    assert any("with mtp the engine's version changed" in note for note in together["notes"])
    both = account(series(), series(1.4, spec="mtp", precision="fp4"))
    assert factors(both) == {"not_identifiable": pytest.approx(1.4)}
    assert any("changed in precision and mtp at once" in note for note in both["notes"])


def test_a_new_layout_at_an_unchanged_image_is_search_space_even_without_a_match() -> None:
    # Same software, so nothing else can have moved: new layout (ln1.7 + ln1.7) / 2, and what went, (0 + ln1) / 2.
    document = account(series(), series(1.7, tp=4))
    assert factors(document) == {"search_space:parallelism": pytest.approx(1.7), "coverage": pytest.approx(1.0)}
    assert document["matched"]["configurations"] == 0
    assert document["matched"]["ratio"] is None


def test_a_new_load_of_a_known_layout_is_search_space_by_concurrency() -> None:
    tp4 = series(1.2, tp=4)
    before = join(series(), tp4[tp4["concurrency"] < 20])
    document = account(before, join(series(), tp4))
    assert factors(document)["search_space:concurrency"] > 1.02
    assert product(document) == pytest.approx(document["ratio"]["value"])
    assert document["verdict"] == ["search_space:concurrency"]


def test_another_site_is_platform_and_another_engine_is_software() -> None:
    document = account(series(site="a"), series(0.8, site="b"))
    assert factors(document) == {"platform": pytest.approx(0.8)}
    document = account(series(), series(0.8, engine="sglang", image="v9"))
    assert factors(document) == {"software": pytest.approx(0.8)}


def test_other_nodes_of_a_cluster_are_platform() -> None:
    """The column that trials under ``place=slurm`` carry; several nodes on both sides, one of them common, are not another platform."""
    assert factors(account(series(node="a"), series(0.8, node="b"))) == {"platform": pytest.approx(0.8)}
    before, after, mixed = (series(gain, launches=2).assign(node=np.repeat(list(nodes), 8)) for gain, nodes in ((1, "ab"), (0.8, "cd"), (0.8, "bc")))
    assert factors(account(before, after)) == {"platform": pytest.approx(0.8)}
    assert factors(account(before, mixed)) == {"unexplained": pytest.approx(0.8)}
    assert account(before, after)["notes"] == []


def test_nodes_that_changed_with_the_software_are_said() -> None:
    document = account(series(node="a"), series(1.3, image="v2", node="b"))
    assert factors(document) == {"software": pytest.approx(1.3)}
    assert document["notes"] == ["No node measured both (before ran on a, after on b): what tells the nodes apart is part of software."]
    assert account(series(node="a"), series(1.3, image="v2", node="a"))["notes"] == []


def test_images_of_one_release_are_one_software_across_hardware() -> None:
    before = series(hardware="mi325x", image="lmsysorg/sglang:v0.5.9-rocm700-mi30x")
    document = account(before, series(2.0, hardware="mi355x", image="lmsysorg/sglang:v0.5.9-rocm700-mi35x"))
    assert factors(document) == {"hardware": pytest.approx(2.0)}


def test_a_rename_with_the_same_measurements_moves_nothing() -> None:
    before = series(evidence="published")
    document = account(before, series(evidence="published", engine="renamed", model="m-0528", precision="nvfp4", image="v2"))
    assert document["ratio"]["value"] == pytest.approx(1.0)
    assert document["verdict"] == []
    assert any("8 rows of after repeat the measured values" in note for note in document["notes"])


def test_the_matched_factor_stands_beside_the_order_free_one() -> None:
    after = join(series(1.1, image="v2"), series(1.1 * 1.5, image="v2", tp=4))
    matched = account(series(), after)["matched"]
    assert matched["configurations"] == 8
    assert matched["ratio"]["value"] == pytest.approx(1.1)


def test_lost_points_are_coverage() -> None:
    before = join(series(), series(1.5, tp=4))
    document = account(before, series())
    assert factors(document)["coverage"] == pytest.approx(1 / 1.5)
    assert product(document) == pytest.approx(document["ratio"]["value"])


def test_other_hardware_at_the_same_configuration() -> None:
    document = account(series(hardware="h200_sxm"), series(2.0))
    assert factors(document) == {"hardware": pytest.approx(2.0)}
    together = account(series(hardware="h200_sxm"), series(2.0, image="v2"))
    assert factors(together) == {"not_identifiable": pytest.approx(2.0)}


def test_nothing_in_common_is_not_identifiable() -> None:
    document = account(series(tp=8), series(1.7, tp=4, image="v2"))
    assert factors(document) == {"not_identifiable": pytest.approx(1.7)}
    assert "cannot be told apart" in document["notes"][0]


def test_metadata_only_changes_move_nothing() -> None:
    document = account(series(), series(image="v2", source="renamed", run_id="other"))
    assert document["ratio"]["value"] == pytest.approx(1.0)
    assert document["verdict"] == []


def test_replicates_give_intervals_and_silence_where_nothing_changed() -> None:
    before, after = series(launches=5, noise=0.02, seed=1), series(launches=5, noise=0.02, seed=2, image="v2")
    document = account(before, after)
    low, high = document["ratio"]["ci95"]
    assert low < 1 < high
    assert document["verdict"] == []
    moved = account(before, series(1.2, launches=5, noise=0.02, seed=2, image="v2"))
    assert moved["ratio"]["ci95"][0] > 1.1
    assert moved["verdict"] == ["software"]


def test_no_overlap_gives_null_and_says_why() -> None:
    after = series()
    after["interactivity_tok_s_user"] += 1000
    document = account(series(), after)
    assert document["ratio"] is None
    assert document["reason"] == "the two frontiers share no interactivity"
    assert document["factors"] == []
    assert document["state"] == "no_overlap"


def test_broken_and_repeated_rows_are_counted_and_carry_nothing() -> None:
    before = series()
    broken = before.iloc[[0, 1]].assign(total_tput_tok_s_gpu=[-1.0, np.nan])
    document = account(join(before, broken, before.iloc[[2]]), series(1.3, image="v2"))
    assert document["ratio"]["value"] == pytest.approx(1.3)
    checks = {(c["check"], c["side"]): c["points"] for c in document["checks"]}
    assert checks == {("broken_rows", "before"): 2, ("duplicates", "before"): 1}


def test_all_rows_broken_is_an_error() -> None:
    with pytest.raises(PointsError, match="every one of the 8 rows is broken"):
        account(series().assign(total_tput_tok_s_gpu=-1.0), series())


def test_different_workloads_are_refused() -> None:
    with pytest.raises(PointsError, match="differ in isl_tokens"):
        account(series(), series(isl_tokens=8192))


def test_cold_start_rows_are_marked_with_their_effect() -> None:
    # Half of the best rows claim only 60 % of what Little's law says.
    after = series(1.3, image="v2").assign(little_ratio=[0.97] * 7 + [0.6])
    document = account(series(), after)
    record = next(c for c in document["checks"] if c["check"] == "little_law")
    assert (record["side"], record["points"]) == ("after", 1)


def test_a_million_rows() -> None:
    many = pd.concat([series()] * 1).iloc[np.zeros(500_000, dtype=int)].reset_index(drop=True)
    many["concurrency"] = np.arange(len(many), dtype=float)
    rng = np.random.default_rng(0)
    x = rng.uniform(10, 100, len(many))
    many["interactivity_tok_s_user"] = x
    many["total_tput_tok_s_gpu"] = (110 - x) * rng.uniform(0.5, 1, len(many))
    after = many.assign(total_tput_tok_s_gpu=many["total_tput_tok_s_gpu"] * 1.25, image="v2")
    document = account(many, after)
    assert document["ratio"]["value"] == pytest.approx(1.25)
    assert factors(document) == {"software": pytest.approx(1.25)}
