"""vllm bench serve: every figure against requests, tokens and seconds worked out by hand."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pandas as pd
import pytest
from tool_files import SNIPPETS, changed

from frontier.errors import PointsError
from frontier.evidence.importers import import_points

DETAILED = SNIPPETS / "vllm_detailed.json"
GIVEN = {"gpus": "2", "engine": "vllm"}


def row(path: Path, **given: str) -> pd.Series:
    found = import_points("vllm-bench", [path], given={**GIVEN, **given})
    assert len(found.points) == 1, found.refused.to_dict("records")
    return found.points.iloc[0]


def test_rates_are_tokens_over_seconds_over_gpus() -> None:
    got = row(DETAILED)
    assert got["output_tput_tok_s_gpu"] == pytest.approx(15 / 10 / 2)
    assert got["total_tput_tok_s_gpu"] == pytest.approx((400 + 15) / 10 / 2)
    assert (got["requests"], got["failed_requests"], got["window_s"]) == (4, 1, 10)
    assert (got["date"], got["evidence"], got["source"]) == ("2025-11-03", "published", "vllm_detailed.json")


def test_statistics_come_from_the_completed_requests() -> None:
    # Completed: TTFT .2 .4 .3 .5; E2EL .6 1.0 .3 .5; TPOT (.6-.2)/4 = .1 and (1.0-.4)/8 = .075, undefined for 1 and for 0 tokens.
    got = row(DETAILED)
    assert got["median_ttft_s"] == pytest.approx(0.35)
    assert got["p90_ttft_s"] == pytest.approx(0.4 + 0.7 * 0.1)
    assert got["median_tpot_s"] == pytest.approx(0.0875)
    assert got["interactivity_tok_s_user"] == pytest.approx(1 / 0.0875)
    assert got["median_itl_s"] == pytest.approx(0.1)  # .1 .1 .1 .1 .2 .2 .2; the failed request's gap of 5 s is not among them
    assert got["median_e2el_s"] == pytest.approx(0.55)
    assert got["mean_e2el_s"] == pytest.approx(0.6)
    assert pd.isna(got["flags"])


def test_little_ratio_is_rate_times_mean_latency_over_concurrency() -> None:
    assert row(DETAILED)["little_ratio"] == pytest.approx(4 / 10 * 0.6 / 2)


def test_several_tokens_a_chunk_do_not_become_interactivity(tmp_path: Path) -> None:
    # Without the lists the stated medians count; ITL (chunks of several tokens) stays beside TPOT and is never taken for it.
    lists = ("input_lens", "output_lens", "ttfts", "itls", "errors")
    path = changed("vllm_detailed.json", tmp_path / "r.json", without=lists, median_itl_ms=240.0)
    got = row(path)
    assert got["interactivity_tok_s_user"] == pytest.approx(1 / 0.0875)
    assert got["median_itl_s"] == pytest.approx(0.24)
    found = import_points("vllm-bench", [changed("vllm_detailed.json", tmp_path / "s.json", without=(*lists, "median_tpot_ms"))], given=GIVEN)
    assert found.points.empty
    assert "ITL is not taken" in found.refused["rule"][0]


def test_a_stated_median_that_the_requests_contradict_is_flagged(tmp_path: Path) -> None:
    got = row(changed("vllm_detailed.json", tmp_path / "r.json", median_tpot_ms=60.0, output_throughput=2.0))
    assert got["median_tpot_s"] == pytest.approx(0.0875)
    assert got["flags"] == "stated_throughput_differs;stated_median_tpot_differs"


def test_stated_latencies_are_preferred_to_summed_gaps(tmp_path: Path) -> None:
    got = row(changed("vllm_detailed.json", tmp_path / "r.json", latencies=[0.8, 1.2, 0.3, 0.1, 0.5]))
    # TPOT (.8-.2)/4 = .15 and (1.2-.4)/8 = .1
    assert got["median_tpot_s"] == pytest.approx(0.125)


def test_unlimited_rate_and_no_limit(tmp_path: Path) -> None:
    got = row(changed("vllm_detailed.json", tmp_path / "r.json", max_concurrency=None))
    assert pd.isna(got["request_rate_per_s"])
    assert pd.isna(got["concurrency"])
    assert pd.isna(got["little_ratio"])
    assert got["flags"] == "unlimited_load"
    assert row(changed("vllm_detailed.json", tmp_path / "s.json", request_rate=2.5))["request_rate_per_s"] == 2.5


def test_speculation_from_the_counters() -> None:
    got = row(DETAILED)  # 9 accepted of 18 drafts in 6 steps
    assert got["acceptance_length"] == pytest.approx(1 + 9 / 6)
    assert got["draft_len"] == 3


def test_failures_of_older_files_are_sent_less_completed(tmp_path: Path) -> None:
    lists = ("input_lens", "output_lens", "ttfts", "itls", "errors")
    assert row(changed("vllm_detailed.json", tmp_path / "r.json", without=("failed", *lists), num_prompts=7))["failed_requests"] == 3


@pytest.mark.parametrize(
    ("values", "column", "rule"),
    [
        ({"completed": 0}, "completed", "no request completed"),
        ({"completed": 5}, "completed", "4 requests of the per-request lists completed"),
        ({"duration": 0}, "duration", "above 0"),
        ({"ttfts": [0.1]}, "ttfts", "one length"),
        ({"ramp_up_strategy": "linear"}, "ramp_up_strategy", "no single load"),
        ({"output_lens": [1, 1, 1, 0, 0], "total_output_tokens": 3}, "median_tpot_ms", "two tokens"),
    ],
)
def test_refused(tmp_path: Path, values: dict[str, object], column: str, rule: str) -> None:
    found = import_points("vllm-bench", [changed("vllm_detailed.json", tmp_path / "r.json", **values)], given=GIVEN)
    assert found.points.empty
    assert found.refused["column"][0] == column
    assert rule in found.refused["rule"][0]


def test_without_gpus_the_row_is_refused_with_the_fix() -> None:
    found = import_points("vllm-bench", [DETAILED])
    assert found.points.empty
    assert "--set gpus=8" in found.refused["rule"][0]
    assert "--set engine" in found.notes[0]


def test_metadata_under_the_tables_names_is_taken_and_may_not_be_contradicted(tmp_path: Path) -> None:
    path = changed("vllm_detailed.json", tmp_path / "r.json", gpus="4", hardware="NVIDIA H200", precision="FP8", engine="vllm", tp="4")
    got = import_points("vllm-bench", [path]).points.iloc[0]
    assert (got["gpus"], got["hardware"], got["precision"], got["tp"]) == (4, "h200_sxm", "fp8", 4)
    assert got["output_tput_tok_s_gpu"] == pytest.approx(15 / 10 / 4)
    against = import_points("vllm-bench", [path], given={"gpus": "8"})
    assert against.points.empty
    assert "contradicts" in against.refused["rule"][0]


def test_nominal_lengths_can_be_given() -> None:
    assert (row(DETAILED)["isl_tokens"], row(DETAILED)["osl_tokens"]) == (100, 3.75)
    assert row(DETAILED, osl_tokens="4")["osl_tokens"] == 4


def test_appended_results_are_rows_with_their_lines(tmp_path: Path) -> None:
    line = json.dumps(json.loads(DETAILED.read_text()))
    path = tmp_path / "all.json"
    other = line.replace('"max_concurrency": 2', '"max_concurrency": 8')
    path.write_text(f"{line}\n{other}\n{line[:200]}")
    found = import_points("vllm-bench", [path], given=GIVEN)
    assert list(found.points["source"]) == ["all.json:1", "all.json:2"]
    assert list(found.points["concurrency"]) == [2, 8]
    assert list(found.refused["line"]) == [3]
    assert "cut off" in found.refused["rule"][0]


def test_a_truncated_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(DETAILED.read_text()[:700])
    with pytest.raises(PointsError, match="is cut off"):
        import_points("vllm-bench", [path], given=GIVEN)


@pytest.mark.parametrize(
    ("file", "like"),
    [
        ("sglang.jsonl", "sglang-bench"),
        ("aiperf_summary.json", "aiperf"),
        ("trtllm_bench_report.json", "trtllm-bench"),
        ("mlperf_summary.csv", "mlperf"),
    ],
)
def test_a_file_of_another_tool_is_named(file: str, like: str) -> None:
    with pytest.raises(PointsError, match="not a file of format vllm-bench") as caught:
        import_points("vllm-bench", [SNIPPETS / file], given=GIVEN)
    assert f"it looks like {like}: frontier import {like} {file}" in str(caught.value)


def test_a_file_that_the_real_client_wrote() -> None:
    # Three tokens a chunk: the gaps between chunks are no TPOT. Per request TPOT is (E2EL - TTFT) / (OSL - 1), recomputed from the lists.
    file = SNIPPETS / "vllm_bench_0_32_detailed.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    tpot = [sum(gaps) / (tokens - 1) for gaps, tokens in zip(raw["itls"], raw["output_lens"], strict=True)]
    got = row(file, model="m")
    assert got["median_tpot_s"] == pytest.approx(statistics.median(tpot))
    assert got["median_tpot_s"] == pytest.approx(raw["median_tpot_ms"] / 1000)
    assert got["median_itl_s"] > 3 * got["median_tpot_s"]
    assert got["total_tput_tok_s_gpu"] == pytest.approx((sum(raw["input_lens"]) + sum(raw["output_lens"])) / raw["duration"] / 2)
    assert (got["concurrency"], got["requests"], got["failed_requests"]) == (4, 20, 0)
    assert got["little_ratio"] == pytest.approx(20 / raw["duration"] * raw["median_e2el_ms"] / 1000 / 4, rel=1e-3)
