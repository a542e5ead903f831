"""The types of the points table, row by row: a cell that cannot be read refuses its row, not the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from frontier.records import COLUMNS, EVIDENCE, INTERACTIVITY

_TRUE = ("true", "1", "1.0", "yes", "t")
_FALSE = ("false", "0", "0.0", "no", "f")

Refusal = tuple[str, int | None, str, Any, str]


def typed_rows(rows: pd.DataFrame, file: str, lines: pd.Series[Any]) -> tuple[pd.DataFrame, list[Refusal]]:
    """The rows with every column of the points table in its type, and the refused ones.

    The index of the result is that of ``rows`` less the refused rows, so ``lines`` can still be looked up by it. Types are those of
    :func:`frontier.records.normalize_points`; interactivity is restored from the median TPOT row by row.

    Parameters
    ----------
    rows : DataFrame with index 0, 1, ...
    file : str
        Its name, for the refusals.
    lines : integer series with the same index
    """
    bad = np.zeros(len(rows), dtype=bool)
    refused: list[Refusal] = []

    def refuse(wrong: pd.Series[Any], column: str, rule: str) -> None:
        fresh = np.flatnonzero(wrong.to_numpy(dtype=bool) & ~bad)
        refused.extend((file, int(lines.iloc[i]), column, rows[column].iloc[i], f"{column} must be {rule}") for i in fresh)
        bad[fresh] = True

    out: dict[str, pd.Series[Any]] = {}
    for column, (_, dtype) in COLUMNS.items():
        if column not in rows:
            out[column] = pd.Series(np.nan if dtype == "float64" else pd.NA, index=rows.index, dtype=dtype)
        elif dtype == "string":
            out[column] = text_cells(rows[column])
        elif dtype == "boolean":
            out[column], wrong = flag_cells(rows[column])
            refuse(wrong, column, "true or false")
        else:
            number, wrong = number_cells(rows[column])
            refuse(wrong, column, "a number")
            if dtype == "Int64":
                broken = number.notna() & ~(np.isfinite(number) & (number == np.floor(number)))
                refuse(broken, column, "a whole number")
                out[column] = number.mask(broken).astype("Int64")
            else:
                out[column] = number
    strange = out["evidence"].notna() & ~out["evidence"].isin(EVIDENCE)
    refuse(strange, "evidence", f"one of {', '.join(EVIDENCE)}")
    speed, pace = out[INTERACTIVITY], out["median_tpot_s"]
    out[INTERACTIVITY] = speed.fillna(1.0 / pace.where(pace > 0))
    for column in rows.columns:
        if column not in COLUMNS:
            out[str(column)] = rows[column]
    table = pd.DataFrame(out, index=rows.index)
    return (table[~bad] if bad.any() else table), refused


def text_cells(values: pd.Series[Any]) -> pd.Series[Any]:
    """Stripped text; NA where blank."""
    text = values.astype("string").str.strip()
    return text.mask(text == "", pd.NA)


def number_cells(values: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Floats, and where a value is neither a number nor blank."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("Float64").astype("float64") if values.dtype.kind not in "iuf" else values.astype("float64"), _none(values)
    text = values.astype("string").str.strip()
    blank = text.isna() | (text == "")
    number = pd.to_numeric(text.mask(blank), errors="coerce").astype("Float64").astype("float64")
    return number, number.isna() & ~blank


def flag_cells(values: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Booleans, and where a value is neither one nor blank."""
    if pd.api.types.is_bool_dtype(values):
        return values.astype("boolean"), _none(values)
    text = values.astype("string").str.strip().str.lower()
    flag = pd.Series(pd.NA, index=values.index, dtype="boolean").mask(text.isin(_TRUE), True).mask(text.isin(_FALSE), False)
    return flag, flag.isna() & ~(text.isna() | (text == ""))


def _none(values: pd.Series[Any]) -> pd.Series[Any]:
    return pd.Series(False, index=values.index)
