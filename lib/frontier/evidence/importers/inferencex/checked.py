"""Rows under inspection: their columns by type, the refused ones, the flags of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.importers.row_types import Refusal, flag_cells, number_cells, text_cells


def apart(value: pd.Series[Any], other: pd.Series[Any] | float) -> pd.Series[Any]:
    """|log(value / other)|: how far two figures are apart; infinite where one is unknown or not positive."""
    ratio = value / other
    return ratio.where(ratio > 0).map(np.log, na_action="ignore").abs().fillna(np.inf)


class Checked:
    """Flat rows whose cells are read by type; a cell that cannot be read refuses its row.

    Parameters
    ----------
    raw : DataFrame with index 0, 1, ...
    file : str
    lines : sequence of int, one per row
    """

    def __init__(self, raw: pd.DataFrame, file: str, lines: Sequence[int]) -> None:
        self.raw, self.file, self.lines = raw, file, lines
        self.refused: list[Refusal] = []
        self.good: NDArray[np.bool_] = np.ones(len(raw), dtype=bool)
        self._numbers: dict[str, pd.Series[Any]] = {}
        self._flags = pd.Series("", index=raw.index, dtype=object)

    def text(self, name: str) -> pd.Series[Any]:
        """A column as text; NA where blank or missing."""
        return text_cells(self.raw[name]) if name in self.raw else pd.Series(pd.NA, index=self.raw.index, dtype="string")

    def flag(self, name: str) -> pd.Series[Any]:
        """A column as boolean; NA where blank, missing or neither."""
        return flag_cells(self.raw[name])[0] if name in self.raw else pd.Series(pd.NA, index=self.raw.index, dtype="boolean")

    def number(self, name: str) -> pd.Series[Any]:
        """A column as floats; NaN where blank or missing. A text that is no number refuses its row."""
        if name not in self._numbers:
            if name in self.raw:
                values, wrong = number_cells(self.raw[name])
                self.refuse(wrong, name, "a number")
            else:
                values = pd.Series(np.nan, index=self.raw.index, dtype="float64")
            self._numbers[name] = values
        return self._numbers[name]

    def measured(self, name: str) -> pd.Series[Any]:
        """A column of rates or times; zero and below mean that nothing was measured (older exports write 0 for a missing value)."""
        values = self.number(name)
        return values.where(values > 0)

    def refuse(self, wrong: pd.Series[Any] | NDArray[np.bool_], name: str, rule: str) -> None:
        """Refuse rows, naming the cell and the rule; a row is refused once, for the first reason."""
        rule = f"{name} must be {rule}"
        fresh = np.flatnonzero(np.asarray(pd.Series(wrong).fillna(False), dtype=bool) & self.good)
        for i in map(int, fresh):
            value = self.raw[name].iloc[i] if name in self.raw else None
            self.refused.append((self.file, self.lines[i], name, "" if pd.api.types.is_scalar(value) and pd.isna(value) else value, rule))
        self.good[fresh] = False

    def mark(self, rows: pd.Series[Any] | NDArray[np.bool_], flag: str) -> None:
        """Add a flag to rows."""
        where = np.asarray(pd.Series(rows).fillna(False), dtype=bool)
        if where.any():
            self._flags = self._flags.mask(where, self._flags + flag + ";")

    def flags(self) -> pd.Series[Any]:
        """The flags of each row joined by ``;``; NA where there is none."""
        return text_cells(self._flags.str.rstrip(";"))
