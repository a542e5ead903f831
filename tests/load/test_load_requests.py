from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_load import at, closed_loop, request

from frontier.errors import PointsError
from frontier.load.requests import completed, mark_jumps, read_requests, requests_table, sound, write_requests


def test_a_record_survives_the_round_trip(tmp_path: Path) -> None:
    table = closed_loop(4, 2.0, np.random.default_rng(0))
    table.loc[0, ["error", "first_token_ns", "end_ns"]] = ["500 gone", pd.NA, pd.NA]
    back = read_requests(write_requests(table, tmp_path / "deep" / "requests.parquet"))
    pd.testing.assert_frame_equal(back.drop(columns="chunk_ns"), table.drop(columns="chunk_ns"))
    assert all(np.array_equal(a, b) and a.dtype == np.int64 for a, b in zip(back["chunk_ns"], table["chunk_ns"], strict=True))
    assert not list(tmp_path.rglob("*.part"))


def test_rows_come_in_the_order_of_requests() -> None:
    assert list(requests_table([request(2, 2, 3, 4), request(1, 1, 2, 3)], origin="here")["request"]) == [1, 2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**request(0, 0, 1, 2), "phase": "idle"}, "phase must be one of warmup, measured, got 'idle'"),
        ({**request(0, 0, 1, 2), "start_ns": None}, "needs start_ns, it is missing in row 0"),
        ({**request(0, 0, 1, 2), "colour": 1}, "unknown columns: colour"),
        ({**request(0, 0, 1, 2), "output_tokens": "many"}, "column output_tokens holds a value"),
        ({**request(0, 0, 1, 2), "concurrency": 0}, "concurrency must be at least 1, got 0 in row 0"),
    ],
)
def test_a_malformed_row_is_refused_by_name(row: dict[str, object], message: str) -> None:
    with pytest.raises(PointsError, match=message.replace("(", r"\(")):
        requests_table([row], origin="here")


def test_impossible_times_are_marked_and_kept() -> None:
    rows = [
        request(0, 0, 1, 2),
        request(1, 3, 2, 4),  # first token before it was sent
        request(2, 4, 6, 5),  # ends before its first token
        {**request(3, 5, 6, 7), "chunk_ns": [at(6), at(5.9), at(7)]},  # chunks out of order
        request(4, 1, 6, 8),  # sent four seconds before an earlier one: the clock was set back
        request(5, 8, 9, 10, None),  # no usage
        request(6, 11, None, None, None, error="timed out"),
    ]
    table = requests_table(rows, origin="here")
    assert list(table["mark"].fillna("")) == ["", *["clock_backwards"] * 4, "no_usage", ""]
    assert list(sound(table)) == [True, False, False, False, False, True, False]
    assert list(completed(table)) == [True] * 6 + [False]


def test_a_jump_of_the_clock_marks_the_requests_it_falls_into() -> None:
    table = mark_jumps(requests_table([request(0, 0, 1, 2), request(1, 2.5, 3, 4), request(2, 5, None, None)], origin="here"), [at(3.5), at(5)])
    assert list(table["mark"].fillna("")) == ["", "clock_jump", "clock_jump"]
    assert list(sound(table)) == [True, False, False]


@pytest.mark.parametrize("content", [None, b"not parquet"])
def test_a_missing_or_foreign_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "requests.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PointsError, match=r"no record of requests|not a Parquet file"):
        read_requests(path)
