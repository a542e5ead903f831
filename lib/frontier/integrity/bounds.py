"""What hardware can do at most: bytes a decoding step must read, operations a prompt must cost. Lower bounds on latencies, never estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.columns import FloatArray, number, text, true
from frontier.integrity.memory import once

# Vendor datasheets: memory bandwidth in TB/s, dense FP8 TFLOP/s, dense FP4 TFLOP/s (0: no such unit) of one GPU; of variants, the faster one.
# NVIDIA H100, H200, Blackwell (HGX B200/B300, GB200/GB300 NVL72) and AMD Instinct MI300X, MI325X, MI355X datasheets.
PEAKS: dict[str, tuple[float, float, float]] = {
    "h100_sxm": (3.35, 1979, 0),
    "h200_sxm": (4.8, 1979, 0),
    "b200_sxm": (8.0, 4500, 9000),
    "b300_sxm": (8.0, 5000, 15000),
    "gb200": (8.0, 5000, 10000),
    "gb300": (8.0, 5000, 15000),
    "mi300x": (5.3, 2615, 0),
    "mi325x": (6.0, 2615, 0),
    "mi355x": (8.0, 5033, 10066),
}
# Billions of parameters that one token activates (model cards); a model is known by the text that its name holds.
ACTIVE_BILLIONS: dict[str, float] = {
    "deepseek-r1-distill": float("nan"),
    "deepseek-r1": 37,
    "deepseek-v3": 37,
    "gpt-oss-120b": 5.1,
    "gpt-oss-20b": 3.6,
    "llama-3.3-70b": 70,
    "llama-3.1-70b": 70,
    "llama-3.1-405b": 405,
    "qwen3-235b-a22b": 22,
    "kimi-k2": 32,
}
# Weight bits by what a precision's name holds; the first match counts.
BITS: tuple[tuple[str, float], ...] = (("fp4", 4), ("int4", 4), ("w4", 4), ("fp8", 8), ("int8", 8), ("w8", 8), ("fp6", 6), ("16", 16))


def _by_name(names: pd.Series, table: dict[str, float]) -> FloatArray:
    """The value of the first entry whose key a name holds; NaN for other names."""
    known = {name: next((value for key, value in table.items() if key in name), float("nan")) for name in names.unique()}
    return np.asarray(names.map(known).to_numpy(dtype=float))


def weight_bits(precision: pd.Series) -> FloatArray:
    """Bits per weight that a precision's name says; NaN for others."""
    return _by_name(precision, dict(BITS))


def _peak(frame: pd.DataFrame, position: int) -> FloatArray:
    return np.asarray(text(frame, "hardware").map({name: peaks[position] for name, peaks in PEAKS.items()}).to_numpy(dtype=float))


def _active(frame: pd.DataFrame) -> FloatArray:
    return _by_name(text(frame, "model"), ACTIVE_BILLIONS)


@once
def tpot_floor_s(frame: pd.DataFrame) -> FloatArray:
    """Least time per output token: the weights that one token activates, read once per step at full memory bandwidth of all GPUs that decode.

    A step yields one token per request, or as many as the row's ``acceptance_length``, else one more than ``draft_len``; speculation of unknown depth
    has no floor. Shape (rows,), seconds per token; NaN where model, hardware, precision or GPUs are unknown.
    """
    gpus = np.where(true(frame, "disagg"), number(frame, "decode_gpus"), number(frame, "gpus"))
    none = text(frame, "spec").isin(["", "none"]).to_numpy(dtype=bool)
    stated = number(frame, "acceptance_length")
    tokens = np.where(none, 1.0, np.where(np.isnan(stated), number(frame, "draft_len") + 1, stated))
    size = _active(frame) * 1e9 * weight_bits(text(frame, "precision")) / 8
    return np.asarray(size / (gpus * _peak(frame, 0) * 1e12) / tokens)


@once
def ttft_floor_s(frame: pd.DataFrame) -> FloatArray:
    """Least time to a prompt's first token: two operations per active weight and token at the dense peak of all GPUs that prefill.

    Prompts count as 80 % of nominal, the shortest that the InferenceX client sends. Shape (rows,), seconds; NaN where a term is unknown.
    """
    gpus = np.where(true(frame, "disagg"), number(frame, "prefill_gpus"), number(frame, "gpus"))
    four_bits = weight_bits(text(frame, "precision")) == 4
    peak = np.where(four_bits, np.maximum(_peak(frame, 1), _peak(frame, 2)), _peak(frame, 1))
    return np.asarray(2 * _active(frame) * 1e9 * 0.8 * number(frame, "isl_tokens") / (gpus * peak * 1e12))
