"""Points that are older than they say, or older than the curve they stand in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import LAYOUT, LOAD, SERIES, SYSTEM, BoolArray, groups, marks, text
from frontier.integrity.memory import once
from frontier.integrity.repeated_values import IDENTITY, differs, earlier_twin

# A curve is one day's when so much of it is; a day's difference is a run over midnight.
MAJORITY, DAYS = 0.7, 2
SMALLEST = 4  # points of a curve


def stale(frame: pd.DataFrame) -> pd.Series:
    """Which rows are stale: bool, shape (rows,).

    A row repeats every measured value of an earlier date: it was carried forward. Or a curve (a system's configurations at one load) is of one date
    but for a few rows that are at least two days older. Where a model's configurations stand on several dates the table is a history, in which
    curves of several dates are no fault: it is judged by the first rule only.
    """
    return marks(frame, _carried(frame) | _left_behind(frame))


@once
def _carried(frame: pd.DataFrame) -> BoolArray:
    twin = earlier_twin(frame, ())
    return np.asarray(differs(frame, twin, ("date",)) & ~differs(frame, twin, IDENTITY) & (text(frame, "date") != "").to_numpy())


@once
def _left_behind(frame: pd.DataFrame) -> BoolArray:
    day = pd.to_datetime(text(frame, "date").replace("", None), errors="coerce", format="%Y-%m-%d")
    if day.isna().all():
        return np.zeros(len(frame), dtype=bool)
    curve = groups(frame, [column for column in SERIES if column != "date"])
    once = ~pd.Series(groups(frame, (*SYSTEM, *LAYOUT, *LOAD, "hardware", "engine", "evidence", "replicate"))).duplicated(keep=False)
    table = pd.DataFrame({"curve": curve, "day": day.to_numpy(), "once": once.to_numpy()})
    size = table.groupby("curve")["day"].transform("size")
    snapshot = table["once"].groupby(groups(frame, ("evidence", "model"))).transform("all")
    count = table.groupby(["curve", "day"])["once"].transform("size").where(table["day"].notna(), 0)
    top = count.groupby(table["curve"]).transform("max")
    usual = table["day"].where(count == top).groupby(table["curve"]).transform("max")
    older = (usual - table["day"]).dt.days >= DAYS
    return np.asarray((snapshot & (size >= SMALLEST) & (top >= MAJORITY * size) & older).fillna(False).to_numpy(dtype=bool))


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    carried = int((where & _carried(frame)).sum())
    dates = sorted(set(text(frame, "date")[where]) - {""})
    return (
        f"{carried} rows repeat every measured value of an earlier date, {int(where.sum()) - carried} are older than the rest of their curve "
        f"(dates {dates[0]} to {dates[-1]})."
        if dates
        else f"{carried} rows repeat every measured value of an earlier date."
    )


STALE = Check(
    name="stale",
    rule="A point was measured on its date, and on that of the curve it stands in.",
    mark=stale,
    saw=_saw,
    kind="identity",
)
