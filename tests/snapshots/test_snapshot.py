"""Which rows are launches of one configuration and which are points of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.records import normalize_points
from frontier.snapshots import Snapshot, one_question, usable_rows


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    named = [{("interactivity_tok_s_user" if k == "x" else "total_tput_tok_s_gpu" if k == "y" else k): v for k, v in row.items()} for row in rows]
    return normalize_points(pd.DataFrame(named), origin="test")


def test_replicates_are_launches_and_runs_within_a_launch_are_averaged_first() -> None:
    # Launch 0 ran twice (10, 20 -> 15), launch 1 once (30): the mean is 22.5, not 20.
    found = Snapshot.of(table([{"x": 5, "y": y, "concurrency": 8, "replicate": r} for y, r in ((10, 0), (20, 0), (30, 1))]), "total")
    assert found.y.tolist() == [[15.0], [30.0]]
    assert found.mean_y.tolist() == [22.5]


def test_dates_are_launches_where_there_are_no_replicates() -> None:
    rows = [{"x": 5, "y": y, "concurrency": c, "date": d} for y, c, d in ((10, 8, "2026-01-01"), (14, 8, "2026-01-02"), (7, 4, "2026-01-02"))]
    found = Snapshot.of(table(rows), "total")
    np.testing.assert_array_equal(found.y, [[10, np.nan], [14, 7]])
    assert found.rows.tolist() == [0, 2]


def test_rows_of_unknown_load_stay_points_of_their_own() -> None:
    found = Snapshot.of(table([{"x": 5, "y": 10}, {"x": 10, "y": 6}, {"x": 20, "y": 1}]), "total")
    assert found.frontier().x.tolist() == [5, 10, 20]


def test_unknown_load_under_several_replicates_pairs_by_position() -> None:
    rows = [{"x": x * f, "y": y * f, "replicate": r} for r, f in ((0, 0.9), (1, 1.1)) for x, y in ((5, 10), (10, 6))]
    found = Snapshot.of(table(rows), "total")
    np.testing.assert_allclose(found.mean_y, [10, 6])
    assert found.y.shape == (2, 2)


def test_other_settings_are_other_configurations() -> None:
    rows = [{"x": 5, "y": 10, "concurrency": 8, "tp": 4}, {"x": 6, "y": 11, "concurrency": 8, "tp": 8}, {"x": 7, "y": 3, "concurrency": 8, "my": "a"}]
    assert Snapshot.of(table(rows), "total").y.shape == (1, 3)


def test_predicted_rows_never_repeat_one_another() -> None:
    rows = [{"x": x, "y": y, "concurrency": 64, "evidence": "predicted"} for x, y in ((50, 10), (51, 9))]
    assert Snapshot.of(table(rows), "total").mean_x.tolist() == [50, 51]


def test_thinning_keeps_whatever_noise_could_bring_forward() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 100, 500)
    y = (110 - x) * rng.uniform(0.3, 1, 500)
    full = Snapshot.of(table([{"x": a, "y": b, "concurrency": i} for i, (a, b) in enumerate(zip(x, y, strict=True))]), "total")
    near = full.near_frontier(0.1)
    assert len(near.rows) < 250
    for _ in range(50):
        lifted = Snapshot(full.x * np.exp(rng.uniform(-0.05, 0.05, full.x.shape)), full.y * np.exp(rng.uniform(-0.05, 0.05, full.y.shape)), full.rows)
        assert set(lifted.frontier().rows) <= set(near.rows)


def test_a_table_with_two_models_is_two_questions() -> None:
    with pytest.raises(PointsError, match="mixes 2 values of model"):
        one_question(table([{"x": 1, "y": 1, "model": "a"}, {"x": 1, "y": 1, "model": "b"}]), origin="t")


def test_no_usable_row() -> None:
    with pytest.raises(PointsError, match="none of the 1 rows"):
        usable_rows(table([{"x": 1, "y": -1}]), "total", origin="t")
