"""Latencies that do not belong together: interactivity that is not 1 / TPOT, statistics in the wrong order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import BoolArray, marks, number, span, text

# A printed value with three digits is right within 0.5 %; 1 / TPOT of two such values within 1 %. All rows of the InferenceX record agree to 1e-12.
ROUNDING = 0.02
_ORDERED = (
    ("median_ttft_s", "p90_ttft_s"), ("p90_ttft_s", "p99_ttft_s"), ("median_ttft_s", "p99_ttft_s"), ("median_tpot_s", "p99_tpot_s"),
    ("median_e2el_s", "p99_e2el_s"),
)  # fmt: skip


def latency_sums(frame: pd.DataFrame) -> pd.Series:
    """Which rows hold latencies that cannot be of one run: bool, shape (rows,).

    Interactivity is not 1 / median TPOT (another statistic or another unit); a percentile lies below a lower one; the median TTFT exceeds the p99
    E2EL. Rows that say in ``flags`` that their interactivity is that of another statistic are not held to the first rule.
    """
    return marks(frame, _not_inverse(frame) | _out_of_order(frame))


def _not_inverse(frame: pd.DataFrame) -> BoolArray:
    product = number(frame, "interactivity_tok_s_user") * number(frame, "median_tpot_s")
    said = text(frame, "flags").str.contains("interactivity_from|latency_statistic").to_numpy(dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(product - 1) > ROUNDING) & ~said)


def _out_of_order(frame: pd.DataFrame) -> BoolArray:
    out = np.zeros(len(frame), dtype=bool)
    for lower, upper in (*_ORDERED, ("median_ttft_s", "p99_e2el_s")):
        with np.errstate(invalid="ignore"):
            out |= number(frame, lower) > number(frame, upper) * (1 + ROUNDING)
    return out


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    product = number(frame, "interactivity_tok_s_user") * number(frame, "median_tpot_s")
    return (
        f"interactivity x median TPOT is {span(product[where])} (1 by definition); {int((where & _out_of_order(frame)).sum())} rows have a "
        "percentile below a lower one."
    )


LATENCY_SUMS = Check(
    name="latency_sums",
    rule="Interactivity is 1 / median TPOT, and percentiles rise.",
    mark=latency_sums,
    saw=_saw,
    kind="label",
)
