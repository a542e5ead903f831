"""Tables of a steady closed loop whose every number follows from a few: the sound rows into which tests put one fault at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.records import normalize_points

CONCURRENCIES = (4, 8, 16, 32, 64, 128)
RATIO = 0.97  # of a steady loop of ten rounds
SHARE = 0.9  # mean over nominal length


def steady(*, isl: int = 1024, osl: int = 1024, concurrencies: tuple[int, ...] = CONCURRENCIES, **columns: Any) -> pd.DataFrame:
    """One curve on 8 GPUs: TPOT 8 ms x (1 + c / 64), prefill 0.1 ms per input token, throughput by Little's law at ``RATIO``."""
    c = np.array(concurrencies, dtype=float)
    tpot = 0.008 * (1 + c / 64)
    ttft = 0.05 + 1e-4 * isl * (1 + c / 64)
    e2el = ttft + tpot * (SHARE * osl - 1)
    requests_per_s = RATIO * c / e2el
    frame = pd.DataFrame(
        {
            "evidence": "published", "source": "made by hand", "date": "2026-03-01", "model": "m", "hardware": "b200_sxm", "engine": "trtllm",
            "image": "engine:1", "precision": "fp8", "spec": "none", "tp": 8, "ep": 1, "gpus": 8, "disagg": False,
            "isl_tokens": isl, "osl_tokens": osl, "concurrency": c,
            "total_tput_tok_s_gpu": requests_per_s * SHARE * (isl + osl) / 8, "output_tput_tok_s_gpu": requests_per_s * SHARE * osl / 8,
            "interactivity_tok_s_user": 1 / tpot, "median_ttft_s": ttft, "p99_ttft_s": ttft * np.minimum(c, 8), "median_tpot_s": tpot,
            "p99_tpot_s": tpot * 1.05, "median_e2el_s": e2el, "p99_e2el_s": e2el * 1.2, "little_ratio": RATIO, **columns,
        }
    )  # fmt: skip
    return normalize_points(frame, origin="test")


def join(*frames: pd.DataFrame) -> pd.DataFrame:
    return normalize_points(pd.concat(frames), origin="test")


def with_fault(frame: pd.DataFrame, row: int, **values: Any) -> pd.DataFrame:
    """A copy in which one row holds other values; callables take the old value."""
    out = frame.copy()
    for column, value in values.items():
        old = out[column].iloc[row] if column in out else None
        if column not in out:
            out[column] = np.nan
        out.loc[out.index[row], column] = value(old) if callable(value) else value
    return out


def marked(mark: pd.Series) -> list[int]:
    """Positions of the marked rows."""
    return [int(row) for row in np.flatnonzero(mark.to_numpy())]
