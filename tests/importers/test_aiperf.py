"""aiperf: real exports of version 0.13.0, recomputed from their single requests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import mean, median

import pandas as pd
import pytest
from tool_files import SNIPPETS, changed

from frontier.errors import PointsError
from frontier.evidence.importers import import_points

SUMMARY = SNIPPETS / "aiperf_summary.json"
REQUESTS = SNIPPETS / "aiperf_requests.jsonl"
GIVEN = {"gpus": "2"}


def profiled() -> list[dict[str, float]]:
    """The completed requests of the profiling phase: milliseconds, tokens, and the start in nanoseconds since the first."""
    rows = []
    for line in REQUESTS.read_text().splitlines():
        record = json.loads(line)
        if record["metadata"]["benchmark_phase"] == "profiling" and "error" not in record:
            metrics = {name: metric["value"] for name, metric in record["metrics"].items() if name != "inter_chunk_latency"}
            rows.append({**metrics, "start": record["metadata"]["request_start_ns"]})
    return rows


def pair(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Path(shutil.copy(SUMMARY, folder / "profile_export_aiperf.json")),
        Path(shutil.copy(REQUESTS, folder / "profile_export.jsonl")),
    ]


@pytest.mark.parametrize("file", [SUMMARY, REQUESTS], ids=["summary", "requests"])
def test_figures_are_those_of_the_requests(file: Path) -> None:
    rows = profiled()
    first = min(row["start"] for row in rows)
    window = max((row["start"] - first) / 1e9 + row["request_latency"] / 1e3 for row in rows)
    tokens = sum(row["output_sequence_length"] for row in rows)
    tpot = median(
        (row["request_latency"] - row["time_to_first_token"]) / (row["output_sequence_length"] - 1) / 1e3
        for row in rows
        if row["output_sequence_length"] > 1
    )
    got = import_points("aiperf", [file], given=GIVEN).points.iloc[0]
    assert (got["requests"], got["failed_requests"]) == (len(rows), 3) == (19, 3)
    assert got["window_s"] == pytest.approx(window, rel=1e-6)
    assert got["output_tput_tok_s_gpu"] == pytest.approx(tokens / window / 2, rel=1e-6)
    assert got["total_tput_tok_s_gpu"] == pytest.approx((tokens + 19 * 64) / window / 2, rel=1e-6)
    assert got["median_tpot_s"] == pytest.approx(tpot)
    assert got["interactivity_tok_s_user"] == pytest.approx(1 / tpot)
    assert got["median_ttft_s"] == pytest.approx(median(row["time_to_first_token"] for row in rows) / 1e3)
    assert got["mean_e2el_s"] == pytest.approx(mean(row["request_latency"] for row in rows) / 1e3)


def test_settings_of_the_summary() -> None:
    got = import_points("aiperf", [SUMMARY], given=GIVEN).points.iloc[0]
    assert (got["model"], got["concurrency"], got["isl_tokens"], got["osl_tokens"], got["warmup_requests"]) == ("fake/model", 4, 64, 16, 2)
    assert got["little_ratio"] == pytest.approx(19 / got["window_s"] * got["mean_e2el_s"] / 4)
    assert got["run_id"] == json.loads(SUMMARY.read_text())["benchmark_id"]
    bundled = import_points("aiperf", [SNIPPETS / "aiperf_bundled.json"], given=GIVEN).points.iloc[0]
    assert bundled["request_rate_per_s"] == 20
    assert pd.isna(bundled["concurrency"])


def test_inter_token_latency_is_tpot_and_inter_chunk_latency_is_itl() -> None:
    # Three tokens a chunk every 30 ms: a token every 10 ms.
    got = import_points("aiperf", [SNIPPETS / "aiperf_bundled.json"], given=GIVEN).points.iloc[0]
    assert got["median_itl_s"] == pytest.approx(0.030, rel=0.05)
    assert got["interactivity_tok_s_user"] == pytest.approx(100, rel=0.05)


def test_both_files_of_a_run_are_one_point(tmp_path: Path) -> None:
    found = import_points("aiperf", pair(tmp_path / "run"), given=GIVEN)
    assert len(found.points) == 1
    got = found.points.iloc[0]
    assert (got["concurrency"], got["source"]) == (4, "profile_export_aiperf.json")
    assert pd.isna(got["flags"])
    assert "2 warm-up requests left out" in found.notes[0]
    # Of two folders each is a point.
    two = import_points("aiperf", [*pair(tmp_path / "a"), *pair(tmp_path / "b")], given=GIVEN)
    assert len(two.points) == 2


def test_another_divisor_needs_the_requests(tmp_path: Path) -> None:
    document = json.loads(SUMMARY.read_text())
    config = {**document["input_config"], "endpoint": {**document["input_config"]["endpoint"], "per_chunk_usage": True}}
    path = changed("aiperf_summary.json", tmp_path / "profile_export_aiperf.json", input_config=config)
    refused = import_points("aiperf", [path], given=GIVEN).refused
    assert "--per-chunk-usage" in refused["rule"][0]
    together = import_points("aiperf", [path, Path(shutil.copy(REQUESTS, tmp_path / "profile_export.jsonl"))], given=GIVEN)
    assert len(together.points) == 1


def test_an_incomplete_run_carries_no_frontier(tmp_path: Path) -> None:
    got = import_points("aiperf", [changed("aiperf_summary.json", tmp_path / "s.json", is_complete=False)], given=GIVEN).points.iloc[0]
    assert (got["valid"], got["flags"]) == (False, "incomplete_run")


def test_power_is_energy_over_time_over_gpus(tmp_path: Path) -> None:
    watched = {"endpoints": {"node": {"gpus": {"0": {}, "1": {}}}}}
    energy = {"unit": "J", "avg": 300.0}
    path = changed("aiperf_summary.json", tmp_path / "s.json", nvidia_total_gpu_energy=energy, telemetry_data=watched)
    got = import_points("aiperf", [path], given=GIVEN).points.iloc[0]
    assert got["power_w_gpu"] == pytest.approx(300 / got["window_s"] / 2)
    assert got["joules_per_output_token"] == pytest.approx(300 / 274)
    other = import_points("aiperf", [path], given={"gpus": "8"}).points.iloc[0]
    assert pd.isna(other["power_w_gpu"])
    assert other["flags"] == "power_of_other_gpus"


def test_units_are_read_and_not_assumed(tmp_path: Path) -> None:
    document = json.loads(SUMMARY.read_text())
    in_seconds = {"unit": "sec", **{key: value / 1000 for key, value in document["inter_token_latency"].items() if key.startswith(("p", "avg"))}}
    got = import_points("aiperf", [changed("aiperf_summary.json", tmp_path / "a.json", inter_token_latency=in_seconds)], given=GIVEN).points.iloc[0]
    assert got["median_tpot_s"] == pytest.approx(document["inter_token_latency"]["p50"] / 1000)
    strange = changed("aiperf_summary.json", tmp_path / "b.json", inter_token_latency={"unit": "ticks", "p50": 3.0})
    assert "ticks" in import_points("aiperf", [strange], given=GIVEN).refused["value"][0]


@pytest.mark.parametrize(
    ("values", "without", "rule"),
    [
        ({}, ("inter_token_latency",), "TPOT was not measured"),
        ({"request_count": {"unit": "requests", "avg": 0.0}}, (), "no request completed"),
        ({}, ("benchmark_duration",), "benchmark_duration must be"),
    ],
)
def test_refused(tmp_path: Path, values: dict[str, object], without: tuple[str, ...], rule: str) -> None:
    found = import_points("aiperf", [changed("aiperf_summary.json", tmp_path / "s.json", without=without, **values)], given=GIVEN)
    assert found.points.empty
    assert rule in found.refused["rule"][0]


def test_without_gpus() -> None:
    assert "--set gpus=8" in import_points("aiperf", [SUMMARY]).refused["rule"][0]


@pytest.mark.parametrize("file", [SUMMARY, REQUESTS])
def test_truncated(tmp_path: Path, file: Path) -> None:
    cut = tmp_path / file.name
    text = file.read_text()
    cut.write_text(text[: text.index("\n", len(text) // 2) - 30])
    with pytest.raises(PointsError, match="cut off"):
        import_points("aiperf", [cut], given=GIVEN)


def test_another_tools_file() -> None:
    with pytest.raises(PointsError, match="not a file of format aiperf") as caught:
        import_points("aiperf", [SNIPPETS / "trtllm_bench_console.txt"])
    assert "it looks like trtllm-bench" in str(caught.value)
