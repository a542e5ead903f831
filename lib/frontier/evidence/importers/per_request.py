"""Statistics of single requests: the same formulas whichever tool wrote the times down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RequestTimes:
    """Completed requests of a window.

    Parameters
    ----------
    input_tokens, output_tokens : float array, shape (n,), tokens
    ttft_s, e2el_s : float array, shape (n,), seconds; NaN or 0 where undefined
    gaps_s : float array, shape (m,), seconds
        Gaps between streamed chunks, pooled over requests.
    """

    input_tokens: Floats
    output_tokens: Floats
    ttft_s: Floats
    e2el_s: Floats
    gaps_s: Floats

    @property
    def tpot_s(self) -> Floats:
        """(E2EL - TTFT) / (OSL - 1) of each request, s/token; NaN below two tokens or where a time is undefined. Shape (n,)."""
        good = (self.output_tokens >= 2) & (self.ttft_s > 0) & (self.e2el_s >= self.ttft_s)
        spread = np.where(good, self.e2el_s - self.ttft_s, np.nan)
        return np.asarray(spread / np.where(good, self.output_tokens - 1, np.nan), dtype=float)

    def statistics(self) -> dict[str, float]:
        """Columns of the points table, seconds; NaN where no request defines them.

        Percentiles are interpolated linearly, as the tools do (NumPy's default).
        """
        ttft = np.where(self.ttft_s > 0, self.ttft_s, np.nan)
        e2el = np.where(self.e2el_s > 0, self.e2el_s, np.nan)
        tpot = self.tpot_s
        return {
            "median_ttft_s": _percentile(ttft, 50),
            "p90_ttft_s": _percentile(ttft, 90),
            "p99_ttft_s": _percentile(ttft, 99),
            "median_tpot_s": _percentile(tpot, 50),
            "p99_tpot_s": _percentile(tpot, 99),
            "median_itl_s": _percentile(self.gaps_s, 50),
            "median_e2el_s": _percentile(e2el, 50),
            "p99_e2el_s": _percentile(e2el, 99),
            "mean_ttft_s": _mean(ttft),
            "mean_tpot_s": _mean(tpot),
            "mean_e2el_s": _mean(e2el),
        }


def floats(values: Any) -> Floats:
    """A float array of shape (n,); NaN for null."""
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)


def _percentile(values: Floats, q: float) -> float:
    stated = values[np.isfinite(values)]
    return float(np.percentile(stated, q)) if len(stated) else float("nan")


def _mean(values: Floats) -> float:
    stated = values[np.isfinite(values)]
    return float(stated.mean()) if len(stated) else float("nan")
