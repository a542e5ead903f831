"""trtllm-bench: its JSON report and the tables it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tool_files import SAMPLES, SNIPPETS, changed

from frontier.errors import PointsError
from frontier.evidence.importers import import_points

REPORT = SNIPPETS / "trtllm_bench_report.json"
CONSOLE = SNIPPETS / "trtllm_bench_console.txt"
real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real TensorRT-LLM outputs is not beside the checkout")


def test_report_by_hand() -> None:
    got = import_points("trtllm-bench", [REPORT]).points.iloc[0]
    # 400 requests of 1000 + 500 tokens in 50 s on 8 GPUs.
    assert got["output_tput_tok_s_gpu"] == pytest.approx(400 * 500 / 50 / 8)
    assert got["total_tput_tok_s_gpu"] == pytest.approx(400 * 1500 / 50 / 8)
    # 1 / 8 ms; neither 1 / mean TPOT, nor the mean speed (135), nor tokens over the whole latency (127).
    assert got["interactivity_tok_s_user"] == pytest.approx(125)
    assert (got["median_ttft_s"], got["p90_ttft_s"], got["p99_tpot_s"], got["p99_e2el_s"]) == pytest.approx((0.2, 0.3, 0.01, 4.5))
    assert (got["model"], got["hardware"], got["engine_version"]) == ("nvidia/DeepSeek-R1-0528-FP4", "b200_sxm", "1.2.1")
    assert (got["precision"], got["kv_precision"], got["tp"], got["pp"], got["ep"], got["gpus"]) == ("fp4", "fp8", 4, 2, 4, 8)
    assert pd.isna(got["flags"])


def test_mtp_draft_length_from_the_counts() -> None:
    got = import_points("trtllm-bench", [REPORT]).points.iloc[0]
    # 500 tokens of which 300 were accepted drafts: 200 steps; 600 drafts in 200 steps.
    assert (got["spec"], got["draft_len"], got["acceptance_length"]) == ("mtp", 3, 2.5)


def test_power_is_energy_over_time_over_gpus() -> None:
    got = import_points("trtllm-bench", [REPORT]).points.iloc[0]
    assert got["power_w_gpu"] == pytest.approx(300_000 / 50 / 8)  # the report's average_gpu_power of 6000 W is of all 8
    assert got["joules_per_output_token"] == pytest.approx(300_000 / 200_000)


def test_the_mean_in_flight_is_not_the_limit() -> None:
    got = import_points("trtllm-bench", [REPORT]).points.iloc[0]
    assert pd.isna(got["concurrency"])
    assert pd.isna(got["little_ratio"])
    given = import_points("trtllm-bench", [REPORT], given={"concurrency": "32"}).points.iloc[0]
    assert given["little_ratio"] == pytest.approx(400 / 50 * 3.9375 / 32)


def test_zeros_of_short_requests_are_flagged(tmp_path: Path) -> None:
    document = json.loads(REPORT.read_text())
    document["streaming_metrics"]["tpot_percentiles"]["minimum"] = 0.0
    path = changed("trtllm_bench_report.json", tmp_path / "r.json", streaming_metrics=document["streaming_metrics"])
    assert import_points("trtllm-bench", [path]).points["flags"][0] == "tpot_counts_short_requests"


def test_console_log_of_three_runs() -> None:
    points = import_points("trtllm-bench", [CONSOLE]).points
    assert list(points["gpus"]) == [4, 4, 4]
    assert list(points["requests"]) == [100, 200, 300]
    assert list(points["interactivity_tok_s_user"]) == pytest.approx([50, 62.5, 80])
    assert list(points["output_tput_tok_s_gpu"]) == pytest.approx([100 * 64 / 10 / 4] * 3)
    assert list(points["total_tput_tok_s_gpu"]) == pytest.approx([100 * 192 / 10 / 4] * 3)
    lines = CONSOLE.read_text().splitlines()
    assert [lines[int(source.split(":")[1]) - 1] for source in points["source"]] == ["= PYTORCH BACKEND"] * 3


def test_console_precisions_and_speculation() -> None:
    points = import_points("trtllm-bench", [CONSOLE]).points
    assert set(points["precision"]) == {"fp8"}
    assert set(points["kv_precision"]) == {"bf16"}  # no KV algorithm: the model's own type
    # The third report ends before its last table: whether it had a decoding table is unknown, so speculation is.
    assert list(points["spec"].fillna("?")) == ["none", "ngram", "?"]
    assert points["acceptance_length"][1] == 1.5


def test_srun_labels_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"0: {line}\n" for line in CONSOLE.read_text().splitlines()))
    assert list(import_points("trtllm-bench", [path]).points["interactivity_tok_s_user"]) == pytest.approx([50, 62.5, 80])


def test_without_streaming_there_is_no_point(tmp_path: Path) -> None:
    found = import_points("trtllm-bench", [changed("trtllm_bench_report.json", tmp_path / "r.json", without=("streaming_metrics",))])
    assert found.points.empty
    assert "--streaming" in found.refused["rule"][0]


def test_gpus_can_be_given_and_not_contradicted(tmp_path: Path) -> None:
    found = import_points("trtllm-bench", [REPORT], given={"gpus": "16"})
    assert found.points.empty
    assert "contradicts" in found.refused["rule"][0]
    path = changed("trtllm_bench_report.json", tmp_path / "r.json", world_info={"tp_size": 4})
    assert "--set gpus=8" in import_points("trtllm-bench", [path]).refused["rule"][0]
    assert import_points("trtllm-bench", [path], given={"gpus": "4"}).points["output_tput_tok_s_gpu"][0] == pytest.approx(1000)


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(REPORT.read_text()[:900])
    with pytest.raises(PointsError, match="cut off"):
        import_points("trtllm-bench", [path])


def test_another_tools_file() -> None:
    with pytest.raises(PointsError, match="not a file of format trtllm-bench") as caught:
        import_points("trtllm-bench", [SNIPPETS / "vllm_detailed.json"])
    assert "it looks like vllm-bench" in str(caught.value)


@real
def test_real_streaming_table() -> None:
    # A performance table alone: 43.2089 requests/s for 115.717 s are 5000 requests, of 128 output and 2048 input tokens.
    got = import_points("trtllm-bench", [SAMPLES / "trtllm_bench_console_1.x_streaming.txt"], given={"gpus": "1"}).points.iloc[0]
    assert (got["requests"], round(got["osl_tokens"], 2), round(got["isl_tokens"], 2)) == (5000, 128, 2048)
    assert got["output_tput_tok_s_gpu"] == pytest.approx(5530.7382, rel=1e-4)
    assert got["interactivity_tok_s_user"] == pytest.approx(1000 / 204.0463)  # not the printed 5.4656, which is of the mean
    assert got["p99_ttft_s"] == pytest.approx(106.5634497)


@real
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("trtllm_bench_console_0.17.txt", "streaming_metrics"),
        ("trtllm_bench_console_1.x_dataset_block.txt", "streaming_metrics"),
        ("trtllm_bench_console_1.1.0rc1_excerpt.txt", "total_latency_ms"),
        ("trtllm_bench_console_1.2_excerpt.txt", "total_latency_ms"),
    ],
)
def test_real_tables_without_what_is_needed(file: str, column: str) -> None:
    found = import_points("trtllm-bench", [SAMPLES / file], given={"gpus": "8"} if "1.2" in file else None)
    assert found.points.empty
    assert list(found.refused["column"]) == [column]


@real
def test_abridged_report() -> None:
    got = import_points("trtllm-bench", [SAMPLES / "report_json_1.3.0rc12_thirdparty_fixture.json"], given={"gpus": "1"}).points.iloc[0]
    assert got["power_w_gpu"] == pytest.approx(11.83, rel=1e-3)
    assert got["interactivity_tok_s_user"] == pytest.approx(71.29, rel=1e-3)
    assert got["hardware"] == "gb10"
