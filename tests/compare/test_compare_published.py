"""Published points beside a run: which rows have its configuration, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from comparison_runs import CONFIG, make_run, points

from frontier.compare import compare_paths
from frontier.compare.published import matching


def published(factor: float = 1.0, **columns: object) -> pd.DataFrame:
    """The same configurations, published: one launch, no levels, no variants."""
    table = points(factor, launches=1, **{"evidence": "published", "source": "a record", **columns})
    return table.drop(columns=["level_precision", "level_mtp"]).assign(variant=pd.NA, replicate=pd.NA)


def test_rows_of_the_same_configuration_match() -> None:
    record, own = published(), points()
    baseline = own[own["variant"] == "baseline"]
    found = matching(baseline, record, ["m"])
    assert found.sum() == 4
    assert set(record[found]["precision"]) == {"bf16"}
    assert set(record[found]["spec"]) == {"none"}


@pytest.mark.parametrize(("column", "value"), [("hardware", "h200_sxm"), ("precision", "fp4"), ("isl_tokens", 8192), ("tp", 4), ("engine", "trtllm")])
def test_rows_of_another_configuration_do_not(column: str, value: object) -> None:
    own = points()
    assert not matching(own, published(**{column: value}), ["m"]).any()


def test_what_a_row_does_not_say_does_not_speak_against_it_unless_it_is_needed() -> None:
    own = points()
    assert matching(own, published(tp=pd.NA, kv_precision=pd.NA), ["m"]).all()
    assert not matching(own, published(hardware=pd.NA), ["m"]).any()


def test_another_model_does_not_match_but_for_the_names_that_the_experiment_takes(tmp_path: Path) -> None:
    assert not matching(points(), published(model="n"), ["m"]).any()
    run = make_run(tmp_path, points(), config={**CONFIG, "model": {"published_ids": ["n"]}})
    document = compare_paths([run], published=published(model="n"))
    assert [end["rows"] for end in document["published"][0]["ends"]] == [4, 4]


def test_a_run_beside_published_points_is_told_how_far_it_lies_from_them(tmp_path: Path) -> None:
    run = make_run(tmp_path, points(noise=0.002, seed=1))
    document = compare_paths([run], published=published(0.5), published_name="record.csv")
    (beside,) = document["published"]
    assert (beside["origin"], beside["evidence"]) == ("record.csv", "published")
    assert [end["ratio"] for end in beside["ends"]] == [pytest.approx(2.0, rel=0.01)] * 2
    assert [end["state"] for end in beside["ends"]] == ["moved", "moved"]
    assert beside["shift"]["ratio"] == pytest.approx(1.875)  # 1.5 x 1.25, whatever the level
    assert len(beside["ends"][0]["points"]) == 4
    assert document["pairs"] == []
    assert any("never mixed" in note for note in document["notes"])


def test_no_published_row_is_said(tmp_path: Path) -> None:
    document = compare_paths([make_run(tmp_path, points())], published=published(hardware="mi355x"))
    assert {end["reason"] for end in document["published"][0]["ends"]} == {"no published row has this configuration"}
    assert document["published"][0]["shift"] is None


def test_published_points_never_enter_a_runs_frontier(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    alone = compare_paths([run, make_run(tmp_path, points(), stamp=2)])["runs"][0]["frontiers"]
    assert compare_paths([run], published=published(9.0))["runs"][0]["frontiers"] == alone
