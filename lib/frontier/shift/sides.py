"""One side of a shift: what the integrity checks say of its rows, which rows carry a frontier, and what can be set right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError
from frontier.findings import Examined, Finding
from frontier.integrity import CHECKS, remembering
from frontier.records import METRICS
from frontier.shift.per import Per
from frontier.snapshots import one_question, usable_rows

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One side of a shift.

    Attributes
    ----------
    name : "before" | "after"
    table : DataFrame
        As given.
    frame : DataFrame
        The rows that can carry a frontier.
    corrections : mapping kind -> float array, shape (len(frame),)
        Log factor by which a check of that kind (``harness``, ``denominator``) corrects each row's throughput; kinds that correct no row are left
        out.
    findings : list of Finding
        What the checks found, in the order of the checks.
    """

    name: str
    table: pd.DataFrame
    frame: pd.DataFrame
    corrections: Mapping[str, FloatArray]
    findings: list[Finding]


def make_side(table: pd.DataFrame, metric: str, role: str, name: str, examined: Examined | None = None, per: Per | None = None) -> Side:
    """A side of a shift.

    Parameters
    ----------
    table : DataFrame
        A normalized points table.
    metric : "total" | "output"
    role : "before" | "after"
    name : str
        What to call the table in messages.
    examined : Examined, optional
        What the checks found in a larger table that this one was cut from; its index then holds positions there.
    per : Per, optional
        What throughput is divided by instead of GPUs.

    Raises
    ------
    PointsError
        If no row can carry a frontier, or the table mixes kinds of evidence, models or workloads.
    """
    if examined is None:
        examined, places = Examined.of(table, metric), np.arange(len(table))
    else:
        places = table.index.to_numpy(dtype=np.int64)
    marks = {check: mark.to_numpy(dtype=bool)[places] for check, mark in examined.marks.items()}
    carries = examined.carries[places]
    if not carries.any():
        raise PointsError(
            f"every one of the {len(table)} rows is broken, repeated or below its accuracy gate ({_counts(marks)})",
            origin=name,
            hint="frontier doctor --points FILE shows what each check saw",
        )
    frame, usable = usable_rows(table[carries], metric, origin=name)
    one_question(frame, origin=name)
    rows = places[carries][usable]
    corrections: dict[str, FloatArray] = {}
    for check in marks:
        log = examined.log_factor(check, rows)
        if log is not None and log.any():
            corrections[CHECKS[check].kind] = corrections.get(CHECKS[check].kind, np.zeros(len(frame))) + log
    if per is not None:
        needs, moved = per.of(frame, role, origin=name)
        frame = frame.assign(**{METRICS[metric]: frame[METRICS[metric]] / needs})
        if moved.any():
            corrections["denominator"] = corrections.get("denominator", np.zeros(len(frame))) + moved
    findings = []
    if any(mark.any() for mark in marks.values()):
        with remembering():
            findings = examined.findings(places, spoken=True)
    return Side(role, table, frame, corrections, findings)


def _counts(marks: Mapping[str, NDArray[np.bool_]]) -> str:
    return ", ".join(f"{check}: {int(mark.sum())}" for check, mark in marks.items() if not CHECKS[check].carries and mark.any())
