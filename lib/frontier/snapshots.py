"""Rows of a points table as configurations x launches: what frontiers are built on and intervals are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribution import launch_means
from frontier.errors import PointsError
from frontier.pareto import Frontier
from frontier.records import INTERACTIVITY, METRICS, configuration_columns, row_codes, usable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Snapshot:
    """Configurations and their launches.

    Attributes
    ----------
    x, y : float array, shape (launches, configurations)
        Interactivity (tokens/s/user) and throughput per GPU (tokens/s/GPU); NaN where a launch lacks a configuration.
    rows : int array, shape (configurations,)
        Position in the table of each configuration's first row.
    """

    x: FloatArray
    y: FloatArray
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pd.DataFrame, metric: str, positions: NDArray[np.int64] | None = None) -> Snapshot:
        """The snapshot of a points table's usable rows.

        A launch is a value of ``replicate``; where there is none, a date; where a configuration stands several times on one date, the order
        of its rows. Rows of one launch and configuration are averaged first. Where a table does not say at which load a row was taken
        (neither concurrency nor request rate), rows are points of their own: nothing shows that two of them repeat one another, except the
        same position under another replicate number.

        Parameters
        ----------
        frame : DataFrame
            Usable rows only (see :func:`frontier.records.usable`).
        metric : "total" | "output"
        positions : int array, shape (len(frame),), optional
            Positions of the rows in the table they came from; by default 0, 1, ...
        """
        if frame.empty:
            raise PointsError("no usable point: a snapshot needs rows with finite, positive rates")
        places = np.arange(len(frame)) if positions is None else positions
        key = configuration_columns(frame)
        configuration = _apart(frame, row_codes(frame, key))
        launch = _launches(frame, configuration)
        shape = int(launch.max()) + 1, int(configuration.max()) + 1
        cell = launch * shape[1] + configuration
        count = np.bincount(cell, minlength=shape[0] * shape[1])
        x, y = (
            np.where(count > 0, np.bincount(cell, frame[column].to_numpy(float), len(count)) / np.maximum(count, 1), np.nan).reshape(shape)
            for column in (INTERACTIVITY, METRICS[metric])
        )
        _, first = np.unique(configuration, return_index=True)
        return cls(x, y, np.asarray(places[first], dtype=np.int64))

    @property
    def mean_x(self) -> FloatArray:
        """Mean interactivity per configuration, shape (configurations,)."""
        return launch_means(self.x)

    @property
    def mean_y(self) -> FloatArray:
        """Mean throughput per configuration, shape (configurations,)."""
        return launch_means(self.y)

    def frontier(self) -> Frontier:
        """The frontier of the means; its ``rows`` are positions in the table."""
        found = Frontier.of(self.mean_x, self.mean_y)
        return Frontier(found.x, found.y, self.rows[found.rows])

    def near_frontier(self, margin: float) -> Snapshot:
        """Only the configurations that noise of ``margin`` (log) in both coordinates could bring onto the frontier."""
        found = Frontier.of(self.mean_x, self.mean_y)
        factor = float(np.exp(margin))
        # A configuration stays away for good if, even lifted by the margin, some frontier point still dominates it.
        best = found.attained(self.mean_x * factor)
        keep = np.isnan(best) | (self.mean_y * factor > best)
        keep[found.rows] = True
        return Snapshot(self.x[:, keep], self.y[:, keep], self.rows[keep])


def _apart(frame: pd.DataFrame, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Configuration numbers; rows of unknown load are kept apart, and predicted rows, which never repeat one another."""
    if len(np.unique(group)) == len(group):
        return group
    predicted = (frame["evidence"] == "predicted").fillna(False).astype(bool) & frame["replicate"].isna()
    unknown = ((frame["concurrency"].isna() & frame["request_rate_per_s"].isna()) | predicted).to_numpy()
    if not unknown.any():
        return group
    launch = frame["replicate"].fillna(-1).to_numpy(dtype=np.int64)
    position = pd.DataFrame({"g": group, "l": launch}).groupby(["g", "l"]).cumcount().to_numpy()
    number = pd.DataFrame({"g": group, "p": np.where(unknown, position, -1)}).groupby(["g", "p"], sort=False).ngroup()
    return np.asarray(number, dtype=np.int64)


def _launches(frame: pd.DataFrame, configuration: NDArray[np.int64]) -> NDArray[np.int64]:
    """Launch number of each row, shape (rows,)."""
    if len(np.unique(configuration)) == len(configuration):
        return np.zeros(len(configuration), dtype=np.int64)  # nothing stands twice, so it does not matter which launch it was
    if frame["replicate"].notna().any():
        return np.asarray(pd.factorize(frame["replicate"].fillna(-1), sort=True)[0], dtype=np.int64)
    if frame["date"].notna().any():
        date = pd.factorize(frame["date"].fillna(""), sort=True)[0]
        repeat = pd.DataFrame({"c": configuration, "d": date}).groupby(["c", "d"]).cumcount()
        if int(repeat.max()) == 0:
            return np.asarray(date, dtype=np.int64)
    return np.asarray(pd.Series(configuration).groupby(configuration).cumcount(), dtype=np.int64)


def one_question(frame: pd.DataFrame, *, origin: str, apart: Sequence[str] = ()) -> None:
    """Refuse a table that mixes kinds of evidence, models or workloads: a frontier over them means nothing.

    Parameters
    ----------
    apart : sequence of str
        Columns that are levers and may therefore vary.

    Raises
    ------
    PointsError
        Naming the column, its values and how to choose one.
    """
    for column in ("evidence", "model", "isl_tokens", "osl_tokens"):
        values = frame[column].dropna().unique()
        if len(values) > 1 and column not in apart:
            shown = ", ".join(str(value) for value in sorted(values)[:6])
            raise PointsError(
                f"the table mixes {len(values)} values of {column} ({shown}); a frontier is drawn over one",
                origin=origin,
                hint=f"--where {column}={sorted(values)[0]}",
            )


def usable_rows(frame: pd.DataFrame, metric: str, *, origin: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The rows that can carry a frontier, and their positions in the table.

    Raises
    ------
    PointsError
        If the metric's column is empty, or no row is usable.
    """
    if frame[METRICS[metric]].isna().all():
        raise PointsError(f"no values in {METRICS[metric]}", origin=origin, hint=f"--metric {'output' if metric == 'total' else 'total'}")
    good = usable(frame, metric).to_numpy()
    if not good.any():
        raise PointsError(
            f"none of the {len(frame)} rows has finite, positive {INTERACTIVITY} and {METRICS[metric]} and is valid", origin=origin
        )
    return frame[good], np.flatnonzero(good).astype(np.int64)
