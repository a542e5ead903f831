"""What a check is: a rule, the rows it marks, what those rows show, and the values they would have had without the fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Kind = Literal["harness", "denominator", "label", "identity", "invalid", "quality"]


@dataclass(frozen=True)
class Check:
    """One integrity check on a normalized points table. It marks rows; it never drops one.

    Attributes
    ----------
    name : str
    rule : str
        What must hold, in one sentence.
    mark : callable (frame) -> Series of bool, shape (rows,)
    saw : callable (frame, mark) -> str
        What the marked rows show in numbers, one sentence; called only if a row is marked.
    kind : "harness" | "denominator" | "label" | "identity" | "invalid" | "quality"
        What a marked row's error is an error of.
    carries : bool
        Whether marked rows may still carry a frontier.
    corrected : callable (frame, mark) -> DataFrame, optional
        A copy in which marked rows hold the values they would have had without the fault, where a law allows to say so. Rows that the check of
        another fault corrects are left to that check, so that corrections of several checks can be put together.
    """

    name: str
    rule: str
    mark: Callable[[pd.DataFrame], pd.Series]
    saw: Callable[[pd.DataFrame, pd.Series], str]
    kind: Kind
    carries: bool = True
    corrected: Callable[[pd.DataFrame, pd.Series], pd.DataFrame] | None = None
