"""A made-up record whose spread is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.records import normalize_points

Record = Callable[..., pd.DataFrame]


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20251209)


@pytest.fixture
def record() -> Record:
    """Makes a record: per group (hardware, engine) the spread of speed and of throughput's own part."""

    def made(
        groups: dict[tuple[str, str], tuple[float, float]],
        *,
        configurations: int = 30,
        nights: int = 7,
        within: float = 0.0,
        common: float = 0.0,
        seed: int = 5,
        **columns: Any,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rows = []
        for (hardware, engine), (speed, own) in groups.items():
            scale = np.exp(within * rng.standard_normal(configurations))
            shared = rng.standard_normal(nights)
            for c in range(configurations):
                for n in range(nights):
                    error = np.sqrt(common) * shared[n] + np.sqrt(1 - common) * rng.standard_normal()
                    x = np.log(200 - 50 * (c % 3)) + speed * scale[c] * error
                    y = np.log(1000 + 400 * (c % 3)) + speed * scale[c] * error + own * scale[c] * rng.standard_normal()
                    rows.append(
                        {
                            "evidence": "published", "date": f"2025-12-{9 + n:02d}", "model": "m", "hardware": hardware, "engine": engine,
                            "precision": f"p{c // 3}", "tp": 8, "gpus": 8, "isl_tokens": 1024, "osl_tokens": 1024,
                            "concurrency": 4 ** (1 + c % 3), "interactivity_tok_s_user": np.exp(x), "total_tput_tok_s_gpu": np.exp(y), **columns,
                        }
                    )  # fmt: skip
        return normalize_points(pd.DataFrame(rows), origin="made up")

    return made
