"""The two sides as configurations by cause, as given and with everything set right that a check can set right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribution import ratio_bounds
from frontier.evidence.noise import NEAR, Drawn, draw_errors
from frontier.evidence.residuals import ResidualModel
from frontier.pareto import Shift, shift
from frontier.records import METRICS
from frontier.shift.classes import Classes
from frontier.shift.sides import FloatArray, Side
from frontier.shift.split import Parts
from frontier.shift_record import defined_mean
from frontier.snapshots import Snapshot

# Standard deviation of log Little ratios of steady runs: 90 % of them lie between 0.94 and 1.01 (DeepSeek-R1 rows of the InferenceX record with
# warm-ups), and ln(1.01 / 0.94) = 2 x 1.645 standard deviations. It is how far a throughput corrected by the law may be off.
STEADY_SPREAD = 0.022


@dataclass(frozen=True)
class Draws:
    """How intervals are drawn."""

    resamples: int
    seed: int
    confidence: float
    residuals: ResidualModel | None


def by_cause(given: pd.DataFrame, is_after: NDArray[np.bool_], classes: Classes, metric: str, draws: Draws, log_factor: FloatArray) -> Parts:
    """Both sides' configurations by cause, with the throughput of each row times exp(log_factor)."""
    frame = given
    if log_factor.any():
        frame = given.assign(**{METRICS[metric]: given[METRICS[metric]] * np.exp(log_factor)})
    snapshots = {}
    for side in (0, 1):
        places = np.flatnonzero(is_after == bool(side))
        whole = Snapshot.of(frame.iloc[places], metric, places)
        cause = classes.cause[whole.rows]
        for name in dict.fromkeys(cause.tolist()):
            of_cause = cause == name
            launched = ~np.isnan(whole.y[:, of_cause]).all(axis=1)
            snapshots[side, str(name)] = Snapshot(whole.x[:, of_cause][launched], whole.y[:, of_cause][launched], whole.rows[of_cause])
    return Parts(snapshots, draw_errors(snapshots, frame, draws.resamples, draws.seed, draws.residuals))


def shift_of(parts: Parts, grid_points: int) -> Shift:
    """The shift between the frontiers of the two sides' means."""
    return shift(parts.frontier(parts.side(0)), parts.frontier(parts.side(1)), grid_points=grid_points)


def corrected_parts(
    sides: Sequence[Side], given: pd.DataFrame, is_after: NDArray[np.bool_], classes: Classes, metric: str, draws: Draws, parts: Parts, moved: Shift
) -> tuple[Parts, Shift, list[dict[str, Any]]]:
    """The parts and their shift after all corrections, and one factor per kind of correction: what vanishes when it is made."""
    factors: list[dict[str, Any]] = []
    log_factor = np.zeros(len(given))
    for kind in ("denominator", "harness"):
        own = np.concatenate([side.corrections.get(kind, np.zeros(len(side.frame))) for side in sides])
        if not own.any():
            continue
        log_factor = log_factor + own
        mended = by_cause(given, is_after, classes, metric, draws, log_factor)
        bounds = None
        if kind == "harness":  # a GPU count is a fact; steady state is an estimate
            mended = Parts(mended.snapshots, _with_spread(mended.drawn, own != 0, draws))
        after = shift_of(mended, max(2, len(moved.grid)))
        if kind == "harness" and len(after.grid):
            logs = _spread_only(mended, own != 0, draws).drawn_ratio(after.grid)
            bounds = ratio_bounds(None if logs is None else moved.log_ratio - defined_mean(logs), draws.confidence)
        ratio = float(np.exp(moved.log_ratio - after.log_ratio))
        if kind == "denominator":
            bounds = [ratio, ratio]
        factors.append({"cause": kind, "ratio": ratio, "ci95": bounds, "points": int((own != 0).sum())})
        parts, moved = mended, after
    return parts, moved, factors


def _side_offsets(marked: NDArray[np.bool_], draws: Draws) -> FloatArray:
    """Draws of what a correction by Little's law may be off, one for each side, shape (resamples, 2)."""
    return np.random.default_rng(draws.seed + 1).normal(0.0, STEADY_SPREAD, (draws.resamples, 2)) * bool(marked.any())


def _with_spread(drawn: Drawn, marked: NDArray[np.bool_], draws: Draws) -> Drawn:
    """Draws with the uncertainty of the correction added to the marked rows, which share it within a side."""
    if drawn.draws is None:
        return drawn
    offsets = _side_offsets(marked, draws)
    moved = {key: (x, y + offsets[:, key[0], None] * marked[drawn.snapshots[key].rows]) for key, (x, y) in drawn.draws.items()}
    return Drawn(drawn.snapshots, moved, drawn.method, drawn.choice)


def _spread_only(parts: Parts, marked: NDArray[np.bool_], draws: Draws) -> Parts:
    """The parts with no other draws than those of the correction's uncertainty."""
    near = {key: snapshot.near_frontier(NEAR * STEADY_SPREAD) for key, snapshot in parts.snapshots.items()}
    offsets = _side_offsets(marked, draws)
    drawn = {
        key: (np.zeros((draws.resamples, len(s.rows))), offsets[:, key[0], None] * marked[s.rows]) for key, s in near.items()
    }
    return Parts(near, Drawn(near, drawn, "uncertainty of the correction only"))
