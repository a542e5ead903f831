"""Rows that cannot be right: rates that are undefined, infinite, zero or negative, or that their source marked invalid."""

from __future__ import annotations

import numpy as np
import pandas as pd

RATES = ("interactivity_tok_s_user", "total_tput_tok_s_gpu", "output_tput_tok_s_gpu")


def broken_rows(frame: pd.DataFrame) -> pd.Series:
    """Which rows are broken: bool, shape (rows,).

    Interactivity must be a finite positive rate; of the two throughputs those that are stated must be, and one must be stated.
    """
    marked = ~frame["valid"].astype("boolean").fillna(True).astype(bool)
    stated = np.zeros(len(frame), dtype=bool)
    for column in RATES:
        value = frame[column].to_numpy(dtype=float)
        undefined = np.isnan(value)
        wrong = ~undefined & ~(np.isfinite(value) & (value > 0))
        if column == RATES[0]:
            wrong |= undefined
        else:
            stated |= ~undefined
        marked |= wrong
    return marked | ~stated
