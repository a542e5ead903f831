"""The two levels by hand: a snapshot that lacks configurations moves neither, new settings move the second one only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import rows_of, table_of

from frontier.errors import PointsError
from frontier.timeline.series import Series, split_series
from frontier.timeline.signals import chain, search_gains

D1, D2, D3, D4 = "2025-12-01", "2025-12-02", "2025-12-03", "2025-12-04"


def one(rows: list[dict[str, Any]]) -> Series:
    (series,), _ = split_series(table_of(rows), "total")
    return series


def levels(series: Series) -> tuple[np.ndarray, np.ndarray]:
    linked = chain(series)
    level = linked.weights @ np.stack([series.log_x, series.log_y], axis=1)
    return level, search_gains(series, linked, level)


def test_the_level_is_the_log_of_the_gain_in_both_coordinates() -> None:
    level, gains = levels(one([*rows_of(D1), *rows_of(D2, 1.25)]))
    assert level == pytest.approx(np.array([[0.0, 0.0], [np.log(1.25), np.log(1.25)]]))
    assert list(gains) == [0.0, 0.0]


def test_configurations_that_come_and_go_move_nothing() -> None:
    level, gains = levels(one([*rows_of(D1), *rows_of(D2, concurrencies=[64]), *rows_of(D3, concurrencies=[4, 16]), *rows_of(D4)]))
    assert level == pytest.approx(np.zeros((4, 2)))
    assert gains == pytest.approx(np.zeros(4))


def test_a_date_is_linked_to_the_latest_that_shares_a_configuration() -> None:
    linked = chain(one([*rows_of(D1, concurrencies=[4]), *rows_of(D2, concurrencies=[16]), *rows_of(D3, concurrencies=[4, 16]), *rows_of(D4, tp=4)]))
    assert list(linked.link) == [-1, -1, 1, -1]
    assert list(linked.matched) == [0, 0, 1, 0]
    assert list(linked.component) == [0, 1, 1, 2]


def test_new_settings_gain_what_the_frontier_gains() -> None:
    # Twice the throughput at every speed: the frontier of both is the new one's, ln 2 above the old one.
    better = [{**row, "ep": 8, "total_tput_tok_s_gpu": 2 * row["total_tput_tok_s_gpu"]} for row in rows_of(D2)]
    old = [{**row, "ep": 1} for row in [*rows_of(D1), *rows_of(D2)]]
    _, gains = levels(one([*old, *better]))
    assert gains == pytest.approx([0.0, np.log(2.0)])


def test_a_load_between_tried_loads_is_not_new_and_one_beyond_is() -> None:
    inside = [{**row, "total_tput_tok_s_gpu": 3 * row["total_tput_tok_s_gpu"]} for row in rows_of(D2, concurrencies=[32])]
    beyond = [{**row, "interactivity_tok_s_user": 75.0, "total_tput_tok_s_gpu": 1e4} for row in rows_of(D2, concurrencies=[128])]
    assert levels(one([*rows_of(D1), *rows_of(D2), *inside]))[1][1] == 0.0
    assert levels(one([*rows_of(D1), *rows_of(D2), *beyond]))[1][1] > 0.05


def test_launches_of_a_date_are_averaged_and_their_scatter_known() -> None:
    rows = [{**row, "replicate": i} for i, gain in enumerate((0.99, 1.01), start=1) for row in rows_of(D1, gain)]
    series = one(rows)
    assert list(series.launches) == [2, 2, 2]
    # Two launches at distance d have variance d squared over two; both coordinates move together.
    assert series.scatter == pytest.approx(np.full((2, 2), np.log(1.01 / 0.99) ** 2 / 2))


def test_series_are_apart_by_speculative_decoding_and_lengths() -> None:
    rows = [*rows_of(D1), *rows_of(D1, spec="mtp"), *rows_of(D1, osl_tokens=8192), *rows_of(D1, image="a"), *rows_of(D1, evidence="predicted")]
    found, _ = split_series(table_of(rows), "total")
    assert len(found) == 4  # the image does not make a series, the kind of evidence does


def test_rows_without_a_date_are_counted_and_a_table_of_them_is_refused() -> None:
    undated = rows_of(None)  # type: ignore[arg-type]
    _, notes = split_series(table_of([*rows_of(D1), *undated]), "total")
    assert notes == ["3 of 6 rows state no date and stand in no series."]
    with pytest.raises(PointsError, match="no row of 3 states a date"):
        split_series(table_of(undated), "total")
