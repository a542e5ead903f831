"""What aiperf 0.13 leaves behind: its request lines as a record of requests, and its summary of each phase.

A request's times in the record are its start by the wall clock (``request_start_ns``) plus durations by the monotonic clock (``time_to_first_token``,
``request_latency``, ``inter_chunk_latency``), so a wall clock that is set in the middle of a request changes none of its latencies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier.errors import RunError
from frontier.load.requests import requests_table

REQUESTS, MANIFEST, SUMMARY = "profile_export.jsonl", "phase_manifest.json", "profile_export_aiperf.json"
WARMUP = "warmup"
_MS = 1e6
# Name in a summary -> (metric of the cross-check, statistics it has, factor to seconds or 1). aiperf's inter_token_latency is
# (latency - TTFT) / (OSL - 1) per request, which is TPOT; its inter_chunk_latency is the pooled gap, which is ITL.
_SPREAD = {"time_to_first_token": "ttft", "inter_token_latency": "tpot", "request_latency": "e2el"}
_STATISTICS = {"p50": "median", "p90": "p90", "p99": "p99", "avg": "mean"}
_SINGLE = {
    "output_token_throughput": "output_tput_tok_s",
    "total_token_throughput": "total_tput_tok_s",
    "request_throughput": "request_rate_per_s",
    "request_count": "requests",
}


def cell_name(concurrency: int, number: int) -> str:
    """The phase's name of the n-th cell at a concurrency."""
    return f"cell{number}_c{concurrency}"


def lines(path: Path, start: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole lines of the request export from a byte on, each with the byte after it; a line still being written is left for the next call.

    Raises
    ------
    RunError
        If a whole line is no JSON object.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(start)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            start += len(raw)
            try:
                found = json.loads(raw)
            except ValueError as error:
                raise RunError(f"the client wrote a line that is no JSON: {error}", origin=f"{path}, byte {start - len(raw)}") from error
            if not isinstance(found, dict) or not {"phase_name", "request_start_ns"} <= set(found.get("metadata") or ()):
                why = "the client wrote a line that is no request: its metadata lacks phase_name or request_start_ns"
                raise RunError(why, origin=f"{path}, byte {start - len(raw)}")
            yield found, start


def request_row(line: Mapping[str, Any], phases: Mapping[str, tuple[int, int | None]], number: int) -> dict[str, Any]:
    """One line as a row of the record.

    Parameters
    ----------
    line : mapping
    phases : mapping
        Phase name -> (concurrency, cell or None for a warm-up).
    number : int
        Number of the request; the client begins to count anew in each phase.
    """
    meta, metrics = line["metadata"], line.get("metrics") or {}
    start = int(meta["request_start_ns"])
    ttft, latency = _value(metrics, "time_to_first_token"), _value(metrics, "request_latency")
    gaps = np.asarray(_value(metrics, "inter_chunk_latency") or [], dtype=np.float64)
    first = start + round(ttft * _MS) if ttft is not None else None
    chunks = [] if first is None else [first, *(first + np.round(np.cumsum(gaps) * _MS).astype(np.int64)).tolist()]
    concurrency, cell = phases[meta["phase_name"]]
    sha8 = str(meta.get("conversation_id", "")).rpartition("-")[2]
    return {
        "request": number,
        "concurrency": concurrency,
        "phase": "warmup" if cell is None else "measured",
        "cell": cell,
        "start_ns": start,
        "first_token_ns": first,
        "end_ns": start + round(latency * _MS) if latency is not None else None,
        "input_tokens": _value(metrics, "usage_prompt_tokens"),
        "output_tokens": _value(metrics, "usage_completion_tokens"),
        "chunks": len(chunks),
        "chunk_ns": chunks,
        "error": _error(line, meta),
        "prompt_sha8": sha8 if len(sha8) == 8 else None,
    }


def read_rows(path: Path, phases: Mapping[str, tuple[int, int | None]]) -> pd.DataFrame:
    """The whole export as a record of requests, in the order in which they were sent.

    Raises
    ------
    RunError
        If a line cannot be read.
    """
    found = [line for line, _ in lines(path)]
    found.sort(key=lambda line: int(line["metadata"].get("credit_issued_ns") or line["metadata"]["request_start_ns"]))
    return requests_table([request_row(line, phases, number) for number, line in enumerate(found)], origin=str(path))


def read_summary(folder: Path, phase: str) -> dict[str, float]:
    """The client's own figures of a phase by the names of `frontier.load.cross_check`, times in seconds; empty where it left none.

    Raises
    ------
    RunError
        If the file is there and is no summary.
    """
    path = folder / "phases" / phase / SUMMARY
    if not path.is_file():
        return {}
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"the client's summary is no JSON: {error}", origin=str(path)) from error
    out: dict[str, float] = {}
    for name, metric in _SPREAD.items():
        entry = stated.get(name) or {}
        out |= {f"{label}_{metric}_s": float(entry[key]) / 1e3 for key, label in _STATISTICS.items() if entry.get(key) is not None}
    if (stated.get("inter_chunk_latency") or {}).get("p50") is not None:
        out["median_itl_s"] = float(stated["inter_chunk_latency"]["p50"]) / 1e3
    out |= {ours: float(stated[name]["avg"]) for name, ours in _SINGLE.items() if (stated.get(name) or {}).get("avg") is not None}
    if out.get("request_rate_per_s"):
        # aiperf divides by the time from the phase's start to its end, not by the `benchmark_duration` that it states beside.
        out["window_s"] = out["requests"] / out["request_rate_per_s"]
    out["failed_requests"] = float((stated.get("error_request_count") or {}).get("avg") or 0.0)
    return out


def _value(metrics: Mapping[str, Any], name: str) -> Any:
    entry = metrics.get(name)
    return entry.get("value") if isinstance(entry, Mapping) else None


def _error(line: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    error = line.get("error")
    if error:
        parts = [str(error[key]) for key in ("code", "type", "message") if isinstance(error, Mapping) and error.get(key) is not None]
        return " ".join(parts)[:500] or str(error)[:500]
    return "cancelled" if meta.get("was_cancelled") else None
