"""The mixed model of launches on nodes, by restricted likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frontier.pareto.interpolation import FloatArray

RATIOS = np.logspace(-4, 6, 101)  # of the variance between nodes to that between launches of one node
NOTHING = 1e-9  # of the largest eigenvalue, or of the whole sum of squares: rounding
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class NodeModel:
    """Launches on nodes: log(rate) = cell (fixed) + node (random) + launch.

    Attributes
    ----------
    centred : float array, shape (launches, nodes)
        Indicators of the nodes less their mean over the launches of the cell.
    shares : float array, shape (cells, nodes)
        Share of each cell's launches on each node.
    weights : float array, shape (nodes,)
        Share of all launches.
    eigenvalues, vectors : float arrays, shapes (nodes,) and (nodes, nodes)
        Of ``centred.T @ centred``, what cells leave of the information on nodes.

    Notes
    -----
    C. R. Henderson's mixed model (Biometrics 31 (1975) 423-447), the ratio of its variances from the restricted likelihood (H. D. Patterson,
    R. Thompson, Biometrika 58 (1971) 545-554). With cells absorbed both depend on the ratio through the eigenvalues alone. The ratio has the prior
    1 / (1 + launches per node x ratio) of G. C. Tiao and W. Y. Tan (Biometrika 52 (1965) 37-53), under which launches in blocks have the interval of
    Student's t without the nodes' degrees of freedom where nodes differ much, and nearly with them where they do not.
    """

    centred: FloatArray
    shares: FloatArray
    weights: FloatArray
    eigenvalues: FloatArray
    vectors: FloatArray

    @classmethod
    def of(cls, cell: IntArray, node: IntArray) -> NodeModel:
        """The model of launches, each with its cell and its node, numbered from 0; both of shape (launches,)."""
        counts = np.zeros((int(cell.max()) + 1, int(node.max()) + 1))
        np.add.at(counts, (cell, node), 1.0)
        shares = counts / counts.sum(axis=1, keepdims=True)
        centred = np.eye(counts.shape[1])[node] - shares[cell]
        values, vectors = np.linalg.eigh(centred.T @ centred)
        values = np.where(values > NOTHING * max(1.0, float(values.max())), values, 0.0)
        return cls(centred, shares, counts.sum(axis=0) / len(cell), values, vectors)

    @property
    def freedom(self) -> int:
        """Launches beyond the first of each cell."""
        return len(self.centred) - len(self.shares)

    @property
    def contrasts(self) -> int:
        """Differences between nodes that launches of one cell show, directly or through other cells."""
        return int((self.eigenvalues > 0).sum())

    @property
    def groups(self) -> list[list[int]]:
        """Nodes that cells connect; what tells groups apart, no launch shows."""
        projector = np.abs(self.vectors[:, self.eigenvalues == 0] @ self.vectors[:, self.eigenvalues == 0].T) > 1e-6
        return [np.flatnonzero(projector[first]).tolist() for first in range(len(projector)) if not projector[first, :first].any()]

    @property
    def estimable(self) -> bool:
        """Whether launches tell the variance between nodes from that between launches of one node."""
        return 0 < self.contrasts < self.freedom

    def fit(self, launches: FloatArray) -> Nodes:
        """The effects on launches' logs, less their cells' means; shape (launches,)."""
        return Nodes(self, launches, self.vectors.T @ (self.centred.T @ launches))


@dataclass(frozen=True)
class Nodes:
    """Effects of nodes on one coordinate."""

    model: NodeModel
    launches: FloatArray  # shape (launches,)
    seen: FloatArray  # shape (nodes,), along the model's eigenvectors

    @property
    def varies(self) -> bool:
        """Whether launches differ at all beyond rounding."""
        return bool((self.launches**2).sum() > NOTHING**2 * len(self.launches))

    def squares(self, ratio: FloatArray) -> FloatArray:
        """Generalised sum of squares at each ratio of variances, whose expectation is the freedom times the variance between launches of one node."""
        total = float((self.launches**2).sum())
        return np.asarray(np.maximum(total - (self.seen**2 / self._information(ratio)).sum(axis=1), NOTHING * total))

    def likelihood(self, ratio: FloatArray) -> FloatArray:
        """Restricted log likelihood of each ratio, at its best variance between launches and but for a constant."""
        determinant = np.log1p(np.outer(ratio, self.model.eigenvalues)).sum(axis=1)
        return np.asarray(-(self.model.freedom * np.log(self.squares(ratio)) + determinant) / 2)

    def posterior(self) -> FloatArray:
        """Weight of each of ``RATIOS``."""
        per_node = float(self.model.eigenvalues[self.model.eigenvalues > 0].mean())
        log = self.likelihood(RATIOS) - np.log1p(per_node * RATIOS) + np.log(RATIOS)  # even in the log, hence the ratio as a factor
        weight = np.exp(log - log.max())
        return np.asarray(weight / weight.sum())

    def effects(self, ratio: FloatArray) -> FloatArray:
        """Best linear unbiased prediction of the effects at each ratio, shape (ratios, nodes); the mean over all launches is zero."""
        return self._about_the_mean((self.seen / self._information(ratio)) @ self.model.vectors.T)

    def mean(self) -> FloatArray:
        """Effects over the posterior, shape (nodes,)."""
        return np.asarray(self.posterior() @ self.effects(RATIOS)) if self.varies else np.zeros(len(self.seen))

    def spread(self) -> float:
        """Standard deviation between nodes by restricted maximum likelihood."""
        if not self.varies:
            return 0.0
        best = RATIOS[[int(self.likelihood(RATIOS).argmax())]]
        return float(np.sqrt(best * self.squares(best) / self.model.freedom)[0])

    def draw(self, chance: FloatArray, chi_square: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Draws of the effects about :meth:`mean`, and of the launches' spread relative to what these effects leave of them.

        Parameters
        ----------
        chance, chi_square : float arrays, shape (resamples,)
            Uniform numbers, and chi-squared ones with the model's freedom.
        normal : float array, shape (resamples, nodes)

        Returns
        -------
        effects : float array, shape (resamples, nodes)
        factor : float array, shape (resamples,)
        """
        if not self.varies:
            return np.zeros_like(normal), np.ones_like(chance)
        mean = self.mean()
        ratio = RATIOS[np.minimum(np.searchsorted(np.cumsum(self.posterior()), chance), len(RATIOS) - 1)]
        squares = self.squares(ratio)
        error = (normal / np.sqrt(self._information(ratio))) @ self.model.vectors.T * np.sqrt(squares / chi_square)[:, None]
        left = max(float((self.left() ** 2).sum()), NOTHING * float((self.launches**2).sum()))
        return self.effects(ratio) + self._about_the_mean(error) - mean, np.sqrt(squares / left)

    def left(self) -> FloatArray:
        """What :meth:`mean` leaves of the launches, shape (launches,)."""
        return np.asarray(self.launches - self.model.centred @ self.mean())

    def _information(self, ratio: FloatArray) -> FloatArray:
        return np.asarray(self.model.eigenvalues + 1 / ratio[:, None])

    def _about_the_mean(self, effects: FloatArray) -> FloatArray:
        return np.asarray(effects - (effects @ self.model.weights)[:, None])
