"""Small records with known levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.records import normalize_points

Rows = Callable[..., list[dict[str, Any]]]


def rows_of(date: str, gain: float = 1.0, *, concurrencies: Sequence[float] = (4, 16, 64), tp: int = 8, **columns: Any) -> list[dict[str, Any]]:
    """One snapshot: every request ``gain`` times as fast as 100 / (1 + concurrency / 32) tokens/s/user."""
    out = []
    for concurrency in concurrencies:
        speed = gain * 100.0 / (1.0 + concurrency / 32.0)
        output = concurrency * speed / tp
        out.append(
            {
                "evidence": "published", "date": date, "model": "m", "hardware": "h200_sxm", "engine": "sglang", "precision": "fp8", "spec": "none",
                "disagg": False, "tp": tp, "gpus": tp, "isl_tokens": 1024, "osl_tokens": 1024, "concurrency": concurrency,
                "interactivity_tok_s_user": speed, "output_tput_tok_s_gpu": output, "total_tput_tok_s_gpu": 2 * output, **columns,
            }
        )  # fmt: skip
    return out


def table_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return normalize_points(pd.DataFrame(list(rows)), origin="test")


def nights(count: int, first: str = "2025-12-09") -> list[str]:
    return [str(day)[:10] for day in pd.date_range(first, periods=count)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
