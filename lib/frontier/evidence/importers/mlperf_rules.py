"""The latency limits of MLPerf Inference's language-model benchmarks.

Source: mlcommons/inference, tools/submission/submission_checker/constants.py (LLM_LATENCY_LIMITS, RESULT_FIELD_BENCHMARK_OVERWRITE) and
loadgen/mlperf.conf. The limits are on the 99th percentile (``*.Server.target_latency_percentile = 99``) of TTFT and of TPOT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCENARIOS = ("Server", "Interactive")


@dataclass(frozen=True)
class Benchmark:
    """One language model of the suite.

    Parameters
    ----------
    model : str
        What the points table calls it.
    tokens_since : (major, minor)
        First release whose results are tokens per second; before it they were queries.
    ttft_limit_s, tpot_limit_s : mapping scenario -> limit on the 99th percentile, seconds, seconds per token
    """

    model: str
    tokens_since: tuple[int, int]
    ttft_limit_s: Mapping[str, float]
    tpot_limit_s: Mapping[str, float]


def _benchmark(model: str, since: tuple[int, int], server_ms: tuple[float, float], interactive_ms: tuple[float, float] | None = None) -> Benchmark:
    limits = {"Server": server_ms, **({"Interactive": interactive_ms} if interactive_ms else {})}
    return Benchmark(
        model,
        since,
        {scenario: ttft / 1000.0 for scenario, (ttft, _) in limits.items()},
        {scenario: tpot / 1000.0 for scenario, (_, tpot) in limits.items()},
    )


# Names are those of the suite without the accuracy target (-99, -99.9). GPT-J is left out: its token counts are inferred from samples.
BENCHMARKS = {
    "llama2-70b": _benchmark("Llama-2-70B-Chat", (4, 0), (2000, 200), (450, 40)),
    "mixtral-8x7b": _benchmark("Mixtral-8x7B-Instruct-v0.1", (4, 1), (2000, 200)),
    "llama3.1-405b": _benchmark("Llama-3.1-405B-Instruct", (5, 0), (6000, 175), (4500, 80)),
    "llama3.1-8b": _benchmark("Llama-3.1-8B-Instruct", (5, 1), (2000, 100), (500, 30)),
    "deepseek-r1": _benchmark("DeepSeek-R1", (5, 1), (2000, 80), (1500, 15)),
    "gpt-oss-120b": _benchmark("gpt-oss-120b", (6, 0), (3000, 80), (2000, 15)),
}
