"""Requests that failed, went missing, or were too few for the concurrency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import BoolArray, marks, number, predicted, span

# Ramp and drain of a closed loop leave about half a round idle: with n rounds 0.5 / (n + 0.5) of the window, 9 % at five. InferenceX sends ten.
ROUNDS = 5.0


def completions(frame: pd.DataFrame) -> pd.Series:
    """Which rows lost requests or completed too few: bool, shape (rows,).

    Any failed request; fewer completed requests than five times the concurrency; or fewer completed and failed ones than the optional column
    ``sent_requests``. Rows that do not say are not marked.
    """
    few, lost = _few(frame), _lost(frame)
    return marks(frame, ((number(frame, "failed_requests") > 0) | few | lost) & ~predicted(frame))


def _few(frame: pd.DataFrame) -> BoolArray:
    with np.errstate(invalid="ignore"):
        return np.asarray((number(frame, "requests") < ROUNDS * number(frame, "concurrency")) & np.isnan(number(frame, "request_rate_per_s")))


def _lost(frame: pd.DataFrame) -> BoolArray:
    with np.errstate(invalid="ignore"):
        return np.asarray(number(frame, "requests") + np.nan_to_num(number(frame, "failed_requests")) < number(frame, "sent_requests"))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    failed, requests = np.nan_to_num(number(frame, "failed_requests")), number(frame, "requests")
    parts = []
    if (where & (failed > 0)).any():
        rows = where & (failed > 0)
        parts.append(f"{failed[rows].sum():.0f} requests failed in {int(rows.sum())} rows (share {span((failed / (failed + requests))[rows])})")
    if (where & _few(frame)).any():
        rows = where & _few(frame)
        parts.append(f"{int(rows.sum())} rows completed {span((requests / number(frame, 'concurrency'))[rows])} times their concurrency")
    if (where & _lost(frame)).any():
        rows = where & _lost(frame)
        missing = (number(frame, "sent_requests") - requests - failed)[rows]
        parts.append(f"{int(missing.sum())} requests sent in {int(rows.sum())} rows neither completed nor failed")
    return "; ".join(parts) + "."


COMPLETIONS = Check(
    name="completions",
    rule=f"Every request completes, and at least {ROUNDS:g} times as many as are in flight at once.",
    mark=completions,
    saw=_saw,
    kind="harness",
)
