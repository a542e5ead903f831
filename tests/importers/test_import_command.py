"""The command `frontier import`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from inferencex_rows import aggregated, as_csv

from frontier.cli import main
from frontier.records import read_points


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    bad = aggregated(conc="many")
    path.write_text(as_csv(aggregated(), *[bad] * 22, aggregated(decode_ep=8, num_decode_gpu=64)), encoding="utf-8")
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main([str(word) for word in words])
    return int(leaving.value.code or 0)


def test_points_are_written_and_refused_rows_shown(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, bad = tmp_path / "points.parquet", tmp_path / "bad.csv"
    assert run("import", "inferencex", rows, "-o", out, "--refused", bad) == 0
    assert read_points(out)["gpus"].tolist() == [8, 8]
    said = capsys.readouterr()
    assert "points                2" in said.out
    assert "gpu_count_is_tp_x_ep  1" in said.out
    assert "22 refused" in said.err
    assert said.err.count("conc must be a positive number") + said.err.count("conc must be a number") == 20  # the first ones
    assert f"... and 2 more; all in {bad}" in said.err
    listed = pd.read_csv(bad)
    assert listed.columns.tolist() == ["file", "line", "column", "value", "rule"]
    assert listed["line"].tolist() == list(range(3, 25))


def test_one_document(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "inferencex", rows, "-o", tmp_path / "points.csv", "--json") == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert list(document) == ["schema", "format", "files", "output", "points", "refused", "flags", "notes"]
    assert (document["schema"], document["points"], len(document["refused"])) == ("frontier.import/1", 2, 22)
    assert document["refused"][0] == {"file": "rows.csv", "line": 3, "column": "conc", "value": "many", "rule": "conc must be a number"}
    assert document["flags"] == {"gpu_count_is_tp_x_ep": 1}
    assert said.err == ""


def test_nothing_imported_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(aggregated(conc="many")), encoding="utf-8")
    out = tmp_path / "points.parquet"
    assert run("import", "inferencex", path, "-o", out) == 2
    assert "no row was imported" in capsys.readouterr().err
    assert run("import", "inferencex", path, "-o", out, "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["points"], document["output"]) == (0, None)
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "gpus"], "--set takes COLUMN=VALUE, got 'gpus'"),
        (["--set", "gpus=8", "--set", "gpus=4"], "--set gpus is given twice: 8 and 4"),
        (["--set", "speed=8"], "--set speed: no column of the points table"),
        (["--refused", "bad.txt"], "--refused writes CSV"),
    ],
)
def test_wrong_options(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert run("import", "inferencex", rows, "-o", tmp_path / "points.parquet", *words) == 2
    assert message in capsys.readouterr().err


def test_given_facts_reach_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "points.csv"
    path.write_text(as_csv(aggregated(image="")), encoding="utf-8")
    assert run("import", "inferencex", path, "-o", out, "--set", "image=registry.example/x=y:1", "--set", "engine_version=1.0") == 0
    assert read_points(out)[["image", "engine_version"]].to_numpy().tolist() == [["registry.example/x=y:1", "1.0"]]
    capsys.readouterr()
