"""A change of names that moved no measured value: the same measurement under another image, engine, model or setting."""

from __future__ import annotations

import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import marks
from frontier.integrity.repeated_values import IDENTITY, differs, earlier_twin


def metadata_only(frame: pd.DataFrame) -> pd.Series:
    """Which rows repeat every measured value of an earlier row under another identity: bool, shape (rows,)."""
    return marks(frame, differs(frame, earlier_twin(frame, ()), IDENTITY))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    twin = earlier_twin(frame, ())
    twin[~mark.to_numpy(dtype=bool)] = -1
    changed = [name for name in dict.fromkeys(IDENTITY) if differs(frame, twin, (name,)).any()]
    return f"{int(mark.sum())} rows equal an earlier row in every measured value and differ from it in {', '.join(changed)}."


METADATA_ONLY = Check(
    name="metadata_only",
    rule="Another image, engine, model or setting is another launch, so its measured values differ in some digit.",
    mark=metadata_only,
    saw=_saw,
    kind="identity",
)
