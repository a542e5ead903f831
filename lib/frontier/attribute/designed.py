"""The attribution document: Shapley shares, ladder, leave-one-out and interactions of a designed set of points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribute.coalitions import Cache, Coalitions
from frontier.attribute.document import Estimate, shift_document, steps_document
from frontier.attribute.fraction import NOT_RUN, fraction_document, fraction_notes, half_of, not_identifiable, with_reasons
from frontier.attribute.gated import BELOW, gated_cells, gated_notes
from frontier.attribute.levers import LeverSpec, cell_levers, cell_name, cell_numbers, physical_conflict
from frontier.attribution import interactions, ladder, leave_one_out, main_effects, number, shapley
from frontier.errors import PointsError, UsageError
from frontier.evidence.nodes import NodeEffects, node_effects
from frontier.evidence.noise import Drawn, draw_errors
from frontier.evidence.residuals import ResidualModel
from frontier.pareto import grid_over, mean_over, overlap
from frontier.pareto.interpolation import FloatArray
from frontier.records import check_metric, drawable, evidence_of
from frontier.shift_record import defined_mean
from frontier.snapshots import Snapshot, one_question, usable_rows

SCHEMA = "frontier.attribution/1"
RULES = ("error", "restrict", "ladder", "fraction")
NOT_IN_HALF = "not identifiable: it compares cells of which one was not run or has no points"
MAX_DRAWS = 1 << 17  # resamples x coalitions; larger games are resampled less often, and the document says how often
INFEASIBLE_UNLOCKED = (
    "A cell without points adds nothing to a coalition that keeps the baseline setting available: its frontier is that of the cells there are, "
    "so an unlocked lever is worth nothing where its target cannot be had."
)
INFEASIBLE_RULE = (
    "A cell that cannot exist counts as its largest feasible part: a lever that needs another one adds nothing until the other is at target, "
    "so its worth is counted where both are (a game with a permission structure; shares still add up to the whole)."
)


def attribute(
    points: pd.DataFrame,
    specs: Sequence[LeverSpec],
    *,
    metric: str = "total",
    residuals: ResidualModel | None = None,
    infeasible: Mapping[str, str] | None = None,
    missing: str = "error",
    groups: Mapping[str, Sequence[str]] | None = None,
    contrasts: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 1,
    grid_points: int = 65,
    origin: str = "",
) -> dict[str, Any]:
    """The attribution of the shift from all levers at baseline to all at target.

    Parameters
    ----------
    points : DataFrame
        A normalized points table that holds the plan.
    specs : sequence of LeverSpec, in ladder order
    metric : "total" | "output"
    residuals : ResidualModel, optional
        The predicting model's own error; the interval of predicted points.
    infeasible : mapping cell name -> reason, optional
        Cells that are known not to exist; a name lists the levers at target, joined by ``+`` in any order.
    missing : "error" | "restrict" | "ladder" | "fraction"
        What to do when a cell has no points though nothing speaks against it: refuse, apply the rule for infeasible cells, or, when all cells
        along the ladder are there, give the ladder's contributions as shares and no Shapley split. ``fraction`` says that the plan was a half
        fraction (:mod:`frontier.attribution.fractions`): shares are its main effects, undefined if one of its cells has no points. With
        ``error`` a table that holds exactly the cells of a half fraction is read as one.
    groups : mapping group -> lever names, optional
        Sums of shares to report with their own interval, such as hardware against software.
    contrasts : mapping name -> (levers, levers), optional
        Pairs of coalitions whose ratio to report.
    resamples, seed, grid_points : int
    confidence : float, 0 < confidence < 1

    Returns
    -------
    dict
        A ``frontier.attribution/1`` document (see docs/formats.md).

    Raises
    ------
    PointsError
        If cells are missing, the baseline or the full target has no points, or the table mixes models, workloads or kinds of evidence.
    UsageError
        For an unknown metric or rule, out-of-range numbers, or a half fraction of fewer than three levers or with an unlocked one.
    """
    _check_arguments(metric, missing, resamples, confidence, grid_points)
    one_question(points, origin=origin, apart=[spec.column for spec in specs])
    frame, positions = usable_rows(points, metric, origin=origin)
    number_of = cell_numbers(frame, specs)
    own, at, cell_of = frame[number_of >= 0], positions[number_of >= 0], number_of[number_of >= 0]
    nodes = node_effects(own, cell_of, metric)
    cells = {int(cell): Snapshot.of(nodes.frame[cell_of == cell], metric, at[cell_of == cell]) for cell in np.unique(cell_of)}
    gated = gated_cells(points, specs, metric)
    half = half_of(specs, {*cells, *gated}, missing, _explained(specs, frame, infeasible or {}))
    if half is not None:
        cells = {cell: snapshot for cell, snapshot in cells.items() if cell in half}
    status = _cell_status(cells, specs, frame, infeasible or {}, gated, missing, origin, half)
    game = Coalitions(specs, cells)
    path = missing == "ladder" and any(record["status"] == "missing" for record in status)
    split = ladder if path else shapley if half is None else main_effects
    last = game.size - 1
    estimate, drawn = _estimate(
        game, points, resamples, confidence, seed, grid_points, residuals, nodes, range(game.size) if half is None else sorted({*cells, last})
    )
    # In a full design a cell without points counts as its feasible part; in a half fraction nothing stands in for it but for the headline.
    parts = estimate if half is None else estimate.only(cells)
    moved = shift_document(game, drawn, confidence, grid_points, metric)
    total = parts.entry(lambda v: v[..., -1] - v[..., 0])
    if total["ratio"] is not None and moved["ratio"] is not None and moved["overlap_tok_s_user"] == list(estimate.span or ()):
        # One number, one interval: a resample counts for the shares only where every coalition is defined, and the headline follows them.
        moved["ratio"]["ci95"] = total["ci95"]
    notes = _notes(points, metric, number_of, estimate, game, status, path, half is not None) + gated_notes(status)
    lost = "" if half is None else not_identifiable(specs, cells)
    if nodes.note:
        notes.append(nodes.note)
    if half is not None:
        notes += fraction_notes(parts, specs, lost)
    return {
        "schema": SCHEMA,
        "evidence": evidence_of(frame),
        "metric": metric,
        "method": "ladder" if path else "shapley" if half is None else "half_fraction",
        "levers": [_lever_document(spec) for spec in specs],
        "domain": {
            "interactivity_tok_s_user": None if estimate.span is None else list(estimate.span),
            "rule": "mean of the log ratio, uniform in interactivity, over the overlap of baseline and target as far as every coalition reaches; "
            "below the interactivity of its peak throughput a coalition counts with the peak, which satisfies the lower demand too",
        },
        "total": total,
        "shares": with_reasons(_shares(parts, specs, split), lost),
        "groups": _groups(parts, specs, groups or {}, split),
        "contrasts": _contrasts(parts, specs, contrasts or {}),
        "ladder": with_reasons(parts.entries(specs, ladder), "" if half is None else NOT_IN_HALF),
        "leave_one_out": [] if path else with_reasons(parts.entries(specs, leave_one_out), "" if half is None else NOT_IN_HALF),
        "interactions": [] if path or half is not None else _interactions(estimate, specs),
        "fraction": None if half is None else fraction_document(parts, specs, lost),
        "by_interactivity": _by_interactivity(parts, specs, split),
        "cells": status,
        "coalitions": [
            {"levers": cell_levers(s, specs), "log_ratio": number(parts.values[s])} for s in range(game.size)
        ],
        "infeasible_rule": _infeasible_rule(game, status) if half is None else "",
        "interval": {
            "method": drawn.method, "resamples": estimate.resamples, "undefined_resamples": estimate.undefined, "level": confidence, "seed": seed,
        },
        "steps": steps_document(game, drawn, confidence, grid_points, range(game.size) if half is None else cells),
        "shift": moved,
        "notes": notes,
        "companion": None,
    }


def _explained(specs: Sequence[LeverSpec], frame: pd.DataFrame, infeasible: Mapping[str, str]) -> list[int]:
    """Cells of which it is known that they cannot exist."""
    names = {frozenset(name.split("+")) for name in infeasible}
    return [cell for cell in range(1 << len(specs)) if frozenset(cell_levers(cell, specs)) in names or physical_conflict(cell, specs, frame)]


def _check_arguments(metric: str, missing: str, resamples: int, confidence: float, grid_points: int) -> None:
    check_metric(metric)
    if missing not in RULES:
        raise UsageError(f"missing must be one of {', '.join(RULES)}, got {missing!r}")
    if resamples < 100:
        raise UsageError(f"resamples must be at least 100, got {resamples}")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, got {confidence}")
    if grid_points < 2:
        raise UsageError(f"grid_points must be at least 2, got {grid_points}")


def _cell_status(
    cells: Mapping[int, Snapshot],
    specs: Sequence[LeverSpec],
    frame: pd.DataFrame,
    infeasible: Mapping[str, str],
    gated: Mapping[int, str],
    missing: str,
    origin: str,
    half: Sequence[int] | None,
) -> list[dict[str, Any]]:
    """One record per cell of the design; refuses a missing cell unless told to restrict."""
    reasons = {frozenset(name.split("+")): reason for name, reason in infeasible.items()}
    out, absent = [], []
    for cell in range(1 << len(specs)):
        name = cell_name(cell, specs)
        record: dict[str, Any] = {"cell": name, "levers": cell_levers(cell, specs), "status": "done", "reason": "", "points": 0, "evaluated": None}
        if cell in cells:
            record["points"] = len(cells[cell].rows)
        elif half is not None and cell not in half:
            record |= {"status": "not_run", "reason": NOT_RUN}
        else:
            reason = reasons.get(frozenset(name.split("+"))) or gated.get(cell) or physical_conflict(cell, specs, frame)
            record |= {"status": "infeasible" if reason else "missing", "reason": reason or "no usable point in the table"}
            if cell in gated:  # it was measured, so it can exist; the run may know the reason in more detail
                record["status"] = BELOW
            if not reason:
                absent.append(cell)
        out.append(record)
    last = (1 << len(specs)) - 1
    if 0 not in cells:
        why = f": its output is below the quality gate ({gated[0]})" if 0 in gated else ""
        raise PointsError(f"the baseline cell (every lever at baseline) has no usable point{why}", origin=origin, hint="check --baseline")
    if half is not None:
        return out
    if last in absent and missing != "restrict":
        raise PointsError("the target cell (every lever at target) has no usable point", origin=origin, hint="check --target")
    steps = [cell for cell in absent if (cell + 1).bit_count() == 1]  # the cells of the ladder are 0, 1, 11, 111, ... in binary
    if missing == "ladder" and steps:
        names = ", ".join(cell_name(cell, specs) for cell in steps)
        raise PointsError(f"cells of the path have no usable point: {names}", origin=origin, hint="name the levers in an order that was measured")
    if absent and missing == "error":
        names = ", ".join(cell_name(cell, specs) for cell in absent[:8]) + (" ..." if len(absent) > 8 else "")
        raise PointsError(
            f"{len(absent)} of {1 << len(specs)} cells have no usable point: {names}",
            origin=origin,
            hint="run them; --missing restrict counts each as its largest available part, --missing ladder splits the measured path, "
            "--missing fraction says that a half fraction was planned",
        )
    return out


def _estimate(
    game: Coalitions,
    points: pd.DataFrame,
    resamples: int,
    confidence: float,
    seed: int,
    grid_points: int,
    residuals: ResidualModel | None,
    nodes: NodeEffects,
    known: Sequence[int],
) -> tuple[Estimate, Drawn]:
    """The game on the coalitions in ``known``, NaN elsewhere."""
    span = _domain(game, known)
    grid = grid_over(span, grid_points)
    logs = np.full((len(grid), game.size), np.nan)
    for s in known:
        logs[:, s] = np.log(game.curve(s, grid))
    curves = logs - logs[:, :1]
    values = np.asarray(mean_over(grid, curves.T)) if len(grid) else np.full(game.size, np.nan)
    count = max(200, min(resamples, MAX_DRAWS // game.size))
    drawn = nodes.spread_of(draw_errors(game.cells, points, count, seed, residuals), seed)
    sampled: FloatArray | None = None
    if drawn.draws is not None and len(grid):
        cache: Cache = {}
        drawn_logs = np.full((count, len(grid), game.size), np.nan)
        for s in known:
            drawn_logs[..., s] = np.log(game.drawn(s, grid, drawn, cache))
        # A resample counts only where all its frontiers are defined, so that shares keep adding up; one defined nowhere counts as undefined.
        defined = ~np.isnan(drawn_logs[..., known]).any(axis=-1, keepdims=True)
        ratios = np.where(defined, drawn_logs - drawn_logs[..., :1], np.nan)
        sampled = defined_mean(ratios.swapaxes(1, 2))
    return Estimate(span, grid, curves, values, sampled, confidence), drawn


def _domain(game: Coalitions, known: Sequence[int]) -> tuple[float, float] | None:
    """The overlap of the two ends, as far as every coalition in between reaches; a coalition without cells stands for its feasible part."""
    ends = overlap(game.frontier(0), game.frontier(game.size - 1))
    if ends is None:
        return None
    high = min(ends[1], *(game.frontier(s).reach for s in known))
    return (ends[0], high) if high >= ends[0] else None


def _lever_document(spec: LeverSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title or spec.name,
        "mode": spec.mode,
        "baseline": list(spec.settings.get("baseline", spec.baseline)),
        "target": list(spec.settings.get("target", spec.target)),
    }


def _infeasible_rule(game: Coalitions, status: Sequence[Mapping[str, Any]]) -> str:
    """How cells without points were handled; empty when every cell has points."""
    if all(record["status"] == "done" for record in status):
        return ""
    unlocked = any(spec.mode == "unlocked" for spec in game.specs)
    return " ".join([INFEASIBLE_UNLOCKED] * unlocked + [INFEASIBLE_RULE] * bool(game.restricted()))


Split = Callable[[FloatArray], FloatArray]  # game (..., 2^n) -> contributions (..., n) that add up to the whole


def _shares(estimate: Estimate, specs: Sequence[LeverSpec], split: Split) -> list[dict[str, Any]]:
    whole = estimate.values[-1] - estimate.values[0]
    out = estimate.entries(specs, split)
    for spec, share in zip(specs, out, strict=True):
        share["title"] = spec.title or spec.name
        share["fraction"] = None if share["log_ratio"] is None or whole == 0 else number(share["log_ratio"] / whole)
    return out


def _contrasts(
    estimate: Estimate, specs: Sequence[LeverSpec], contrasts: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> list[dict[str, Any]]:
    bit = {spec.name: 1 << i for i, spec in enumerate(specs)}
    out = []
    for name, (start, end) in contrasts.items():
        low, high = (sum(bit[lever] for lever in levers) for levers in (start, end))
        entry = estimate.entry(lambda v, a=low, b=high: v[..., b] - v[..., a])  # type: ignore[misc]
        out.append({"name": name, "from": list(start), "to": list(end), **entry})
    return out


def _groups(estimate: Estimate, specs: Sequence[LeverSpec], groups: Mapping[str, Sequence[str]], split: Split) -> list[dict[str, Any]]:
    out = []
    for group, names in groups.items():
        members = [i for i, spec in enumerate(specs) if spec.name in names]
        if members:
            entry = estimate.entry(lambda v, m=members: split(v)[..., m].sum(axis=-1))  # type: ignore[misc]
            out.append({"group": group, "levers": [specs[i].name for i in members], **entry})
    return out


def _interactions(estimate: Estimate, specs: Sequence[LeverSpec]) -> list[dict[str, Any]]:
    if len(specs) < 2:
        return []
    pairs = interactions(estimate.values)
    drawn = interactions(estimate.sampled) if estimate.sampled is not None else {}
    return [
        {"levers": [specs[i].name, specs[j].name], "log_ratio": number(value), "ci95_log_ratio": estimate.bounds(drawn.get((i, j)))}
        for (i, j), value in pairs.items()
    ]


def _by_interactivity(estimate: Estimate, specs: Sequence[LeverSpec], split: Split) -> list[dict[str, Any]]:
    shares = split(estimate.curves) if len(estimate.grid) else np.empty((0, len(specs)))
    return [
        {
            "interactivity_tok_s_user": number(x),
            "total": number(curve[-1] - curve[0]),
            "shares": {spec.name: number(value) for spec, value in zip(specs, row, strict=True)},
        }
        for x, curve, row in zip(estimate.grid, estimate.curves, shares, strict=True)
    ]


def _notes(
    points: pd.DataFrame,
    metric: str,
    cell: Any,
    estimate: Estimate,
    game: Coalitions,
    status: Sequence[Mapping[str, Any]],
    path: bool,
    half: bool,
) -> list[str]:
    notes = []
    left_out = int((~drawable(points, metric)).sum())
    if left_out:
        notes.append(f"{left_out} of {len(points)} rows are undefined, not positive or marked invalid and carry no frontier.")
    stray = int((np.asarray(cell) < 0).sum())
    if stray:
        notes.append(f"{stray} rows have a lever setting that is neither baseline nor target and are left out.")
    if estimate.span is None:
        notes.append("The frontiers of the coalitions share no interactivity, so no ratio at equal interactivity exists.")
    lost = [record["cell"] for record in status if record["status"] == "missing"]
    if lost and path:
        order = " -> ".join(["baseline", *(spec.name for spec in game.specs)])
        notes.append(f"The table lacks cells ({', '.join(lost)}): shares are those of the observed path ({order}); another order could give others.")
    elif lost and half:
        notes.append(f"Cells of the half fraction without points: {', '.join(lost)}.")
    elif lost:
        notes.append(f"Cells without points ({', '.join(lost)}) count as their largest available part: to that extent shares are a guess.")
    if estimate.undefined:
        notes.append(f"{estimate.undefined} of {estimate.resamples} resamples had no common interactivity and are left out of the intervals.")
    hidden = [spec.name for spec in game.specs if spec.mode == "unlocked"]
    if hidden:
        notes.append(f"Unlocked levers ({', '.join(hidden)}) keep their baseline settings available at target: the best of both is taken.")
    return notes
