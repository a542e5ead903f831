from __future__ import annotations

import math

import pytest
from simulated_load import request

from frontier.errors import RunError
from frontier.load.overhead import VLLM, client_overhead, parse_metrics, scrape
from frontier.load.requests import requests_table

# Form of vLLM 0.32's /metrics.
TEXT = """# HELP vllm:e2e_request_latency_seconds Histogram of e2e request latency in seconds.
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="m"} 1.0
vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 2.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 3.5
vllm:e2e_request_latency_seconds_created{engine="0",model_name="m"} 1.7e+09
vllm:broken{a="b"} much
"""


def _counters(count: float, e2el: float, ttft: float, tpot: float) -> dict[str, float]:
    sums = {"e2el": e2el, "ttft": ttft, "tpot": tpot}
    return {f"{VLLM[m]}_count": count for m in sums} | {f"{VLLM[m]}_sum": value * count for m, value in sums.items()}


def test_counters_are_read_and_added_over_labels() -> None:
    found = parse_metrics(TEXT + 'vllm:e2e_request_latency_seconds_count{engine="1"} 5\n')
    assert found["vllm:e2e_request_latency_seconds_count"] == 7.0
    assert found["vllm:e2e_request_latency_seconds_sum"] == 3.5
    assert not [name for name in found if name.endswith("_bucket") or "broken" in name]


def test_overhead_by_hand() -> None:
    # Four requests of TTFT 1 s, E2EL 2 s, 3 tokens: TPOT 0.5 s. The server saw 1.9, 0.95 and 0.48 s in the mean, after ten requests of others.
    table = requests_table([request(n, 2 * n, 2 * n + 1, 2 * n + 2) for n in range(4)], origin="hand")
    before = _counters(10, 5.0, 5.0, 5.0)
    after = {name: value + _counters(4, 1.9, 0.95, 0.48)[name] for name, value in before.items()}
    found = client_overhead(table, before, after)
    assert found["client_overhead_s"] == pytest.approx(0.1)
    assert found["client_overhead_ttft_s"] == pytest.approx(0.05)
    assert found["client_overhead_tpot_s"] == pytest.approx(0.02)
    assert found["server_mean_e2el_s"] == pytest.approx(1.9)
    assert found["server_requests_over_client"] == 1.0


def test_means_of_different_requests_are_not_compared() -> None:
    table = requests_table([request(n, 2 * n, 2 * n + 1, 2 * n + 2) for n in range(4)], origin="hand")
    found = client_overhead(table, {}, _counters(5, 1.9, 0.95, 0.48))
    assert found["server_requests_over_client"] == 1.25
    assert math.isnan(found["client_overhead_s"])
    assert found["server_mean_e2el_s"] == pytest.approx(1.9)
    assert all(math.isnan(value) for value in client_overhead(table, {}, {}).values())
    assert all(math.isnan(value) for value in client_overhead(requests_table([], origin="hand"), {}, _counters(1, 1, 1, 1)).values())


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(RunError, match="counters cannot be read"):
        scrape(["http://127.0.0.1:1"], timeout_s=0.5)
