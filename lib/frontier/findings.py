"""What the integrity checks find in a points table, and what each finding is worth on the frontier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError
from frontier.integrity import CHECKS, SERIES, Check, remembering, without_warmup
from frontier.pareto import Frontier, shift
from frontier.records import METRICS, check_metric, drawable, evidence_of
from frontier.snapshots import Snapshot

Marks = Mapping[str, pd.Series]
# Kinds of error that change the throughput of a row, so that correcting it says what the row is worth.
CORRECTED_KINDS = ("denominator", "harness")
# Sentences of single series cost a look at the whole table each; a table with more findings than a person reads goes without them.
MOST_SENTENCES = 500
# A frontier is drawn over one value of these.
_QUESTION = ("evidence", "model", "isl_tokens", "osl_tokens")


@dataclass(frozen=True)
class Finding:
    """What one check found in one table.

    Attributes
    ----------
    check : str
    points : int
        Rows marked.
    rule : str
        What must hold.
    saw : str
        What the marked rows show, in numbers.
    kind : "harness" | "denominator" | "label" | "identity" | "invalid" | "quality"
    effect_without : float or None
        Frontier with the marked rows over the frontier without them (log-mean at equal interactivity); None where one of them cannot be drawn, or
        they share no interactivity.
    effect_corrected : float or None
        Frontier as given over the frontier with the marked rows corrected; None also where nothing can be corrected.
    rows : tuple of int
        Positions of the marked rows in the table.
    """

    check: str
    points: int
    rule: str
    saw: str
    kind: str
    effect_without: float | None
    effect_corrected: float | None
    rows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return {
            "check": self.check, "kind": self.kind, "points": self.points, "rule": self.rule, "saw": self.saw,
            "effect_without": self.effect_without, "effect_corrected": self.effect_corrected, "rows": list(self.rows),
        }  # fmt: skip


def check_marks(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The mark of every check, in the order of the checks."""
    with remembering():
        return {name: check.mark(frame) for name, check in CHECKS.items()}


def carrying(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows that may carry a frontier: not broken, not a copy, not below their accuracy gate. Shape (rows,)."""
    return _carrying(check_marks(frame), len(frame))


def _carrying(marks: Marks, rows: int) -> NDArray[np.bool_]:
    out = np.ones(rows, dtype=bool)
    for name, mark in marks.items():
        if not CHECKS[name].carries:
            out &= ~mark.to_numpy(dtype=bool)
    return out


def corrected(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """The table with every correctable harness and denominator fault corrected, and the marks of all checks on the table as given.

    Corrections are made one after the other, denominators first, because Little's law is read through them; each check marks anew what the ones
    before it left.
    """
    marks = check_marks(frame)
    out = frame.copy()
    for name, check in CHECKS.items():
        if check.corrected is None or check.kind not in CORRECTED_KINDS or not marks[name].any():
            continue
        left = check.mark(out) & marks[name]
        if left.any():
            out = check.corrected(out, left)
    return out, marks


def examine(frame: pd.DataFrame, metric: str = "total", *, origin: str = "") -> list[Finding]:
    """What every check finds in a table whose rows belong to one frontier, in the order of the checks; checks that mark nothing are left out.

    Where the table mixes models, workloads or kinds of evidence there is no frontier, and both effects are None.

    Parameters
    ----------
    frame : DataFrame
        A normalized points table.
    metric : "total" | "output"
    origin : str
        Where the table came from, for messages.

    Raises
    ------
    UsageError
        For an unknown metric.
    PointsError
        If the table has no rows.
    """
    with remembering():
        context = _examined(frame, metric, origin)
        return context.findings(np.arange(len(frame)), spoken=True)


@dataclass(frozen=True)
class Examined:
    """A table with all marks and, per check that corrects, the table with its correction alone: what findings of any part of it need.

    Attributes
    ----------
    frame : DataFrame
    metric : "total" | "output"
    marks : mapping check -> bool Series
    mended : mapping check -> DataFrame
    carries : bool array, shape (rows,)
        Rows that may carry a frontier.
    """

    frame: pd.DataFrame
    metric: str
    marks: Marks
    mended: Mapping[str, pd.DataFrame]
    carries: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame, metric: str = "total") -> Examined:
        """Run all checks on a table."""
        with remembering():
            return cls._of(frame, metric)

    @classmethod
    def _of(cls, frame: pd.DataFrame, metric: str) -> Examined:
        marks = check_marks(frame)
        mended = {}
        for name, mark in marks.items():
            correct = CHECKS[name].corrected
            if correct is not None and mark.any():
                mended[name] = correct(frame, mark)
        return cls(frame, metric, marks, mended, _carrying(marks, len(frame)))

    def log_factor(self, name: str, places: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Log factor by which a check corrects the throughput of the rows at ``places``, shape (len(places),); None where it corrects none."""
        if name not in self.mended or not self.marks[name].to_numpy(dtype=bool)[places].any():
            return None
        column = METRICS[self.metric]
        given, mended = (frame[column].to_numpy(dtype=float)[places] for frame in (self.frame, self.mended[name]))
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(mended / given)
        return np.where(np.isfinite(log), log, 0.0)

    def findings(self, places: NDArray[np.int64], *, spoken: bool) -> list[Finding]:
        """The findings of the rows at ``places``; without ``spoken`` the sentences of what they saw stay empty."""
        out = []
        part = self.frame.iloc[places]
        one = all(len(part[column].dropna().unique()) <= 1 for column in _QUESTION)
        for name, mark in self.marks.items():
            here = mark.to_numpy(dtype=bool)[places]
            if not here.any():
                continue
            check = CHECKS[name]
            mine = np.zeros(len(self.frame), dtype=bool)
            mine[places] = here
            # What rows show is told with the whole table beside them: comparable rows and earlier copies may stand in other series.
            saw = check.saw(self.frame, pd.Series(mine, index=self.frame.index)) if spoken else ""
            effects = self._effects(name, places, here) if one else (None, None)
            out.append(Finding(name, int(here.sum()), check.rule, saw, check.kind, *effects, tuple(int(row) for row in places[here])))
        return out

    def _effects(self, name: str, places: NDArray[np.int64], here: NDArray[np.bool_]) -> tuple[float | None, float | None]:
        part = self.frame.iloc[places]
        # Rows that may not carry a frontier are out of every frontier but the one that shows what they would have done.
        sound = self.carries[places] | (here if not CHECKS[name].carries else False)
        given = _frontier(part[sound], self.metric)
        without = _ratio(given, _frontier(part[sound & ~here], self.metric))
        if name not in self.mended:
            return without, None
        return without, _ratio(given, _frontier(self.mended[name].iloc[places][sound], self.metric))


def _frontier(frame: pd.DataFrame, metric: str) -> Frontier | None:
    good = frame[drawable(frame, metric)]  # which rows carry is decided by the checks
    return None if good.empty else Snapshot.of(good, metric).frontier()


def _ratio(upper: Frontier | None, lower: Frontier | None) -> float | None:
    if upper is None or lower is None:
        return None
    log = shift(lower, upper).log_ratio
    return float(np.exp(log)) if np.isfinite(log) else None


def doctor(frame: pd.DataFrame, metric: str = "total", *, origin: str = "") -> dict[str, Any]:
    """The ``frontier.doctor/1`` document of a table: what each check marks, and per series what that is worth on its frontier.

    A series is one question asked of one system on one date (see ``frontier.integrity.SERIES``): a frontier is drawn over one.

    Raises
    ------
    UsageError
        For an unknown metric.
    PointsError
        If the table has no rows.
    """
    with remembering():
        return _document(_examined(frame, metric, origin), origin)


def _examined(frame: pd.DataFrame, metric: str, origin: str) -> Examined:
    check_metric(metric)
    if frame.empty:
        raise PointsError("the points table has no rows, so there is nothing to check", origin=origin or None)
    return Examined.of(frame, metric)


def _document(context: Examined, origin: str) -> dict[str, Any]:
    frame, metric = context.frame, context.metric
    columns = list(SERIES)
    code = frame.groupby(columns, dropna=False, sort=False).ngroup().to_numpy()
    marked = np.logical_or.reduce([mark.to_numpy(dtype=bool) for mark in context.marks.values()])
    found = {int(number): np.flatnonzero(code == number) for number in dict.fromkeys(code[marked])}
    spoken = sum(len(np.unique(code[mark.to_numpy(dtype=bool)])) for mark in context.marks.values()) <= MOST_SENTENCES
    series = [
        {
            **{column: _plain(frame[column].iloc[places[0]]) for column in columns},
            "points": len(places),
            "findings": [finding.to_dict() for finding in context.findings(places, spoken=spoken)],
        }
        for places in found.values()
    ]
    return {
        "schema": "frontier.doctor/1",
        "points_file": origin,
        "evidence": evidence_of(frame),
        "metric": metric,
        "points": len(frame),
        "marked": int(marked.sum()),
        "carrying": int(context.carries.sum()),
        "series_count": int(code.max()) + 1,
        "checks": [_summary(CHECKS[name], frame, mark) for name, mark in context.marks.items()],
        "series": series,
        "notes": _notes(frame, spoken),
    }


def _summary(check: Check, frame: pd.DataFrame, mark: pd.Series) -> dict[str, Any]:
    points = int(mark.sum())
    return {
        "check": check.name, "kind": check.kind, "rule": check.rule, "carries": check.carries, "corrects": check.corrected is not None,
        "points": points, "saw": check.saw(frame, mark) if points else "",
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A cell as a JSON value; null where undefined."""
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _notes(frame: pd.DataFrame, spoken: bool) -> list[str]:
    out = []
    cold = int(without_warmup(frame).sum())
    if cold:
        out.append(
            f"{cold} of {len(frame)} rows state no warm-up or are older than the warm-up of their record's client; only those are marked whose "
            "own numbers show the start-up."
        )
    if not spoken:
        out.append(f"More than {MOST_SENTENCES} findings: what each series shows is left out, what each check shows stands under `checks`.")
    return out


__all__ = ["CORRECTED_KINDS", "Examined", "Finding", "carrying", "check_marks", "corrected", "doctor", "examine"]
