"""Whether the measured window holds the engine's start-up: what a burst of first requests can cost at most, and what it did cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.columns import BoolArray, FloatArray, groups, marks, number, predicted, true
from frontier.integrity.memory import once
from frontier.integrity.steady import LENGTH_SHARE, little_ratio, steady_ratio

# Rounds (requests over concurrency) where the table does not say how many requests were sent: the InferenceX client sends ten.
ROUNDS = 10.0
# Within 5 % two results of one system are not told apart (MLPerf Endpoints draft), so a start-up is marked from there on.
MATERIAL = 0.05
# One request's prefill in a burst may take twice as long as the steady median, or as long again as the best rate the same system showed.
SLACK, SLACK_OF_ROUND = 2.0, 1.1
# Where the median request queues for prefill as well, slow first tokens are the system's own: only a p99 far above the median shows a start-up.
FAR = 5.0

_SYSTEM = ("evidence", "model", "hardware", "engine", "precision", "tp", "pp", "ep", "dp", "attention_dp", "gpus", "disagg")


@once
def rounds(frame: pd.DataFrame) -> FloatArray:
    """Requests over concurrency; ten where the number of requests is unknown. Shape (rows,)."""
    stated = number(frame, "requests") / number(frame, "concurrency")
    return np.where(np.isnan(stated), ROUNDS, stated)


@once
def burst_limit_s(frame: pd.DataFrame) -> FloatArray:
    """Longest TTFT that a warm engine can need when ``concurrency`` requests arrive at once; shape (rows,), seconds, NaN if unknown.

    The smallest of three bounds. One by one, each as slow as the median request, the last waits ``concurrency`` x median TTFT (times ``SLACK``).
    A system that completes a round of ``concurrency`` requests in c / rate has prefilled them in that time (times ``SLACK_OF_ROUND``). And the
    input tokens of the burst take no longer than at the highest input rate that the same aggregated system showed anywhere in the table (times
    ``SLACK``); a prefill pool's rate depends on how many workers a burst fills, so disaggregated rows are not held to that.
    """
    concurrency = number(frame, "concurrency")
    one_by_one = SLACK * concurrency * number(frame, "median_ttft_s")
    round_s = SLACK_OF_ROUND * _round_s(frame)
    rate = (number(frame, "total_tput_tok_s_gpu") - number(frame, "output_tput_tok_s_gpu")) * number(frame, "gpus")
    best = pd.Series(rate).where(np.isfinite(rate) & (rate > 0)).groupby(groups(frame, _SYSTEM)).transform("max").to_numpy(dtype=float)
    shown = SLACK * concurrency * LENGTH_SHARE * number(frame, "isl_tokens") / best
    shown[true(frame, "disagg")] = np.nan
    return np.asarray(np.fmin(np.fmin(one_by_one, round_s), shown))


@once
def _round_s(frame: pd.DataFrame) -> FloatArray:
    """Time in which the system completed ``concurrency`` requests on average, by Little's law: latency over ratio. Seconds, shape (rows,)."""
    return np.asarray(number(frame, "median_e2el_s") / little_ratio(frame).to_numpy())


def cold_start(frame: pd.DataFrame) -> pd.Series:
    """Rows whose own numbers show the start-up inside the measured window: bool, shape (rows,).

    All of: the p99 TTFT exceeds :func:`burst_limit_s` and five times the median TTFT; it is at least 5 % of the window; the Little ratio is at
    least 5 % below that of comparable steady rows; and, where the mean TTFT is known, slow first tokens are confined to about one round (else they
    are the system's own).
    Rows with more than 100 rounds are never marked: their p99 no longer lies in the first round.
    """
    return marks(frame, _cold(frame))


@once
def _cold(frame: pd.DataFrame) -> BoolArray:
    p99, median, mean = (number(frame, f"{statistic}_ttft_s") for statistic in ("p99", "median", "mean"))
    count = rounds(frame)
    window = number(frame, "window_s")
    window = np.where(np.isnan(window), count * _round_s(frame), window)
    low = little_ratio(frame).to_numpy() < (1 - MATERIAL) * steady_ratio(frame)
    first_round_only = np.isnan(mean) | (mean - median <= 2 * p99 / count)
    with np.errstate(invalid="ignore"):
        found = (p99 > burst_limit_s(frame)) & (p99 > FAR * median) & (p99 >= MATERIAL * window) & low & first_round_only & (count <= 100)
    return np.asarray(found & ~predicted(frame))
