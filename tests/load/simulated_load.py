"""A closed loop on a batching server, step by step: its long-run figures are known from a long run, its records have the form of a real load's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.load.requests import requests_table

ORIGIN_NS = 1_800_000_000 * 10**9
ISL = 128


def closed_loop(
    concurrency: int, stop_s: float, rng: np.random.Generator, *, osl: int = 64, spread: float = 0.0, prefill_s: float = 0.02, jitter: float = 0.05,
    slow_start_s: float = 0.0, slow_factor: float = 1.0, drift: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """The record of a load that stops sending at ``stop_s``; what runs then drains with ever smaller batches, as on a real server.

    A prefill takes a step of its own in which nobody decodes; a decode step takes 8 ms and 0.6 ms per running request. ``spread`` is the half
    width of uniform output lengths relative to ``osl``. Steps are ``slow_factor`` times as long before ``slow_start_s``;
    ``drift`` is their growth by the stop.
    """
    now, waiting, running, rows, sent = 0.0, [(0.0, number) for number in range(concurrency)], [], [], concurrency

    def step(base: float) -> float:
        slow = slow_factor if now < slow_start_s else 1.0
        return abs(base * slow * (1 + drift * now / stop_s) * (1 + jitter * rng.standard_normal()))

    while waiting or running:
        if waiting:
            start, number = waiting.pop(0)
            now += step(prefill_s)
            length = max(2, round(osl * (1 + spread * rng.uniform(-1, 1))))
            running.append({"request": number, "start": start, "chunks": [now], "length": length})
        else:
            now += step(0.008 + 0.0006 * len(running))
            for request in running:
                request["chunks"].append(now)
        done = [request for request in running if len(request["chunks"]) >= request["length"]]
        running = [request for request in running if len(request["chunks"]) < request["length"]]
        rows += done
        for _ in done:
            if now < stop_s:
                waiting.append((now, sent))
                sent += 1
    return requests_table([_row(row, concurrency) for row in rows], origin="closed loop")


def at(seconds: float) -> int:
    """Epoch nanoseconds of a time of the loop."""
    return ORIGIN_NS + round(seconds * 1e9)


def _row(row: dict[str, Any], concurrency: int) -> dict[str, Any]:
    chunks = [at(chunk) for chunk in row["chunks"]]
    return {
        "request": row["request"], "concurrency": concurrency, "phase": "measured", "cell": 0, "start_ns": at(row["start"]),
        "first_token_ns": chunks[0], "end_ns": chunks[-1], "input_tokens": ISL, "output_tokens": row["length"],
        "chunks": len(chunks), "chunk_ns": chunks,
    }  # fmt: skip


def request(number: int, start_s: float, first_s: float | None, end_s: float | None, output: int | None = 3, **more: Any) -> dict[str, Any]:
    """A row by hand; its chunks lie evenly between first token and end."""
    chunks = [] if first_s is None or end_s is None else [at(t) for t in np.linspace(first_s, end_s, output or 2)]
    return {
        "request": number, "concurrency": 1, "phase": "measured", "cell": 0, "start_ns": at(start_s),
        "first_token_ns": None if first_s is None else at(first_s), "end_ns": None if end_s is None else at(end_s),
        "input_tokens": 10, "output_tokens": output, "chunks": len(chunks), "chunk_ns": chunks,
        **more,
    }  # fmt: skip
