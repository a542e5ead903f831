"""The points table: types, refusals, round trips, and what counts as one configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.records import COLUMNS, configuration_columns, normalize_points, read_points, usable, write_points

ROW = {"interactivity_tok_s_user": 50.0, "total_tput_tok_s_gpu": 100.0}


def table(**columns: object) -> pd.DataFrame:
    return normalize_points(pd.DataFrame([{**ROW, **columns}]), origin="test")


def test_every_known_column_is_there_in_its_type_and_extras_are_kept() -> None:
    found = table(tp="8", disagg="True", spec=" mtp ", my_column="kept", draft_len=3.0)
    assert list(found.columns) == [*COLUMNS, "my_column"]
    assert found.loc[0, "tp"] == 8
    assert found.loc[0, "disagg"]
    assert found.loc[0, "spec"] == "mtp"
    assert found.loc[0, "my_column"] == "kept"
    assert np.isnan(found.loc[0, "median_ttft_s"])
    assert found["ep"].isna().all()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    before = normalize_points(pd.DataFrame([{**ROW, "tp": 4, "disagg": False}, {**ROW, "hardware": "gb200", "valid": True}]), origin="test")
    write_points(before, tmp_path / f"points.{suffix}")
    pd.testing.assert_frame_equal(read_points(tmp_path / f"points.{suffix}"), before)


def test_interactivity_is_restored_from_tpot() -> None:
    found = normalize_points(pd.DataFrame([{"median_tpot_s": 0.02, "total_tput_tok_s_gpu": 9.0}]), origin="test")
    assert found.loc[0, "interactivity_tok_s_user"] == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tp": "eight"}, "tp must be a number, got 'eight' in row 1"),
        ({"tp": 2.5}, "tp must be a whole number, got 2.5 in row 1"),
        ({"disagg": "maybe"}, "disagg must be true or false, got 'maybe' in row 1"),
        ({"evidence": "rumour"}, "evidence must be one of measured, published, predicted, simulated, got 'rumour'"),
        ({"median_ttft_s": "fast"}, "median_ttft_s must be a number, got 'fast' in row 1"),
    ],
)
def test_wrong_values_are_named(columns: dict[str, object], message: str) -> None:
    with pytest.raises(PointsError, match=message):
        table(**columns)


def test_the_row_of_the_first_wrong_value_is_named() -> None:
    with pytest.raises(PointsError, match=r"tp must be a number, got 'x' in row 2 \(and 1 more rows\)"):
        normalize_points(pd.DataFrame([{**ROW, "tp": 1}, {**ROW, "tp": "x"}, {**ROW, "tp": "y"}]), origin="test")


def test_missing_coordinates_are_refused() -> None:
    with pytest.raises(PointsError, match="no interactivity"):
        normalize_points(pd.DataFrame([{"total_tput_tok_s_gpu": 1.0}]), origin="test")
    with pytest.raises(PointsError, match="no throughput"):
        normalize_points(pd.DataFrame([{"interactivity_tok_s_user": 1.0}]), origin="test")
    with pytest.raises(PointsError, match="no rows"):
        normalize_points(pd.DataFrame(columns=list(ROW)), origin="test")


def test_files_that_are_no_points_tables(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="no such points file"):
        read_points(tmp_path / "nothing.csv")
    with pytest.raises(PointsError, match=r"folder without points.parquet"):
        read_points(tmp_path)
    for name, text in {"a.txt": "x", "broken.parquet": "not parquet", "empty.csv": "", "ragged.csv": 'a,b\n1,2\n1,2,3\n"'}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(PointsError):
            read_points(tmp_path / name)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81" * 50)
    with pytest.raises(PointsError):
        read_points(tmp_path / "binary.csv")


def test_unusable_rows() -> None:
    rows = [ROW, {**ROW, "total_tput_tok_s_gpu": 0.0}, {**ROW, "interactivity_tok_s_user": np.inf}, {**ROW, "valid": False}]
    assert usable(normalize_points(pd.DataFrame(rows), origin="test"), "total").tolist() == [True, False, False, False]


def test_extra_columns_that_hold_settings() -> None:
    rows = [
        {**ROW, "concurrency": 8, "replicate": r, "seed": 10 + r, "my": m, "chunk": c, "seconds": 600.5 + r}
        for r in (0, 1)
        for m, c in (("a", 4), ("b", None))
    ]
    found = configuration_columns(normalize_points(pd.DataFrame(rows), origin="test"))
    assert {"my", "chunk"} <= set(found)  # chunk is read as floats because of its gap
    assert not {"seed", "seconds"} & set(found)


def test_what_tells_configurations_apart() -> None:
    found = configuration_columns(table(my_lever="x", run_url="http://y", weight=0.5, replicate=1))
    assert "my_lever" in found
    assert "tp" in found
    assert not {"run_url", "weight", "replicate", "date", "median_ttft_s", "requests", "source"} & set(found)
