"""From cells to coalitions: which rows carry the frontier of a set of levers, its values on a grid, and their draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from frontier.attribute.levers import LeverSpec
from frontier.attribution import feasible_part
from frontier.evidence.noise import Drawn
from frontier.pareto import Frontier, frontier_values
from frontier.pareto.interpolation import FloatArray
from frontier.snapshots import Snapshot

Cache = dict[int, tuple[FloatArray, FloatArray]]  # cell -> its values on a grid under the draws, and under the part that decides which is best


@dataclass(frozen=True)
class Coalitions:
    """The frontiers of every coalition of levers.

    Attributes
    ----------
    specs : sequence of LeverSpec
    cells : mapping cell number -> Snapshot, only cells that hold points
    """

    specs: Sequence[LeverSpec]
    cells: Mapping[int, Snapshot]

    @property
    def size(self) -> int:
        """Number of coalitions, 2^n."""
        return 1 << len(self.specs)

    def members(self, coalition: int) -> list[int]:
        """Cells whose union is the coalition's frontier: unlocked levers at target keep their baseline, forced ones do not.

        A coalition that holds no cell is replaced by its largest feasible part (:func:`frontier.attribution.feasible_part`).
        """
        own = self._own_cells
        return own[coalition] or own[feasible_part(coalition, lambda s: bool(own[s]), range(len(self.specs)))]

    def restricted(self) -> list[int]:
        """Coalitions that hold no cell of their own and stand for their feasible part."""
        return [s for s, own in enumerate(self._own_cells) if not own]

    # Every coalition asks for the cells and curves of its parts; both are worked out once per game.
    @cached_property
    def _own_cells(self) -> list[list[int]]:
        return [self._available(s) for s in range(self.size)]

    @cached_property
    def _cell_frontiers(self) -> dict[int, Frontier]:
        return {cell: snapshot.frontier() for cell, snapshot in self.cells.items()}

    def _available(self, coalition: int) -> list[int]:
        free = [1 << i for i, spec in enumerate(self.specs) if coalition >> i & 1 and spec.mode == "unlocked"]
        forced = coalition & ~sum(free)
        out = []
        for pattern in range(1 << len(free)):
            cell = forced | sum(bit for position, bit in enumerate(free) if pattern >> position & 1)
            if cell in self.cells:
                out.append(cell)
        return out

    def frontier(self, coalition: int) -> Frontier:
        """The frontier of a coalition on the means; its ``rows`` are positions in the table."""
        parts = [self.cells[cell] for cell in self.members(coalition)]
        found = Frontier.of(np.concatenate([p.mean_x for p in parts]), np.concatenate([p.mean_y for p in parts]))
        return Frontier(found.x, found.y, np.concatenate([p.rows for p in parts])[found.rows])

    def curve(self, coalition: int, grid: FloatArray) -> FloatArray:
        """Interpolated frontier of a coalition, shape (len(grid),); below its peak's interactivity the peak, NaN beyond its reach.

        Notes
        -----
        The best of the union's Steffen curve and the curves of the cells in it. Steffen's curve of a union alone may sag below that of a
        part: a point of a weaker cell that lies just right of a better cell's point is not dominated by any point, yet far below the
        better cell's curve. Unlocking a setting would then seem to cost throughput (about 5 % in a test with 0.5 % noise).
        """
        members = self.members(coalition)
        union = self.frontier(coalition).interpolated(grid, attain=True)
        parts = [self._cell_frontiers[cell].interpolated(grid, attain=True) for cell in members] if len(members) > 1 else []
        return _best(union, parts)

    def drawn(self, coalition: int, grid: FloatArray, drawn: Drawn, cache: Cache | None = None) -> FloatArray:
        """:meth:`curve` under drawn errors of the cells, shape (resamples, len(grid)).

        Parameters
        ----------
        cache : dict, optional
            Values of single cells on this grid, filled and used across coalitions.
        """
        members = self.members(coalition)
        if len(members) == 1:
            return frontier_values(*drawn.values(members[0]), grid, attain=True)
        known: Cache = {} if cache is None else cache
        for cell in members:
            if cell not in known:
                own = frontier_values(*drawn.values(cell), grid, attain=True)
                known[cell] = own, own if drawn.choice is None else frontier_values(*drawn.chosen_values(cell), grid, attain=True)
        if drawn.choice is not None:
            return _chosen(np.stack([known[cell][0] for cell in members]), np.stack([known[cell][1] for cell in members]))
        values = [drawn.values(cell) for cell in members]
        x, y = (np.concatenate([pair[axis] for pair in values], axis=1) for axis in (0, 1))
        return _best(frontier_values(x, y, grid, attain=True), [known[cell][0] for cell in members])

    def drawn_reach(self, coalition: int, drawn: Drawn) -> FloatArray:
        """Largest interactivity of a coalition under drawn errors, shape (resamples,)."""
        members = self.members(coalition)
        reach = np.stack([drawn.values(cell)[0].max(axis=1) for cell in members])[..., None]
        choice = reach if drawn.choice is None else np.stack([drawn.chosen_values(cell)[0].max(axis=1) for cell in members])[..., None]
        return _chosen(reach, choice)[:, 0]


def _chosen(values: FloatArray, choice: FloatArray) -> FloatArray:
    """Values of the cell that is best under ``choice``, both of shape (cells, resamples, grid); NaN where no cell reaches the interactivity."""
    rank = np.where(np.isnan(choice), -np.inf, choice)
    best = rank.argmax(axis=0)[None]
    return np.where(np.isfinite(rank.max(axis=0)), np.take_along_axis(values, best, axis=0)[0], np.nan)


def _best(union: FloatArray, parts: Sequence[FloatArray]) -> FloatArray:
    """Largest of the union's curve and its parts', where the union's is defined."""
    best = union
    for part in parts:
        best = np.fmax(best, part)
    return np.where(np.isnan(union), np.nan, best)
