"""TensorRT-LLM's benchmark_serving, alone and in the folder of its disaggregated Slurm benchmark."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tool_files import SAMPLES, SNIPPETS, changed

from frontier.errors import PointsError
from frontier.evidence.importers import import_points
from frontier.evidence.importers.slurm_folder import folder_facts

RESULT = SNIPPETS / "trtllm_serve.json"
LAYOUT = "disagg_ctx2_gen1_dep16_batch128_eplb288_mtp3"


def test_figures_by_hand() -> None:
    got = import_points("trtllm-serve", [RESULT], given={"gpus": "4", "engine": "trtllm"}).points.iloc[0]
    assert got["output_tput_tok_s_gpu"] == pytest.approx(19000 / 20 / 4)
    assert got["total_tput_tok_s_gpu"] == pytest.approx((38912 + 19000) / 20 / 4)
    assert got["interactivity_tok_s_user"] == pytest.approx(125)  # 1 / 8 ms; the median ITL of 19 ms is chunks of 2.4 tokens
    assert (got["median_itl_s"], got["median_ttft_s"], got["p90_ttft_s"], got["p99_e2el_s"]) == pytest.approx((0.019, 0.1, 0.18, 6.0))
    assert (got["requests"], got["failed_requests"]) == (38, 2)
    assert got["little_ratio"] == pytest.approx(38 / 20 * 4.2 / 8)
    assert got["acceptance_length"] == 2.4
    assert got["power_w_gpu"] == pytest.approx(2850 / 4)
    assert got["joules_per_output_token"] == pytest.approx(3.0)  # 57 kJ for 19000 tokens
    assert pd.isna(got["request_rate_per_s"])
    assert got["concurrency"] == 8


def test_the_goodput_key_tells_it_from_vllm(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="key request_goodput: missing") as caught:
        import_points("trtllm-serve", [SNIPPETS / "vllm_detailed.json"])
    assert "it looks like vllm-bench" in str(caught.value)


def test_the_folder_gives_the_levers(tmp_path: Path) -> None:
    path = changed("trtllm_serve.json", tmp_path / "20260214" / "1024-512" / LAYOUT / "concurrency_8" / "result.json")
    got = import_points("trtllm-serve", [path], given={"gpus": "24", "prefill_tp": "4"}).points.iloc[0]
    assert (got["isl_tokens"], got["osl_tokens"], got["concurrency"], got["engine"], got["disagg"]) == (1024, 512, 8, "trtllm", True)
    assert (got["prefill_workers"], got["decode_workers"], got["decode_tp"], got["decode_ep"], got["decode_dp"]) == (2, 1, 16, 16, 16)
    assert (got["spec"], got["draft_len"], got["max_batch_size"], got["eplb_slots"], got["prefill_tp"]) == ("mtp", 3, 128, 288, 4)
    assert got["run_id"] == f"1024-512/{LAYOUT}/concurrency_8"
    assert got["output_tput_tok_s_gpu"] == pytest.approx(19000 / 20 / 24)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("8192-1024/ctx1_gen4_tep8_batch32_eplb0_mtp0/concurrency_4", {"decode_dp": 1, "decode_tp": 8, "decode_workers": 4, "spec": "none"}),
        ("8192-1024/ctx1_gen4_dep8_batch32_eplb0_mtp1_rerun/concurrency_4", {"decode_dp": 8, "spec": "mtp", "draft_len": 1, "concurrency": 4}),
        ("runs/plain", {}),
    ],
)
def test_folder_names(tmp_path: Path, folder: str, expected: dict[str, object]) -> None:
    facts = folder_facts(tmp_path / folder / "result.json")
    assert {name: facts[name] for name in expected} == expected
    assert bool(facts) == bool(expected)


def test_the_folder_does_not_name_the_gpus(tmp_path: Path) -> None:
    path = changed("trtllm_serve.json", tmp_path / "1024-512" / LAYOUT / "concurrency_8" / "result.json")
    assert "--set gpus=8" in import_points("trtllm-serve", [path]).refused["rule"][0]


def test_a_result_in_the_wrong_folder_is_refused(tmp_path: Path) -> None:
    path = changed("trtllm_serve.json", tmp_path / "1024-512" / LAYOUT / "concurrency_64" / "result.json")
    found = import_points("trtllm-serve", [path], given={"gpus": "24"})
    assert found.points.empty
    assert "concurrency_64" in found.refused["rule"][0]


def test_results_of_one_sweep_stay_apart(tmp_path: Path) -> None:
    paths = [
        changed("trtllm_serve.json", tmp_path / "1024-512" / LAYOUT / f"concurrency_{c}" / "result.json", max_concurrency=c, duration=float(c))
        for c in (8, 16)
    ]
    points = import_points("trtllm-serve", paths, given={"gpus": "24"}).points
    assert list(points["concurrency"]) == [8, 16]
    assert points["run_id"].nunique() == 2


def test_not_streamed(tmp_path: Path) -> None:
    # The script writes 0 for all times of a backend that does not stream.
    path = changed("trtllm_serve.json", tmp_path / "r.json", median_tpot_ms=0.0, median_ttft_ms=0.0, median_itl_ms=0.0)
    found = import_points("trtllm-serve", [path], given={"gpus": "4"})
    assert found.points.empty
    assert found.refused["column"][0] == "median_tpot_ms"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real TensorRT-LLM outputs is not beside the checkout")
def test_a_real_result() -> None:
    got = import_points("trtllm-serve", [SAMPLES / "benchmark_serving_result_ancestor.json"], given={"gpus": "4"}).points.iloc[0]
    # 81050 output and 299700 input tokens in 36.0343 s on 4 GPUs; its own output_throughput is 2249.247 tokens/s.
    assert got["output_tput_tok_s_gpu"] == pytest.approx(2249.247363 / 4)
    assert got["total_tput_tok_s_gpu"] == pytest.approx(10566.328606 / 4)
    assert got["interactivity_tok_s_user"] == pytest.approx(1000 / 13.512526767533997)
    assert (got["request_rate_per_s"], got["failed_requests"]) == (10, 0)
