"""Repeated runs of unchanged configurations in a record, reduced to what a noise model is fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError
from frontier.evidence.record_noise.stalls import FloatArray, stalled
from frontier.records import INTERACTIVITY, METRICS, configuration_columns, row_codes, usable

NIGHTS = ("2025-12-09", "2025-12-15")  # nightly reruns of unchanged images, by the record's keepers
FULL_IDLE = 0.97  # Little's ratio of a run without idle time
_SOFTWARE = ("engine_version", "image")
SERIES = ("model", "hardware", "engine", "precision", "spec", "disagg", "isl_tokens", "osl_tokens")


@dataclass(frozen=True)
class Repeats:
    """Repeated configurations.

    Attributes
    ----------
    cells : DataFrame, one row per configuration
        ``hardware``, ``engine``, ``series``, ``runs``; ``speed_ss`` and ``own_ss``, the sums of squares about the configuration's mean of log
        interactivity and of log throughput less log interactivity; ``idle``, the median of :func:`idle_share`.
    rows : DataFrame, one row per run
        ``hardware``, ``engine``, ``series``, ``date``, ``speed`` and ``own``, the two deviations from the mean, widened by sqrt(n / (n - 1)).
    stalled_rows : int
        Runs left out because a machine held them up (see :func:`~frontier.evidence.record_noise.stalls.stalled`).
    nights : (str, str)
    """

    cells: pd.DataFrame
    rows: pd.DataFrame
    stalled_rows: int
    nights: tuple[str, str]


def configuration_numbers(frame: pd.DataFrame, *, software: bool) -> NDArray[np.int64]:
    """One number per configuration, shape (rows,); engine version and image count only if ``software``."""
    return row_codes(frame, [c for c in configuration_columns(frame) if c != "variant" and (software or c not in _SOFTWARE)])


def idle_share(frame: pd.DataFrame) -> FloatArray:
    """Log share of the window in which the server did not run at its concurrency, shape (rows,), by Little's law; 0 where the ratio is unknown."""
    ratio = frame["little_ratio"].to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(ratio) & (ratio > 0)
    return np.where(known, np.maximum(0.0, -np.log(np.where(known, ratio, 1.0) / FULL_IDLE)), 0.0)


def series_names(frame: pd.DataFrame) -> pd.Series[str]:
    """One name per series: the rows of one table that share a frontier but for their date."""
    columns = [column for column in SERIES if column in frame]
    return frame[columns].astype("string").fillna("-").agg(" ".join, axis=1)


def unchanged(points: pd.DataFrame, nights: tuple[str, str] = NIGHTS) -> pd.DataFrame:
    """The rows of nights without a known change: those of the stated nights that name no image, and those that name one."""
    known = points[list(_SOFTWARE)].notna().any(axis=1)
    night = points["date"].between(*nights).fillna(False)
    return points[usable(points, "total") & (known | night)]


def repeats(points: pd.DataFrame, nights: tuple[str, str] = NIGHTS) -> Repeats:
    """Repeated runs of one configuration with the same image; runs of an unknown image only within the stated nights.

    Parameters
    ----------
    points : DataFrame
        A normalized points table.
    nights : (first, last), ISO dates

    Raises
    ------
    PointsError
        If nothing was run twice.
    """
    frame = unchanged(points, nights).reset_index(drop=True)
    if frame.empty:
        raise _nothing(nights)
    code = configuration_numbers(frame, software=True)
    held = stalled(frame, code) > 0
    table = pd.DataFrame(
        {
            "code": code, "hardware": frame["hardware"], "engine": frame["engine"], "series": series_names(frame), "date": frame["date"],
            "x": np.log(frame[INTERACTIVITY].to_numpy(float)), "y": np.log(frame[METRICS["total"]].to_numpy(float)), "idle": idle_share(frame),
        }
    )[~held]  # fmt: skip
    # One run per night: runs of one night repeat each other's conditions.
    table = table.groupby(["code", "hardware", "engine", "series", "date"], dropna=False).mean().reset_index()
    count = table.groupby("code")["x"].transform("size")
    table = table[count > 1].reset_index(drop=True)
    if table.empty:
        raise _nothing(nights)
    table["own"] = table["y"] - table["x"]
    groups = table.groupby("code")
    runs = groups["x"].transform("size")
    widen = np.sqrt(runs / (runs - 1))
    rows = table[["hardware", "engine", "series", "date"]].copy()
    for name, column in (("speed", "x"), ("own", "own")):
        table[f"{name}_dev"] = table[column] - groups[column].transform("mean")
        rows[name] = table[f"{name}_dev"] * widen
    cells = groups[["hardware", "engine", "series"]].first()
    cells["runs"], cells["idle"] = groups.size(), groups["idle"].median()
    for name in ("speed", "own"):
        cells[f"{name}_ss"] = (table[f"{name}_dev"] ** 2).groupby(table["code"]).sum()
    return Repeats(cells.reset_index(drop=True), rows, int(held.sum()), nights)


def _nothing(nights: tuple[str, str]) -> PointsError:
    return PointsError(
        f"no configuration was run on two nights with the same image or between {nights[0]} and {nights[1]}",
        hint="pass a record with repeated nights, or name its nights with --nights FIRST LAST",
    )
