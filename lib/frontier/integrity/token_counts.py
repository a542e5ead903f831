"""Tokens as the client counts them against the server's count, and against what the latencies imply."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import THROUGHPUT, BoolArray, FloatArray, marks, number, predicted, span, true
from frontier.integrity.denominators import other_lengths, share_ratio
from frontier.integrity.memory import once

# Optional columns: tokens of one run (or means per request; both sides alike) as the client and as the server counted them, and mean lengths.
CLIENT = {"input": "client_input_tokens", "output": "client_output_tokens"}
SERVER = {"input": "server_input_tokens", "output": "server_output_tokens"}
MEAN = {"isl_tokens": "mean_isl_tokens", "osl_tokens": "mean_osl_tokens"}
# Client and server tokenize alike; chunk boundaries and special tokens make up to some tokens per request. 2 % is 20 tokens of 1024.
COUNT = 0.02
# Mean over nominal length. The InferenceX client draws 80 to 100 % of nominal; implied lengths of 135 aggregated rows lie within 1.2 % of 0.9 with
# mean latencies, of 964 within 6 % with medians.
LENGTH = (0.75, 1.06)
# Medians of latencies are not additive: in disaggregated rows with queues they imply 0.82 to 1.18 of nominal where the means imply 0.9.
LENGTH_BY_MEDIANS = (0.65, 1.35)


def token_counts(frame: pd.DataFrame) -> pd.Series:
    """Which rows count tokens that were not served as stated: bool, shape (rows,).

    The server's count differs from the client's by more than 2 %; or the mean length, counted or implied by (E2EL - TTFT) / TPOT + 1, is not the
    stated length; or output over total throughput is not that of the stated lengths.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        out = _miscounted(frame) | other_lengths(frame)
        for nominal, mean in MEAN.items():
            out |= _outside(number(frame, mean) / number(frame, nominal), LENGTH)
        exact = _implied(frame, "mean") / number(frame, "osl_tokens")
        by_medians = _implied(frame, "median") / number(frame, "osl_tokens")
        loose = true(frame, "disagg") | (number(frame, "median_ttft_s") > 0.2 * number(frame, "median_e2el_s"))
        rough = np.where(loose, _outside(by_medians, LENGTH_BY_MEDIANS), _outside(by_medians, LENGTH))
        out |= np.where(np.isfinite(exact), _outside(exact, LENGTH), rough)
    return marks(frame, out & ~predicted(frame))


def _outside(share: FloatArray, bounds: tuple[float, float]) -> BoolArray:
    return np.asarray((share < bounds[0]) | (share > bounds[1]))


def _implied(frame: pd.DataFrame, statistic: str) -> FloatArray:
    """Output length that the latencies imply, shape (rows,), tokens."""
    e2el, ttft, tpot = (number(frame, f"{statistic}_{metric}_s") for metric in ("e2el", "ttft", "tpot"))
    return np.asarray((e2el - ttft) / tpot + 1)


def _served(frame: pd.DataFrame, side: str) -> FloatArray:
    """Server's over client's count, shape (rows,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(number(frame, SERVER[side]) / number(frame, CLIENT[side]))


@once
def _miscounted(frame: pd.DataFrame) -> BoolArray:
    out = np.zeros(len(frame), dtype=bool)
    for side in CLIENT:
        out |= np.abs(_served(frame, side) - 1) > COUNT
    return out


def by_server(frame: pd.DataFrame, mark: pd.Series) -> pd.DataFrame:
    """Throughput by the server's counts, where both counts are known; other marked rows stay as they are."""
    out = frame.copy()
    where = mark.to_numpy(dtype=bool) & _miscounted(frame)
    if not where.any():
        return out
    scale = {side: np.where(where & np.isfinite(_served(frame, side)), _served(frame, side), 1.0) for side in CLIENT}
    total, output = (number(frame, column) for column in THROUGHPUT)
    out[THROUGHPUT[1]] = output * scale["output"]
    out[THROUGHPUT[0]] = np.where(where, (total - output) * scale["input"] + output * scale["output"], total)
    return out


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    counted = CLIENT if _miscounted(frame)[where].any() else ()
    parts = [f"the server counts {span(_served(frame, side)[where])} times the client's {side} tokens" for side in counted]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = _implied(frame, "median") / number(frame, "osl_tokens")
    if (rows := where & other_lengths(frame)).any():
        parts.append(f"output over total throughput is {span(share_ratio(frame)[rows])} times what the stated lengths give")
    if np.isfinite(share[where]).any():
        parts.append(f"the latencies imply outputs of {span(share[where])} times the stated length")
    for nominal, mean in MEAN.items():
        if mean in frame:
            parts.append(f"the mean of {nominal} is {span((number(frame, mean) / number(frame, nominal))[where])} of nominal")
    return "; ".join(parts) + "."


TOKEN_COUNTS = Check(
    name="token_counts",
    rule="Client and server count the same tokens, and requests are as long as stated.",
    mark=token_counts,
    saw=_saw,
    kind="harness",
    corrected=by_server,
)
