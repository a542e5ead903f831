from __future__ import annotations

import numpy as np
import pytest
from simulated_load import ISL, at, closed_loop, request

from frontier.errors import PointsError, RunError
from frontier.load.cross_check import client_window_metrics, cross_check
from frontier.load.metrics import Window, load_span, streamed_output_rate, window_metrics
from frontier.load.requests import requests_table


def test_figures_by_hand() -> None:
    # Three requests back to back, each 2 s long: TTFT 1 s, 3 tokens, so TPOT = (2 - 1) / (3 - 1) = 0.5 s.
    table = requests_table([request(n, 2 * n, 2 * n + 1, 2 * n + 2) for n in range(3)], origin="hand")
    row = window_metrics(table, Window(at(1), at(5)), gpus=2, concurrency=1)
    # In [1, 5]: half of the first, all of the second, half of the third: 2 requests of 3 + 10 tokens in 4 s on 2 GPUs.
    assert row["output_tput_tok_s_gpu"] == pytest.approx(2 * 3 / 4 / 2)
    assert row["total_tput_tok_s_gpu"] == pytest.approx(2 * 13 / 4 / 2)
    assert row["achieved_request_rate_per_s"] == pytest.approx(0.5)
    assert row["requests"] == 2  # those that end at 2 and 4 s
    assert row["warmup_requests"] == 0
    assert row["median_tpot_s"] == pytest.approx(0.5)
    assert row["interactivity_tok_s_user"] == pytest.approx(2.0)
    assert row["median_ttft_s"] == pytest.approx(1.0)
    assert row["median_itl_s"] == pytest.approx(0.5)
    assert row["mean_e2el_s"] == pytest.approx(2.0)
    assert row["little_ratio"] == pytest.approx(1.0)  # 0.5 / s x 2 s / 1
    assert row["window_s"] == 4.0
    assert "request_rate_per_s" not in row  # it would make the row one of an open loop


def test_failed_requests_are_counted_where_they_end_and_never_in_a_latency() -> None:
    rows = [request(0, 0, 1, 2), request(1, 2, None, 3, None, error="500"), request(2, 3, 4, 5), request(3, 9, None, None, None, error="gone")]
    row = window_metrics(requests_table(rows, origin="hand"), Window(at(0), at(6)), gpus=1, concurrency=1)
    assert (row["requests"], row["failed_requests"]) == (2, 1)
    assert row["p99_e2el_s"] == pytest.approx(2.0)


def test_undefined_is_nan() -> None:
    one = window_metrics(requests_table([request(0, 0, 1, 1, 1)], origin="hand"), Window(at(0), at(2)), gpus=1, concurrency=1)
    assert np.isnan(one["median_tpot_s"])
    assert np.isnan(one["interactivity_tok_s_user"])
    unknown = window_metrics(requests_table([request(0, 0, 1, 2, None)], origin="hand"), Window(at(0), at(2)), gpus=1, concurrency=1)
    assert np.isnan(unknown["output_tput_tok_s_gpu"])
    assert np.isnan(unknown["total_tput_tok_s_gpu"])
    assert unknown["median_ttft_s"] == pytest.approx(1.0)


def test_an_empty_window_is_an_error_that_says_what_there_was() -> None:
    table = requests_table([request(0, 0, 1, 2), request(1, 2, None, 4, None, error="x")], origin="hand")
    with pytest.raises(RunError, match="no request completed in the window of 3 s: 1 completed outside it, 1 failed in it"):
        window_metrics(table, Window(at(3), at(6)), gpus=1, concurrency=1)
    with pytest.raises(PointsError, match="must end after it starts"):
        Window(at(3), at(3))
    with pytest.raises(PointsError, match="gpus and concurrency must be at least 1, got 0 and 1"):
        window_metrics(table, Window(at(0), at(6)), gpus=0, concurrency=1)


def test_requests_whose_clock_jumped_are_left_out() -> None:
    table = requests_table([request(0, 0, 1, 2), request(1, 3, 2, 4), request(2, 4, 5, 6)], origin="hand")
    assert window_metrics(table, Window(at(0), at(6)), gpus=1, concurrency=1)["requests"] == 2


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("concurrency", [1, 4, 8])
def test_a_window_of_thirty_requests_is_not_biased(concurrency: int, spread: float) -> None:
    rng = np.random.default_rng(concurrency)
    long_s = 3000.0 / concurrency  # at 1 in flight 150 s hold so few requests that the truth itself is uncertain by percents
    whole = closed_loop(concurrency, long_s, rng, spread=spread)
    truth = window_metrics(whole, Window(at(20), at(long_s - 20)), gpus=1, concurrency=concurrency)
    ours: list[list[float]] = []
    for _ in range(60):
        # Random phases; the load stops with the window, and what runs then drains faster.
        start = 3 * truth["mean_e2el_s"] + rng.uniform(0, truth["mean_e2el_s"])
        window = Window(at(start), at(start + 30 / truth["achieved_request_rate_per_s"]))
        table = closed_loop(concurrency, (window.end_ns - at(0)) / 1e9, rng, spread=spread)
        row = window_metrics(table, window, gpus=1, concurrency=concurrency)
        ours.append([row[name] / truth[name] for name in ("output_tput_tok_s_gpu", "total_tput_tok_s_gpu", "median_tpot_s", "little_ratio")])
    error = np.array(ours) - 1
    bias, doubt = error.mean(axis=0), error.std(axis=0) / np.sqrt(len(error))
    assert np.abs(bias[[0, 2, 3]]).max() < 0.01, bias
    assert abs(bias[1]) < 0.01 + 2 * doubt[1] * bool(spread), bias  # how many inputs fit depends on the lengths drawn
    if not spread:  # with equal lengths a whole batch more or less would be 27 % at 8 in flight
        assert error[:, 0].std() < 0.006


def test_latencies_are_not_biased_by_length() -> None:
    rng = np.random.default_rng(5)
    truth = window_metrics(closed_loop(8, 150.0, rng, spread=0.5), Window(at(20), at(130)), gpus=1, concurrency=8)["mean_e2el_s"]
    ended, inside = [], []
    for _ in range(100):
        start = 3 * truth + rng.uniform(0, truth)
        window = Window(at(start), at(start + 30 * truth / 8))
        table = closed_loop(8, (window.end_ns - at(0)) / 1e9, rng, spread=0.5)
        ended.append(window_metrics(table, window, gpus=1, concurrency=8)["mean_e2el_s"] / truth)
        both = table[(table["start_ns"] >= window.start_ns) & (table["end_ns"] <= window.end_ns)]
        inside.append(((both["end_ns"] - both["start_ns"]) / 1e9).mean() / truth)
    assert abs(np.mean(ended) - 1) < 0.012
    assert np.mean(inside) < 0.98  # what the rule avoids


def test_prorated_and_streamed_tokens_agree_over_a_long_window() -> None:
    table = closed_loop(8, 60.0, np.random.default_rng(1), spread=0.3)
    window = Window(at(5), at(55))
    row = window_metrics(table, window, gpus=1, concurrency=8)
    assert row["output_tput_tok_s_gpu"] == pytest.approx(streamed_output_rate(table, window), rel=0.005)
    assert row["little_ratio"] == pytest.approx(1.0, abs=0.01)
    assert row["total_tput_tok_s_gpu"] - row["output_tput_tok_s_gpu"] == pytest.approx(ISL * row["achieved_request_rate_per_s"])


def test_times_of_this_century_keep_their_nanoseconds() -> None:
    start = 1_795_270_264_991_201_871
    rows = [{**request(0, 0, 1, 2), "start_ns": start, "first_token_ns": start + 7, "end_ns": start + 21, "chunk_ns": []}]
    row = window_metrics(requests_table(rows, origin="hand"), Window(start, start + 100), gpus=1, concurrency=1)
    assert row["median_ttft_s"] == pytest.approx(7e-9)
    assert row["median_tpot_s"] == pytest.approx(7e-9)


def test_the_cross_check_finds_what_differs_and_nothing_else() -> None:
    table = closed_loop(4, 5.0, np.random.default_rng(2))
    stated = client_window_metrics(table)
    assert cross_check(table, stated) == []
    assert cross_check(table, {**stated, "median_ttft_s": stated["median_ttft_s"] * 1.009}) == []
    other = {**stated, "p99_e2el_s": stated["p99_e2el_s"] * 1.02, "requests": stated["requests"] + 1}
    assert [item.metric for item in cross_check(table, other)] == ["requests", "p99_e2el_s"]
    found = cross_check(table, {"output_tput_tok_s": stated["output_tput_tok_s"] / 2})
    assert str(found[0]).endswith("from the client (+100.00%)")


def test_the_span_of_a_load() -> None:
    assert load_span(requests_table([request(0, 1, 2, 3), request(1, 5, None, None, error="x")], origin="hand")) == Window(at(1), at(5))
    with pytest.raises(RunError, match="no requests to measure"):
        load_span(requests_table([], origin="hand"))
