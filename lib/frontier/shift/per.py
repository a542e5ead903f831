"""Throughput per something else than a GPU: what one GPU needs of it, by hardware, in the table that each side was counted with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Per:
    """A denominator.

    Attributes
    ----------
    name : str
        ``megawatt`` or ``usd``.
    unit : str
        Of the throughput divided by it: ``tokens/s/MW``.
    before, after : mapping hardware -> float
        What one GPU needs in the table of the first and of the second side, in the unit's denominator; where the two tables differ, the second
        side is also counted with the first one's, and the difference is the factor ``denominator``.
    """

    name: str
    unit: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    def of(self, frame: pd.DataFrame, role: str, *, origin: str) -> tuple[FloatArray, FloatArray]:
        """What each row's GPU needs in its own side's table, and the log of that over the first side's table; each of shape (rows,).

        Raises
        ------
        PointsError
            If a table lacks a row's hardware.
        """
        own = self._needs(frame, self.before if role == "before" else self.after, origin)
        return own, np.log(own / self._needs(frame, self.before, origin))

    def _needs(self, frame: pd.DataFrame, table: Mapping[str, float], origin: str) -> FloatArray:
        needs = frame["hardware"].map(dict(table)).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        if not np.isfinite(needs).all():
            lacking = sorted({str(value) for value in frame["hardware"][~np.isfinite(needs)]})
            raise PointsError(
                f"the table has no {self.name} for {', '.join(lacking)}", origin=origin, hint=f"it has: {', '.join(sorted(table))}"
            )
        return np.asarray(needs, dtype=np.float64)
