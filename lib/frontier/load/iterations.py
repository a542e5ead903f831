"""Steps of a TensorRT-LLM engine, from ``trtllm-bench --iteration_log`` (a Python dict per line) or the log of a worker with ``print_iter_log``.

They say what filled the steps that a throughput was measured over: how many requests a step served, and how many steps were shared with a prompt.
Keys and labels drift between releases; what a line does not state is NaN.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier.errors import PointsError

COLUMNS = ("iteration", "rank", "step_s", "scheduled", "context_requests", "context_tokens", "generation_requests", "generation_tokens", "queued")
_LINE = re.compile(r"\biter = (\d+), .*?states = (\{[^{}]*\})")
_VALUE = re.compile(r"(\w+) ?[=:] ?([-+.\deE]+)(ms|s)?\b")


@dataclass(frozen=True)
class Steps:
    """Steps of one engine.

    Parameters
    ----------
    table : DataFrame, one row per step and rank that logged, columns ``COLUMNS``, float
        ``step_s`` seconds, the rest counts; NaN where the log does not say.
    broken : int
        Lines that begin like a step and cannot be read, as the last one of a log that was cut off.
    """

    table: pd.DataFrame
    broken: int = 0

    def summary(self) -> dict[str, float]:
        """What the steps were like, of the first rank, over steps that served anything.

        Returns
        -------
        dict
            ``steps``; ``median_step_s``; ``mean_scheduled`` (requests per step); ``context_share`` (of steps, with a prompt in them);
            ``queued_share`` (of steps, with requests waiting for room). NaN where the log does not say.
        """
        table = self.table
        ranks = table["rank"].dropna()
        own = table[table["rank"].isna() | (table["rank"] == ranks.min())] if len(ranks) else table
        served = own[(own[["scheduled", "context_tokens", "generation_tokens", "generation_requests"]].fillna(0) > 0).any(axis=1)]
        context = served[["context_requests", "context_tokens"]].max(axis=1)
        return {
            "steps": float(len(served)),
            "median_step_s": _of(served["step_s"], np.median),
            "mean_scheduled": _of(served["scheduled"], np.mean),
            "context_share": _of((context > 0).astype(float).where(context.notna()), np.mean),
            "queued_share": _of((served["queued"] > 0).astype(float).where(served["queued"].notna()), np.mean),
        }


def read_steps(path: Path) -> Steps:
    """The steps of a log of either kind; other lines are passed over.

    Raises
    ------
    PointsError
        If the file cannot be read, or holds no step.
    """
    rows, broken = [], 0
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                row = _step(line)
                if row is not None:
                    rows.append(row)
                elif line.lstrip().startswith("{") or re.search(r"\biter = \d+,", line):
                    broken += 1
    except OSError as cause:
        raise PointsError(f"cannot read the log of steps: {cause.strerror or cause}", origin=str(path)) from cause
    if not rows:
        raise PointsError("no step is logged here", origin=str(path), hint="print_iter_log: true of a worker, or trtllm-bench --iteration_log FILE")
    return Steps(pd.DataFrame(rows, columns=list(COLUMNS), dtype=float), broken)


def _step(line: str) -> dict[str, float] | None:
    text = line.strip()
    if text.startswith("{"):
        found = _mapping(text)
        return None if found is None or "iter" not in found else _of_dict(found)
    match = _LINE.search(text)
    states = _mapping(match[2]) if match else None
    return None if match is None or states is None else _of_line(int(match[1]), text[: match.start(2)], states)


def _mapping(text: str) -> Mapping[str, Any] | None:
    """A dict as Python or as JSON writes it; None of anything else."""
    for read in (ast.literal_eval, json.loads):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return found if isinstance(found, Mapping) else None
    return None


def _of_dict(found: Mapping[str, Any]) -> dict[str, float]:
    batch = found.get("inflightBatchingStats") or {}
    # The executor's own latency of a step; the host's where only that is there.
    step = _number(found, "iterLatencyMS")
    return {
        "iteration": _number(found, "iter"),
        "rank": _number(found, "attentionDpRank"),
        "step_s": (step if step > 0 else _number(found, "hostStepTimeMS")) / 1000.0,
        "scheduled": _number(batch, "numScheduledRequests"),
        "context_requests": _number(batch, "numContextRequests"),
        "context_tokens": _number(batch, "numCtxTokens"),
        "generation_requests": _number(batch, "numGenRequests"),
        "generation_tokens": math.nan,
        "queued": _number(found, "numQueuedRequests"),
    }


def _of_line(iteration: int, before: str, states: Mapping[str, Any]) -> dict[str, float]:
    stated = {name: float(value) * (1e-3 if unit == "ms" else 1.0) for name, value, unit in _VALUE.findall(before) if _is_number(value)}
    return {
        "iteration": float(iteration),
        "rank": stated.get("rank", math.nan),
        "step_s": stated.get("elapsed_time", stated.get("host_step_time", math.nan)),
        "scheduled": stated.get("num_scheduled_requests", math.nan),
        "context_requests": _number(states, "num_ctx_requests"),
        "context_tokens": _number(states, "num_ctx_tokens"),
        "generation_requests": math.nan,
        "generation_tokens": _number(states, "num_generation_tokens"),  # padding of the replayed graph included
        "queued": math.nan,
    }


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(found: Mapping[str, Any], key: str) -> float:
    value = found.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _of(values: pd.Series[Any], statistic: Any) -> float:
    stated = values.dropna()
    return float(statistic(stated)) if len(stated) else math.nan
