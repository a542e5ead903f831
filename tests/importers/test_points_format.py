"""Points tables pass through row by row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.evidence.importers import import_points, points
from frontier.records import read_points, write_points

TABLE = """source,evidence,hardware,tp,median_tpot_s,total_tput_tok_s_gpu,site
here,measured,h200_sxm,8,0.01,1000,a
,measured,h200_sxm,8,0.02,2000,b
,measured,h200_sxm,eight,0.02,2000,c
,guessed,h200_sxm,8,0.02,2000,d
,measured,h200_sxm,8,,,e
,measured,h200_sxm,8,0.05,2500,f,g
,measured,h200_sxm,8,0.04,3000,h
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(TABLE, encoding="utf-8")
    return file


@pytest.mark.parametrize("chunk", [2, 50_000])
def test_bad_rows_are_listed_and_the_rest_imported(path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "CHUNK", chunk)
    got = import_points("points", [path])
    assert got.points["source"].tolist() == ["here", "table.csv:3", "table.csv:8"]  # a stated source stays
    assert got.points["interactivity_tok_s_user"].tolist() == [100.0, 50.0, 25.0]
    assert got.points["site"].tolist() == ["a", "b", "h"]
    assert sorted(got.refused["line"]) == [4, 5, 6, 7]
    by_line = got.refused.set_index("line")
    assert by_line["column"].to_dict() == {4: "tp", 5: "evidence", 6: "interactivity_tok_s_user", 7: ""}
    assert by_line.loc[7, "rule"] == "a line must have 7 cells, it has 8"


def test_a_good_table_is_what_reading_it_gives(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("".join(line for i, line in enumerate(TABLE.splitlines(keepends=True)) if i in (0, 1, 2, 7)), encoding="utf-8")
    table = read_points(good).assign(source=["here", "good.csv:3", "good.csv:4"])
    pd.testing.assert_frame_equal(import_points("points", [good]).points, table.astype({"source": "string"}), check_dtype=False)
    packed = tmp_path / "good.parquet"
    write_points(table, packed)
    pd.testing.assert_frame_equal(import_points("points", [packed]).points, read_points(packed), check_dtype=False)


def test_unstated_evidence_stays_unstated_unless_given(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("median_tpot_s,output_tput_tok_s_gpu\n0.01,5\n")
    assert import_points("points", [file]).points["evidence"].isna().all()
    assert import_points("points", [file], given={"evidence": "measured"}).points["evidence"].tolist() == ["measured"]


def test_cells_with_line_breaks_keep_line_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "CHUNK", 1)
    file = tmp_path / "t.csv"
    file.write_text('note,median_tpot_s,output_tput_tok_s_gpu\n"two\nlines",0.01,5\n"a ""b"", c",0.02,6\nplain,0.04,7\n')
    got = import_points("points", [file]).points
    assert got["source"].tolist() == ["t.csv:2", "t.csv:4", "t.csv:5"]
    assert got["note"].tolist() == ["two\nlines", 'a "b", c', "plain"]


def test_line_ends_and_marks_of_other_systems(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode())
    one, two = import_points("points", [path]), import_points("points", [other])
    pd.testing.assert_frame_equal(one.points.drop(columns="source"), two.points.drop(columns="source"))
    assert one.refused["line"].tolist() == two.refused["line"].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hardware,tp\nh,8\n", "not a file of format points: one of interactivity_tok_s_user, median_tpot_s"),
        ("median_tpot_s,output_tput_tok_s_gpu,tp,tp\n0.01,5,8,8\n", "columns occur twice: tp"),
        ("PAR1 but not really", r"cannot read t\.csv"),
        ('median_tpot_s,output_tput_tok_s_gpu\n0.01,"5\n', "breaks off or is no CSV"),
    ],
)
def test_files_that_are_no_points_tables(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(PointsError, match=message):
        import_points("points", [file])
