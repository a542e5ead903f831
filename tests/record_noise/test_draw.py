"""Draws have the spread, the correlation and the sharing that the model states."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.evidence.record_noise import RecordNoise
from frontier.evidence.record_noise.fit import Spread
from frontier.records import normalize_points

COUNT = 20000


def exact(speed: float, own: float, *, within: float = 0.0, gain: float = 0.0, night_share: float = 0.0) -> RecordNoise:
    """A model of one group without doubt about its centre."""
    return RecordNoise(
        Spread(np.log(speed), 1.0, within, 0.0, {"b200_sxm/trtllm": (np.log(speed), 0.0)}),
        Spread(np.log(own), 1.0, within, gain, {"b200_sxm/trtllm": (np.log(own), 0.0)}),
        night_share,
    )


def rows(count: int = 3, **columns: object) -> pd.DataFrame:
    table = {
        "evidence": "published", "hardware": "b200_sxm", "engine": "trtllm", "date": "2025-12-09",
        "concurrency": [4.0 * (i + 1) for i in range(count)],
        "interactivity_tok_s_user": 100.0, "total_tput_tok_s_gpu": 1000.0, **columns,
    }  # fmt: skip
    return normalize_points(pd.DataFrame(table), origin="made up")


def test_closed_form(rng: np.random.Generator) -> None:
    x, y = exact(0.02, 0.01).draw(rows(), COUNT, rng)
    assert x.shape == y.shape == (COUNT, 3)
    assert x.std(axis=0) == pytest.approx([0.02] * 3, rel=0.03)
    assert (y - x).std(axis=0) == pytest.approx([0.01] * 3, rel=0.03)
    # Correlation of interactivity and throughput: 0.02^2 / (0.02 sqrt(0.02^2 + 0.01^2)) = 0.894
    assert np.corrcoef(x[:, 0], y[:, 0])[0, 1] == pytest.approx(0.02 / np.hypot(0.02, 0.01), abs=0.02)
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.03


def test_widening_multiplies_all(rng: np.random.Generator) -> None:
    model = dataclasses.replace(exact(0.02, 0.01), widening=1.5)
    x, y = model.draw(rows(), COUNT, rng)
    assert x.std() == pytest.approx(0.03, rel=0.03)
    assert (y - x).std() == pytest.approx(0.015, rel=0.03)


def test_rows_of_one_night_share_a_part_and_two_nights_of_a_configuration_do_not(rng: np.random.Generator) -> None:
    frame = rows(4, concurrency=[4.0, 8.0, 4.0, 8.0], date=["2025-12-09"] * 2 + ["2025-12-10"] * 2)
    x, _ = exact(0.02, 0.01, night_share=0.6).draw(frame, COUNT, rng)
    found = np.corrcoef(x.T)
    assert found[0, 1] == pytest.approx(0.6, abs=0.03)
    assert abs(found[0, 2]) < 0.03
    # The same without dates: runs of one configuration are still two runs.
    undated, _ = exact(0.02, 0.01, night_share=0.6).draw(frame.assign(date=pd.NA), COUNT, rng)
    assert abs(np.corrcoef(undated.T)[0, 2]) < 0.03


def test_the_spread_is_a_configurations_own(rng: np.random.Generator) -> None:
    # Heavy tails: kurtosis 3 exp(4 w^2); and both runs of one configuration are wide in the same draws.
    frame = rows(4, concurrency=[4.0, 8.0, 4.0, 8.0], date=["2025-12-09"] * 2 + ["2025-12-10"] * 2)
    x, _ = exact(0.01, 0.01, within=0.5).draw(frame, COUNT, rng)
    assert np.mean(x[:, 0] ** 4) / np.mean(x[:, 0] ** 2) ** 2 == pytest.approx(3 * np.e, rel=0.25)
    size = np.log(np.abs(x))
    assert np.corrcoef(size[:, 0], size[:, 2])[0, 1] > 0.1
    assert abs(np.corrcoef(size[:, 0], size[:, 1])[0, 1]) < 0.03


def test_idle_time_makes_throughput_uncertain_and_not_speed(rng: np.random.Generator) -> None:
    frame = rows(2, little_ratio=[0.97, 0.97 * np.exp(-0.5)])
    x, y = exact(0.001, 0.001, gain=0.04).draw(frame, COUNT, rng)
    assert x.std(axis=0) == pytest.approx([0.001, 0.001], rel=0.05)
    assert (y - x).std(axis=0) == pytest.approx([0.001, np.hypot(0.001, 0.02)], rel=0.05)


def test_held_up_runs_share_an_error_of_the_size_of_their_stalls(rng: np.random.Generator) -> None:
    tpot = np.array([0.01, 0.01, 0.02, 0.02])
    frame = rows(
        4, concurrency=[4.0, 8.0, 4.0, 8.0], date=["2025-12-09"] * 2 + ["2025-12-10"] * 2, interactivity_tok_s_user=1 / tpot,
        median_tpot_s=tpot, median_itl_s=0.01, p99_tpot_s=tpot * [1, 1, 2, 2],
    )  # fmt: skip
    x, y = dataclasses.replace(exact(0.001, 0.001), widening=1.4).draw(frame, COUNT, rng)
    for drawn in (x, y):
        assert drawn[:, 2:].std(axis=0) == pytest.approx([np.log(2)] * 2, rel=0.03)
        assert drawn[:, :2].std(axis=0).max() < 0.003
        assert np.corrcoef(drawn[:, 2], drawn[:, 3])[0, 1] > 0.99


def test_scale_is_the_root_mean_square_of_the_draws(rng: np.random.Generator) -> None:
    model = exact(0.01, 0.004, within=0.3, gain=0.05)
    x, y = model.draw(rows(1), 200000, rng)
    assert model.scale("b200_sxm", "trtllm") == pytest.approx(float(x.std()), rel=0.02)
    own = model.scale("b200_sxm", "trtllm", coordinate="own")
    assert own == pytest.approx(float((y - x).std()), rel=0.02)
    assert model.scale("b200_sxm", "trtllm", coordinate="own", idle=0.5) == pytest.approx(np.hypot(own, 0.025))


def test_a_document_holds_the_whole_model(rng: np.random.Generator) -> None:
    model = RecordNoise.shipped()
    again = RecordNoise.from_document(model.document())
    assert again == model
    frame = rows()
    one, two = (m.draw(frame, 50, np.random.default_rng(3)) for m in (model, again))
    assert np.array_equal(one[0], two[0])
    with pytest.raises(PointsError, match=r"a noise model has schema frontier.record_noise/1, got 'frontier.shift/1'"):
        RecordNoise.from_document({"schema": "frontier.shift/1"})
