"""Latencies in seconds, whatever the label says: TPOT, interactivity and whole latency vote on the unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.evidence.importers.inferencex.checked import Checked, apart

AGREE = 0.01  # two figures of one quantity; the record's own agree to the last digit
PLAUSIBLE = 1.25  # medians of different quantities: E2EL - TTFT against TPOT x (OSL - 1)
_NAMES = tuple(f"{statistic}_{name}" for name in ("ttft", "tpot", "itl", "e2el") for statistic in ("mean", "median", "p90", "p99"))


def settle_latencies(rows: Checked, mean_length: float) -> dict[str, pd.Series[Any]]:
    """All latencies in seconds; ``median_tpot`` is the one that holds.

    Interactivity is 1 / median TPOT by definition (``std_intvty`` is meaningless and never read). Where the stated median interactivity
    says otherwise: by a factor of 1000 the latencies are in milliseconds; else the one of the two that fits E2EL - TTFT over the mean output
    length is taken, and the row is refused if neither does.
    """
    raw = {name: rows.measured(name) for name in _NAMES}
    tpot, speed = raw["median_tpot"], rows.measured("median_intvty")
    rows.refuse(tpot.isna() & speed.isna(), "median_tpot", "a positive time, or median_intvty a positive rate")
    product = tpot * speed
    thousand = (product / 1000 - 1).abs() <= AGREE
    rows.mark(thousand, "latencies_in_ms")
    seconds = {name: values.mask(thousand, values / 1000) for name, values in raw.items()}
    tpot = seconds["median_tpot"]
    rows.mark(tpot.isna() & speed.notna(), "tpot_from_intvty")
    contradicted = ((tpot * speed - 1).abs() > AGREE).fillna(False)
    if contradicted.any():
        decode = (seconds["median_e2el"] - seconds["median_ttft"]) / (mean_length * rows.measured("osl") - 1)
        off_tpot, off_speed = (apart(decode, value) for value in (tpot, 1 / speed))
        rows.refuse(
            contradicted & (np.minimum(off_tpot, off_speed) > np.log(PLAUSIBLE)),
            "median_tpot",
            "1 / median_intvty, or one of the two must fit median_e2el - median_ttft",
        )
        rows.mark(contradicted & (off_tpot <= off_speed), "intvty_contradicts_tpot")
        rows.mark(contradicted & (off_tpot > off_speed), "tpot_contradicts_intvty")
        tpot = tpot.mask(contradicted & (off_tpot > off_speed), 1 / speed)
    return {**seconds, "median_tpot": tpot.fillna(1 / speed)}
