"""Requests of trtllm-bench as the kit's own record, and as a row of an import."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frontier.errors import PointsError
from frontier.evidence.importers import import_points
from frontier.load import bench_requests, decoded_per_step

NS = 1_000_000_000


def record(number: int, start_s: float, ttft_s: float, tpot_s: float, tokens: int = 11, **more: Any) -> dict[str, Any]:
    first = start_s + ttft_s
    return {
        "id": number, "num_input_tokens": 100, "error_tokens": 0, "start_timestamp": round(start_s * NS) + 5, "decode_iteration": tokens - 1,
        "first_token_timestamp": round(first * NS) + 5, "end_timestamp": round((first + tpot_s * (tokens - 1)) * NS) + 5,
        "output_tokens": tokens, **more,
    }  # fmt: skip


def closed_loop(users: int, turns: int, ttft_s: float = 0.1, tpot_s: float = 0.05) -> list[dict[str, Any]]:
    """Users who send the next request when the last is answered: 11 tokens take 0.6 s."""
    life = ttft_s + 10 * tpot_s
    offsets = np.linspace(0, life, users, endpoint=False)
    return [record(user * turns + turn, float(offsets[user]) + turn * life, ttft_s, tpot_s) for user in range(users) for turn in range(turns)]


def test_the_record_has_the_tools_times_to_the_nanosecond() -> None:
    items = closed_loop(4, 12)
    table = bench_requests(items, origin="q.json")
    assert len(table) == 48
    assert table["start_ns"].is_monotonic_increasing
    assert sorted(table["start_ns"]) == sorted(item["start_timestamp"] for item in items)
    assert set(table["concurrency"]) == {4}, "the most in flight at once; a request that ends when another starts makes room for it"
    assert set(bench_requests(items, origin="q.json", concurrency=6)["concurrency"]) == {6}


def test_an_import_gives_the_figures_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "requests.json"
    file.write_text(json.dumps(closed_loop(4, 20)))
    found = import_points("trtllm-bench", [file], given={"gpus": "2", "model": "m", "hardware": "b200_sxm", "precision": "fp8"}).points.iloc[0]
    # 4 users, 11 tokens every 0.6 s, 2 GPUs; TPOT 0.05 s.
    assert found["output_tput_tok_s_gpu"] == pytest.approx(4 * 11 / 0.6 / 2, rel=1e-3)
    assert found["total_tput_tok_s_gpu"] == pytest.approx(4 * 111 / 0.6 / 2, rel=1e-3)
    assert found["interactivity_tok_s_user"] == pytest.approx(20.0, rel=1e-6)
    assert found["median_ttft_s"] == pytest.approx(0.1, rel=1e-6)
    assert (found["concurrency"], found["little_ratio"]) == (4, pytest.approx(1.0, abs=0.01))


def test_drafts_show_in_the_steps_that_were_counted() -> None:
    assert decoded_per_step(closed_loop(1, 3)) == 1.0
    assert decoded_per_step([record(0, 0, 0.1, 0.1, tokens=12, decode_iteration=3)]) == 3.0
    assert math.isnan(decoded_per_step([{"output_tokens": 5}]))


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([], "the list of requests is empty"),
        ([7], "item 0 must be a request, got int"),
        ([{"id": 1}], "request 0 lacks start_timestamp, end_timestamp, num_input_tokens, output_tokens"),
    ],
)
def test_a_file_of_another_kind_is_refused(items: list[Any], says: str) -> None:
    with pytest.raises(PointsError, match=says):
        bench_requests(items, origin="q.json")


def test_what_was_not_streamed_has_no_interactivity(tmp_path: Path) -> None:
    file = tmp_path / "requests.json"
    file.write_text(json.dumps([{**item, "first_token_timestamp": -1} for item in closed_loop(2, 9)]))
    imported = import_points("trtllm-bench", [file], given={"gpus": "1", "model": "m", "hardware": "b200_sxm", "precision": "fp8"})
    assert len(imported.points) == 0
    assert "--streaming" in imported.refused["rule"].iloc[0]


def test_without_gpus_the_row_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "requests.json"
    file.write_text(json.dumps(closed_loop(2, 9)))
    assert "number of GPUs is not stated" in import_points("trtllm-bench", [file], given={}).refused["rule"].iloc[0]
