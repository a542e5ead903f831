"""Rows that say the same thing twice."""

from __future__ import annotations

import pandas as pd

# Names of where a row came from may differ between two copies of one measurement; what was measured may not.
_PROVENANCE = ("source", "run_id", "replicate", "flags")


def duplicates(frame: pd.DataFrame) -> pd.Series:
    """Which rows repeat an earlier one in every measured value and every setting: bool, shape (rows,).

    Independent launches never agree to the last digit, so an exact repetition under another replicate number is a copy. Predicted rows
    are deterministic and are never marked.
    """
    columns = [str(column) for column in frame.columns if column not in _PROVENANCE]
    return frame.duplicated(subset=columns, keep="first") & (frame["evidence"].astype("string") != "predicted").fillna(True).astype(bool)
