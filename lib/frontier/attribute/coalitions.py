"""From cells to coalitions: which rows carry the frontier of a set of levers, its values on a grid, and their draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frontier.attribute.levers import LeverSpec
from frontier.attribution import feasible_part
from frontier.evidence.noise import Drawn
from frontier.pareto import Frontier, frontier_values
from frontier.pareto.interpolation import FloatArray
from frontier.snapshots import Snapshot


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
        found = self._available(coalition)
        if found:
            return found
        part = feasible_part(coalition, lambda s: bool(self._available(s)), range(len(self.specs)))
        return self._available(part)

    def restricted(self) -> list[int]:
        """Coalitions that hold no cell of their own and stand for their feasible part."""
        return [s for s in range(self.size) if not self._available(s)]

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

    def drawn(self, coalition: int, grid: FloatArray, drawn: Drawn) -> FloatArray:
        """Frontier values of a coalition under drawn errors of the cells, shape (resamples, len(grid))."""
        values = [drawn.values(cell) for cell in self.members(coalition)]
        return frontier_values(np.concatenate([x for x, _ in values], axis=1), np.concatenate([y for _, y in values], axis=1), grid)
