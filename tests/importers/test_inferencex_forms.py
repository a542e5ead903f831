"""The forms of the InferenceX record give the same points: flat CSV, API rows, dump tables, dashboard export."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from inferencex_rows import NOT_METRICS, aggregated, as_api, as_csv, disaggregated

from frontier.errors import PointsError
from frontier.evidence.importers import Imported, import_points
from frontier.evidence.importers.inferencex import forms
from frontier.records import normalize_points

ROWS = (aggregated(), disaggregated(), aggregated(conc=32, tput_per_gpu=500.0, output_tput_per_gpu=250.0, input_tput_per_gpu=250.0))


def imported(folder: Path, **files: str) -> Imported:
    paths = []
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return import_points("inferencex", paths)


def values(points: pd.DataFrame) -> pd.DataFrame:
    return points.drop(columns="source")


@pytest.fixture
def flat(tmp_path: Path) -> pd.DataFrame:
    return values(imported(tmp_path, flat__csv=as_csv(*ROWS)).points)


def test_points_are_normalized(tmp_path: Path) -> None:
    points = imported(tmp_path, flat__csv=as_csv(*ROWS)).points
    pd.testing.assert_frame_equal(points, normalize_points(points, origin=""))


def test_api_rows(tmp_path: Path, flat: pd.DataFrame) -> None:
    got = imported(tmp_path, api__json=as_api(*ROWS)).points
    assert got["source"].tolist() == ["api.json#0", "api.json#1", "api.json#2"]
    pd.testing.assert_frame_equal(values(got), flat)


def test_api_rows_under_names(tmp_path: Path, flat: pd.DataFrame) -> None:
    rows = json.loads(as_api(*ROWS))
    got = imported(tmp_path, api__json=json.dumps({"DeepSeek-R1-0528": rows[:2], "other": rows[2:]})).points
    pd.testing.assert_frame_equal(values(got), flat)


def test_gzip_is_told_by_its_bytes(tmp_path: Path, flat: pd.DataFrame) -> None:
    path = tmp_path / "api.json"
    path.write_bytes(gzip.compress(as_api(*ROWS).encode()))
    pd.testing.assert_frame_equal(values(import_points("inferencex", [path]).points), flat)


def test_small_chunks_change_nothing(tmp_path: Path, flat: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "CHUNK", 2)
    pd.testing.assert_frame_equal(values(imported(tmp_path, flat__csv=as_csv(*ROWS)).points), flat)
    got = imported(tmp_path, api__json=as_api(*ROWS)).points
    assert got["source"].tolist() == ["api.json#0", "api.json#1", "api.json#2"]
    pd.testing.assert_frame_equal(values(got), flat)


def dump(*rows: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The tables of a dump: 64-bit ids are texts, dates are midnights, columns of the site that are not read are there too."""
    of_config = ("hardware", "framework", "model", "precision", "spec_method", "disagg", "is_multinode", *forms.TOPOLOGY)
    configs, results = [], []
    for number, row in enumerate(rows):
        configs.append({"id": number + 1, **{name: row[name] for name in of_config}})
        metrics = {name: value for name, value in row.items() if name not in NOT_METRICS}
        place = {"id": str(100 + number), "workflow_run_id": "9", "config_id": number + 1, "benchmark_type": "single_turn"}
        load = {name: row[name] for name in ("isl", "osl", "conc", "image")}
        results.append({**place, "date": f"{row['date']}T00:00:00.000Z", **load, "metrics": metrics, "error": None, "server_log_id": "4"})
    run = {"id": "9", "github_run_id": "7", "run_attempt": 1, "name": "sweep", "head_sha": "0", "html_url": "https://example.org/runs/7"}
    return {"configs": configs, "workflow_runs": [{**run, "date": "2026-01-31T00:00:00.000Z"}], "benchmark_results": results}


def written(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> Imported:
    # One row per line, as the site's dump writes them.
    return imported(folder, **{f"{name}__json": "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n" for name, rows in tables.items()})


def test_dump_tables_are_joined(tmp_path: Path, flat: pd.DataFrame) -> None:
    got = written(tmp_path, dump(*ROWS))
    assert got.refused.empty
    assert got.points["source"].tolist() == [f"benchmark_results.json#{i}" for i in range(3)]
    pd.testing.assert_frame_equal(values(got.points), flat)
    assert len(got.notes) == 2
    assert got.notes[0].startswith("configs.json: table configs of the dump")


def test_dump_rows_that_failed_or_were_replaced_are_refused(tmp_path: Path) -> None:
    tables = dump(*ROWS)
    first, second, third = tables["benchmark_results"]
    first["error"], second["workflow_run_id"], third["config_id"] = "server died", "8", 99
    tables["workflow_runs"].append({**tables["workflow_runs"][0], "id": "8", "run_attempt": 0})
    got = written(tmp_path, tables)
    assert got.points.empty
    expected = [[0, "error", "server died"], [1, "workflow_run_id", "8"], [2, "config_id", "99"]]
    assert got.refused[["line", "column", "value"]].to_numpy().tolist() == expected


def test_a_dump_needs_its_configurations(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"configurations by number only[\s\S]*configs\.json"):
        imported(tmp_path, benchmark_results__json=json.dumps(dump(*ROWS)["benchmark_results"]))


@pytest.mark.parametrize("midnight", ["2026-01-31T00:00:00.000Z", "2026-01-30T23:00:00.000Z", "2026-01-31T05:00:00.000Z", "2026-01-31"])
def test_dates_of_a_dump_are_midnights_somewhere(tmp_path: Path, midnight: str) -> None:
    tables = dump(ROWS[0])
    tables["benchmark_results"][0]["date"] = midnight
    assert written(tmp_path, tables).points["date"].tolist() == ["2026-01-31"]


EXPORT = """# Licensed under Apache License 2.0
# Attribution to InferenceX is required for any derivative work.
Model,ISL,OSL,Hardware,Hardware Key,Framework,Precision,TP,Concurrency,Date,Throughput/{gpu} (tok/s),Output Throughput/{gpu} (tok/s),\
Input Throughput/{gpu} (tok/s),Mean TTFT ({s}),Median TTFT ({s}),P99 TTFT ({s}),Median TPOT ({s}),Median Interactivity (tok/s/user),\
Std Interactivity (tok/s/user),Median ITL ({s}),Median E2E Latency ({s}),Disaggregated,Num Prefill {gpu}s,Num Decode {gpu}s,Spec Decoding,EP,\
DP Attention,Is Multinode
DeepSeek-R1-0528,1000,1000,b200,b200_trt_mtp,trt,fp4,8,16,2026-01-31,360.36,180.18,180.18,0,1.0,2.0,0.01,100,5000,0.03,9.99,false,8,8,mtp,1,false,false
DeepSeek-R1-0528,1000,1000,gb200,gb200_dynamo-trt,dynamo-trt,fp4,6,16,2026-01-31,200,133.3333,400,1.1,1.0,2.0,0.01,100,5000,0.03,9.99,true,4,12,none,1,true,true
"""


@pytest.mark.parametrize(("gpu", "label"), [("GPU", "ms"), ("Chip", "s")])
def test_the_dashboards_export_holds_seconds_whatever_its_label_says(tmp_path: Path, gpu: str, label: str) -> None:
    got = imported(tmp_path, export__csv=EXPORT.format(gpu=gpu, s=label))
    assert got.refused.empty
    one, two = got.points.iloc[0], got.points.iloc[1]
    assert one["source"] == "export.csv:4"  # two comment lines and the header stand before it
    assert one[["model", "hardware", "engine", "spec"]].tolist() == ["DeepSeek-R1-0528", "b200_sxm", "trtllm", "mtp"]
    assert (one["median_ttft_s"], one["median_tpot_s"], one["median_e2el_s"]) == (1.0, 0.01, 9.99)
    assert one["interactivity_tok_s_user"] == pytest.approx(100)
    assert pd.isna(one["mean_ttft_s"])  # the export writes 0 for a value that was not measured
    assert (one["gpus"], one["tp"]) == (8, 8)
    assert two["hardware"] == "gb200"
    assert (two["gpus"], two["prefill_gpus"], two["decode_gpus"], two["decode_tp"]) == (16, 4, 12, 6)
    assert two["output_tput_tok_s_gpu"] == pytest.approx(100, rel=1e-4)
    assert pd.isna(two["prefill_tp"])  # the export does not say


def test_one_measurement_in_several_files_is_imported_once_with_the_columns_of_all(tmp_path: Path) -> None:
    # The history leaves out images and means; the later capture has power.
    history = {**aggregated(), "image": None, "mean_ttft": None, "mean_tpot": None, "mean_e2el": None}
    other = aggregated(conc=32, tput_per_gpu=500.0, output_tput_per_gpu=250.0, input_tput_per_gpu=250.0)
    got = imported(
        tmp_path, history__json=as_api(history, other), latest__json=as_api(aggregated()), later__json=as_api({**history, "avg_power_w": 700.0})
    )
    assert got.points["source"].tolist() == ["history.json#1", "latest.json#0"]
    fullest = got.points.iloc[1]
    assert (fullest["image"], fullest["mean_ttft_s"], fullest["power_w_gpu"]) == ("registry.example/trtllm:1.0", 1.1, 700)
    assert got.notes == ("2 rows stand in several files; each measurement is imported once, with the columns of all",)


def test_repetitions_within_one_file_stay(tmp_path: Path) -> None:
    assert len(imported(tmp_path, api__json=as_api(aggregated(), aggregated())).points) == 2


def test_records_of_a_fetch_beside_the_rows_hold_no_points(tmp_path: Path) -> None:
    got = imported(tmp_path, rows__json=as_api(*ROWS), rows__json__source__json=json.dumps({"url": "https://example.org", "sha256": "0" * 64}))
    assert len(got.points) == 3
    assert got.notes == ("rows.json.source.json: says where another file comes from, holds no points",)


@pytest.mark.parametrize("text", ['{"schema": "frontier.shift/1"}', "a,b\n1,2\n", "", "[]", "plain words", '[{"a": 1}]'])
def test_another_file_is_refused_with_what_the_format_reads(tmp_path: Path, text: str) -> None:
    with pytest.raises(PointsError, match=r"other\.txt is not a file of format inferencex"):
        imported(tmp_path, other__txt=text)


def test_a_cut_off_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"cut off or broken after 2 items"):
        imported(tmp_path, api__json=as_api(*ROWS)[:-400])


def test_a_cut_off_file_among_several_leaves_the_others(tmp_path: Path) -> None:
    got = imported(tmp_path, good__csv=as_csv(*ROWS), bad__txt="nothing")
    assert len(got.points) == 3
    assert got.refused[["file", "line"]].to_numpy().tolist() == [["bad.txt", pd.NA]]


def test_a_csv_that_ends_in_the_middle_of_a_line(tmp_path: Path) -> None:
    text = as_csv(*ROWS)
    lines = text.splitlines(keepends=True)
    got = imported(tmp_path, flat__csv="".join(lines[:3]) + lines[3][:60])
    assert got.points["source"].tolist() == ["flat.csv:2", "flat.csv:3"]
    assert got.refused["line"].tolist() == [4]


def test_a_csv_line_with_too_many_cells_is_refused_alone(tmp_path: Path) -> None:
    lines = as_csv(*ROWS).splitlines()
    lines[2] += ",surplus,cells"
    got = imported(tmp_path, flat__csv="\n".join([*lines[:3], "", *lines[3:]]) + "\n")
    assert got.points["source"].tolist() == ["flat.csv:2", "flat.csv:5"]  # the empty line counts
    assert got.refused["line"].tolist() == [3]
    assert "cells" in got.refused["rule"].iloc[0]


def test_rows_that_are_no_objects_are_refused(tmp_path: Path) -> None:
    rows = json.loads(as_api(*ROWS))
    got = imported(tmp_path, api__json=json.dumps([rows[0], 17, rows[1]]))
    assert got.points["source"].tolist() == ["api.json#0", "api.json#2"]
    assert got.refused["line"].tolist() == [1]
