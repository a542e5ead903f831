"""sglang.bench_serving: JSONL with bare Infinity, its own key names, and what the server says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tool_files import SNIPPETS

from frontier.errors import PointsError
from frontier.evidence.importers import import_points

RUNS = SNIPPETS / "sglang.jsonl"


def lines() -> list[dict[str, object]]:
    return [json.loads(line) for line in RUNS.read_text().splitlines()[:2]]


def write(path: Path, *documents: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def test_figures_by_hand() -> None:
    points = import_points("sglang-bench", [RUNS]).points
    first, second = points.iloc[0], points.iloc[1]
    # tp 8 with attention DP inside: 8 GPUs; tp 8 in 2 copies: 16.
    assert list(points["gpus"]) == [8, 16]
    assert first["output_tput_tok_s_gpu"] == pytest.approx(16384 / 40 / 8)
    assert second["output_tput_tok_s_gpu"] == pytest.approx(8192 / 40 / 16)
    assert first["total_tput_tok_s_gpu"] == pytest.approx((65536 + 16384) / 40 / 8)
    assert first["interactivity_tok_s_user"] == pytest.approx(1 / 0.032)
    assert (first["median_e2el_s"], first["p99_e2el_s"], first["median_itl_s"]) == pytest.approx((8.9, 9.9, 0.011))
    # The limit, not the mean in flight (14.4), which is the numerator of the ratio: 64 / 40 x 9.
    assert first["concurrency"] == 16
    assert first["little_ratio"] == pytest.approx(14.4 / 16)


def test_infinite_rate_is_no_rate() -> None:
    points = import_points("sglang-bench", [RUNS]).points
    assert pd.isna(points["request_rate_per_s"][0])
    assert points["request_rate_per_s"][1] == 4
    assert pd.isna(points["concurrency"][1])


def test_nominal_lengths_only_where_every_request_has_them() -> None:
    points = import_points("sglang-bench", [RUNS]).points
    assert list(points["isl_tokens"]) == [1024, 500]  # ratio 1 against ratio 0: 32000 tokens of 64 requests
    assert list(points["osl_tokens"]) == [256, 128]


def test_the_servers_own_words() -> None:
    first, second = (row for _, row in import_points("sglang-bench", [RUNS]).points.iterrows())
    assert (first["model"], first["engine"], first["engine_version"]) == ("deepseek-ai/DeepSeek-R1-0528", "sglang", "0.5.3")
    assert (first["precision"], first["kv_precision"], first["spec"], first["draft_len"]) == ("fp8", "fp8", "mtp", 3)
    assert (first["attention_dp"], second["attention_dp"], second["spec"], second["draft_len"]) == (True, False, "none", 0)
    assert first["acceptance_length"] == 2.6
    assert pd.isna(second["acceptance_length"])


def test_a_router_names_both_roles(tmp_path: Path) -> None:
    document = lines()[0]
    worker = {"tp_size": 4, "pp_size": 1, "dp_size": 1, "ep_size": 1, "enable_dp_attention": False}
    document["server_info"] = {"prefill": [worker], "decode": [{**worker, "tp_size": 8}, {**worker, "tp_size": 8}]}
    got = import_points("sglang-bench", [write(tmp_path / "r.jsonl", document)]).points.iloc[0]
    assert (got["disagg"], got["gpus"], got["prefill_gpus"], got["decode_gpus"], got["decode_workers"]) == (True, 20, 4, 16, 2)
    assert pd.isna(got["tp"])
    assert got["output_tput_tok_s_gpu"] == pytest.approx(16384 / 40 / 20)


@pytest.mark.parametrize("info", [None, {"tp_size": 8, "pp_size": 1, "dp_size": 1, "disaggregation_mode": "decode"}])
def test_without_all_gpus_the_row_is_refused(tmp_path: Path, info: object) -> None:
    document = {**lines()[0], "server_info": info}
    path = write(tmp_path / "r.jsonl", document)
    assert "--set gpus=8" in import_points("sglang-bench", [path]).refused["rule"][0]
    assert import_points("sglang-bench", [path], given={"gpus": "12"}).points["gpus"][0] == 12


def test_details_are_recomputed(tmp_path: Path) -> None:
    document = {
        **lines()[0], "completed": 2, "total_input_tokens": 20, "total_output_tokens": 8, "output_throughput": 0.2, "median_tpot_ms": 200.0,
        "input_lens": [10, 10, 10], "output_lens": [5, 3, 0], "ttfts": [0.5, 0.5, 0.0], "itls": [[0.2] * 4, [0.1, 0.1], []],
        "errors": ["", "", "HTTP 500"],
    }  # fmt: skip
    got = import_points("sglang-bench", [write(tmp_path / "r.jsonl", document)]).points.iloc[0]
    assert got["median_tpot_s"] == pytest.approx(0.15)  # .8/4 and .2/2
    assert (got["failed_requests"], got["flags"]) == (1, "stated_median_tpot_differs")


def test_a_cut_line_is_refused_and_the_others_stay() -> None:
    found = import_points("sglang-bench", [RUNS])
    assert list(found.points["source"]) == ["sglang.jsonl:1", "sglang.jsonl:2"]
    assert list(found.refused["line"]) == [3]
    assert "cut off" in found.refused["rule"][0]


def test_a_broken_first_line_does_not_hide_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"backend": "sglang", "dur\n' + json.dumps(lines()[0]) + "\n")
    found = import_points("sglang-bench", [path])
    assert list(found.points["source"]) == ["r.jsonl:2"]
    assert list(found.refused["line"]) == [1]


def test_another_tools_file() -> None:
    with pytest.raises(PointsError, match="not a file of format sglang-bench") as caught:
        import_points("sglang-bench", [SNIPPETS / "trtllm_serve.json"])
    assert "it looks like trtllm-serve" in str(caught.value)
