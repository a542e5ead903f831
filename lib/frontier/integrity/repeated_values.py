"""Measured values that occur again to the last digit under another date or another identity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.integrity.columns import LAYOUT, LOAD, MEASURED, SYSTEM, BoolArray, groups, number, predicted, text
from frontier.integrity.memory import once

# Two coordinates may meet by chance in a rounded table; with a third value independent launches do not agree.
ENOUGH = 3


@once
def comparable(frame: pd.DataFrame) -> BoolArray:
    """Rows with enough measured values to be told from a chance agreement, shape (rows,); predicted and simulated rows repeat by construction."""
    stated = sum(np.isfinite(number(frame, column)).astype(int) for column in MEASURED)
    deterministic = predicted(frame) | (text(frame, "evidence") == "simulated").to_numpy(dtype=bool)
    return np.asarray((stated >= ENOUGH) & ~deterministic)


@once
def earlier_twin(frame: pd.DataFrame, same: tuple[str, ...]) -> NDArray[np.int64]:
    """Position of the first row, in order of dates, with the same measured values and equal ``same`` columns; -1 for that row itself."""
    order = np.argsort(text(frame, "date").to_numpy(dtype=str), kind="stable")
    code = groups(frame, (*MEASURED, *same))
    first = pd.Series(order).groupby(code[order]).transform("first").to_numpy()
    out = np.full(len(frame), -1, dtype=np.int64)
    out[order] = np.where(first == order, -1, first)
    out[~comparable(frame)] = -1
    return out


def differs(frame: pd.DataFrame, twin: NDArray[np.int64], columns: tuple[str, ...]) -> BoolArray:
    """Where a row has a twin and one of the columns differs from the twin's; shape (rows,)."""
    out = np.zeros(len(frame), dtype=bool)
    has = twin >= 0
    for column in columns:
        if column in frame:
            code = pd.factorize(frame[column])[0]
            out |= has & (code != code[np.where(has, twin, 0)])
    return out


IDENTITY = (*SYSTEM, *LAYOUT, *LOAD, "hardware", "engine")
