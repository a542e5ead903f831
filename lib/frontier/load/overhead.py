"""What the client adds: its times against the server's own histograms of the same requests."""

from __future__ import annotations

import math
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

import pandas as pd

from frontier.errors import RunError
from frontier.load.metrics import times
from frontier.load.requests import sound

# vLLM's histograms (0.32; the names stand since 0.10): metric -> histogram.
VLLM = {
    "ttft": "vllm:time_to_first_token_seconds",
    "e2el": "vllm:e2e_request_latency_seconds",
    "tpot": "vllm:request_time_per_output_token_seconds",
}
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+(\S+)")


def parse_metrics(text: str) -> dict[str, float]:
    """Values of a Prometheus exposition by name, summed over labels; buckets are left out.

    >>> parse_metrics('# TYPE a counter\\na_total{engine="0"} 2\\na_total{engine="1"} 3\\nb_bucket{le="1"} 9\\n')
    {'a_total': 5.0}
    """
    out: dict[str, float] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found and not found[1].endswith("_bucket"):
            try:
                out[found[1]] = out.get(found[1], 0.0) + float(found[2])
            except ValueError:
                continue
    return out


def scrape(urls: Sequence[str], *, timeout_s: float = 5.0) -> dict[str, float]:
    """Counters of all servers, added; see `parse_metrics`.

    Raises
    ------
    RunError
        If a server does not answer.
    """
    out: dict[str, float] = {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment is not for a server on this machine
    for url in urls:
        try:
            with opener.open(f"{url.rstrip('/')}/metrics", timeout=timeout_s) as answer:
                text = answer.read().decode("utf-8", "replace")
        except (OSError, urllib.error.URLError) as error:
            raise RunError(f"the server's counters cannot be read: {error}", origin=f"{url}/metrics") from error
        for name, value in parse_metrics(text).items():
            out[name] = out.get(name, 0.0) + value
    return out


def client_overhead(
    requests: pd.DataFrame, before: Mapping[str, float], after: Mapping[str, float], histograms: Mapping[str, str] = VLLM
) -> dict[str, float]:
    """Mean time by the client less mean time by the server, over the same requests.

    Parameters
    ----------
    requests : DataFrame of `frontier.load.requests`
        All requests between the two readings, warm-up included.
    before, after : mapping
        Readings of `scrape`.
    histograms : mapping
        Metric (ttft, e2el, tpot) -> name of the server's histogram.

    Returns
    -------
    dict
        ``client_overhead_ttft_s``, ``client_overhead_s`` (of E2EL), ``client_overhead_tpot_s`` (s/token), ``server_mean_..._s``, and
        ``server_requests_over_client``, the ratio of the two counts. An overhead is NaN where the server has no such histogram, or where the counts
        differ by more than 2 %, because the means are then of different requests.

    Notes
    -----
    The overhead has in it what lies between the two clocks: HTTP, the network, the server's front end before its timer starts, and the client.
    """
    rows = sound(requests)
    known = times(requests[rows], int(requests["start_ns"].min())) if rows.any() else None
    out: dict[str, float] = {"server_requests_over_client": math.nan}
    for metric, histogram in histograms.items():
        name = "client_overhead_s" if metric == "e2el" else f"client_overhead_{metric}_s"
        out[name] = out[f"server_mean_{metric}_s"] = math.nan
        if known is None or f"{histogram}_count" not in after:
            continue
        count = after[f"{histogram}_count"] - before.get(f"{histogram}_count", 0.0)
        spent = after[f"{histogram}_sum"] - before.get(f"{histogram}_sum", 0.0)
        values = pd.Series(getattr(known, metric)).dropna()
        if count <= 0 or values.empty:
            continue
        out[f"server_mean_{metric}_s"] = spent / count
        ratio = count / len(values)
        if metric == "e2el" or math.isnan(out["server_requests_over_client"]):
            out["server_requests_over_client"] = ratio
        if abs(ratio - 1) <= 0.02:
            out[name] = float(values.mean()) - spent / count
    return out


def client_note(points: pd.DataFrame) -> str:
    """One sentence on what the client did to measured points: agreement with itself, CPU, time added.

    Parameters
    ----------
    points : DataFrame
        With ``client_difference``, ``client_cpu_share``, ``client_overhead_s`` and ``mean_e2el_s``; what is NaN everywhere is left out.
    """
    parts = []
    differs = points["client_difference"].dropna() if "client_difference" in points else pd.Series(dtype=float)
    if len(differs):
        parts.append(f"its own summary differs from its raw requests by at most {differs.max():.2%} over {len(differs)} points")
    if len(share := points["client_cpu_share"].dropna()):
        parts.append(f"it took {share.median():.2f} of a core")
    added = points["client_overhead_s"].dropna()
    if len(added):
        relative = (points["client_overhead_s"] / points["mean_e2el_s"]).dropna()
        parts.append(f"its times are {added.median() * 1e3:.1f} ms ({relative.median():.1%}) longer than the servers' own, by the median")
    return f"Of the load generator: {'; '.join(parts)}." if parts else ""
