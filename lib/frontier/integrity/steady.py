"""Little's law on a row: request rate x latency / concurrency, and what that is in a steady closed loop."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.columns import FloatArray, groups, number, true
from frontier.integrity.memory import once

# Medians of the DeepSeek-R1 rows of the InferenceX record (10 rounds, lengths uniform over 80 to 100 % of nominal): 0.970 over 797 aggregated rows,
# 0.94 over 450 disaggregated ones. Used only where a table has too few comparable rows of its own.
DEFAULT_AGGREGATED, DEFAULT_DISAGGREGATED = 0.97, 0.94
# What counts as steady when the reference is taken from the table.
BAND = (0.90, 1.05)
# Mean over nominal length that a stored ratio may imply: clients send 75 to 106 % of nominal (see token_counts).
SHARES = (0.75, 1.06)
COMPARABLE = 8  # rows; fewer give no median worth more than the default
# A stored ratio is contradicted where it is 5 % off what throughput and latency of its row give, in a table where the others follow within 1 %.
TIGHT, CONTRADICTED = 0.01, 0.05
# Mean length over nominal length of the InferenceX client, whose lengths are uniform over 80 to 100 % of nominal.
LENGTH_SHARE = 0.9


@once
def little_ratio(frame: pd.DataFrame) -> pd.Series:
    """Request rate x latency / concurrency of each row; NaN where a term is unknown.

    The stored ``little_ratio`` wins, unless the row's own throughput contradicts it where the other rows of the table do not. Otherwise the request
    rate is ``requests`` over ``window_s``, or the output throughput of all GPUs over the nominal output length (then lengths below nominal lower the
    ratio by as much). The latency is the median.
    """
    stored = number(frame, "little_ratio")
    with np.errstate(divide="ignore", invalid="ignore"):  # a concurrency of zero leaves the ratio undefined
        ratio = np.where(np.isnan(stored), _computed(frame), stored)
    restated = _restated(frame, stored)
    return pd.Series(np.where(np.isnan(restated), ratio, restated), index=frame.index)


def _restated(frame: pd.DataFrame, stored: FloatArray) -> FloatArray:
    """The ratio of rows whose stored one does not follow from their throughput as that of the other rows does; NaN elsewhere. Shape (rows,)."""
    none = np.full(len(frame), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = _nominal_rate(frame) * number(frame, "median_e2el_s") / number(frame, "concurrency")
        share = np.log(raw / stored)
    known = np.isfinite(share)
    if known.sum() < COMPARABLE:
        return none
    usual = float(np.median(share[known]))
    away = np.abs(share - usual)
    if np.median(away[known]) > TIGHT:
        return none
    return np.where(known & (away > CONTRADICTED), raw / np.exp(usual), np.nan)


@once
def _computed(frame: pd.DataFrame) -> FloatArray:
    counted = number(frame, "requests") / number(frame, "window_s")
    rate = np.where(np.isnan(counted), _nominal_rate(frame), counted)
    return np.asarray(rate * number(frame, "median_e2el_s") / number(frame, "concurrency"))


@once
def _nominal_rate(frame: pd.DataFrame) -> FloatArray:
    """Requests per second by the throughput: output tokens over the output length, else all tokens over both lengths."""
    gpus, isl, osl = number(frame, "gpus"), number(frame, "isl_tokens"), number(frame, "osl_tokens")
    output = number(frame, "output_tput_tok_s_gpu") * gpus / osl
    return np.asarray(np.where(np.isnan(output), number(frame, "total_tput_tok_s_gpu") * gpus / (isl + osl), output))


def from_nominal(frame: pd.DataFrame) -> np.ndarray:
    """Rows whose ratio rests on nominal lengths, so that it may be low by the share of the real lengths in them; bool, shape (rows,)."""
    counted = number(frame, "requests") / number(frame, "window_s")
    return np.asarray(np.isnan(number(frame, "little_ratio")) & np.isnan(counted))


@once
def exact_ratio(frame: pd.DataFrame) -> FloatArray:
    """The ratio with the mean latency, for which the law is exact (at most 1); NaN where ``mean_e2el_s`` is unknown."""
    return np.asarray(little_ratio(frame).to_numpy() * number(frame, "mean_e2el_s") / number(frame, "median_e2el_s"))


@once
def ratio_by_total(frame: pd.DataFrame) -> FloatArray:
    """The ratio that the total throughput and the recorded GPU count give, whatever ``little_ratio`` says; shape (rows,).

    Lengths count as nominal times the share that the table's stored ratios imply (0.9 for InferenceX). Where the total throughput or a latency is
    unknown it is the ratio of :func:`little_ratio`.
    """
    gpus, isl, osl = number(frame, "gpus"), number(frame, "isl_tokens"), number(frame, "osl_tokens")
    per_request = number(frame, "median_e2el_s") / number(frame, "concurrency")
    total = number(frame, "total_tput_tok_s_gpu") * gpus / (isl + osl) * per_request
    output = number(frame, "output_tput_tok_s_gpu") * gpus / osl * per_request
    stored = number(frame, "little_ratio")
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = output / stored
        known = (shares >= SHARES[0]) & (shares <= SHARES[1])  # others are rows whose count or throughput is wrong
    share = float(np.median(shares[known])) if known.any() else 1.0
    raw = np.where(np.isnan(total), output, total) / share
    return np.asarray(np.where(np.isnan(raw), little_ratio(frame).to_numpy(), raw))


@once
def steady_ratio(frame: pd.DataFrame) -> FloatArray:
    """The ratio of comparable rows that are steady, for each row; shape (rows,).

    Comparable rows share disaggregation and both lengths, or at least disaggregation; those within ``BAND`` count, and their median is the
    reference. With fewer than ``COMPARABLE`` it is the default of the InferenceX record.
    """
    ratio = little_ratio(frame).to_numpy()
    out = np.where(true(frame, "disagg"), DEFAULT_DISAGGREGATED, DEFAULT_AGGREGATED)
    inside = (ratio >= BAND[0]) & (ratio <= BAND[1])
    for columns in (("disagg",), ("disagg", "isl_tokens", "osl_tokens")):
        code = groups(frame, columns)
        found = pd.Series(np.where(inside, ratio, np.nan)).groupby(code).agg(["median", "count"]).reindex(code)
        out = np.where(found["count"].to_numpy() >= COMPARABLE, found["median"].to_numpy(), out)
    return np.asarray(out, dtype=float)
