"""Several engine images or versions inside one curve."""

from __future__ import annotations

import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import SERIES, groups, marks, predicted, text


def mixed_images(frame: pd.DataFrame) -> pd.Series:
    """Which rows stand in a curve with another image or engine version than most of it: bool, shape (rows,).

    A curve is a system and a load on one date. Unknown images say nothing. Between equally frequent ones all but the first are marked.
    """
    curve = pd.Series(groups(frame, SERIES))
    out = predicted(frame) & False
    for column in ("image", "engine_version"):
        name = text(frame, column).reset_index(drop=True)
        known = name != ""
        count = known.groupby([curve, name]).transform("sum").where(known, 0)
        first = pd.Series(range(len(frame))).groupby([curve, name]).transform("first")
        score = count * (len(frame) + 1) - first  # more rows first, earlier rows next
        out |= (known & (score < score.where(known).groupby(curve).transform("max"))).to_numpy(dtype=bool)
    return marks(frame, out)


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    names = sorted((set(text(frame, "image")[where]) | set(text(frame, "engine_version")[where])) - {""})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{int(where.sum())} rows run {', '.join(names[:3])}{more}, the rest of their curves another image or version."


MIXED_IMAGES = Check(
    name="mixed_images",
    rule="One curve is drawn with one engine image and version.",
    mark=mixed_images,
    saw=_saw,
    kind="identity",
)
