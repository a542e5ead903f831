"""Rows whose output quality lies below the gate: fast, and not the same model any more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.integrity.check import Check
from frontier.integrity.columns import BoolArray, FloatArray, groups, marks, number, span, text

# Without a stated gate: MLPerf Inference asks for 99 % of the reference accuracy. The reference of a table is the median of its rows, and an
# evaluation of a few hundred questions spreads by some 2 %, so 95 % is the loosest reading of that rule that noise does not cross.
OF_MEDIAN = 0.95
ENOUGH = 3  # rows with quality; fewer have no median worth the name
FLAG = "below_quality_gate"  # frontier.records knows it by the same name; a test compares them
_SMALLER_IS_BETTER = r"perplexity|ppl|loss|error|\bwer\b"


def _gate(frame: pd.DataFrame) -> tuple[FloatArray, BoolArray]:
    """The gate of each row (NaN: none), and where smaller is better; shape (rows,)."""
    smaller = text(frame, "quality_metric").str.contains(_SMALLER_IS_BETTER).to_numpy(dtype=bool)
    quality = pd.Series(number(frame, "quality"))
    by = quality.groupby(groups(frame, ("model", "quality_metric")))
    median = by.transform("median").where(by.transform("count") >= ENOUGH).to_numpy(dtype=float)
    stated = number(frame, "quality_gate")
    return np.where(np.isnan(stated), median * np.where(smaller, 1 / OF_MEDIAN, OF_MEDIAN), stated), smaller


def accuracy_gate(frame: pd.DataFrame) -> pd.Series:
    """Which rows miss their accuracy gate: bool, shape (rows,).

    The gate is the column ``quality_gate``; without it, 95 % of the median quality of the rows with the same model and quality metric. Metrics named
    perplexity, loss or error are better when smaller. Rows without quality are not marked, unless whoever measured them flagged them: a gate may ask
    for more than one number.
    """
    gate, smaller = _gate(frame)
    quality = number(frame, "quality")
    with np.errstate(invalid="ignore"):
        return marks(frame, np.where(smaller, quality > gate, quality < gate) | _flagged(frame))


def _flagged(frame: pd.DataFrame) -> BoolArray:
    return text(frame, "flags").str.contains(rf"(?:^|;)\s*{FLAG}\s*(?:;|$)").to_numpy(dtype=bool)


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    where = mark.to_numpy(dtype=bool)
    metrics = sorted(set(text(frame, "quality_metric")[where]) - {""})
    name = ", ".join(metrics) or "quality"
    flagged = int((where & _flagged(frame)).sum())
    own = f" {flagged} of them carry the flag {FLAG}." if flagged else ""
    return f"{name} is {span(number(frame, 'quality')[where])} in the marked rows, the gate {span(_gate(frame)[0][where])}.{own}"


ACCURACY_GATE = Check(
    name="accuracy_gate",
    rule="Output quality meets its gate: a faster point of lower quality is another product.",
    mark=accuracy_gate,
    saw=_saw,
    kind="quality",
    carries=False,
)
