"""The frontiers of a run for one picture: both ends as curve, band, marks and single launches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribution import number
from frontier.compare.sources import Source
from frontier.errors import PointsError
from frontier.pareto import grid_over
from frontier.records import INTERACTIVITY, METRICS
from frontier.report.document import numbers, rows
from frontier.snapshots import Snapshot, one_question, usable_rows

GRID_POINTS = 65
_LISTS = ("interactivity_tok_s_user", "tput_tok_s_gpu", "curve_interactivity_tok_s_user", "curve_tput_tok_s_gpu")


def frontiers(source: Source) -> list[dict[str, Any]]:
    """Baseline and target frontier of a run as its attribution drew them; one frontier of all points where it has none.

    Returns
    -------
    list of dict
        ``end``, marks and curve in tokens/s/user and tokens/s/GPU, ``band`` (95 % interval along the curve, or null) and ``launches`` (the points of
        each launch behind the frontier; empty where nothing was launched twice).
    """
    steps = [] if source.document is None else rows(source.document, "steps")
    ends = source.ends()
    if not steps:
        return [_plain(name, table, source.metric) for name, table in ends.items()]
    # An unlocked lever keeps its baseline settings at target, so the frontier is the step's own; the launches are those of the cell.
    chosen = [("baseline", steps[0]), *([("target", steps[-1])] if len(steps) > 1 else [])]
    return [_step(name, step, ends.get(name), source.metric) for name, step in chosen]


def _step(end: str, step: Mapping[str, Any], table: pd.DataFrame | None, metric: str) -> dict[str, Any]:
    band = step.get("ci95_tput_tok_s_gpu")
    return {
        "end": end,
        **{key: _list(step.get(key)) for key in _LISTS},
        "band_tput_tok_s_gpu": [_list(side) for side in band] if isinstance(band, list) and len(band) == 2 else None,
        "launches": [] if table is None else _launches(table, metric),
    }


def _list(values: object) -> list[float | None]:
    """Numbers of a document that may come from elsewhere; null where it holds anything else."""
    return [number(value) for value in numbers(values)]


def _plain(end: str, table: pd.DataFrame, metric: str) -> dict[str, Any]:
    """The frontier of a table without a plan; empty where its rows do not answer one question."""
    try:
        one_question(table, origin=end)
        found = Snapshot.of(usable_rows(table, metric, origin=end)[0], metric).frontier()
    except PointsError:
        x, y, grid, curve = np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    else:
        x, y, grid = found.x, found.y, grid_over((float(found.x[0]), found.reach), GRID_POINTS)
        curve = found.interpolated(grid)
    return {
        "end": end, "interactivity_tok_s_user": x.tolist(), "tput_tok_s_gpu": y.tolist(), "curve_interactivity_tok_s_user": grid.tolist(),
        "curve_tput_tok_s_gpu": curve.tolist(), "band_tput_tok_s_gpu": None, "launches": _launches(table, metric),
    }  # fmt: skip


def _launches(table: pd.DataFrame, metric: str) -> list[list[float]]:
    """Interactivity and throughput of every point of every launch, where there are several launches."""
    if table["replicate"].nunique() < 2:
        return []
    try:
        good, _ = usable_rows(table, metric, origin="launches")
    except PointsError:
        return []
    return [[float(x), float(y)] for x, y in zip(good[INTERACTIVITY], good[METRICS[metric]], strict=True)]
