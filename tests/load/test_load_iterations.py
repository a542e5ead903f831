"""Steps of an engine: real lines of workers' logs, the tool's own log as its source writes it, and what a cut-off log leaves."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from frontier.errors import PointsError
from frontier.load import read_steps

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "trtllm" / "samples" / "iteration_log_lines.txt"
# Two lines from public pull requests of NVIDIA/TensorRT-LLM (#3914) and one from NVIDIA/srt-slurm's own test of its parser.
WORKER = """\
[04/28/2025-09:56:44] [TRT-LLM] [I] iter = 198, global_rank = 0, rank = 0, currank_total_requests = 0/0, elapsed_time = 0.005060911178588867s, \
timestamp = 2025-04-28 09:56:44, num_scheduled_requests: 10, states = {'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 16}
[04/28/2025-09:56:44] [TRT-LLM] [I] a line of another kind
iter = 2, global_rank = 0, rank = 0, num_scheduled_requests = 0, kv_cache_util = 0.000, currank_total_requests = 0/1, host_step_time = 4.08ms, \
prev_device_step_time = 243.13ms, timestamp = 2026-08-19 14:11:49, states = {'num_ctx_requests': 1, 'num_ctx_tokens': 4, \
'num_generation_tokens': 0, 'cached_kv_tokens': 0}
"""


def bench_line(number: int, *, context: int = 0, rank: int | None = None, queued: int = 0) -> str:
    stats = {
        "iter": number, "iterLatencyMS": 10.0 + number, "numQueuedRequests": queued, "kvCacheStats": None,
        "inflightBatchingStats": {"numScheduledRequests": 8, "numContextRequests": context, "numGenRequests": 7, "numCtxTokens": 100 * context},
    }  # fmt: skip
    return repr(stats if rank is None else {**stats, "attentionDpRank": rank})


def test_lines_of_a_worker(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_text(WORKER)
    found = read_steps(file)
    assert found.broken == 0
    assert found.table["iteration"].tolist() == [198, 2]
    assert found.table["step_s"].tolist() == pytest.approx([0.005060911178588867, 0.00408])
    assert found.table["scheduled"].tolist() == [10, 0]
    assert found.table["context_tokens"].tolist() == [0, 4]
    assert found.table["generation_tokens"].tolist() == [16, 0]
    assert found.table["rank"].tolist() == [0, 0]
    summary = found.summary()
    assert (summary["steps"], summary["mean_scheduled"], summary["context_share"]) == (2, 5, 0.5)
    assert math.isnan(summary["queued_share"]), "a worker's log does not say what waits"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the collected samples are not on this machine")
def test_every_complete_collected_line() -> None:
    assert len(read_steps(SAMPLES).table) == sum("iter =" in line and "states = {'" in line for line in SAMPLES.read_text().splitlines())


def test_lines_of_the_tool_as_python_and_as_json(tmp_path: Path) -> None:
    file = tmp_path / "steps.log"
    python = [bench_line(0, context=2), bench_line(1, queued=3), bench_line(2), bench_line(3)]
    file.write_text("\n".join([*python, python[3].replace("'", '"').replace("None", "null").replace('"iter": 3', '"iter": 4')]) + "\n")
    found = read_steps(file)
    assert found.table["iteration"].tolist() == [0, 1, 2, 3, 4]
    summary = found.summary()
    assert summary == {"steps": 5, "median_step_s": pytest.approx(0.012), "mean_scheduled": 8, "context_share": 0.2, "queued_share": 0.2}


def test_ranks_of_attention_data_parallel_are_not_added_up(tmp_path: Path) -> None:
    file = tmp_path / "steps.log"
    file.write_text("\n".join(bench_line(number, rank=rank) for number in range(3) for rank in (0, 1)) + "\n")
    assert read_steps(file).summary()["steps"] == 3


def test_a_log_that_was_cut_off_keeps_its_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "steps.log"
    file.write_text(bench_line(0) + "\n" + bench_line(1)[:60])
    found = read_steps(file)
    assert (len(found.table), found.broken) == (1, 1)


@pytest.mark.parametrize("text", ["", "nothing of that kind\n", "{'iter'\n"])
def test_a_log_without_steps_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "steps.log"
    file.write_text(text)
    with pytest.raises(PointsError, match="no step is logged here"):
        read_steps(file)
    with pytest.raises(PointsError, match="cannot read the log of steps"):
        read_steps(tmp_path / "missing.log")
