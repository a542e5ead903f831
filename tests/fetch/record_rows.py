"""Rows in the schema of the InferenceX API, made by hand.

Keys as in SemiAnalysisAI/InferenceX-app, packages/app/cypress/fixtures/api/{benchmarks,availability}.json.
"""

from __future__ import annotations

from typing import Any

MODEL = "DeepSeek-R1-0528"
DATES = ("2026-02-03", "2026-02-10", "2026-02-17")
AVAILABILITY = "/api/v1/availability"
LATEST = f"/api/v1/benchmarks?model={MODEL}"


def page_path(day: str) -> str:
    return f"/api/v1/benchmarks?model={MODEL}&date={day}&exact=true"


def row(number: int, day: str, *, model: str = "dsr1", **changes: Any) -> dict[str, Any]:
    made = {
        "id": str(number),
        "hardware": "b200",
        "framework": "trt",
        "model": model,
        "precision": "fp4",
        "spec_method": "none",
        "disagg": False,
        "is_multinode": False,
        "prefill_tp": 4,
        "prefill_ep": 1,
        "prefill_dp_attention": False,
        "prefill_num_workers": 0,
        "decode_tp": 4,
        "decode_ep": 1,
        "decode_dp_attention": False,
        "decode_num_workers": 0,
        "num_prefill_gpu": 4,
        "num_decode_gpu": 4,
        "isl": 1024,
        "osl": 1024,
        "conc": 2**number,
        "image": "nvcr.io/nvidia/tensorrt-llm/release:1.2.0rc6",
        "metrics": {
            "tput_per_gpu": 100.0 * number, "input_tput_per_gpu": 50.0 * number, "output_tput_per_gpu": 50.0 * number,
            "median_ttft": 0.35, "median_tpot": 0.0125, "median_intvty": 80.0, "median_itl": 0.0125, "median_e2el": 12.75,
        },
        "date": day,
        "run_url": "https://github.com/SemiAnalysisAI/InferenceX/actions/runs/20117712794/attempts/2",
        "curve_date": day,
    }  # fmt: skip
    return made | changes


def available(day: str, model: str = "dsr1") -> dict[str, Any]:
    return {
        "model": model, "isl": 1024, "osl": 1024, "precision": "fp4", "hardware": "b200", "framework": "trt", "spec_method": "none",
        "disagg": False, "benchmark_type": "single_turn", "date": day,
    }  # fmt: skip
