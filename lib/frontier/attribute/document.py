"""Numbers of an attribution as plain JSON values, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from frontier.attribute.coalitions import Coalitions
from frontier.attribute.levers import LeverSpec, cell_levers
from frontier.attribution import interval, number, ratio_bounds
from frontier.evidence.noise import Drawn
from frontier.pareto import area, grid_over, shift
from frontier.pareto.interpolation import FloatArray
from frontier.shift_record import shift_record


@dataclass(frozen=True)
class Estimate:
    """The game of an attribution: point values, values by interactivity, and draws.

    Attributes
    ----------
    span : (float, float) or None
        Interactivities that all coalitions cover.
    grid : float array, shape (m,)
    curves : float array, shape (m, 2^n)
        Log ratio to the baseline at each interactivity.
    values : float array, shape (2^n,)
    sampled : float array, shape (resamples, 2^n), or None
    """

    span: tuple[float, float] | None
    grid: FloatArray
    curves: FloatArray
    values: FloatArray
    sampled: FloatArray | None
    confidence: float

    @property
    def resamples(self) -> int:
        """Number of draws."""
        return 0 if self.sampled is None else len(self.sampled)

    @property
    def undefined(self) -> int:
        """Draws that are defined at no interactivity."""
        # A draw is undefined for all coalitions of the game or for none; in a half fraction those that were not run always are.
        return 0 if self.sampled is None else int(np.isnan(self.sampled[:, 0]).sum())

    def only(self, cells: Collection[int]) -> Estimate:
        """The game with NaN for every coalition that is none of these cells."""
        kept = np.isin(np.arange(len(self.values)), list(cells))
        sampled = None if self.sampled is None else np.where(kept, self.sampled, np.nan)
        return replace(self, curves=np.where(kept, self.curves, np.nan), values=np.where(kept, self.values, np.nan), sampled=sampled)

    def bounds(self, draws: FloatArray | None) -> list[float] | None:
        """Interval of draws on the log scale, or None."""
        found = None if draws is None else interval(draws, self.confidence)
        return None if found is None else [found[0], found[1]]

    def entry(self, of: Callable[[FloatArray], FloatArray]) -> dict[str, Any]:
        """Log ratio, ratio and interval of one number derived from the game."""
        log_ratio = number(of(self.values))
        return {
            "log_ratio": log_ratio,
            "ratio": None if log_ratio is None else float(np.exp(log_ratio)),
            "ci95": ratio_bounds(None if self.sampled is None else of(self.sampled), self.confidence),
        }

    def entries(self, specs: Sequence[LeverSpec], of: Callable[[FloatArray], FloatArray]) -> list[dict[str, Any]]:
        """The same for a number per lever."""
        return [{"lever": spec.name, **self.entry(lambda v, i=i: of(v)[..., i])} for i, spec in enumerate(specs)]  # type: ignore[misc]


def steps_document(game: Coalitions, drawn: Drawn, confidence: float, grid_points: int, known: Collection[int]) -> list[dict[str, Any]]:
    """The frontiers of the ladder, cumulative in the order of the levers, each with its curve and band; one not in ``known`` joins the next."""
    out = []
    coalition, added = 0, ""
    for position in range(-1, len(game.specs)):
        if position >= 0:
            coalition |= 1 << position
            added += f"+{game.specs[position].name}"
        if coalition not in known:
            continue
        step, added = added or "baseline", ""
        found = game.frontier(coalition)
        # Points of a weaker cell that no point dominates but a better cell's curve does are not what one would deploy there.
        best = found.y >= game.curve(coalition, found.x) * (1 - 1e-9)
        grid = grid_over((float(found.x[0]), found.reach), grid_points)
        band = None
        if drawn.draws is not None:
            values = np.log(game.drawn(coalition, grid, drawn))
            bounds = [ratio_bounds(values[:, i], confidence) for i in range(len(grid))]
            band = [[None if b is None else b[side] for b in bounds] for side in (0, 1)]
        out.append(
            {
                "step": step,
                "levers": cell_levers(coalition, game.specs),
                "rows": found.rows[best].tolist(),
                "interactivity_tok_s_user": found.x[best].tolist(),
                "tput_tok_s_gpu": found.y[best].tolist(),
                "curve_interactivity_tok_s_user": grid.tolist(),
                "curve_tput_tok_s_gpu": game.curve(coalition, grid).tolist(),
                "ci95_tput_tok_s_gpu": band,
            }
        )
    return out


def _drawn_ends(game: Coalitions, drawn: Drawn, grid_points: int) -> dict[str, FloatArray]:
    """Draws of the log ratios of peak, reach and area between all levers at baseline and all at target; empty without draws."""
    if drawn.draws is None:
        return {}
    ends = (0, game.size - 1)
    reach = [game.drawn_reach(coalition, drawn) for coalition in ends]
    grid = np.linspace(0.0, max(float(values.max()) for values in reach), 2 * grid_points)
    curves = [game.drawn(coalition, grid, drawn) for coalition in ends]
    return {
        "peak": np.log(curves[1][:, 0] / curves[0][:, 0]),
        "reach": np.log(reach[1] / reach[0]),
        "area": np.log(area(curves[1], grid) / area(curves[0], grid)),
    }


def shift_document(game: Coalitions, drawn: Drawn, confidence: float, grid_points: int, metric: str) -> dict[str, Any]:
    """The shift from the baseline to all levers at target, over the whole overlap of these two frontiers."""
    last = game.size - 1
    moved = shift(
        game.frontier(0), game.frontier(last), grid_points=grid_points, curves=(lambda x: game.curve(0, x), lambda x: game.curve(last, x))
    )
    per_point: FloatArray | None = None
    if drawn.draws is not None and len(moved.grid):
        per_point = np.log(game.drawn(last, moved.grid, drawn)) - np.log(game.drawn(0, moved.grid, drawn))
    return shift_record(moved, per_point, _drawn_ends(game, drawn, grid_points), confidence, metric)
