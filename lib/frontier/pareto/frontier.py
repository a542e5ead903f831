"""The frontier of a set of points: interactivity up, throughput per GPU up."""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from frontier.errors import PointsError
from frontier.pareto.interpolation import FloatArray, staircase, steffen


@dataclass(frozen=True)
class Frontier:
    """The non-dominated points of a set, ordered by interactivity.

    Attributes
    ----------
    x : float array, shape (n,), tokens/s/user, strictly ascending
    y : float array, shape (n,), tokens/s/GPU, strictly descending
    rows : int array, shape (n,)
        Positions of the points in the arrays the frontier was built from.
    """

    x: FloatArray
    y: FloatArray
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike) -> Frontier:
        """The frontier of points ``(x, y)``; of equal points the first stays.

        Raises
        ------
        PointsError
            If there is no point, or a coordinate is not finite and positive.
        """
        xs = np.asarray(x, dtype=float)
        ys = np.asarray(y, dtype=float)
        if xs.ndim != 1 or xs.shape != ys.shape:
            raise PointsError(f"a frontier needs two arrays of one length, got shapes {xs.shape} and {ys.shape}")
        if len(xs) == 0:
            raise PointsError("a frontier needs at least one point, got none")
        bad = ~(np.isfinite(xs) & (xs > 0) & np.isfinite(ys) & (ys > 0))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise PointsError(f"rates must be finite and positive, got ({xs[row]}, {ys[row]}) at position {row}")
        keep = np.flatnonzero(moocore.is_nondominated(np.column_stack([xs, ys]), maximise=True))
        order = keep[np.argsort(xs[keep], kind="stable")]
        return cls(xs[order], ys[order], order.astype(np.int64))

    @property
    def peak(self) -> float:
        """The largest throughput, tokens/s/GPU."""
        return float(self.y[0])

    @property
    def reach(self) -> float:
        """The largest interactivity, tokens/s/user."""
        return float(self.x[-1])

    def attained(self, at: ArrayLike) -> FloatArray:
        """Throughput attained at an interactivity of at least ``at`` (staircase); NaN beyond the reach."""
        return staircase(self.x, self.y, np.asarray(at, dtype=float))

    def interpolated(self, at: ArrayLike, *, attain: bool = False) -> FloatArray:
        """Throughput on Steffen's curve at ``at``; NaN outside the frontier's range.

        With ``attain``, below the interactivity of the peak throughput it is the peak, which satisfies the lower demand too.
        """
        places = np.asarray(at, dtype=float)
        curve = steffen(self.x, self.y, places)
        return np.where(places < self.x[0], self.y[0], curve) if attain else curve

    def hypervolume(self, reference: tuple[float, float] = (0.0, 0.0)) -> float:
        """Area dominated by the frontier above ``reference`` (tokens/s/user, tokens/s/GPU), by moocore."""
        return float(moocore.hypervolume(np.column_stack([self.x, self.y]), ref=list(reference), maximise=True))
