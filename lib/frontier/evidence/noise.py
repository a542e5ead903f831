"""Where intervals come from: launches where there are replicates, the spread of a public record where there are none, the model's own error where
points are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribution import LaunchNoise
from frontier.evidence.record_noise import RecordNoise, group_name
from frontier.evidence.residuals import BACKEND, ResidualKey, ResidualModel
from frontier.pareto.interpolation import FloatArray
from frontier.snapshots import Snapshot

NEAR = 4.0  # configurations within this many standard deviations of the frontier are resampled

Draws = Mapping[Any, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Drawn:
    """Drawn errors of a set of snapshots.

    Attributes
    ----------
    snapshots : mapping name -> Snapshot
        Those given, thinned to the configurations that noise could bring onto a frontier.
    draws : mapping name -> (x, y) or None
        Log offsets of each configuration, each of shape (resamples, configurations); None where there is nothing to draw from.
    method : str
        How they were made, in words.
    choice : mapping name -> (x, y), optional
        The part of the draws under which the best snapshot is chosen where several compete; by default all of it.

    Notes
    -----
    The error of a prediction has a part that all cells of one system, precision and mode share, and a part of each cell's own. Taking the
    best of many cells under independent errors of their own would raise the frontier with more cells for that reason alone, so the best
    cell is chosen under the shared part and its own error is added afterwards. Errors of launches need no such care: each cell's mean is
    known to a few percent.
    """

    snapshots: Mapping[Any, Snapshot]
    draws: Draws | None
    method: str
    choice: Draws | None = None

    def values(self, name: Any) -> tuple[FloatArray, FloatArray]:
        """Drawn interactivity and throughput of one snapshot, each of shape (resamples, configurations)."""
        return self._moved(name, self.draws)

    def chosen_values(self, name: Any) -> tuple[FloatArray, FloatArray]:
        """The same under the part of the draws that decides which snapshot is best."""
        return self._moved(name, self.choice)

    def _moved(self, name: Any, draws: Draws | None) -> tuple[FloatArray, FloatArray]:
        if draws is None:
            raise ValueError("nothing was drawn")
        snapshot, (x, y) = self.snapshots[name], draws[name]
        return snapshot.mean_x * np.exp(x), snapshot.mean_y * np.exp(y)


def draw_errors(
    snapshots: Mapping[Any, Snapshot],
    frame: pd.DataFrame,
    resamples: int,
    seed: int,
    residuals: ResidualModel | None,
    record: RecordNoise | None = None,
) -> Drawn:
    """Draws of the log errors of every configuration of every snapshot.

    Parameters
    ----------
    snapshots : mapping name -> Snapshot
        Snapshots of one table; their ``rows`` are positions in it.
    frame : DataFrame
        That table; its ``evidence`` decides between launches and the model's error.
    resamples, seed : int
    residuals : ResidualModel or None
        Needed for predicted points; without it they get no interval.
    record : RecordNoise, optional
        Noise of measured and published points of which none was repeated; by default the model that ships with the package.
    """
    rng = np.random.default_rng(seed)
    if set(frame["evidence"].dropna()) == {"predicted"}:
        if residuals is None:
            return Drawn(snapshots, None, "no interval: predicted points, and no residual model given")
        others = sorted({str(engine) for engine in frame["engine"].fillna("an unnamed engine")} - {BACKEND})
        if others:
            return Drawn(snapshots, None, f"no interval: the prediction error is known for {BACKEND}, not for {', '.join(others)}")
        both, shared = _model_error(snapshots, frame, resamples, rng, residuals)
        return Drawn(snapshots, both, MODEL_METHOD.format(resamples=resamples), shared)
    noise = LaunchNoise([(s.x, s.y) for s in snapshots.values()])
    dof = noise.degrees_of_freedom
    if dof == 0:
        return _record_error(snapshots, frame, resamples, rng, RecordNoise.shipped() if record is None else record)
    margin = NEAR * _spread(snapshots)
    near = {name: s.near_frontier(margin) for name, s in snapshots.items()}
    drawn = LaunchNoise([(s.x, s.y) for s in near.values()]).draw(resamples, rng)
    if drawn is None:  # thinning kept only configurations that were launched once
        near, drawn = dict(snapshots), noise.draw(resamples, rng)
    method = (
        f"percentiles of {resamples} resamples of server launches ({dof} degrees of freedom), the spread of each cell drawn too; "
        "frontiers on the means of launches"
    )
    return Drawn(near, dict(zip(near, drawn or [], strict=True)), method)


MODEL_METHOD = (
    "percentiles of {resamples} draws of the model's own error, measured against published silicon points: one error per system, precision "
    "and mode shared by its cells, under which the best cell is chosen, and one of each cell's own"
)


RECORD_METHOD = (
    "percentiles of {resamples} draws of the noise model of the public record: no configuration was launched twice here, so the spread is that of "
    "repeated nights of unchanged configurations in the InferenceX record"
)
MOST = 500  # configurations drawn at most
LEAST = 1e-4  # a margin this small keeps the frontier alone
_RECORDED = {"measured", "published"}


def _record_error(
    snapshots: Mapping[Any, Snapshot], frame: pd.DataFrame, resamples: int, rng: np.random.Generator, record: RecordNoise
) -> Drawn:
    """Draws of the record's noise, where every row was measured by somebody."""
    used = frame.iloc[np.concatenate([s.rows for s in snapshots.values()])]
    if used["evidence"].isna().any() or not set(used["evidence"]) <= _RECORDED:
        return Drawn(snapshots, None, "no interval: no configuration was launched twice")
    systems = used[["hardware", "engine"]].drop_duplicates().itertuples(index=False)
    scales = [(record.knows(*system), record.scale(*system), record.scale(*system, coordinate="own"), group_name(*system)) for system in systems]
    margin = NEAR * max(0.01, *(max(speed, own) for _, speed, own, _ in scales))
    near = _nearest(snapshots, margin)
    rows = np.unique(np.concatenate([s.rows for s in near.values()]))
    x, y = record.draw(frame.iloc[rows], resamples, rng)
    place = {name: np.searchsorted(rows, s.rows) for name, s in near.items()}
    method = RECORD_METHOD.format(resamples=resamples)
    unknown = sorted(name for known, *_, name in scales if not known)
    if unknown:
        method += f" (none of {', '.join(unknown)}: the wider spread over all its groups)"
    return Drawn(near, {name: (x[:, at], y[:, at]) for name, at in place.items()}, method)


def _nearest(snapshots: Mapping[Any, Snapshot], margin: float) -> dict[Any, Snapshot]:
    """Configurations within a margin of the frontier, or within as large a part of it as keeps ``MOST`` of them."""
    near = {name: s.near_frontier(margin) for name, s in snapshots.items()}
    # Where so many lie this close, they are so dense that the frontier's place is known far better than any one of them.
    while sum(len(s.rows) for s in near.values()) > MOST and margin > LEAST:
        margin /= 2
        near = {name: s.near_frontier(margin) for name, s in near.items()}
    return near


def _spread(snapshots: Mapping[Any, Snapshot]) -> float:
    """Standard deviation of log throughput between launches, pooled; at least 1 %."""
    squares, dof = 0.0, 0
    for snapshot in snapshots.values():
        count = np.sum(~np.isnan(snapshot.y), axis=0)
        twice = count > 1
        if twice.any():
            logs = np.log(snapshot.y[:, twice])
            squares += float(np.nansum((logs - np.nanmean(logs, axis=0)) ** 2))
            dof += int((count[twice] - 1).sum())
    return max(0.01, float(np.sqrt(squares / dof)) if dof else 0.0)


def _model_error(
    snapshots: Mapping[Any, Snapshot], frame: pd.DataFrame, resamples: int, rng: np.random.Generator, residuals: ResidualModel
) -> tuple[dict[Any, tuple[FloatArray, FloatArray]], dict[Any, tuple[FloatArray, FloatArray]]]:
    """Draws of the whole error and of its shared part."""
    keys = [residual_key(frame.iloc[int(snapshot.rows[0])]) for snapshot in snapshots.values()]
    shared, own = residuals.draw_parts(keys, resamples, rng)
    whole, common = (
        {name: (_columns(part[0, :, i], s.rows), _columns(part[1, :, i], s.rows)) for i, (name, s) in enumerate(snapshots.items())}
        for part in (shared + own, shared)
    )
    return whole, common


def _columns(draw: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
    return np.broadcast_to(draw[:, None], (len(draw), len(rows)))


def residual_key(row: pd.Series) -> ResidualKey:
    """The residual group of a predicted point."""
    disagg = bool(row["disagg"]) if pd.notna(row["disagg"]) else False
    return ResidualKey(
        system=str(row["hardware"]), precision=str(row["precision"]), mode="disagg" if disagg else "agg", backend=str(row["engine"])
    )
