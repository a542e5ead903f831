"""The account of a shift: an order-free split of the frontier ratio over the classes of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribution import MAX_PLAYERS, number, ratio_bounds, shapley
from frontier.errors import PointsError
from frontier.evidence.noise import Drawn, draw_errors
from frontier.evidence.residuals import ResidualModel
from frontier.integrity import CHECKS
from frontier.pareto import Frontier, area, frontier_values, grid_over, mean_over, overlap, shift
from frontier.pareto.interpolation import FloatArray
from frontier.records import check_metric, evidence_of
from frontier.shift.classes import Classes, classify
from frontier.shift_record import defined_mean, shift_record
from frontier.snapshots import Snapshot, one_question, usable_rows

# Margins of the MLPerf Endpoints draft: within them two results of one system (of two systems) are not told apart.
MARGIN_SAME_SYSTEM, MARGIN_OTHER_SYSTEM = 0.05, 0.10
UNKNOWN_VERSION = (
    "Some rows name neither engine version nor image: what moved at an equal configuration is called software there because nothing else that "
    "the tables record differs."
)


@dataclass(frozen=True)
class Side:
    """One side of a shift: its usable rows and what the checks marked."""

    name: str
    table: pd.DataFrame
    frame: pd.DataFrame
    marks: Mapping[str, pd.Series]


def account(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    metric: str = "total",
    residuals: ResidualModel | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 1,
    grid_points: int = 65,
    names: tuple[str, str] = ("before", "after"),
) -> dict[str, Any]:
    """The ``frontier.shift/1`` document of the shift between two normalized points tables.

    Parameters
    ----------
    before, after : DataFrame
    metric : "total" | "output"
    residuals : ResidualModel, optional
        The predicting model's error, for predicted points.
    names : (str, str)
        What to call the two tables in messages.

    Raises
    ------
    PointsError
        If a side has no usable row, or the sides differ in model or workload, or mix several.
    UsageError
        For an unknown metric.
    """
    check_metric(metric)
    sides = [_side(table, metric, role, name) for table, role, name in zip((before, after), ("before", "after"), names, strict=True)]
    _same_question(sides, names)
    frames = [side.frame for side in sides]
    classes = classify(frames[0], frames[1])
    snapshots, order = _snapshots(frames, classes, metric)
    ends = [Frontier.of(*_points(snapshots, [k for k in order if k[0] == side])) for side in (0, 1)]
    moved = shift(ends[0], ends[1], grid_points=grid_points)
    both = pd.concat(frames, ignore_index=True)
    drawn = draw_errors(snapshots, both, resamples, seed, residuals)
    per_point = _drawn_ratio(drawn, order, moved.grid)
    causes = sorted({k[1] for k in order}, key=_rank)
    factors, remainder = _factors(snapshots, order, causes, drawn, moved.log_ratio, moved.grid, confidence)
    margin = MARGIN_OTHER_SYSTEM if any(f["cause"] == "hardware" for f in factors) else MARGIN_SAME_SYSTEM
    record = shift_record(moved, per_point, _drawn_ends(drawn, order, grid_points), confidence, metric)
    return {
        **record,
        "evidence": {role: evidence_of(frame) for role, frame in zip(("before", "after"), frames, strict=True)},
        "state": _state(record["ratio"], margin),
        "factors": factors,
        "verdict": [f["cause"] for f in factors if _separated(f, margin)],
        "verdict_rule": _verdict_rule(factors, margin),
        "checks": [record for side in sides for record in _check_records(side, metric)],
        "interval": {"method": drawn.method, "resamples": 0 if drawn.draws is None else resamples, "level": confidence, "seed": seed},
        "notes": [note for note in [remainder, UNKNOWN_VERSION if classes.unknown_version else "", *_notes(sides)] if note],
    }


def _side(table: pd.DataFrame, metric: str, role: str, name: str) -> Side:
    marks = {check: mark(table) for check, mark in CHECKS.items()}
    sound = table[~(marks["broken_rows"] | marks["duplicates"])]
    if sound.empty:
        raise PointsError(f"every one of the {len(table)} rows is broken (rates undefined, not positive, or marked invalid)", origin=name)
    frame, _ = usable_rows(sound, metric, origin=name)
    one_question(frame, origin=name)
    return Side(role, table, frame, marks)


def _same_question(sides: Sequence[Side], names: tuple[str, str]) -> None:
    for column in ("model", "isl_tokens", "osl_tokens"):
        values = [set(side.frame[column].dropna().unique()) for side in sides]
        if values[0] and values[1] and values[0] != values[1]:
            shown = [", ".join(str(v) for v in sorted(found)) for found in values]
            raise PointsError(f"the two tables differ in {column}: {shown[0]} in {names[0]}, {shown[1]} in {names[1]}", hint="compare like with like")


Key = tuple[int, str]  # (side, cause): side 0 before, 1 after


def _snapshots(frames: Sequence[pd.DataFrame], classes: Classes, metric: str) -> tuple[dict[Key, Snapshot], list[Key]]:
    """One snapshot per side and cause; rows are positions in the two frames laid end to end."""
    out: dict[Key, Snapshot] = {}
    start = 0
    for side, (frame, labels) in enumerate(zip(frames, (classes.before, classes.after), strict=True)):
        label = np.array([text.split(":", 1)[-1] if text != "gone" else "coverage" for text in labels])
        for cause in dict.fromkeys(label):
            positions = np.flatnonzero(label == cause)
            out[side, str(cause)] = Snapshot.of(frame.iloc[positions], metric, (positions + start).astype(np.int64))
        start += len(frame)
    return out, list(out)


def _points(snapshots: Mapping[Key, Snapshot], keys: Sequence[Key]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([snapshots[k].mean_x for k in keys]), np.concatenate([snapshots[k].mean_y for k in keys])


def _members(order: Sequence[Key], causes: Sequence[str], coalition: int) -> list[Key]:
    """Snapshots of the frontier in which the causes of the coalition have happened: their rows come from after, all others' from before."""
    happened = {cause for i, cause in enumerate(causes) if coalition >> i & 1}
    return [key for key in order if (key[0] == 1) == (key[1] in happened)]


def _drawn_values(drawn: Drawn, keys: Sequence[Key], grid: FloatArray) -> FloatArray:
    parts = [drawn.values(key) for key in keys]
    return frontier_values(np.concatenate([x for x, _ in parts], axis=1), np.concatenate([y for _, y in parts], axis=1), grid)


def _drawn_ratio(drawn: Drawn, order: Sequence[Key], grid: FloatArray) -> FloatArray | None:
    if drawn.draws is None or not len(grid):
        return None
    low, high = (_drawn_values(drawn, [k for k in order if k[0] == side], grid) for side in (0, 1))
    return np.asarray(np.log(high) - np.log(low))


def _drawn_ends(drawn: Drawn, order: Sequence[Key], grid_points: int) -> dict[str, FloatArray]:
    """Draws of the log ratios of peak, reach and area between the two sides; empty without draws."""
    if drawn.draws is None:
        return {}
    sides = [[drawn.values(key) for key in order if key[0] == side] for side in (0, 1)]
    x, y = ([np.concatenate([pair[axis] for pair in side], axis=1) for side in sides] for axis in (0, 1))
    grid = np.linspace(0.0, max(float(values.max()) for values in x), 2 * grid_points)
    curves = [frontier_values(a, b, grid, attain=True) for a, b in zip(x, y, strict=True)]
    return {
        "peak": np.log(y[1].max(axis=1) / y[0].max(axis=1)),
        "reach": np.log(x[1].max(axis=1) / x[0].max(axis=1)),
        "area": np.log(area(curves[1], grid) / area(curves[0], grid)),
    }


def _factors(
    snapshots: Mapping[Key, Snapshot], order: Sequence[Key], causes: list[str], drawn: Drawn, whole: float, whole_grid: FloatArray, confidence: float
) -> tuple[list[dict[str, Any]], str]:
    """Shapley split of the log ratio over causes, and a note when part of the overlap could not be split."""
    points = {cause: sum(len(snapshots[k].rows) for k in order if k[1] == cause) for cause in causes}
    if not np.isfinite(whole):
        return [], ""
    if not any(side == 0 and cause != "coverage" for side, cause in order):
        logs = _drawn_ratio(drawn, order, whole_grid)
        entry = {"cause": "not_identifiable", "ratio": float(np.exp(whole)), "ci95": None, "points": sum(points.values())}
        entry["ci95"] = ratio_bounds(None if logs is None else defined_mean(logs), confidence)
        return [entry], "No configuration stands on both sides, so software, hardware and search space cannot be told apart."
    if len(causes) > MAX_PLAYERS:
        raise PointsError(f"{len(causes)} causes at once; at most {MAX_PLAYERS} can be split exactly", hint="compare closer snapshots")
    coalitions = [_members(order, causes, s) for s in range(1 << len(causes))]
    frontiers = [Frontier.of(*_points(snapshots, keys)) if keys else None for keys in coalitions]
    # A coalition without any configuration (everything gone, nothing arrived yet) has no frontier; it stands for the state before.
    coalitions = [keys or coalitions[0] for keys in coalitions]
    frontiers = [found or frontiers[0] for found in frontiers]
    span = overlap(*(found for found in frontiers if found is not None))
    if span is None:
        return [{"cause": "not_identifiable", "ratio": float(np.exp(whole)), "ci95": None, "points": sum(points.values())}], (
            "The intermediate frontiers share no interactivity, so the ratio cannot be split."
        )
    grid = grid_over(span, len(whole_grid))
    logs = np.stack([np.log(found.interpolated(grid)) for found in frontiers if found is not None])
    values = mean_over(grid, logs)
    shares = shapley(values)
    sampled = None
    if drawn.draws is not None:
        sampled = shapley(np.stack([defined_mean(np.log(_drawn_values(drawn, keys, grid))) for keys in coalitions], axis=-1))
    out = [
        {
            "cause": cause,
            "ratio": float(np.exp(shares[i])),
            "ci95": ratio_bounds(None if sampled is None else sampled[:, i], confidence),
            "points": points[cause],
        }
        for i, cause in enumerate(causes)
    ]
    rest = whole - float(shares.sum())
    if abs(rest) < 1e-9:
        return out, ""
    return _with_unexplained(out, rest), (
        f"The split holds over {span[0]:.4g} to {span[1]:.4g} tokens/s/user, which all intermediate frontiers cover; what the rest of the overlap "
        "adds is counted as unexplained."
    )


def _with_unexplained(factors: list[dict[str, Any]], rest: float) -> list[dict[str, Any]]:
    """The factors with a remainder added to ``unexplained``, so that their product stays the whole."""
    out = [dict(factor) for factor in factors]
    for factor in out:
        if factor["cause"] == "unexplained":
            factor["ratio"] *= float(np.exp(rest))
            factor["ci95"] = None if factor["ci95"] is None else [bound * float(np.exp(rest)) for bound in factor["ci95"]]
            return out
    return [*out, {"cause": "unexplained", "ratio": float(np.exp(rest)), "ci95": None, "points": 0}]


_ORDER = ("software", "hardware", "not_identifiable", "lever", "search_space", "coverage", "unexplained")


def _rank(cause: str) -> tuple[int, str]:
    return _ORDER.index(cause.split(":")[0]), cause


def _separated(factor: Mapping[str, Any], margin: float) -> bool:
    if factor["cause"] == "unexplained":
        return False
    if factor["ci95"] is not None:
        return bool(factor["ci95"][0] > 1 or factor["ci95"][1] < 1)
    return bool(abs(np.log(factor["ratio"])) > np.log1p(margin))


def _verdict_rule(factors: Sequence[Mapping[str, Any]], margin: float) -> str:
    if any(f["ci95"] is not None for f in factors):
        return "a cause is named when its 95 % interval excludes a ratio of 1"
    return f"no replicates, so no interval: a cause is named when it moves the frontier by more than {margin:.0%} (MLPerf Endpoints draft margin)"


def _state(ratio: Mapping[str, Any] | None, margin: float) -> str:
    """moved | not_moved | not_resolved | no_overlap."""
    if ratio is None:
        return "no_overlap"
    low, high = ratio["ci95"] or (ratio["value"], ratio["value"])
    inside = 1 / (1 + margin) <= low and high <= 1 + margin
    if ratio["ci95"] is None:
        return "not_resolved" if inside else "moved"
    return "not_moved" if inside else "moved" if low > 1 or high < 1 else "not_resolved"


def _check_records(side: Side, metric: str) -> list[dict[str, Any]]:
    """What each check marked and how far the frontier lies from the one without the marked rows."""
    out = []
    for check, mark in side.marks.items():
        count = int(mark.sum())
        if count:
            out.append({"check": check, "side": side.name, "points": count, "effect_ratio": _effect(side, mark, metric)})
    return out


def _effect(side: Side, mark: pd.Series, metric: str) -> float | None:
    """Frontier with the marked rows over the frontier without them (log-mean over the overlap); null when either cannot be drawn."""
    marked = mark.reindex(side.frame.index)
    rest = side.frame[~marked.astype(bool)]
    if rest.empty or not marked.any():
        return 1.0 if not marked.any() else None
    moved = shift(Snapshot.of(rest, metric).frontier(), Snapshot.of(side.frame, metric).frontier())
    value = number(moved.log_ratio)
    return None if value is None else float(np.exp(value))


def _notes(sides: Sequence[Side]) -> list[str]:
    out = []
    kinds = [set(side.frame["evidence"].dropna()) for side in sides]
    if kinds[0] != kinds[1]:
        out.append("The two sides are different kinds of evidence; part of the ratio may be the difference between the kinds.")
    for side in sides:
        if len(side.frame) < len(side.table):
            out.append(f"{len(side.table) - len(side.frame)} of {len(side.table)} rows of {side.name} are broken or repeated and carry no frontier.")
    return out
