"""Requests of ``trtllm-bench throughput --request_json`` as the kit's record of requests, so that its own formulas can be laid over them.

Keys read from tensorrt_llm/bench/dataclasses: times are nanoseconds of the client's monotonic clock, which has no date; ``first_token_timestamp`` is
-1 where nothing was streamed; ``decode_iteration`` counts steps from 0. Not tried on a file that TensorRT-LLM itself wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from frontier.errors import PointsError
from frontier.load.requests import column_ns, completed, requests_table

TOKENS = ("output_tokens", "num_total_output_tokens", "num_output_tokens")  # newest name first
HINT = "trtllm-bench throughput --streaming --request_json FILE"


def bench_requests(items: Iterable[Any], *, origin: str, concurrency: int = 0) -> pd.DataFrame:
    """The record of requests.

    Parameters
    ----------
    items : iterable of mappings
        The file's list.
    origin : str
        For messages.
    concurrency : int
        The limit that was asked for; 0: the most requests that were in flight at once, which is the limit where one was reached.

    Returns
    -------
    DataFrame of `frontier.load.requests`, one row per request in the order in which they were sent

    Raises
    ------
    PointsError
        If the list is empty, or an item is no request of that tool.
    """
    rows = [_row(item, number, origin) for number, item in enumerate(items)]
    if not rows:
        raise PointsError("the list of requests is empty", origin=origin, hint=HINT)
    rows.sort(key=lambda row: (row["start_ns"], row["request"]))
    table = requests_table(({**row, "request": at, "concurrency": 1} for at, row in enumerate(rows)), origin=origin)
    table["concurrency"] = pd.array([concurrency or most_in_flight(table)] * len(table), dtype="Int64")
    return table


def _row(item: Any, number: int, origin: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise PointsError(f"item {number} must be a request, got {type(item).__name__}", origin=origin, hint=HINT)
    missing = [key for key in ("start_timestamp", "end_timestamp", "num_input_tokens") if not isinstance(item.get(key), int)]
    tokens = next((item[key] for key in TOKENS if isinstance(item.get(key), int)), None)
    if missing or tokens is None:
        named = ", ".join([*missing, *([TOKENS[0]] if tokens is None else [])])
        raise PointsError(f"request {number} lacks {named}", origin=origin, hint=HINT)
    first = item.get("first_token_timestamp")
    return {
        "request": number,
        "phase": "measured",
        "cell": 0,
        "start_ns": item["start_timestamp"],
        "first_token_ns": first if isinstance(first, int) and first > 0 else None,
        "end_ns": item["end_timestamp"] if item["end_timestamp"] > 0 else None,
        "input_tokens": item["num_input_tokens"],
        "output_tokens": tokens,
        "chunks": None,
        "error": "the tool counted error tokens" if item.get("error_tokens") else None,
    }


def most_in_flight(table: pd.DataFrame) -> int:
    """The most requests that were in flight at once; a request that ends when another starts makes room for it."""
    start, end = column_ns(table, "start_ns"), column_ns(table, "end_ns")
    known = np.isfinite(start) & np.isfinite(end)
    if not known.any():
        return 1
    times = np.concatenate([end[known], start[known]])  # ends first: at one time they are counted before starts
    change = np.concatenate([-np.ones(known.sum()), np.ones(known.sum())])
    return max(1, int(np.cumsum(change[np.argsort(times, kind="stable")]).max()))


def decoded_per_step(items: Iterable[Mapping[str, Any]]) -> float:
    """Tokens per decoding step over all requests: 1 without speculation; NaN where the file does not count steps."""
    tokens = steps = 0
    for item in items:
        made = next((item[key] for key in TOKENS if isinstance(item.get(key), int)), 0)
        if isinstance(item.get("decode_iteration"), int) and item["decode_iteration"] >= 0 and made:
            tokens += made
            steps += item["decode_iteration"] + 1
    return tokens / steps if steps else float("nan")


def streamed(table: pd.DataFrame) -> bool:
    """Whether any request has a first token of its own, without which there is no TPOT."""
    return bool(completed(table).any())
