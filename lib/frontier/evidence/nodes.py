"""What tells nodes apart: estimated from launches however they were placed, taken out of the points, and its uncertainty given to their draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.evidence.node_model import NOTHING, IntArray, NodeModel, Nodes
from frontier.evidence.noise import Drawn
from frontier.pareto.interpolation import FloatArray
from frontier.records import INTERACTIVITY, METRICS, configuration_columns, row_codes

NODE = "node"
ROUNDS = 200  # of the fit of launches that lack some loads; where none does, the first is exact


@dataclass(frozen=True)
class NodeEffects:
    """Points without their nodes' effects, and what is not known of these.

    Attributes
    ----------
    frame : DataFrame
        Points as they would be on a node like the mean of all launches'; as given where nothing can be estimated.
    note : str
        What to say of it; empty for one node.
    cells : int array, shape (cells,)
    fits : tuple of Nodes
        Of interactivity and throughput; empty where nothing was taken out.
    """

    frame: pd.DataFrame
    note: str = ""
    cells: IntArray | None = None
    fits: tuple[Nodes, ...] = ()

    def spread_of(self, drawn: Drawn, seed: int) -> Drawn:
        """Draws of the cells' means with those of the nodes' effects, under names that are cells.

        Notes
        -----
        Given the nodes' effects u a cell's mean is the mean of its launches less that of their nodes' u. The effects are drawn from their
        distribution given the launches: a ratio of variances from its posterior, the variance from chi squared, then u. The draws of the launches are
        scaled to the variance of the same ratio. Both coordinates draw alike as far as their launches are correlated, since a slow node is slow
        in both.
        """
        if not self.fits or drawn.draws is None or self.cells is None:
            return drawn
        model, resamples = self.fits[0].model, len(next(iter(drawn.draws.values()))[0])
        rng = np.random.default_rng([seed, 1])
        chance, chi_square = rng.random(resamples), rng.chisquare(model.freedom, resamples)
        one, other = rng.normal(size=(2, resamples, len(model.weights)))
        alike = _correlation(*(fit.left() for fit in self.fits))
        normals = (one, alike * one + np.sqrt(1 - alike**2) * other)
        found = [fit.draw(chance, chi_square, normal) for fit, normal in zip(self.fits, normals, strict=True)]
        draws = {}
        for name, pair in drawn.draws.items():
            share = model.shares[np.searchsorted(self.cells, name)]
            x, y = (offset * factor[:, None] - (effects @ share)[:, None] for offset, (effects, factor) in zip(pair, found, strict=True))
            draws[name] = (x, y)
        return replace(drawn, draws=draws, method=f"{drawn.method}; the effects of {len(model.weights)} nodes drawn too")


def node_effects(frame: pd.DataFrame, cells: IntArray, metric: str) -> NodeEffects:
    """Effects of the nodes that points were measured on.

    Parameters
    ----------
    frame : DataFrame
        Usable rows; ``node`` says where each was measured, and ``replicate``, else ``date``, which launch it belongs to.
    cells : int array, shape (len(frame),)
        The variant of each row.
    metric : "total" | "output"
    """
    if NODE not in frame or frame[NODE].nunique() + int(frame[NODE].isna().any()) < 2:
        return NodeEffects(frame)
    if frame[NODE].isna().any():
        some = f"{int(frame[NODE].isna().sum())} of {len(frame)} rows do not name their node"
        return NodeEffects(frame, f"{some}: what tells nodes apart is not taken out, and is part of noise and shares.")
    configuration = _codes(cells, row_codes(frame, configuration_columns(frame)))
    names, node = np.unique(frame[NODE].astype(str).to_numpy(), return_inverse=True)
    launch, first = _numbered(cells, _launches(frame, configuration), node)
    numbers, cell = np.unique(cells[first], return_inverse=True)
    model = NodeModel.of(cell, node[first])
    if not model.estimable:
        return NodeEffects(frame, _not_estimable(model, names))
    logs = {column: np.log(frame[column].to_numpy(float)) for column in (INTERACTIVITY, METRICS[metric])}
    fits = tuple(model.fit(_launch_logs(values, configuration, launch, cell)) for values in logs.values())
    means = [fit.mean() for fit in fits]
    changed = {column: np.exp(values - mean[node]) for (column, values), mean in zip(logs.items(), means, strict=True)}
    return NodeEffects(frame.assign(**changed), _estimated(model, fits, means, names), numbers, fits)


def _estimated(model: NodeModel, fits: Sequence[Nodes], means: Sequence[FloatArray], names: NDArray[np.object_]) -> str:
    many, apart = len(names), float(np.expm1(max(np.ptp(mean) for mean in means)))
    if len(model.groups) > 1:
        spread = float(np.expm1(max(fit.spread() for fit in fits)))
        return f"{_confounded(model, names)} Intervals allow for it by the spread between nodes that the other launches show, {spread:.1%}."
    if np.allclose(model.shares, model.shares[0]):
        return f"Launches ran on {many} nodes in blocks; their effects differ by up to {apart:.1%} and are taken out of the noise."
    return (
        f"Launches ran on {many} nodes, not on each in the same share for every variant: the nodes' effects, up to {apart:.1%} apart, are estimated "
        "together with the variants' and taken out. How surely they are known is in the intervals."
    )


def _not_estimable(model: NodeModel, names: NDArray[np.object_]) -> str:
    if model.contrasts:
        many = f"Launches ran on {len(names)} nodes, too many for {model.freedom} degrees of freedom"
        return f"{many}: their effects are in the noise between launches."
    return f"{_confounded(model, names)} No variant ran on two nodes, so nothing shows how far they differ: intervals do not allow for it."


def _confounded(model: NodeModel, names: NDArray[np.object_]) -> str:
    groups = [", ".join(names[group].tolist()) for group in model.groups]
    which = f" ({' | '.join(groups)})" if len(names) <= 8 else ""
    return (
        f"Nodes are confounded with levers: launches ran on {len(names)} nodes in {len(groups)} groups{which} that share no variant, so what tells "
        "the groups apart is part of the shares of the levers. place.per=block keeps the variants of a replicate on one node."
    )


def _launches(frame: pd.DataFrame, configuration: IntArray) -> IntArray:
    """Launch of each row within its variant, as snapshots have it: its replicate, else its date, else its place among equal rows."""
    for column in ("replicate", "date"):
        if frame[column].notna().any():
            return np.asarray(pd.factorize(frame[column].astype("string").fillna(""))[0], dtype=np.int64)
    return np.asarray(pd.Series(configuration).groupby(configuration).cumcount(), dtype=np.int64)


def _codes(*columns: IntArray) -> IntArray:
    """One number per combination, from 0 on."""
    return np.asarray(np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def _numbered(*columns: IntArray) -> tuple[IntArray, IntArray]:
    """The same, and the first row of each."""
    code = _codes(*columns)
    return code, np.unique(code, return_index=True)[1]


def _launch_logs(values: FloatArray, configuration: IntArray, launch: IntArray, cell: IntArray) -> FloatArray:
    """Each launch's mean log over the loads, less its cell's: least squares on load and launch, also where a launch lacks a load."""
    found = np.zeros(int(launch.max()) + 1)
    per_launch, per_load, per_cell = (np.bincount(code) for code in (launch, configuration, cell))
    for _ in range(ROUNDS):
        load = np.bincount(configuration, values - found[launch]) / per_load
        last, found = found, np.bincount(launch, values - load[configuration]) / per_launch
        found -= (np.bincount(cell, found) / per_cell)[cell]
        if np.abs(found - last).max() < NOTHING * 1e-3:
            break
    return found


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Of what is left of launches in both coordinates; 0 where one of them does not vary."""
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip(one @ other / size, -1.0, 1.0)) if size > NOTHING**2 else 0.0
