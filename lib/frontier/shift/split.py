"""The order-free split of a shift over its causes: whose rows come from before, whose from after, in every combination."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np

from frontier.attribution import MAX_PLAYERS, ratio_bounds, shapley
from frontier.errors import PointsError
from frontier.evidence.noise import Drawn
from frontier.evidence.record_noise import family_bounds
from frontier.pareto import Frontier, area, frontier_values, grid_over, mean_over, overlap
from frontier.pareto.interpolation import FloatArray
from frontier.shift_record import defined_mean
from frontier.snapshots import Snapshot

Key = tuple[int, str]  # (side, cause): side 0 before, 1 after

NOTHING_IN_COMMON = "No configuration stands on both sides, so software, hardware and search space cannot be told apart."
NO_COMMON_RANGE = "The intermediate frontiers share no interactivity, so the ratio cannot be split."
BETWEEN_POINTS = (
    "Of the coverage factor, {ratio:.3g}x is what the interpolated curves assume between points where one side has points that the other lacks."
)
ALL_PARTS = 4  # snapshots in a coalition up to which every combination of them is looked at (3^n curves)
NOTHING = 1e-9
_ORDER = ("software", "lever", "hardware", "platform", "not_identifiable", "search_space", "coverage", "unexplained")


@dataclass(frozen=True)
class Split:
    """Factors of a shift.

    Attributes
    ----------
    factors : list of dict
        ``cause``, ``ratio``, ``ci95``, ``points``; empty without overlap.
    note : str
        What part of the ratio could not be split, and why; empty when all could.
    together : list of (low, high) or None
        Per factor its interval as a ratio when all intervals shall hold together, on which verdicts rest; None without draws.
    """

    factors: list[dict[str, Any]]
    note: str
    together: list[tuple[float, float] | None]


@dataclass(frozen=True)
class Parts:
    """The configurations of both sides by cause.

    Attributes
    ----------
    snapshots : mapping (side, cause) -> Snapshot
        Their ``rows`` are positions in the two tables laid end to end.
    drawn : Drawn
        Drawn errors of the same snapshots.
    """

    snapshots: Mapping[Key, Snapshot]
    drawn: Drawn

    def frontier(self, keys: Sequence[Key]) -> Frontier:
        """The frontier of the means of some snapshots."""
        return Frontier.of(np.concatenate([self.snapshots[k].mean_x for k in keys]), np.concatenate([self.snapshots[k].mean_y for k in keys]))

    def side(self, side: int) -> list[Key]:
        """The keys of one side."""
        return [key for key in self.snapshots if key[0] == side]

    def drawn_points(self, keys: Sequence[Key]) -> tuple[FloatArray, FloatArray]:
        """Drawn interactivity and throughput of some snapshots, each of shape (resamples, configurations)."""
        parts = [self.drawn.values(key) for key in keys]
        return np.concatenate([x for x, _ in parts], axis=1), np.concatenate([y for _, y in parts], axis=1)

    def drawn_values(self, keys: Sequence[Key], grid: FloatArray) -> FloatArray:
        """Drawn frontiers at the interactivities of a grid, shape (resamples, m)."""
        return frontier_values(*self.drawn_points(keys), grid)

    def drawn_ratio(self, grid: FloatArray, causes: Sequence[str] | None = None) -> FloatArray | None:
        """Draws of the log ratio at each interactivity, of all configurations or of some causes' only; None without draws."""
        if self.drawn.draws is None or not len(grid):
            return None
        low, high = (self.drawn_values([k for k in self.side(side) if causes is None or k[1] in causes], grid) for side in (0, 1))
        return np.asarray(np.log(high) - np.log(low))

    def drawn_ends(self, grid_points: int) -> dict[str, FloatArray]:
        """Draws of the log ratios of peak, reach and area between the two sides; empty without draws."""
        if self.drawn.draws is None:
            return {}
        (x0, y0), (x1, y1) = (self.drawn_points(self.side(side)) for side in (0, 1))
        grid = np.linspace(0.0, max(float(np.nanmax(x0)), float(np.nanmax(x1))), grid_points)
        curves = [frontier_values(x, y, grid, attain=True) for x, y in ((x0, y0), (x1, y1))]
        return {
            "peak": np.log(y1.max(axis=1) / y0.max(axis=1)),
            "reach": np.log(x1.max(axis=1) / x0.max(axis=1)),
            "area": np.log(area(curves[1], grid) / area(curves[0], grid)),
        }


def split(parts: Parts, whole: float, whole_grid: FloatArray, confidence: float, *, same_software: bool, hardware_moved: bool) -> Split:
    """Shapley split of a log ratio over causes.

    Parameters
    ----------
    parts : Parts
    whole : float
        Log ratio to be split; NaN without overlap.
    whole_grid : float array, shape (m,), tokens/s/user
        Interactivities over which ``whole`` is the mean.
    same_software, hardware_moved : bool
        Where no configuration stands on both sides, new configurations can be told from new software only if the software is the same.

    Raises
    ------
    PointsError
        If there are more causes than can be split exactly.

    Notes
    -----
    The frontier in which some causes have happened is that of the rows that those causes brought and of the old rows of all others. It is
    known without a new measurement, so the split is exact and free of order (L. S. Shapley, 1953).

    Between few points an interpolated frontier is a guess, and one more point can lower it: a lost point then looks like a gain. So a coalition
    is worth the best curve through any of its parts, which a new configuration never lowers and a lost one never raises. By how much the ends
    themselves differ from that is the work of points that one side lacks, and counts as ``coverage``.
    """
    causes = sorted({k[1] for k in parts.snapshots}, key=_rank)
    points = {cause: sum(len(s.rows) for k, s in parts.snapshots.items() if k[1] == cause) for cause in causes}
    if not np.isfinite(whole):
        return Split([], "", [])
    if not any(cause != "coverage" for _, cause in parts.side(0)) and (hardware_moved or not same_software):
        return _one(parts, whole, whole_grid, sum(points.values()), confidence, NOTHING_IN_COMMON)
    if len(causes) > MAX_PLAYERS:
        raise PointsError(f"{len(causes)} causes at once; at most {MAX_PLAYERS} can be split exactly", hint="compare closer snapshots")
    coalitions = [_members(parts.snapshots, causes, s) for s in range(1 << len(causes))]
    # A coalition without any configuration (everything gone, nothing arrived yet) has no frontier; it stands for the state before.
    coalitions = [keys or coalitions[0] for keys in coalitions]
    span = overlap(*(parts.frontier(keys) for keys in coalitions))
    if span is None:
        return _one(parts, whole, whole_grid, sum(points.values()), confidence, NO_COMMON_RANGE)
    grid = grid_over(span, len(whole_grid))
    values, ends = _values(coalitions, lambda keys: np.log(parts.frontier(keys).interpolated(grid)), lambda logs: mean_over(grid, logs))
    shares = shapley(values)
    between = float(ends - (values[-1] - values[0]))
    sampled: FloatArray | None = None
    sampled_between: FloatArray | None = None
    if parts.drawn.draws is not None:
        drawn, drawn_ends = _values(coalitions, lambda keys: np.log(parts.drawn_values(keys, grid)), None)
        sampled, sampled_between = shapley(drawn), drawn_ends - (drawn[..., -1] - drawn[..., 0])
    one_sided = [cause for cause in causes if cause == "coverage" or not _stands_on_both(parts.snapshots, cause)]
    names = [*causes, "coverage"] if one_sided and "coverage" not in causes and abs(between) > NOTHING else causes
    factors: list[dict[str, Any]] = []
    draws: list[FloatArray] = []
    for name in names:
        at = causes.index(name) if name in causes else None
        log = (0.0 if at is None else float(shares[at])) + (between if name == "coverage" else 0.0)
        if sampled is not None and sampled_between is not None:
            own = np.zeros(len(sampled)) if at is None else sampled[:, at]
            draws.append(own + sampled_between if name == "coverage" else own)
        bounds = ratio_bounds(draws[-1] if draws else None, confidence)
        factors.append({"cause": name, "ratio": float(np.exp(log)), "ci95": bounds, "points": points.get(name, 0)})
    together = _together(draws, len(factors), confidence)
    rest = whole - sum(float(np.log(factor["ratio"])) for factor in factors)
    note = BETWEEN_POINTS.format(ratio=float(np.exp(between))) if one_sided and abs(between) > np.log(1.01) else ""
    if abs(rest) < NOTHING:
        return Split(factors, note, together)
    outside = (
        f"The split holds over {span[0]:.4g} to {span[1]:.4g} tokens/s/user, which all intermediate frontiers cover; what the rest of the overlap "
        "adds is counted as unexplained."
    )
    whole_factors = with_unexplained(factors, rest)
    return Split(whole_factors, " ".join(text for text in (note, outside) if text), [*together, None][: len(whole_factors)])


def _together(draws: Sequence[FloatArray], count: int, confidence: float) -> list[tuple[float, float] | None]:
    if not draws:
        return [None] * count
    bounds = np.exp(family_bounds(np.stack(draws, axis=1), confidence))
    return [None if np.isnan(low) else (float(low), float(high)) for low, high in bounds]


def _values(
    coalitions: Sequence[list[Key]], curve: Callable[[list[Key]], FloatArray], mean: Callable[[FloatArray], FloatArray] | None
) -> tuple[FloatArray, Any]:
    """Worth of each coalition on the last axis, and the log ratio of the plain curves of the last one and the first.

    ``curve`` gives the log throughput of some keys' frontier on the grid (last axis), ``mean`` its mean over the grid. Without ``mean`` it is
    taken over the part of the grid on which every coalition's curve is defined, in each draw the same part for all.
    """
    curves: dict[tuple[Key, ...], FloatArray] = {}
    for keys in coalitions:
        for some in _parts_of(keys):
            if some not in curves:
                curves[some] = curve(list(some))
    # np.fmax leaves out what is undefined, where a part's frontier does not reach.
    worth: list[FloatArray] = [reduce(np.fmax, [curves[some] for some in _parts_of(keys)]) for keys in coalitions]
    ends = curves[tuple(coalitions[-1])], curves[tuple(coalitions[0])]
    if mean is None:
        defined = np.all([np.isfinite(logs) for logs in (*worth, *ends)], axis=0)

        def mean(logs: FloatArray) -> FloatArray:
            return defined_mean(np.where(defined, logs, np.nan))

    return np.stack([mean(logs) for logs in worth], axis=-1), mean(ends[0]) - mean(ends[1])


def _parts_of(keys: Sequence[Key]) -> list[tuple[Key, ...]]:
    """Combinations of a coalition's snapshots: all of them up to ``ALL_PARTS``, beyond that the whole, the whole less one, and each alone."""
    n = len(keys)
    sizes = range(1, n + 1) if n <= ALL_PARTS else sorted({1, n - 1, n})
    return [some for size in sizes for some in combinations(keys, size)]


def _stands_on_both(snapshots: Mapping[Key, Snapshot], cause: str) -> bool:
    return (0, cause) in snapshots and (1, cause) in snapshots


def with_unexplained(factors: Sequence[Mapping[str, Any]], rest: float) -> list[dict[str, Any]]:
    """The factors with a remainder (log) added to ``unexplained``, so that their product stays the whole."""
    out = [dict(factor) for factor in factors]
    for factor in out:
        if factor["cause"] == "unexplained":
            factor["ratio"] *= float(np.exp(rest))
            factor["ci95"] = None if factor["ci95"] is None else [bound * float(np.exp(rest)) for bound in factor["ci95"]]
            return out
    return [*out, {"cause": "unexplained", "ratio": float(np.exp(rest)), "ci95": None, "points": 0}]


def _one(parts: Parts, whole: float, grid: FloatArray, points: int, confidence: float, note: str) -> Split:
    """The whole ratio as the one factor that it is when it cannot be split."""
    logs = parts.drawn_ratio(grid)
    bounds = ratio_bounds(None if logs is None else defined_mean(logs), confidence)
    factor = {"cause": "not_identifiable", "ratio": float(np.exp(whole)), "ci95": bounds, "points": points}
    return Split([factor], note, [None if bounds is None else (bounds[0], bounds[1])])


def _members(snapshots: Mapping[Key, Snapshot], causes: Sequence[str], coalition: int) -> list[Key]:
    """Snapshots of the frontier in which the causes of the coalition have happened: their rows come from after, all others' from before."""
    happened = {cause for i, cause in enumerate(causes) if coalition >> i & 1}
    return [key for key in snapshots if (key[0] == 1) == (key[1] in happened)]


def _rank(cause: str) -> tuple[int, str]:
    return _ORDER.index(cause.split(":")[0]), cause
