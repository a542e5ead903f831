"""The part of a ``frontier.shift/1`` document that designed attribution and shift accounting share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from frontier.attribution import area_bounds, number, ratio_bounds
from frontier.pareto import Shift
from frontier.pareto.interpolation import FloatArray

SCHEMA = "frontier.shift/1"


def defined_mean(logs: FloatArray) -> FloatArray:
    """Mean over the defined entries of the last axis; NaN where there is none."""
    defined = ~np.isnan(logs)
    count = defined.sum(axis=-1)
    return np.asarray(np.where(count > 0, np.where(defined, logs, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan))


def shift_record(moved: Shift, per_point: FloatArray | None, ends: Mapping[str, FloatArray], confidence: float, metric: str) -> dict[str, Any]:
    """How far a frontier moved, as JSON values.

    Parameters
    ----------
    moved : Shift
    per_point : float array, shape (resamples, m), or None
        Draws of the log ratio on the shift's grid.
    ends : mapping "peak" | "reach" | "area" -> float array, shape (resamples,)
        Draws of log ratios; empty without draws.
    """
    value, attained = number(moved.log_ratio), number(moved.log_ratio_attained)
    bounds = None if per_point is None or not len(moved.grid) else ratio_bounds(defined_mean(per_point), confidence)
    return {
        "schema": SCHEMA,
        "metric": metric,
        "ratio": None if value is None else {"value": float(np.exp(value)), "ci95": bounds},
        "ratio_attained": None if attained is None else float(np.exp(attained)),
        "reason": "" if value is not None else "the two frontiers share no interactivity",
        "peak_ratio": moved.peak_ratio,
        "peak_ratio_ci95": ratio_bounds(ends.get("peak"), confidence),
        "max_interactivity_ratio": moved.max_interactivity_ratio,
        "max_interactivity_ratio_ci95": ratio_bounds(ends.get("reach"), confidence),
        "hypervolume_ratio": moved.hypervolume_ratio,
        "hypervolume_ratio_ci95": area_bounds(ends.get("area"), float(np.log(moved.hypervolume_ratio)), confidence),
        "hypervolume_reference": list(moved.reference),
        "overlap_tok_s_user": None if moved.overlap is None else list(moved.overlap),
        "newly_reached_tok_s_user": None if moved.newly_reached is None else list(moved.newly_reached),
        "by_interactivity": [
            {
                "interactivity_tok_s_user": float(x),
                "before": float(before),
                "after": float(after),
                "ratio": float(after / before),
                "ci95": ratio_bounds(None if per_point is None else per_point[:, i], confidence),
            }
            for i, (x, before, after) in enumerate(zip(moved.grid, moved.before, moved.after, strict=True))
        ],
    }
