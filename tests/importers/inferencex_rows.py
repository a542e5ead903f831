"""Rows of the InferenceX record made by hand: closed-loop arithmetic with round numbers."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

TOPOLOGY = {"prefill_ep": 1, "prefill_dp_attention": False, "prefill_num_workers": 0, "decode_ep": 1, "decode_dp_attention": False}


def aggregated(**changes: Any) -> dict[str, Any]:
    """TP 8, 1000 in and 1000 out, 16 in flight.

    Mean output 900 tokens; E2EL = 1 s + 899 x 0.01 s = 9.99 s. In a steady loop 16 / 9.99 requests/s end, so output is
    16 / 9.99 x 900 / 8 GPUs = 180.18 tokens/s/GPU, and input is the same.
    """
    output = 16 / 9.99 * 900 / 8
    row = {
        **{"date": "2026-01-31", "hardware": "b200", "framework": "trt", "model": "dsr1", "precision": "fp4", "spec_method": "mtp"},
        **{"disagg": False, "is_multinode": False, "isl": 1000, "osl": 1000, "conc": 16},
        **{**TOPOLOGY, "prefill_tp": 8, "decode_tp": 8, "decode_num_workers": 0, "num_prefill_gpu": 8, "num_decode_gpu": 8},
        "image": "registry.example/trtllm:1.0",
        **{"tput_per_gpu": 2 * output, "output_tput_per_gpu": output, "input_tput_per_gpu": output},
        **{"mean_ttft": 1.1, "median_ttft": 1.0, "p99_ttft": 2.0, "mean_tpot": 0.011, "median_tpot": 0.01, "p99_tpot": 0.02},
        **{"median_itl": 0.03, "mean_e2el": 10.1, "median_e2el": 9.99, "p99_e2el": 12.0},
        **{"median_intvty": 100.0, "p99_intvty": 50.0, "std_intvty": 5000.0},
        "run_url": "https://example.org/runs/7/attempts/1",
    }
    return {**row, **changes}


def disaggregated(**changes: Any) -> dict[str, Any]:
    """4 prefill and 12 decode GPUs; 1600 tokens/s in and out: per prefill GPU 400 in, per decode GPU 133.3 out, 200 per GPU of all 16."""
    row = aggregated(
        **{"framework": "dynamo-trt", "disagg": True, "is_multinode": True, "prefill_tp": 4, "prefill_num_workers": 1},
        **{"decode_tp": 6, "decode_num_workers": 2, "decode_dp_attention": True, "num_prefill_gpu": 4, "num_decode_gpu": 12},
        **{"tput_per_gpu": 200.0, "input_tput_per_gpu": 400.0, "output_tput_per_gpu": 1600 / 12, "conc": 16},
    )
    return {**row, **changes}


def as_csv(*rows: dict[str, Any]) -> str:
    """Rows as the flat CSV: the columns of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


NOT_METRICS = {
    *("date", "hardware", "framework", "model", "precision", "spec_method", "disagg", "is_multinode", "isl", "osl", "conc", "image", "run_url"),
    *(f"{role}_{name}" for role in ("prefill", "decode") for name in ("tp", "ep", "dp_attention", "num_workers")),
    *("num_prefill_gpu", "num_decode_gpu", "benchmark_type"),
}


def as_api(*rows: dict[str, Any]) -> str:
    """Rows as the site's routes give them: measured values in ``metrics``."""
    out = []
    for row in rows:
        metrics = {name: value for name, value in row.items() if name not in NOT_METRICS and value is not None}
        out.append({**{name: value for name, value in row.items() if name in NOT_METRICS}, "metrics": metrics, "workers": None})
    return json.dumps(out)
