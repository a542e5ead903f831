"""The account of a shift: an order-free split of the frontier ratio over the classes of configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribution import number, ratio_bounds
from frontier.errors import PointsError
from frontier.evidence.residuals import ResidualModel
from frontier.findings import Examined, Finding
from frontier.integrity import little_ratio
from frontier.pareto import Shift
from frontier.records import check_metric, evidence_of
from frontier.shift.classes import Classes, classify
from frontier.shift.corrected import Draws, by_cause, corrected_parts, shift_of
from frontier.shift.per import Per
from frontier.shift.sides import make_side
from frontier.shift.split import Parts, split
from frontier.shift.verdict import MARGIN_OTHER_SYSTEM, MARGIN_SAME_SYSTEM, notes, separated, state_of, verdict_rule
from frontier.shift_record import defined_mean, shift_record


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
    examined: Examined | None = None,
    per: Per | None = None,
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
    examined : Examined, optional
        What the checks found in a larger table that both were cut from, whose positions their indices hold: many shifts of one record are
        accounted for without checking its rows again and again.
    per : Per, optional
        What throughput is divided by instead of GPUs.

    Raises
    ------
    PointsError
        If a side has no usable row, or the sides differ in model or workload, or mix several.
    UsageError
        For an unknown metric.

    Notes
    -----
    Rows that an integrity check can set right (a throughput that Little's law contradicts, a wrong GPU count) are counted twice: as given, which
    is the headline, and corrected, which is what the causes are measured on. The ratio of the two is the factor ``harness`` or ``denominator``.
    """
    check_metric(metric)
    roles = zip((before, after), ("before", "after"), names, strict=True)
    sides = [make_side(table, metric, role, name, examined, per) for table, role, name in roles]
    given = pd.concat([side.frame for side in sides], ignore_index=True)
    is_after = np.arange(len(given)) >= len(sides[0].frame)
    classes = classify(given, is_after)
    _one_subject(given, is_after, classes, names)
    draws = Draws(resamples, seed, confidence, residuals)
    parts = by_cause(given, is_after, classes, metric, draws, np.zeros(len(given)))
    moved = shift_of(parts, grid_points)
    corrected, moved_corrected, explained = corrected_parts(sides, given, is_after, classes, metric, draws, parts, moved)
    found = split(
        corrected, moved_corrected.log_ratio, moved_corrected.grid, confidence,
        same_software=classes.same_software, hardware_moved="hardware" in classes.moved,
    )  # fmt: skip
    record = shift_record(moved, parts.drawn_ratio(moved.grid), parts.drawn_ends(grid_points), confidence, metric)
    factors = [*explained, *found.factors] if np.isfinite(moved.log_ratio) else []
    together = [*(None if f["ci95"] is None else (f["ci95"][0], f["ci95"][1]) for f in explained), *found.together]
    drawn = parts.drawn.draws is not None
    if len(factors) == 1 and record["ratio"] is not None:  # one cause is the whole shift, and has its interval
        bounds = record["ratio"]["ci95"]
        factors[0]["ci95"], together = bounds, [None if bounds is None else (bounds[0], bounds[1])]
    margin = MARGIN_OTHER_SYSTEM if any(f["cause"] == "hardware" for f in factors) else MARGIN_SAME_SYSTEM
    return {
        **record,
        "throughput_unit": "tokens/s/GPU" if per is None else per.unit,
        "evidence": {side.name: evidence_of(side.frame) for side in sides},
        "state": state_of(record["ratio"], margin, drawn),
        "factors": factors,
        "verdict": [f["cause"] for f, bounds in zip(factors, together, strict=False) if separated(f, bounds, margin, drawn)],
        "verdict_rule": verdict_rule(drawn, margin),
        "corrected_ratio": _ratio(corrected, moved_corrected, confidence) if corrected is not parts else None,
        "corrected_peak_ratio": moved_corrected.peak_ratio if corrected is not parts else None,
        "matched": _matched(corrected, classes, given, is_after, grid_points, confidence),
        "little_ratio": {side.name: _little(side.frame) for side in sides},
        "checks": [_check_record(finding, side.name) for side in sides for finding in side.findings],
        "interval": {
            "method": parts.drawn.method, "resamples": 0 if parts.drawn.draws is None else resamples, "level": confidence, "seed": seed,
        },
        "notes": [note for note in [found.note, *notes(sides, classes, factors)] if note],
    }  # fmt: skip


def _one_subject(given: pd.DataFrame, is_after: NDArray[np.bool_], classes: Classes, names: tuple[str, str]) -> None:
    """Refuse sides that differ in model or workload; a model that only changed its name, with every measured value the same, is one model."""
    renamed = classes.same_measurements == int(is_after.sum())
    for column in ("isl_tokens", "osl_tokens") if renamed else ("model", "isl_tokens", "osl_tokens"):
        values = [set(given[column][of_side].dropna().unique()) for of_side in (~is_after, is_after)]
        if values[0] and values[1] and values[0] != values[1]:
            shown = [", ".join(str(v) for v in sorted(found)) for found in values]
            raise PointsError(f"the two tables differ in {column}: {shown[0]} in {names[0]}, {shown[1]} in {names[1]}", hint="compare like with like")


def _ratio(parts: Parts, moved: Shift, confidence: float) -> dict[str, Any] | None:
    value = number(moved.log_ratio)
    logs = parts.drawn_ratio(moved.grid)
    return None if value is None else {"value": float(np.exp(value)), "ci95": ratio_bounds(None if logs is None else defined_mean(logs), confidence)}


def _matched(
    parts: Parts, classes: Classes, given: pd.DataFrame, is_after: NDArray[np.bool_], grid_points: int, confidence: float
) -> dict[str, Any]:
    """The shift between the frontiers of those configurations only that stand on both sides."""
    causes = sorted(set(classes.cause[classes.matched].tolist()))
    counts = [sum(len(s.rows) for (of, cause), s in parts.snapshots.items() if of == side and cause in causes) for side in (0, 1)]
    entry: dict[str, Any] = {"configurations": min(counts), "causes": causes, "ratio": None}
    if min(counts):
        kept = Parts({k: s for k, s in parts.snapshots.items() if k[1] in causes}, parts.drawn)
        entry["ratio"] = _ratio(kept, shift_of(kept, grid_points), confidence)
    return entry


def _little(frame: pd.DataFrame) -> dict[str, float | None]:
    """Median and smallest Little ratio of a side's rows; null where unknown."""
    ratio = little_ratio(frame)
    return {"median": number(ratio.median()), "min": number(ratio.min())}


def _check_record(finding: Finding, side: str) -> dict[str, Any]:
    return {
        "check": finding.check, "side": side, "points": finding.points, "kind": finding.kind, "saw": finding.saw,
        "effect_ratio": finding.effect_without, "effect_corrected": finding.effect_corrected,
    }  # fmt: skip


