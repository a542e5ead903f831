"""Little's law: in a steady closed loop the request rate times the mean latency is the concurrency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.cold_start import cold_start, rounds
from frontier.integrity.columns import marks, number, predicted, scaled, span, text, true
from frontier.integrity.other_count import fits_other_count
from frontier.integrity.steady import exact_ratio, from_nominal, little_ratio, steady_ratio

# More cannot be in flight than the concurrency, so the law bounds the ratio by 1 from above. The median may exceed the mean by a few per cent (1.031
# is the highest of 797 aggregated rows of the InferenceX record, 1.090 of the disaggregated ones with a sound GPU count), and lengths differ from
# their mean by 1 % at 40 requests.
HIGH, DISAGGREGATED_HIGH = 1.06, 1.10
# After n rounds the window drains within one more latency, so n / (n + 1) of it is full, and ten rounds leave 0.91; 1 % is for the median.
DRAIN, LOW = 0.99, 0.90
# With the mean latency the law is exact; the lowest of 190 disaggregated rows of the InferenceX record is 0.877.
EXACT = (0.85, 1.05)
# The median latency of a disaggregated row may lie far below its mean (queues of a prefill pool come in waves): 0.68 where the mean gives 0.905.
DISAGGREGATED_LOW = 0.60
# Nominal lengths overstate mean lengths by up to 20 % where only nominal ones are known.
NOMINAL = 0.8


def little_law(frame: pd.DataFrame) -> pd.Series:
    """Which rows contradict Little's law: bool, shape (rows,).

    Rows with a start-up in the window count, because their window is not steady. Rows whose throughput was itself derived by the law, and
    predicted rows, are never marked.
    """
    ratio, exact = little_ratio(frame).to_numpy(), exact_ratio(frame)
    disagg = true(frame, "disagg")
    count = rounds(frame)
    drained = np.minimum(DRAIN * count / (count + 1), LOW)
    high = np.where(disagg, DISAGGREGATED_HIGH, HIGH)
    low = np.where(disagg, np.minimum(DISAGGREGATED_LOW, drained), drained) * np.where(from_nominal(frame), NOMINAL, 1.0)
    with np.errstate(invalid="ignore"):
        outside = (ratio < low) | (ratio > high) | (exact > EXACT[1]) | (disagg & (exact < EXACT[0]) & ~from_nominal(frame))
    derived = text(frame, "flags").str.contains("littles_law").to_numpy(dtype=bool)
    # An open loop has no concurrency to hold: the column then only caps it.
    open_loop = np.isfinite(number(frame, "request_rate_per_s"))
    return marks(frame, (outside | cold_start(frame).to_numpy()) & ~derived & ~predicted(frame) & ~open_loop)


def at_steady_state(frame: pd.DataFrame, mark: pd.Series) -> pd.DataFrame:
    """Throughput at steady state: throughput / ratio x the ratio of comparable steady rows.

    Rows whose throughput fits another GPU count are left to the checks of the denominators.
    """
    where = mark.to_numpy(dtype=bool) & ~fits_other_count(frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = steady_ratio(frame) / little_ratio(frame).to_numpy()
    return scaled(frame, where, factor)


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    ratio, where = little_ratio(frame).to_numpy(), mark.to_numpy(dtype=bool)
    low = int((ratio[where] < 1).sum())
    return (
        f"request rate x latency / concurrency is {span(ratio[where])} in the marked rows ({low} below 1), against "
        f"{span(steady_ratio(frame)[where])} in comparable steady rows."
    )


LITTLE_LAW = Check(
    name="little_law",
    rule="In a closed loop the request rate times the mean latency is the concurrency, less what ramp and drain of the window explain.",
    mark=little_law,
    saw=_saw,
    kind="harness",
    corrected=at_steady_state,
)
