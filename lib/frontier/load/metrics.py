"""Columns of the points table from raw requests and a window.

The counting rule. *Latencies* are those of the requests that END in the window: every request ends once, so long ones are as likely to be in the
sample as short ones (requests that both start and end inside would lack the long ones: at 8 in flight, lengths of 32 to 96 and a window of 30
requests their mean latency is 4 % low). *Throughput* is prorated: a request counts by the share of its life that lies in the window. A window cuts
up to `concurrency` requests at either edge, and counting those that finish inside makes the figure jump by a whole batch. A request still running at
the window's end finishes without the load that follows, too fast; it counts as if it took the window's mean TTFT and TPOT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError, RunError
from frontier.load.requests import FloatArray, column_ns, sound

NS = 1e9
LATENCIES = ("ttft", "tpot", "e2el")
# Extra columns beside those of the points table; all are fractions, so they never tell configurations apart.
EXTRAS = ("mean_ttft_s", "mean_tpot_s", "mean_e2el_s", "p90_tpot_s", "p90_e2el_s", "achieved_request_rate_per_s")


@dataclass(frozen=True)
class Window:
    """What is counted.

    Parameters
    ----------
    start_ns, end_ns : int, epoch nanoseconds by the client's clock
    """

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            raise PointsError(f"a window must end after it starts, got {self.start_ns} to {self.end_ns} ns")

    @property
    def seconds(self) -> float:
        """Length, seconds."""
        return (self.end_ns - self.start_ns) / NS


@dataclass(frozen=True)
class Times:
    """Times of requests in seconds from an origin; all float arrays of shape (n_requests,), NaN where undefined."""

    start: FloatArray
    first: FloatArray
    end: FloatArray
    input_tokens: FloatArray
    output_tokens: FloatArray

    @property
    def ttft(self) -> FloatArray:
        """Sent to first non-empty content, seconds."""
        return np.asarray(self.first - self.start)

    @property
    def e2el(self) -> FloatArray:
        """Sent to last content, seconds."""
        return np.asarray(self.end - self.start)

    @property
    def tpot(self) -> FloatArray:
        """(E2EL - TTFT) / (OSL - 1), seconds per token; NaN below two tokens."""
        two = self.output_tokens >= 2
        return np.where(two, (self.end - self.first) / np.where(two, self.output_tokens - 1, np.nan), np.nan)

    def of(self, rows: NDArray[np.bool_]) -> Times:
        """Some of the requests."""
        return Times(self.start[rows], self.first[rows], self.end[rows], self.input_tokens[rows], self.output_tokens[rows])


def times(requests: pd.DataFrame, origin_ns: int) -> Times:
    """Times of all rows in seconds from ``origin_ns``."""
    start, first, end = (
        # Whole nanoseconds are subtracted before they become doubles: epoch times need 61 bits.
        (requests[name].astype("Int64") - origin_ns).to_numpy(dtype=np.float64, na_value=np.nan) / NS
        for name in ("start_ns", "first_token_ns", "end_ns")
    )
    tokens = (requests[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("input_tokens", "output_tokens"))
    return Times(start, first, end, *tokens)


def window_metrics(requests: pd.DataFrame, window: Window, *, gpus: int, concurrency: int) -> dict[str, float]:
    """Columns of the points table for one point.

    Parameters
    ----------
    requests : DataFrame of `frontier.load.requests`, shape (n_requests, ...)
        All requests of the load at this concurrency, those outside the window too: they are cut at its edges.
    window : Window
    gpus : int, >= 1
        All devices the deployment holds.
    concurrency : int, >= 1

    Returns
    -------
    dict
        ``requests`` (completed in the window), ``failed_requests``, ``window_s``, ``warmup_requests`` (started before the window and ended before
        it), throughputs per GPU, latencies in seconds, ``interactivity_tok_s_user``, ``little_ratio``, and `EXTRAS`. NaN where undefined.
        ``request_rate_per_s`` is not among them: it is the rate offered in an open loop; the rate achieved is ``achieved_request_rate_per_s``.

    Raises
    ------
    RunError
        If no request completed in the window.

    Notes
    -----
    TPOT = (E2EL - TTFT) / (OSL - 1) per request; interactivity = 1 / median TPOT. With share(i) the part of request i's life in the window,
    rate = sum share(i) / window, output throughput = sum share(i) OSL(i) / window / gpus, and Little's ratio = rate x mean E2EL / concurrency.
    """
    if gpus < 1 or concurrency < 1:
        raise PointsError(f"gpus and concurrency must be at least 1, got {gpus} and {concurrency}")
    every = times(requests, window.start_ns)
    good, length = sound(requests), window.seconds
    with np.errstate(invalid="ignore"):
        inside = good & (every.end > 0) & (every.end <= length)
        failed_at = np.where(np.isfinite(every.end), every.end, every.start)
        failed = requests["error"].notna().to_numpy(dtype=bool) & (failed_at > 0) & (failed_at <= length)
        before = good & (every.end <= 0)
    if not inside.any():
        raise RunError(
            f"no request completed in the window of {length:.3g} s: {int(good.sum())} completed outside it, {int(failed.sum())} failed in it",
            hint="a longer window, or read the errors in the record of requests",
        )
    sample = every.of(inside)
    share, rows = shares(every, good, sample, length)
    tokens = every.of(rows)
    rate = float(share.sum()) / length
    output = float(np.nansum(share * tokens.output_tokens)) / length
    total = output + float(np.nansum(share * tokens.input_tokens)) / length
    if np.isnan(tokens.output_tokens[share > 0]).any():
        output = total = float("nan")
    elif np.isnan(tokens.input_tokens[share > 0]).any():
        total = float("nan")
    row = latencies(sample)
    return {
        "concurrency": float(concurrency),
        "requests": float(inside.sum()),
        "failed_requests": float(failed.sum()),
        "window_s": length,
        "warmup_requests": float(before.sum()),
        "total_tput_tok_s_gpu": total / gpus,
        "output_tput_tok_s_gpu": output / gpus,
        "interactivity_tok_s_user": 1.0 / row["median_tpot_s"] if row["median_tpot_s"] > 0 else float("nan"),
        **row,
        "median_itl_s": _percentile(gaps(requests, inside), 50),
        "little_ratio": rate * row["mean_e2el_s"] / concurrency,
        "achieved_request_rate_per_s": rate,
    }


def tokens_per_chunk(requests: pd.DataFrame, window: Window) -> float:
    """Tokens that a streamed chunk holds after the first, over the requests that end in the window; NaN where none has two chunks.

    Where every decoding step is streamed by itself, this is what a step yields: with drafts the accepted ones and the verified one.
    """
    end = column_ns(requests, "end_ns")
    tokens, chunks = (requests[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("output_tokens", "chunks"))
    with np.errstate(invalid="ignore"):
        kept = sound(requests) & (end > window.start_ns) & (end <= window.end_ns) & (chunks >= 2) & (tokens >= 2)
    return float((tokens[kept] - 1).sum() / (chunks[kept] - 1).sum()) if kept.any() else float("nan")


def latencies(sample: Times) -> dict[str, float]:
    """Median, p90, p99 and mean of TTFT, TPOT and E2EL, seconds; percentiles interpolated linearly, as the tools do."""
    out: dict[str, float] = {}
    for name in LATENCIES:
        values: FloatArray = getattr(sample, name)
        out |= {f"{label}_{name}_s": _percentile(values, q) for label, q in (("median", 50), ("p90", 90), ("p99", 99))}
        good = values[np.isfinite(values)]
        out[f"mean_{name}_s"] = float(good.mean()) if good.size else float("nan")
    return out


def shares(every: Times, good: NDArray[np.bool_], sample: Times, length: float) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The part of each request's life that lies in a window [0, length] s: float, shape (n_rows,), and the rows it is for (bool, (n_requests,)).

    Parameters
    ----------
    every : Times of all requests, origin at the window's start
    good : bool array, shape (n_requests,)
        Completed with sound times.
    sample : Times of the requests that end in the window; their means pace those that the end cuts
    """
    with np.errstate(invalid="ignore"):
        rows = good & (every.end > 0) & (every.start < length)
    kept = every.of(rows)
    tpot = sample.tpot
    tpot = tpot[np.isfinite(tpot)]
    pace = float(tpot.mean()) if tpot.size else 0.0
    life = kept.e2el.copy()
    cut = kept.end > length
    # Where output lengths are unknown the request's own life is the only one there is.
    usual = float(sample.ttft.mean()) + np.where(np.isfinite(kept.output_tokens), (kept.output_tokens - 1) * pace, np.nan)
    life[cut] = np.where(np.isfinite(usual), np.maximum(usual, length - kept.start), life)[cut]
    life = np.maximum(life, 1e-9)
    overlap = np.minimum(kept.start + life, length) - np.maximum(kept.start, 0.0)
    return np.clip(overlap, 0.0, None) / life, rows


def gaps(requests: pd.DataFrame, rows: NDArray[np.bool_]) -> FloatArray:
    """Gaps between streamed chunks of some requests, pooled: float, shape (n_gaps,), seconds."""
    parts = [np.diff(chunk) / NS for chunk in requests["chunk_ns"][rows] if len(chunk) > 1]
    return np.concatenate(parts) if parts else np.empty(0)


def streamed_output_rate(requests: pd.DataFrame, window: Window) -> float:
    """Output tokens whose chunk arrived in the window, per second; the plain count beside the prorated one.

    A request's tokens are spread evenly over its chunks. Failed requests count too: their chunks arrived.
    """
    total = 0.0
    for chunk, tokens in zip(requests["chunk_ns"], requests["output_tokens"], strict=True):
        if len(chunk):
            share = np.count_nonzero((chunk >= window.start_ns) & (chunk < window.end_ns)) / len(chunk)
            total += share * float(len(chunk) if pd.isna(tokens) else tokens)
    return total / window.seconds


def load_span(requests: pd.DataFrame) -> Window:
    """From the first request sent to the last end (a request that never ended counts with its start).

    Raises
    ------
    RunError
        If there are no requests.
    """
    start, end = column_ns(requests, "start_ns"), column_ns(requests, "end_ns")
    if not len(requests):
        raise RunError("there are no requests to measure", hint="read the client's log in the trial's folder")
    last = np.fmax(end, start).max()
    return Window(int(requests["start_ns"].min()), max(int(last), int(requests["start_ns"].min()) + 1))


def _percentile(values: FloatArray, q: float) -> float:
    good: Any = values[np.isfinite(values)]
    return float(np.percentile(good, q)) if good.size else float("nan")
