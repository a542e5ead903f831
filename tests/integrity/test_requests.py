"""Prompts, tokens, completions and latencies: what the client sent and counted."""

from __future__ import annotations

import pandas as pd
import pytest
from closed_loop import join, marked, steady, with_fault

from frontier.integrity import CHECKS, completions, latency_sums, token_counts, ttft_vs_load


def loads(**columns: object) -> pd.DataFrame:
    """One configuration at three loads: rows 0 to 5, 6 to 11 and 12 to 17."""
    return join(steady(**columns), steady(osl=8192, **columns), steady(isl=8192, **columns))  # type: ignore[arg-type]


def test_a_long_prompt_answered_like_a_short_one() -> None:
    # 8192 tokens stated, TTFT of 1024: contradicts both short loads, which agree with one another.
    frame = loads()
    frame = with_fault(frame, 13, median_ttft_s=frame["median_ttft_s"].iloc[1])
    assert marked(ttft_vs_load(frame)) == [13]


def test_short_prompts_that_take_eight_times_as_long() -> None:
    frame = loads()
    frame = with_fault(frame, 7, median_ttft_s=frame["median_ttft_s"].iloc[13] * 1.1)
    assert marked(ttft_vs_load(frame)) == [7]


def test_two_loads_that_contradict_one_another_without_a_third_are_both_marked() -> None:
    frame = join(steady(), steady(isl=8192))
    assert marked(ttft_vs_load(with_fault(frame, 8, median_ttft_s=0.1))) == [2, 8]


def test_other_dates_tell_which_of_the_two_is_wrong() -> None:
    days = [join(steady(date=f"2026-03-0{day}"), steady(isl=8192, date=f"2026-03-0{day}")) for day in (1, 2, 3)]
    frame = join(*days)
    assert marked(ttft_vs_load(with_fault(frame, 8, median_ttft_s=0.1))) == [8]
    assert marked(ttft_vs_load(with_fault(frame, 2, median_ttft_s=1.5))) == [2]


def test_a_saturated_queue_is_no_long_prompt() -> None:
    # 128 requests in a queue: TTFT grows beyond any ratio of lengths.
    frame = loads()
    assert marked(ttft_vs_load(with_fault(frame, 17, median_ttft_s=60.0))) == []


def test_a_ttft_below_the_arithmetic_of_the_prompt() -> None:
    # DeepSeek-R1: 2 x 37e9 x 0.8 x 8192 operations at 8 x 4.5e15 FP8 operations/s take 13.5 ms.
    frame = steady(isl=8192, model="DeepSeek-R1-0528")
    assert marked(ttft_vs_load(with_fault(frame, 0, median_ttft_s=0.014))) == []
    assert marked(ttft_vs_load(with_fault(frame, 0, median_ttft_s=0.013))) == [0]


def test_client_against_server() -> None:
    frame = steady().assign(client_output_tokens=1000.0, server_output_tokens=1000.0, client_input_tokens=1000.0, server_input_tokens=1000.0)
    assert marked(token_counts(frame)) == []
    frame = with_fault(frame, 2, server_output_tokens=900.0)
    mark = token_counts(frame)
    assert marked(mark) == [2]
    correct = CHECKS["token_counts"].corrected
    assert correct is not None
    output = frame["output_tput_tok_s_gpu"].iloc[2]
    fixed = correct(frame, mark).iloc[2]
    assert fixed["output_tput_tok_s_gpu"] == pytest.approx(0.9 * output)
    assert fixed["total_tput_tok_s_gpu"] == pytest.approx(frame["total_tput_tok_s_gpu"].iloc[2] - 0.1 * output)


def test_outputs_shorter_than_stated() -> None:
    # E2EL - TTFT over TPOT gives the real length: half of what is stated.
    frame = steady()
    half = frame["median_ttft_s"] + (frame["median_e2el_s"] - frame["median_ttft_s"]) / 2
    assert marked(token_counts(frame)) == []
    assert marked(token_counts(with_fault(frame, 4, median_e2el_s=half.iloc[4]))) == [4]
    assert marked(token_counts(frame.assign(mean_osl_tokens=512.0))) == [0, 1, 2, 3, 4, 5]


def test_completions() -> None:
    frame = steady().assign(requests=lambda f: 10 * f["concurrency"], failed_requests=0.0)
    assert marked(completions(steady())) == []
    assert marked(completions(frame)) == []
    assert marked(completions(with_fault(frame, 1, failed_requests=1.0))) == [1]
    assert marked(completions(with_fault(frame, 1, requests=39.0))) == [1]  # 8 in flight: fewer than 5 rounds
    assert marked(completions(with_fault(frame, 1, sent_requests=81.0))) == [1]
    failed = with_fault(frame, 1, failed_requests=1.0)
    assert "1 requests failed in 1 rows (share 0.0123)" in CHECKS["completions"].saw(failed, completions(failed))


def test_latencies_that_do_not_belong_together() -> None:
    frame = steady()
    assert marked(latency_sums(with_fault(frame, 0, interactivity_tok_s_user=lambda old: old * 1.1))) == [0]
    assert marked(latency_sums(with_fault(frame, 0, median_tpot_s=lambda old: old * 1000, p99_tpot_s=90.0))) == [0]  # milliseconds
    assert marked(latency_sums(with_fault(frame, 0, p99_ttft_s=lambda old: old / 20))) == [0]
    assert marked(latency_sums(frame.assign(interactivity_tok_s_user=1.0, flags="interactivity_from_mean_tpot"))) == []
