"""The client's own summary against the same figures from the raw requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frontier.load.metrics import Times, gaps, latencies, load_span, times
from frontier.load.requests import completed

TOLERANCE = 0.01
# Our span of a load is from the first request to the last content, the client's from the phase's start to its end; on a short load the difference
# is more than the tolerance.
SPAN_S = 0.1


@dataclass(frozen=True)
class Difference:
    """One figure that the client states otherwise.

    Parameters
    ----------
    metric : str
    ours, client : float
    relative : float
        ours / client - 1; infinite where the client says zero.
    """

    metric: str
    ours: float
    client: float
    relative: float

    def __str__(self) -> str:
        return f"{self.metric}: {self.ours:.6g} from the raw requests, {self.client:.6g} from the client ({self.relative:+.2%})"


def client_window_metrics(requests: pd.DataFrame, window_s: float = math.nan) -> dict[str, float]:
    """The figures of a client's summary over all completed requests of a load, from its raw times.

    Parameters
    ----------
    requests : DataFrame of `frontier.load.requests`
    window_s : float, seconds
        The client's window, where it states one; else from the first completed request's start to the last one's last content.

    Notes
    -----
    Rates are of whole completed requests over the client's window, the drain included. These are not the figures of a point, for which see
    `frontier.load.metrics.window_metrics`.
    """
    whole = completed(requests)
    out = {"requests": float(whole.sum()), "failed_requests": float(requests["error"].notna().sum())}
    if not whole.any():
        return out
    kept = requests[whole]
    span = load_span(kept)
    found: Times = times(kept, span.start_ns)
    out |= latencies(found)
    out["median_itl_s"] = float(np.median(every)) if (every := gaps(requests, whole)).size else math.nan
    seconds = span.seconds if math.isnan(window_s) else window_s
    output, total = found.output_tokens.sum(), (found.output_tokens + found.input_tokens).sum()
    out["window_s"] = span.seconds
    return out | {"output_tput_tok_s": float(output) / seconds, "total_tput_tok_s": float(total) / seconds, "request_rate_per_s": len(kept) / seconds}


def largest_difference(requests: pd.DataFrame, summary: Mapping[str, float]) -> float:
    """Largest absolute relative difference between any figure of the client's summary and the raw requests; NaN without a summary."""
    found = [abs(one.relative) for one in cross_check(requests, summary, tolerance=0.0)]
    return max(found, default=0.0) if summary else math.nan


def cross_check(requests: pd.DataFrame, summary: Mapping[str, float], *, tolerance: float = TOLERANCE) -> list[Difference]:
    """Where the client's summary and its raw requests disagree by more than a tolerance; empty when they agree.

    Parameters
    ----------
    requests : DataFrame of `frontier.load.requests`
        The requests that the summary is of.
    summary : mapping
        Figures by the names of `client_window_metrics`, times in seconds; others are not looked at. Rates are compared over its own ``window_s``.
    tolerance : float
        Largest relative difference; counts must be equal.
    """
    found = []
    for metric, ours in client_window_metrics(requests, summary.get("window_s", math.nan)).items():
        client = summary.get(metric, math.nan)
        if math.isnan(ours) or math.isnan(client):
            continue
        if metric == "window_s" and abs(ours - client) <= SPAN_S:
            continue
        relative = ours / client - 1 if client else (0.0 if ours == client else math.inf)
        if abs(relative) > (0.0 if metric in ("requests", "failed_requests") else tolerance):
            found.append(Difference(metric, ours, client, relative))
    return found
