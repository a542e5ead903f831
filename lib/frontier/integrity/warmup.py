"""The engine's start-up inside the measured window: no warm-up, or one that did not cover what the load needs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.cold_start import burst_limit_s, cold_start
from frontier.integrity.columns import BoolArray, number, span, text, true
from frontier.integrity.memory import once
from frontier.integrity.steady import little_ratio

# When the client of a public record began to warm up: marker in `source` or `run_url` -> first date with warm-ups.
# InferenceX sends 2 x concurrency warm-ups since its change 480, merged on 2026-01-21; its multi-node client is another one.
ERAS = {"inferencex": "2026-01-21"}


@once
def without_warmup(frame: pd.DataFrame) -> BoolArray:
    """Rows that state no warm-up, or stand in an era of their record's client that had none; bool, shape (rows,). Reported, not marked."""
    stated = number(frame, "warmup_requests")
    out = stated == 0
    dates = text(frame, "date")
    for marker, since in ERAS.items():
        theirs = text(frame, "source").str.contains(marker) | text(frame, "run_url").str.contains(marker)
        out |= (theirs & (dates != "") & (dates < since)).to_numpy(dtype=bool) & ~(stated > 0) & ~true(frame, "disagg")
    return np.asarray(out)


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    none = int((without_warmup(frame) & where).sum())
    return (
        f"p99 TTFT is {span(number(frame, 'p99_ttft_s')[where])} s where the median is {span(number(frame, 'median_ttft_s')[where])} s and a warm "
        f"engine needs at most {span(burst_limit_s(frame)[where])} s for the first burst, and the Little ratio is "
        f"{span(little_ratio(frame).to_numpy()[where])}; {none} of the {int(where.sum())} rows state no warm-up or are older than their client's."
    )


# Little's law marks these rows too and corrects them; a second correction here would count twice.
WARMUP = Check(
    name="warmup",
    rule="The measured window begins after the engine's start-up: no first request waits longer than a warm engine needs for the first burst.",
    mark=cold_start,
    saw=_saw,
    kind="harness",
)
