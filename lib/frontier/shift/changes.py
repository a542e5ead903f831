"""What a change log says of a shift: the entries between its two dates that touch its configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from frontier.changelog import match
from frontier.errors import PointsError

_SERIES = ("model", "hardware", "engine", "precision", "spec", "disagg", "isl_tokens", "osl_tokens")


def changes_between(document: Mapping[str, Any], before: pd.DataFrame, after: pd.DataFrame, changelog: pd.DataFrame) -> dict[str, Any]:
    """The change log's account of a shift: see :func:`frontier.changelog.match`.

    Parameters
    ----------
    document : mapping
        The ``frontier.shift/1`` document of the two tables.
    before, after : DataFrame
        The two normalized points tables; their rows must say on which dates they were taken.
    changelog : DataFrame
        As :func:`frontier.changelog.read_changelog` gives it.

    Raises
    ------
    PointsError
        If a side states no date, or the second one does not end after the first.

    Notes
    -----
    A table may span several dates: what may have changed it lies between the last date of the first and the last date of the second. A column in
    which a table holds several values (no and some speculation, say) does not narrow the entries down.
    """
    dates = [sorted(set(side["date"].dropna())) for side in (before, after)]
    for side, found in zip(("before", "after"), dates, strict=True):
        if not found:
            raise PointsError(f"no row of the table {side} states its date, so no change log can be matched", hint="fill the column 'date'")
    if dates[1][-1] < dates[0][-1]:
        raise PointsError(f"the second table ({dates[1][-1]}) is older than the first ({dates[0][-1]})", hint="swap the two tables")
    both = pd.concat([before, after], ignore_index=True)
    series = {c: both[c].dropna().iloc[0] for c in _SERIES if len(both[c].dropna().unique()) == 1}
    causes = [factor["cause"] for factor in document["factors"]]
    images = (set(before["image"].dropna()), set(after["image"].dropna()))
    return match(
        changelog, series, before_date=dates[0][-1], after_date=dates[1][-1], causes=causes, images=images, dates={*dates[0], *dates[1]}
    )
