"""What is known of one variant, and what another measurement would add to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from frontier.drive.base import Observation
from frontier.drive.surface import Posterior, Prior, Scales, Series, fit_scales
from frontier.pareto.interpolation import FloatArray


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the measurements say of one variant.

    Attributes
    ----------
    concurrency : float array, shape (49,), rising, evenly spaced in its logarithm
    interactivity_tok_s_user, tput_tok_s_gpu : float array, shape (49,)
        The smoothed curve.
    value : float
        Hypervolume (focus ``frontier``), or mean log throughput over the common range (focus ``attribution``).
    error : float
        Standard error of the logarithm of the hypervolume, or of that mean: both are relative.
    """

    concurrency: FloatArray
    interactivity_tok_s_user: FloatArray
    tput_tok_s_gpu: FloatArray
    value: float
    error: float


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a measurement at each candidate would tell; arrays of shape (candidates, candidates) and (candidates,), one of each per curve."""

    seen: tuple[FloatArray, FloatArray]
    link: tuple[FloatArray, FloatArray]
    noise: tuple[float, float]

    def gains(self) -> FloatArray:
        """Variance of the quantity of interest that a measurement at each candidate removes, shape (candidates,)."""
        first, second = (link**2 / (np.diagonal(seen) + noise) for seen, link, noise in zip(self.seen, self.link, self.noise, strict=True))
        return np.asarray(first + second)

    def after(self, column: int) -> Outlook:
        """The same once that candidate has been measured."""
        seen, link = [], []
        for s, k, noise in zip(self.seen, self.link, self.noise, strict=True):
            weight = s[:, column] / (s[column, column] + noise)
            seen.append(s - np.multiply.outer(weight, s[column]))
            link.append(k - weight * k[column])
        return replace(self, seen=(seen[0], seen[1]), link=(link[0], link[1]))


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The two curves of a variant, at the dense places and then at the concurrencies it may be measured at, and what they say of the quantity."""

    name: str
    allowed: tuple[int, ...]
    speed: Posterior
    ratio: Posterior
    scales: tuple[Scales, Scales]
    dense: FloatArray
    weights: tuple[FloatArray, FloatArray] = (np.empty(0), np.empty(0))
    value: float = np.nan

    @property
    def x(self) -> FloatArray:
        """Interactivity at the dense places."""
        return np.asarray(np.exp(self.speed.mean[: len(self.dense)]))

    @property
    def y(self) -> FloatArray:
        """Throughput per GPU at the dense places."""
        n = len(self.dense)
        return np.asarray(np.exp(self.speed.mean[:n] + self.ratio.mean[:n]) * 2.0**self.dense)

    def read(self, quantity: tuple[float, FloatArray, FloatArray]) -> Knowledge:
        """With the quantity of interest and its derivatives by log x and log y."""
        value, by_x, by_y = quantity
        return replace(self, weights=(by_x + by_y, by_y), value=value)

    @property
    def estimate(self) -> Estimate:
        """What is known of the variant."""
        n = len(self.dense)
        variance = sum(float(w @ one.cov[:n, :n] @ w) for w, one in zip(self.weights, (self.speed, self.ratio), strict=True))
        return Estimate(2.0**self.dense, self.x, self.y, self.value, float(np.sqrt(max(variance, 0.0))))

    def outlook(self, *, fresh: bool = False) -> Outlook:
        """What the next point of the launch in question, or the first of a fresh one, would tell."""
        n = len(self.dense)
        seen, link, noise = [], [], []
        for weights, one, scales in zip(self.weights, (self.speed, self.ratio), self.scales, strict=True):
            own = np.zeros_like(one.launch_cov) if fresh else one.launch_cov
            launch_var = scales.launch_var if fresh else one.launch_var
            c = own[n:]
            seen.append(one.cov[n:, n:] + c[:, None] + c[None, :] + launch_var)
            link.append(weights @ (one.cov[:n, n:] + own[:n, None]))
            noise.append(scales.point_var)
        return Outlook((seen[0], seen[1]), (link[0], link[1]), (noise[0], noise[1]))


def speed_prior(launch_cv: float, point_cv: float) -> Prior:
    """What is assumed of log interactivity."""
    return Prior(level_sd=10.0, slope_sd=1.0, bends=(0.1, 0.25, 0.6, 1.5), launch_cv=launch_cv, point_cv=point_cv)


def ratio_prior(launch_cv: float, point_cv: float) -> Prior:
    """What is assumed of the logarithm of throughput over interactivity times concurrency."""
    # A slow launch is slow for every user and thus for the whole machine: by Little's law the ratio hardly notices it.
    return Prior(level_sd=10.0, slope_sd=0.5, bends=(0.02, 0.1, 0.3, 0.8), launch_cv=launch_cv / 10.0, point_cv=point_cv)


def series_of(observations: Sequence[Observation]) -> tuple[Series, Series]:
    """Log interactivity, and the log ratio of throughput to interactivity times concurrency, of one variant's measured points."""
    octaves = np.log2([o.concurrency for o in observations])
    launch = np.array([o.launch for o in observations], dtype=np.int64)
    speed = np.log([o.interactivity_tok_s_user for o in observations])
    throughput = np.log([o.tput_tok_s_gpu for o in observations])
    return Series(octaves, launch, speed), Series(octaves, launch, throughput - speed - octaves * np.log(2.0))


@lru_cache(maxsize=64)
def scales_of(observations: tuple[Observation, ...], launch_cv: float, point_cv: float) -> tuple[Scales, Scales]:
    """Scales of the two quantities, found from all variants together."""
    pairs = [series_of([o for o in observations if o.variant == name]) for name in dict.fromkeys(o.variant for o in observations)]
    return (
        fit_scales(speed_prior(launch_cv, point_cv), [speed for speed, _ in pairs]),
        fit_scales(ratio_prior(launch_cv, point_cv), [ratio for _, ratio in pairs]),
    )
