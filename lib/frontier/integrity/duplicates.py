"""Rows that say the same thing twice."""

from __future__ import annotations

import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import groups, marks, predicted

# Names of where a row came from may differ between two copies of one measurement; what was measured may not.
PROVENANCE = ("source", "run_id", "replicate", "flags", "run_url")


def duplicates(frame: pd.DataFrame) -> pd.Series:
    """Which rows repeat an earlier one in every measured value and every setting: bool, shape (rows,).

    Independent launches never agree to the last digit, so an exact repetition under another replicate number is a copy. Predicted rows
    are deterministic and are never marked.
    """
    code = groups(frame, [str(column) for column in frame.columns if column not in PROVENANCE])
    return marks(frame, pd.Series(code).duplicated(keep="first").to_numpy(dtype=bool) & ~predicted(frame))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    return f"{int(mark.sum())} of {len(frame)} rows repeat an earlier row in every measured value and every setting."


DUPLICATES = Check(
    name="duplicates",
    rule="A measurement stands in the table once.",
    mark=duplicates,
    saw=_saw,
    kind="identity",
    carries=False,
)
