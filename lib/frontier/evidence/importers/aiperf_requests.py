"""The requests of an aiperf run (``profile_export.jsonl``): one line each, times in milliseconds, clocks in nanoseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from frontier.errors import PointsError
from frontier.evidence.importers.per_request import RequestTimes
from frontier.evidence.importers.source import Source


@dataclass(frozen=True)
class AiperfRequests:
    """The profiling phase of a run.

    Parameters
    ----------
    times : RequestTimes of the completed requests
    window_s : float, seconds
        From the first completed request's start to the last one's last content.
    failed : int
    notes : tuple of str
    """

    times: RequestTimes
    window_s: float
    failed: int
    notes: tuple[str, ...] = ()

    @property
    def completed(self) -> int:
        """Requests that completed."""
        return len(self.times.output_tokens)

    def outcome(self) -> dict[str, float]:
        """Counts, tokens and seconds of the window."""
        return {
            "requests": float(self.completed),
            "failed_requests": float(self.failed),
            "window_s": self.window_s,
            "tokens_in": float(np.nansum(self.times.input_tokens)),
            "tokens_out": float(np.nansum(self.times.output_tokens)),
        }


def read_requests(source: Source) -> AiperfRequests:
    """The requests of the profiling phase; warm-up requests are left out, failed and cancelled ones counted.

    Raises
    ------
    PointsError
        If a line is broken: a window with requests missing has no throughput.
    """
    kept: list[tuple[float, float, float, float]] = []
    gaps: list[float] = []
    starts: list[int] = []
    failed = warmup = 0
    for line, record in source.jsonl():
        if isinstance(record, Exception) or not isinstance(record, Mapping):
            what = str(record) if isinstance(record, Exception) else "it is no JSON object"
            raise PointsError(
                f"{source.name} is cut off or broken in line {line}: {what}",
                origin=str(source.path),
                hint="copy it again; aiperf writes one request a line",
            )
        metadata, metrics = record.get("metadata") or {}, record.get("metrics") or {}
        if metadata.get("benchmark_phase") == "warmup":
            warmup += 1
            continue
        latency = _value(metrics, "request_latency")
        if record.get("error") or metadata.get("was_cancelled") or not latency > 0:
            failed += 1
            continue
        tokens = _value(metrics, "output_sequence_length")
        lengths = (_value(metrics, "input_sequence_length"), 0.0 if math.isnan(tokens) else tokens)
        kept.append((*lengths, _value(metrics, "time_to_first_token"), latency))
        if not isinstance(metadata.get("request_start_ns"), int):
            raise PointsError(f"{source.name} has no request_start_ns in line {line}: without it there is no window", origin=str(source.path))
        starts.append(metadata["request_start_ns"])
        chunk_gaps = (metrics.get("inter_chunk_latency") or {}).get("value")
        gaps.extend(float(gap) * 1e-3 for gap in chunk_gaps or ())
    table = np.array(kept, dtype=float).reshape(-1, 4)
    times = RequestTimes(table[:, 0], table[:, 1], table[:, 2] * 1e-3, table[:, 3] * 1e-3, np.array(gaps, dtype=float))
    # Nanoseconds since 1970 are beyond a float's 53 bits: subtract first.
    since = np.array([start - min(starts) for start in starts], dtype=float) * 1e-9 if starts else np.array([])
    window = float((since + times.e2el_s).max()) if starts else math.nan
    notes = (f"{source.name}: {warmup} warm-up requests left out",) if warmup else ()
    return AiperfRequests(times, window, failed, notes)


def _value(metrics: Mapping[str, Any], name: str) -> float:
    """A metric's number; NaN where it is missing. Times are in milliseconds in this file.

    Raises
    ------
    PointsError
        If a time has another unit.
    """
    metric = metrics.get(name)
    if not isinstance(metric, Mapping) or not isinstance(metric.get("value"), (int, float)):
        return math.nan
    if name in ("request_latency", "time_to_first_token") and metric.get("unit") != "ms":
        raise PointsError(f"{name} must be in ms, got {metric.get('unit')!r}", hint="aiperf 0.13 writes ms")
    return float(metric["value"])
