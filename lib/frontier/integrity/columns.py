"""Columns as the checks read them: numbers with NaN, text, groups of equal rows, and which columns say what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.integrity.memory import once

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# A curve is drawn over one question asked of one system on one day.
SERIES = ("evidence", "model", "hardware", "engine", "precision", "spec", "disagg", "isl_tokens", "osl_tokens", "date")
SYSTEM = ("model", "hardware", "engine", "engine_version", "image", "precision", "kv_precision", "spec", "draft_len", "variant")
LAYOUT = (
    "tp", "pp", "ep", "dp", "attention_dp", "disagg", "prefill_tp", "prefill_ep", "prefill_dp", "prefill_workers",
    "decode_tp", "decode_ep", "decode_dp", "decode_workers", "gpus", "prefill_gpus", "decode_gpus",
)  # fmt: skip
LOAD = ("isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s")
THROUGHPUT = ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu")
MEASURED = (
    *THROUGHPUT, "interactivity_tok_s_user", "median_ttft_s", "p90_ttft_s", "p99_ttft_s", "median_tpot_s", "p99_tpot_s", "median_itl_s",
    "median_e2el_s", "p99_e2el_s", "power_w_gpu", "acceptance_length",
)  # fmt: skip


_OVERFLOW = 1 << 40  # products of up to 2^20 values per column stay below 2^63


@once
def number(frame: pd.DataFrame, column: str) -> FloatArray:
    """The column as floats, NaN where unknown or absent, shape (rows,)."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    values = frame[column]
    if values.dtype == np.float64:  # most columns, and most of the time of a check on a large table
        return values.to_numpy()
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.to_numeric(values, errors="coerce")
    return np.asarray(values.astype("Float64").to_numpy(dtype=float, na_value=np.nan))


@once
def text(frame: pd.DataFrame, column: str) -> pd.Series:
    """The column as lower-case text, empty where unknown or absent."""
    if column not in frame:
        return pd.Series("", index=frame.index, dtype="string")
    return frame[column].astype("string").fillna("").str.strip().str.lower()


@once
def true(frame: pd.DataFrame, column: str) -> BoolArray:
    """Where a three-valued column says true, shape (rows,)."""
    if column not in frame:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(frame[column].astype("boolean").fillna(False).to_numpy(dtype=bool))


@once
def predicted(frame: pd.DataFrame) -> BoolArray:
    """Rows that a model computed: nobody sent a request, so what a client may do wrong cannot be wrong there."""
    return np.asarray((text(frame, "evidence") == "predicted").to_numpy(dtype=bool))


@once
def _codes(frame: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A number per value of a column, 0 where unknown; shape (rows,)."""
    values = frame[column]
    plain = number(frame, column) if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values) else values.astype(object)
    return np.asarray(pd.factorize(plain)[0].astype(np.int64) + 1)


def groups(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """A number per row that rows with equal values in ``columns`` share, unknown values being equal; shape (rows,)."""
    out, numbers = np.zeros(len(frame), dtype=np.int64), 1
    for column in columns:
        if column not in frame:
            continue
        code = _codes(frame, column)
        size = int(code.max(initial=0)) + 1
        if numbers * size > _OVERFLOW:
            out = pd.factorize(out)[0].astype(np.int64)
            numbers = int(out.max(initial=0)) + 1
        out, numbers = out * size + code, numbers * size
    return np.asarray(pd.factorize(out)[0], dtype=np.int64)


def marks(frame: pd.DataFrame, where: BoolArray) -> pd.Series:
    """A bool array as a mark of the frame's rows."""
    return pd.Series(np.asarray(where, dtype=bool), index=frame.index)


def span(values: FloatArray, digits: int = 3) -> str:
    """The range of the defined values as text."""
    known = values[np.isfinite(values)]
    if not len(known):
        return "unknown"
    low, high = (f"{value:.{digits}g}" for value in (known.min(), known.max()))
    return low if low == high else f"{low} to {high}"


def scaled(frame: pd.DataFrame, where: BoolArray, factor: FloatArray) -> pd.DataFrame:
    """A copy whose per-GPU throughputs are multiplied by ``factor`` in the rows ``where``, and the stored Little ratio with them."""
    out = frame.copy()
    usable = where & np.isfinite(factor) & (factor > 0)
    for column in (*THROUGHPUT, "little_ratio"):
        if column in out:
            values = number(out, column)
            out[column] = np.where(usable, values * np.where(usable, factor, 1.0), values)
    return out
