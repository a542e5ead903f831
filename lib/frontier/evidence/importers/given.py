"""System facts that a file does not hold, given beside it: ``--set COLUMN=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from frontier.errors import UsageError
from frontier.evidence.importers.row_types import Refusal, typed_rows
from frontier.records import COLUMNS

# Results of the measurement itself are never typed in by hand; these stand beside a load generator's file because it cannot know them.
_BESIDE = {"quality", "quality_metric", "acceptance_length", "power_w_gpu", "warmup_requests"}
_NOT_GIVEN = {"source", "flags", "valid"}
# A server answers to any name, and every record has its own for the same model: this one is replaced, so that points of two origins can be compared.
_RENAMED = {"model"}
GIVEN_COLUMNS = tuple(
    name
    for name, (group, _) in COLUMNS.items()
    if (group in ("identity", "system", "levers", "load") and name not in _NOT_GIVEN) or name in _BESIDE
)


def typed_given(given: Mapping[str, str]) -> dict[str, Any]:
    """The facts in their columns' types.

    Raises
    ------
    UsageError
        If a column is none that can be given, or a value is not of its column's type.
    """
    unknown = [name for name in given if name not in GIVEN_COLUMNS]
    if unknown:
        what = "a result, which only the file may state" if unknown[0] in COLUMNS else "no column of the points table"
        raise UsageError(f"--set {unknown[0]}: {what}", hint=f"columns that can be set: {', '.join(GIVEN_COLUMNS)}")
    if not given:
        return {}
    table, refused = typed_rows(pd.DataFrame([dict(given)]), "", pd.Series([0], dtype="Int64"))
    if refused:
        _, _, column, value, rule = refused[0]
        raise UsageError(f"--set {column}={value}: {rule}", hint=f"--set {column}=VALUE")
    empty = [name for name in given if pd.isna(table[name].iloc[0])]
    if empty:
        raise UsageError(f"--set {empty[0]} has no value", hint=f"--set {empty[0]}=VALUE")
    return {name: table[name].iloc[0] for name in given}


def fill_in(points: pd.DataFrame, given: Mapping[str, Any], file: str, lines: pd.Series[Any]) -> tuple[pd.DataFrame, list[Refusal]]:
    """The points with the given facts where the file states none; rows where it states another are refused, but a model is renamed.

    Parameters
    ----------
    points : DataFrame, typed
    given : mapping column -> typed value
    file : str
    lines : integer series that holds the index of ``points``
    """
    refused: list[Refusal] = []
    good = pd.Series(True, index=points.index)
    filled = points.copy(deep=False) if given else points
    for column, value in given.items():
        if column in _RENAMED:
            filled[column] = pd.Series(value, index=points.index, dtype=points[column].dtype)
            continue
        against = (points[column].notna() & (points[column] != value)).fillna(False).astype(bool) & good
        rule = f"--set {column}={value} contradicts the file"
        refused.extend((file, int(lines[i]), column, points[column][i], rule) for i in points.index[against])
        good &= ~against
        filled[column] = points[column].fillna(value)
    return (filled[good] if not good.all() else filled), refused
