"""Rows that cannot be right: rates that are undefined, infinite, zero or negative, or that their source marked invalid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import marks, number

RATES = ("interactivity_tok_s_user", "total_tput_tok_s_gpu", "output_tput_tok_s_gpu")


def broken_rows(frame: pd.DataFrame) -> pd.Series:
    """Which rows are broken: bool, shape (rows,).

    Interactivity must be a finite positive rate; of the two throughputs those that are stated must be, and one must be stated.
    """
    marked = _rejected(frame)
    stated = np.zeros(len(frame), dtype=bool)
    for column in RATES:
        value = number(frame, column)
        undefined = np.isnan(value)
        wrong = ~undefined & ~(np.isfinite(value) & (value > 0))
        if column == RATES[0]:
            wrong |= undefined
        else:
            stated |= ~undefined
        marked |= wrong
    return marks(frame, marked | ~stated)


def _rejected(frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(~frame["valid"].astype("boolean").fillna(True).to_numpy(dtype=bool))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where, rejected = mark.to_numpy(dtype=bool), _rejected(frame)
    return (
        f"{int((where & rejected).sum())} rows were rejected by their source or an earlier check, {int((where & ~rejected).sum())} have a rate "
        "that is undefined, infinite, zero or negative."
    )


BROKEN_ROWS = Check(
    name="broken_rows",
    rule="Interactivity and throughput are finite, positive rates, and the source did not reject the row.",
    mark=broken_rows,
    saw=_saw,
    kind="invalid",
    carries=False,
)
