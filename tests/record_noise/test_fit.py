"""The fit finds the spread a made-up record was made with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.evidence.record_noise import RecordNoise, group_name, repeats

Record = Callable[..., pd.DataFrame]
A, B, C = ("b200_sxm", "trtllm"), ("h200_sxm", "sglang"), ("mi300x", "sglang")


def test_sums_of_squares_by_hand(record: Record) -> None:
    table = record({A: (0.01, 0.01)}, configurations=1, nights=2)
    x, y = np.log(table["interactivity_tok_s_user"]), np.log(table["total_tput_tok_s_gpu"])
    found = repeats(table)
    # Two values differ from their mean by half their difference: 2 (d / 2)^2 = d^2 / 2.
    assert found.cells["speed_ss"].tolist() == pytest.approx([(x[1] - x[0]) ** 2 / 2])
    assert found.cells["own_ss"].tolist() == pytest.approx([((y[1] - x[1]) - (y[0] - x[0])) ** 2 / 2])
    assert found.cells["runs"].tolist() == [2]
    # Widened by sqrt(2 / 1).
    assert sorted(found.rows["speed"]) == pytest.approx(sorted([abs(x[1] - x[0]) / 2 * 2**0.5, -abs(x[1] - x[0]) / 2 * 2**0.5]))


def test_scales_of_groups_are_found(record: Record) -> None:
    made = {A: (0.02, 0.001), B: (0.005, 0.004), C: (0.001, 0.03)}
    model = RecordNoise.of(repeats(record(made)))
    for group, (speed, own) in made.items():
        assert np.exp(model.speed.groups[group_name(*group)][0]) == pytest.approx(speed, rel=0.15)
        assert np.exp(model.own.groups[group_name(*group)][0]) == pytest.approx(own, rel=0.15)
    assert model.speed.within_groups < 0.2  # all configurations of a group alike


def test_spread_between_configurations_is_found(record: Record) -> None:
    model = RecordNoise.of(repeats(record({A: (0.01, 0.01), B: (0.01, 0.01)}, configurations=60, within=0.7)))
    assert model.speed.within_groups == pytest.approx(0.7, abs=0.15)


def test_few_configurations_are_pulled_to_the_others(record: Record) -> None:
    wide = record({A: (0.004, 0.004), B: (0.004, 0.004), C: (0.004, 0.004)})
    lone = record({("gb200", "dynamo"): (0.04, 0.004)}, configurations=1, nights=2)
    found = RecordNoise.of(repeats(pd.concat([wide, lone], ignore_index=True))).speed
    raw = 0.5 * np.log(float(repeats(lone).cells["speed_ss"].iloc[0]))
    mean, sd = found.groups["gb200/dynamo"]
    others = np.log(0.004)
    assert min(raw, others) < mean < max(raw, others)
    assert sd > 1.5 * found.groups[group_name(*A)][1]  # one sum of squares says less than thirty


def test_an_unknown_group_gets_the_wider_scale(record: Record) -> None:
    model = RecordNoise.of(repeats(record({A: (0.01, 0.003), B: (0.004, 0.003), C: (0.006, 0.003)})))
    assert not model.knows("gb300", "vllm")
    assert model.scale("gb300", "vllm") > np.mean([model.scale(*group) for group in (A, B, C)])


def test_a_share_common_to_a_night_is_found(record: Record) -> None:
    made = {A: (0.01, 0.01), B: (0.01, 0.01)}
    alone = RecordNoise.of(repeats(record(made)))
    common = RecordNoise.of(repeats(record(made, common=0.5)))
    assert alone.night_share < 0.1
    # Clipping at 3 and the centring on the mean over 7 nights take some of the 0.5 away.
    assert 0.25 < common.night_share < 0.75


def test_other_images_are_other_configurations_and_unknown_images_only_count_on_the_stated_nights(record: Record) -> None:
    table = record({A: (0.01, 0.01)}, configurations=3, nights=6)
    assert repeats(table).cells["runs"].tolist() == [6, 6, 6]
    assert repeats(table, ("2025-12-09", "2025-12-11")).cells["runs"].tolist() == [3, 3, 3]
    upgraded = table.assign(image=np.where(table["date"] < "2025-12-12", "v1", "v2"))
    assert repeats(upgraded, ("2020-01-01", "2020-01-02")).cells["runs"].tolist() == [3] * 6
    with pytest.raises(PointsError, match="no configuration was run on two nights with the same image or between 2020-01-01 and 2020-01-02"):
        repeats(table, ("2020-01-01", "2020-01-02"))


def test_held_up_runs_are_left_out(record: Record) -> None:
    table = record({A: (0.01, 0.01)}, configurations=1, nights=5).assign(median_tpot_s=lambda t: 1 / t["interactivity_tok_s_user"])
    table["median_itl_s"], table["p99_tpot_s"] = table["median_tpot_s"], table["median_tpot_s"]
    table.loc[2, ["interactivity_tok_s_user", "median_tpot_s", "p99_tpot_s"]] *= [0.5, 2.0, 4.0]
    found = repeats(table)
    assert found.stalled_rows == 1
    assert found.cells["runs"].tolist() == [4]


def test_widening_is_what_left_out_series_need(record: Record) -> None:
    # Two of ten series vary seven times as much as the other eight say.
    quiet, loud = record({A: (0.004, 0.001)}), record({A: (0.03, 0.001)}, seed=9)
    mixed = pd.concat([quiet[~quiet["precision"].isin(["p0", "p1"])], loud[loud["precision"].isin(["p0", "p1"])]], ignore_index=True)
    even, uneven = RecordNoise.fit(quiet), RecordNoise.fit(mixed)
    assert 1.0 <= even.widening < 1.35
    assert uneven.widening > even.widening
    assert even.about["pairs_of_nights"] == uneven.about["pairs_of_nights"] == 60  # 10 series, 7 nights
