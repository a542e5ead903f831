"""Little's law and the start-up in the window: closed loops simulated request by request, and rows with known faults."""

from __future__ import annotations

import heapq

import numpy as np
import pandas as pd
import pytest
from closed_loop import RATIO, join, marked, steady, with_fault

from frontier.integrity import CHECKS, little_law, little_ratio, steady_ratio, without_warmup


def loop(concurrency: int, rounds: int, latencies: np.ndarray) -> tuple[float, float, float]:
    """Requests per second, median and mean latency of a closed loop that serves every request in its own time: an event simulation."""
    running = [float(latency) for latency in latencies[:concurrency]]
    heapq.heapify(running)
    for latency in latencies[concurrency : concurrency * rounds]:
        heapq.heappush(running, heapq.heappop(running) + float(latency))
    served = latencies[: concurrency * rounds]
    return len(served) / max(running), float(np.median(served)), float(served.mean())


@pytest.mark.parametrize("concurrency", [4, 16, 64, 256])
def test_ten_rounds_of_uniform_lengths_are_steady(concurrency: int) -> None:
    # Lengths uniform over 80 to 100 % of nominal, no start-up: the drain alone lowers the ratio, and leaves it inside the bounds of the check.
    latencies = np.random.default_rng(1).uniform(0.8, 1.0, concurrency * 10)
    rate, median, mean = loop(concurrency, 10, latencies)
    assert 0.92 < rate * median / concurrency < 1.01
    assert 10 / 11 < rate * mean / concurrency <= 1.0  # the bound the check rests on: the drain lasts at most one more latency


def test_a_start_up_lowers_the_ratio_by_its_share_of_the_window() -> None:
    # 32 requests of about 12 s wait 70 s for the first token: the window grows from 10 x 12 s to that plus 70 s.
    latencies = np.random.default_rng(1).uniform(0.8, 1.0, 320) * 13.3
    warm = loop(32, 10, latencies)
    latencies[:32] += 70
    cold = loop(32, 10, latencies)
    ratio = [rate * median / 32 for rate, median, _ in (warm, cold)]
    window = 320 / warm[0]
    assert ratio[1] / ratio[0] == pytest.approx(window / (window + 70), rel=0.03)
    frame = steady(concurrencies=(32,) * 9, date=[f"2026-03-0{day}" for day in range(1, 10)])
    frame = with_fault(frame, 4, little_ratio=ratio[1], p99_ttft_s=70.4, total_tput_tok_s_gpu=lambda old: old * ratio[1] / RATIO)
    frame = with_fault(frame, 4, output_tput_tok_s_gpu=lambda old: old * ratio[1] / RATIO)
    for name in ("little_law", "warmup"):
        assert marked(CHECKS[name].mark(frame)) == [4]
    mended = CHECKS["little_law"].corrected(frame, little_law(frame))
    assert mended["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(steady(concurrencies=(32,))["total_tput_tok_s_gpu"].iloc[0])
    assert mended["little_ratio"].to_numpy() == pytest.approx(RATIO)
    assert "70.4 s" in CHECKS["warmup"].saw(frame, CHECKS["warmup"].mark(frame))


def test_sound_rows_are_not_marked() -> None:
    frame = join(steady(), steady(isl=8192), steady(osl=8192))
    for name, check in CHECKS.items():
        assert marked(check.mark(frame)) == [], name


@pytest.mark.parametrize(("ratio", "expected"), [(0.89, [2]), (0.91, []), (1.05, []), (1.07, [2]), (1.8, [2])])
def test_both_sides_of_the_law(ratio: float, expected: list[int]) -> None:
    scale = {c: (lambda old: old * ratio / RATIO) for c in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu")}
    frame = with_fault(steady(), 2, little_ratio=ratio, **scale)
    assert marked(little_law(frame)) == expected


def test_few_rounds_drain_longer() -> None:
    # Three rounds leave 3 / 4 of the window full.
    frame = with_fault(steady(), 1, little_ratio=0.78)
    assert marked(little_law(frame)) == [1]
    assert marked(little_law(frame.assign(requests=3 * frame["concurrency"]))) == []


def test_a_disaggregated_row_is_judged_by_the_mean() -> None:
    # Medians may lie far below means where prefill queues: 0.75 is no contradiction, unless the mean gives 0.8 as well.
    frame = with_fault(steady(disagg=True), 0, little_ratio=0.75)
    assert marked(little_law(frame)) == []
    frame["mean_e2el_s"] = frame["median_e2el_s"]
    assert marked(little_law(frame)) == [0]
    frame.loc[0, "mean_e2el_s"] *= 0.95 / 0.75
    assert marked(little_law(frame)) == []


def test_derived_predicted_and_open_loop_rows_are_never_marked() -> None:
    low = steady(little_ratio=0.5)
    assert len(marked(little_law(low))) == 6
    assert marked(little_law(low.assign(flags="tput_by_littles_law"))) == []
    assert marked(little_law(low.assign(evidence="predicted"))) == []
    assert marked(little_law(low.assign(request_rate_per_s=3.0))) == []


def test_ratio_of_a_table_that_does_not_store_it() -> None:
    frame = steady().drop(columns="little_ratio").assign(little_ratio=np.nan)
    # By nominal lengths it is low by their share; by counted requests it is exact.
    assert little_ratio(frame).to_numpy() == pytest.approx(0.9 * RATIO)
    assert marked(little_law(frame)) == []
    counted = frame.assign(requests=100.0, window_s=100 * frame["median_e2el_s"] / frame["concurrency"] / 0.95)
    assert little_ratio(counted).to_numpy() == pytest.approx(0.95)


def test_a_stored_ratio_that_its_row_contradicts_does_not_hide_the_fault() -> None:
    frame = join(steady(), steady(isl=8192))
    halved = with_fault(frame, 3, total_tput_tok_s_gpu=lambda old: old / 1.3, output_tput_tok_s_gpu=lambda old: old / 1.3)
    assert halved["little_ratio"].iloc[3] == RATIO
    assert little_ratio(halved).iloc[3] == pytest.approx(RATIO / 1.3)
    assert marked(little_law(halved)) == [3]


def test_steady_reference_is_that_of_comparable_rows() -> None:
    days = ("2026-03-01", "2026-03-02")
    frame = join(*(steady(little_ratio=0.95, date=day) for day in days), *(steady(isl=8192, date=day) for day in days))
    assert steady_ratio(frame)[:12] == pytest.approx(0.95)
    assert steady_ratio(frame)[12:] == pytest.approx(0.97)
    # Too few rows for a median of their own: the default of the record.
    assert steady_ratio(steady(concurrencies=(4, 8), little_ratio=0.93)) == pytest.approx(0.97)


def test_a_queue_for_prefill_is_no_start_up() -> None:
    # The p99 TTFT exceeds what a round takes, but the median request waits nearly as long: the system queues, always.
    queue = {"median_ttft_s": 25.0, "p99_ttft_s": 40.0, "little_ratio": 0.8}
    frame = with_fault(steady(disagg=True), 5, **queue)
    assert marked(CHECKS["warmup"].mark(frame)) == []
    assert marked(CHECKS["warmup"].mark(with_fault(frame, 5, median_ttft_s=0.4))) == [5]
    # Where the mean says that slow first tokens were not confined to the first round, it is no start-up either.
    assert marked(CHECKS["warmup"].mark(with_fault(frame, 5, median_ttft_s=0.4, mean_ttft_s=15.0))) == []


def test_era_without_warmup_is_reported_not_marked() -> None:
    before, since = (steady(date=date, source="inferencex.csv:1") for date in ("2026-01-20", "2026-01-21"))
    frame = join(before, since, steady(warmup_requests=0))
    assert marked(pd.Series(without_warmup(frame))) == [*range(6), *range(12, 18)]
    assert marked(CHECKS["warmup"].mark(frame)) == []
