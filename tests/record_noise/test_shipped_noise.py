"""The shipped model is the fit of the record, and its documentation shows it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.importers import import_points
from frontier.evidence.record_noise import NIGHTS, RecordNoise, noise_markdown, noise_table, repeats
from frontier.evidence.record_noise.__main__ import main
from frontier.evidence.record_noise.calibrate import needed_widening, night_pairs
from frontier.records import write_points

ROOT = Path(__file__).parents[2]
RECORD = ROOT.parent / "shared" / "data" / "inferencex" / "inferencex_dsr1_until_2026-02-28.csv"
needs_record = pytest.mark.skipif(not RECORD.exists(), reason="the InferenceX record is not beside the clone")


@lru_cache(maxsize=1)
def points() -> pd.DataFrame:
    return import_points("inferencex", [str(RECORD)], given=None).points


def test_the_file_names_its_source_and_holds_no_measured_value() -> None:
    document = json.loads((ROOT / "lib/frontier/evidence/record_noise/record_noise.json").read_text(encoding="utf-8"))
    assert document["attribution"].startswith("InferenceX, SemiAnalysis, Apache-2.0")
    assert set(document) == {"attribution", "made_by", "schema", "about", "night_share", "widening", "speed", "own"}


def test_the_documentation_shows_the_table() -> None:
    assert noise_markdown() in (ROOT / "docs" / "noise.md").read_text(encoding="utf-8")


def test_the_table_is_of_fractions_in_order() -> None:
    table = noise_table()
    for coordinate in ("speed", "own"):
        assert (table[f"{coordinate}_median"] < table[f"{coordinate}_high"]).all()
        assert table[f"{coordinate}_high"].between(1e-4, 0.2).all()
    assert table["runs"].sum() == RecordNoise.shipped().about["runs"]


@needs_record
def test_a_new_fit_gives_the_shipped_spread() -> None:
    shipped = RecordNoise.shipped().document()
    again = RecordNoise.of(repeats(points())).document()
    for coordinate in ("speed", "own"):
        for name, pair in shipped[coordinate]["groups"].items():
            assert again[coordinate]["groups"][name] == pytest.approx(pair, abs=2e-3)
    assert again["night_share"] == pytest.approx(shipped["night_share"], abs=1e-3)
    assert {**again["about"], "pairs_of_nights": shipped["about"]["pairs_of_nights"]} == shipped["about"]


@needs_record
def test_held_up_runs_are_those_of_two_bad_nights_of_one_cluster() -> None:
    held = [(before["hardware"].iloc[0], before["date"].iloc[0]) for _, before, _, held in night_pairs(points(), NIGHTS) if held]
    assert {hardware for hardware, _ in held} == {"mi355x"}
    assert {date for _, date in held} == {"2025-12-11", "2025-12-12"}


@needs_record
def test_nights_without_change_are_seldom_called_a_shift() -> None:
    model = RecordNoise.shipped()
    needed = np.array(
        [
            needed_widening(before, after, model.draw, np.random.default_rng(i))
            for i, (_, before, after, held) in enumerate(night_pairs(points(), NIGHTS))
            if not held
        ]
    )
    known = needed[~np.isnan(needed)]
    assert len(known) > 150
    assert np.mean(known > 1) <= 0.05
    # Not by intervals that hold everything: half a width further out and there are alarms in plenty.
    assert np.mean(known > 0.3) > 0.25


def test_the_command_writes_a_model_and_its_table(record: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = record({("b200_sxm", "trtllm"): (0.01, 0.002)}, configurations=6, nights=4)  # type: ignore[operator]
    write_points(table, tmp_path / "points.parquet")
    assert main([str(tmp_path / "points.parquet"), "--output", str(tmp_path / "model.json"), "--table"]) == 0
    said = capsys.readouterr()
    assert "fitted on 24 runs of 6 configurations in 2 series; 0 held-up runs left out" in said.err
    assert "| b200_sxm | trtllm | 6 | 24 |" in said.out
    made = RecordNoise.from_document(json.loads((tmp_path / "model.json").read_text(encoding="utf-8")))
    assert made.knows("b200_sxm", "trtllm")
    assert main([str(tmp_path / "absent.parquet"), "--output", str(tmp_path / "model.json")]) == 2
    assert "no such points file" in capsys.readouterr().err
