"""The physical bound beside the measurement: a dashed line in the frontier figure, and what share of it every variant reaches."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from frontier.calibration.bound import LABEL, SCHEMA, highest
from frontier.errors import RunError
from frontier.records import INTERACTIVITY, METRICS, usable
from frontier.report.document import Document, number, rows
from frontier.report.style import MUTED, wrap
from frontier.report.tables import Cell, Table, numeric_cell
from frontier.report.wording import NOT_DEFINED, quantity

_LINE = (0, (5, 3))
_ROOM = 1.6  # how far beyond the fastest mark the axis shows the bound: further right it would squeeze the frontiers


def checked_bound(document: Document | None) -> Document | None:
    """The run's bound; None where a run has none, or one without curves.

    Raises
    ------
    RunError
        If it has another schema, or a curve's points are not numbers.
    """
    if document is None:
        return None
    if document.get("schema") != SCHEMA:
        raise RunError(f"the report reads schema {SCHEMA}, got {document.get('schema')!r}", origin="bound.json")
    for curve in rows(document, "curves"):
        points = rows(curve, "points")
        if not points or not all(math.isfinite(number(point.get(key))) for point in points for key in (INTERACTIVITY, *METRICS.values())):
            raise RunError(f"curve {curve.get('label')!r} of the bound needs points of finite numbers", origin="bound.json")
    return document if rows(document, "curves") else None


def _frame(curve: Document) -> pd.DataFrame:
    return pd.DataFrame([dict(point) for point in rows(curve, "points")])


def curve_of(document: Document, variant: str) -> pd.DataFrame | None:
    """The bound of a variant: its own, else the one that is for all; None where neither is there."""
    own = [curve for curve in rows(document, "curves") if curve.get("variant") == variant]
    shared = [curve for curve in rows(document, "curves") if curve.get("variant") is None]
    found = [*own, *shared]
    return _frame(found[0]) if found else None


def lines(document: Document, metric: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """What to draw: every bound that is for all variants, else the envelope of the variants' own; label, interactivity, throughput per GPU."""
    frames = [(str(curve.get("label") or LABEL), _frame(curve), curve.get("variant")) for curve in rows(document, "curves")]
    shared = [(label, frame.sort_values(INTERACTIVITY)) for label, frame, variant in frames if variant is None]
    if shared:
        return [(label, frame[INTERACTIVITY].to_numpy(float), frame[METRICS[metric]].to_numpy(float)) for label, frame in shared]
    at = np.unique(np.concatenate([frame[INTERACTIVITY].to_numpy(float) for _, frame, _ in frames]))
    return [(LABEL, at, np.max([highest(frame, at, METRICS[metric]) for _, frame, _ in frames], axis=0))]


def draw_bound(axes: Axes, document: Document, metric: str) -> list[float]:
    """Draw the bound as a thin dashed line; returns the heights in view. The frontiers are drawn before: they say how far the axis goes.

    Parameters
    ----------
    axes : Axes
    document : mapping
        A ``frontier.bound/1`` document.
    metric : "total" | "output"
    """
    right = _ROOM * max((float(np.nanmax(line.get_xdata())) for line in axes.lines if len(np.asarray(line.get_xdata()))), default=math.inf)
    heights: list[float] = []
    shown = 0.0
    for label, x, y in lines(document, metric):
        axes.plot(x, y, color=MUTED, linewidth=1.1, linestyle=_LINE, zorder=1, label=wrap(label, 28, 3))
        # Where the view ends between two points, the line leaves it there.
        inside = np.append(y[x <= right], np.interp(right, x, y) if x[0] <= right < x[-1] else [])
        heights += [float(value) for value in inside if value > 0]
        shown = max(shown, min(right, float(x[-1]) * 1.03))
    if math.isfinite(shown) and shown > 0:
        axes.set_xlim(right=max(shown, right / _ROOM * 1.05 if math.isfinite(right) else shown))
    return heights


def bound_table(document: Document | None, points: pd.DataFrame, metric: str) -> Table | None:
    """Per variant the largest share of the bound's throughput that one of its points reaches at its own interactivity; None without a bound.

    Parameters
    ----------
    document : mapping, optional
        A ``frontier.bound/1`` document.
    points : DataFrame
        The run's points table; rows that cannot carry a frontier are left out.
    metric : "total" | "output"
    """
    if document is None:
        return None
    column = METRICS[metric]
    good = points[usable(points, metric)]
    body = []
    for variant in dict.fromkeys(good["variant"].fillna("").astype(str)):
        own, curve = good[good["variant"].fillna("").astype(str) == variant], curve_of(document, variant)
        if curve is None:
            body.append([Cell(variant.replace("+", " + ")), *(Cell(NOT_DEFINED) for _ in range(5))])
            continue
        at, found = own[INTERACTIVITY].to_numpy(float), own[column].to_numpy(float)
        limit = highest(curve, at, column)
        shares = np.divide(found, limit, out=np.full(len(found), np.inf), where=limit > 0)
        place = int(np.argmax(shares))
        fastest = float(at.max() / curve[INTERACTIVITY].max())
        body.append(
            [
                Cell(variant.replace("+", " + ")), _share_cell(float(shares[place])), numeric_cell(float(at[place]), quantity(float(at[place]))),
                numeric_cell(float(found[place]), quantity(float(found[place]))), numeric_cell(float(limit[place]), quantity(float(limit[place]))),
                _share_cell(fastest),
            ]
        )  # fmt: skip
    heads = ("Variant", "Largest share of the bound", "at tokens/s/user", "tokens/s/GPU", "bound there", "Fastest user, share of the bound's")
    return Table(heads, body, numeric=frozenset(range(1, 6))) if body else None


def bound_sentence(document: Document | None) -> str:
    """What the bound is, and how to read a share above one; empty without a bound."""
    if document is None:
        return ""
    notes = [str(note).rstrip(".") for note in document.get("notes") or []]
    told = f" This bound is uncertain: {'; '.join(notes)}." if notes else ""
    return (
        "The dashed line is the roofline of this machine for this model: at every batch, the least time that its best measured memory bandwidth and "
        f"arithmetic allow. A point above it says that the calibration understates the machine, not that the server beats it.{told}"
    )


def _share_cell(share: float) -> Cell:
    if not math.isfinite(share):
        return Cell("above the bound")
    return Cell(f"{100 * share:.3g} %{', above the bound' if share > 1 else ''}", share, min(1.0, share))
