"""The model's error as a table: for the report, the notebook and the documentation."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from frontier.evidence.published.record import FILE, WHEEL, wheel_version
from frontier.evidence.residuals.compare import BACKEND
from frontier.evidence.residuals.model import pool_of
from frontier.evidence.residuals.shipped import curve_residuals, shipped_comparison

SCHEMA = "frontier.model_error/1"
METRICS = {"interactivity": "log_interactivity", "throughput": "log_tput"}
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.50, "q75": 0.75, "q95": 0.95}
_GROUP = ["system", "precision", "mode"]
ALL = "all"


def model_error_table(residuals: pd.DataFrame | None = None) -> pd.DataFrame:
    """Quantiles of log(predicted / measured) by system, precision and mode.

    Parameters
    ----------
    residuals : DataFrame, optional
        ``Comparison.residuals``; by default the shipped one.

    Returns
    -------
    DataFrame with columns ``system, precision, mode, backend, pool, n_points, n_curves, metric, q05, q25, median, q75, q95``. Counts and
    quantiles are of the group's own points; ``pool`` says from which curves its errors are drawn. Rows with system and precision ``all``
    are the pools by mode.

    Notes
    -----
    Positive: the prediction is optimistic.
    """
    points = shipped_comparison().residuals if residuals is None else residuals
    curves = curve_residuals(points)
    rows: list[dict[str, Any]] = []
    for (system, precision, mode), found in points.groupby(_GROUP):
        pool = pool_of(curves, str(system), str(precision), str(mode)).name
        rows += _rows(found, str(system), str(precision), str(mode), pool)
    for mode, found in points.groupby("mode"):
        rows += _rows(found, ALL, ALL, str(mode), "mode")
    return pd.DataFrame(rows)


def _rows(points: pd.DataFrame, system: str, precision: str, mode: str, pool: str) -> list[dict[str, Any]]:
    identity = {"system": system, "precision": precision, "mode": mode, "backend": BACKEND, "pool": pool}
    counts = {"n_points": len(points), "n_curves": len(curve_residuals(points))}
    return [
        {**identity, **counts, "metric": metric, **{name: float(points[column].quantile(q)) for name, q in QUANTILES.items()}}
        for metric, column in METRICS.items()
    ]


def model_error_document() -> dict[str, Any]:
    """The table as the JSON document ``frontier.model_error/1``, with its source and the rows that could not be compared."""
    comparison = shipped_comparison()
    return {
        "schema": SCHEMA,
        "quantity": "log(predicted / measured)",
        "rows": model_error_table(comparison.residuals).to_dict("records"),
        "source": (
            f"{len(comparison.residuals)} published measurements in {FILE} of {WHEEL} {wheel_version()} "
            "beside predictions of the same configurations at the same load"
        ),
        "left_out": comparison.left_out,
    }


def model_error_markdown() -> str:
    """The table and the reasons for leaving rows out, as Markdown; medians and quantiles in percent."""
    table = model_error_table()
    wide = ["| system | precision | mode | metric | points | curves | drawn from | 5 % | 25 % | median | 75 % | 95 % |"]
    wide.append("|---|---|---|---|--:|--:|---|--:|--:|--:|--:|--:|")
    for row in table.to_dict("records"):
        names = " | ".join(str(row[name]) for name in ("system", "precision", "mode", "metric", "n_points", "n_curves", "pool"))
        quantiles = " | ".join(_percent(row[name]) for name in QUANTILES)
        wide.append(f"| {names} | {quantiles} |")
    reasons = ["| why not compared | rows |", "|---|--:|"]
    reasons += [f"| {reason} | {count} |" for reason, count in shipped_comparison().left_out.items()]
    return "\n".join([*wide, "", *reasons, ""])


def _percent(log_ratio: float) -> str:
    """A log ratio as a signed percentage.

    >>> _percent(0.0953101798), _percent(-0.2231435513)
    ('+10 %', '-20 %')
    """
    value = round(100.0 * math.expm1(log_ratio))
    return f"{value:+d} %"
