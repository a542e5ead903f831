"""Draws of the prediction error, from how far predictions were off where there are measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import ConfigError
from frontier.evidence.residuals.compare import BACKEND
from frontier.evidence.residuals.shipped import curve_residuals, shipped_comparison

FloatArray = NDArray[np.float64]
MODES = ("agg", "disagg")
MIN_CURVES = 5
MIN_MODELS = 2  # one model's mean says nothing about the spread between models
_RESIDUALS = ["log_interactivity", "log_tput"]
_MODEL = ["model", "system", "precision", "mode"]


@dataclass(frozen=True)
class ResidualKey:
    """What a predicted frontier is a prediction of.

    Parameters
    ----------
    system : str
        Value of the ``hardware`` column.
    precision : str
        Value of the ``precision`` column: fp4, fp8, bf16.
    mode : str
        ``agg`` or ``disagg``.
    backend : str
        Engine; only ``trtllm`` is predicted.

    Raises
    ------
    ConfigError
        For another mode or backend; the message lists the valid ones.
    """

    system: str
    precision: str
    mode: str
    backend: str = BACKEND

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.backend != BACKEND:
            raise ConfigError(f"prediction errors are known for {BACKEND}, got backend {self.backend!r}", hint=f"engine.backend={BACKEND}")


@dataclass(frozen=True, eq=False)
class Pool:
    """The curves from which the errors of a group are drawn.

    Attributes
    ----------
    name : str
        How far the group had to reach: ``system+precision+mode``, ``system+mode``, ``mode`` or ``all``.
    curves : DataFrame
    means : float array, shape (k, 2)
        Mean residual of each model (on each system, in each precision) in the pool: interactivity, throughput.
    within : float array, shape (n_curves, 2)
        Residual of each curve minus its model's mean.
    """

    name: str
    curves: pd.DataFrame
    means: FloatArray
    within: FloatArray


def pool_of(curves: pd.DataFrame, system: str, precision: str, mode: str) -> Pool:
    """The narrowest pool around a group with at least ``MIN_CURVES`` curves of at least ``MIN_MODELS`` models.

    Parameters
    ----------
    curves : DataFrame
        Result of :func:`~frontier.evidence.residuals.shipped.curve_residuals`.

    Raises
    ------
    ConfigError
        If there are not even that many curves in all.
    """
    same_mode = curves["mode"] == mode
    same_system = same_mode & (curves["system"] == system)
    candidates = {
        "system+precision+mode": same_system & (curves["precision"] == precision),
        "system+mode": same_system,
        "mode": same_mode,
        "all": pd.Series(True, index=curves.index),
    }
    for name, keep in candidates.items():
        found = curves[keep]
        if len(found) >= MIN_CURVES and found["model"].nunique() >= MIN_MODELS:
            grouped = found.groupby(_MODEL)[_RESIDUALS]
            within = found[_RESIDUALS] - grouped.transform("mean")
            return Pool(name, found, grouped.mean().to_numpy(float), within.to_numpy(float))
    raise ConfigError(f"prediction errors need at least {MIN_CURVES} curves of {MIN_MODELS} models, got {len(curves)} curves")


@dataclass(frozen=True, eq=False)
class ResidualModel:
    """Draws of log(true / predicted).

    Parameters
    ----------
    curves : DataFrame, optional
        Curve-level residuals; by default those that ship with the package.

    Notes
    -----
    A draw has two parts, and both coordinates of a part come from the same model or curve, since errors of interactivity and throughput
    go together. The first part is shared by all keys of a (system, precision, mode): a mean residual of one of the pool's models, widened
    around the mean over models by ``sqrt((k + 1) / (k - 1))``, because resampling k means has the variance ``s^2 (k - 1) / k`` and predicting
    a further model ``s^2 (k + 1) / k``. The second part is each key's own: a curve's deviation from its model's mean.
    """

    curves: pd.DataFrame = field(default_factory=lambda: curve_residuals(shipped_comparison().residuals))

    def pool(self, key: ResidualKey) -> Pool:
        """The pool from which the errors of a key are drawn."""
        return pool_of(self.curves, key.system, key.precision, key.mode)

    def draw(self, keys: Sequence[ResidualKey], resamples: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draws of log(true / predicted) for a set of predicted frontiers: a number times exp(draw) is a draw of the truth.

        Parameters
        ----------
        keys : sequence of ResidualKey
        resamples : int, at least 1
        rng : numpy Generator

        Returns
        -------
        tuple of two float arrays, shape (resamples, n_keys)
            Log errors of interactivity and of throughput per GPU.

        Raises
        ------
        ConfigError
            If resamples is below 1.
        """
        shared, own = self.draw_parts(keys, resamples, rng)
        both = shared + own
        return both[0], both[1]

    def draw_parts(self, keys: Sequence[ResidualKey], resamples: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """The two parts of :meth:`draw`: shared by all keys of a group, and each key's own.

        Returns
        -------
        tuple of two float arrays, shape (2, resamples, n_keys)
            The first axis is interactivity, throughput per GPU.
        """
        if resamples < 1:
            raise ConfigError(f"resamples must be at least 1, got {resamples}", hint="design.resamples=2000")
        shared: dict[tuple[str, str, str], FloatArray] = {}
        common, alone = np.empty((2, resamples, len(keys))), np.empty((2, resamples, len(keys)))
        for index, key in enumerate(keys):
            group = (key.system, key.precision, key.mode)
            pool = self.pool(key)
            if group not in shared:
                shared[group] = _model_part(pool.means, resamples, rng)
            own = pool.within[rng.integers(len(pool.within), size=resamples)]
            common[:, :, index], alone[:, :, index] = -shared[group].T, -own.T
        return common, alone


def _model_part(means: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    count = len(means)
    centre = means.mean(axis=0)
    picked = means[rng.integers(count, size=resamples)]
    return np.asarray(centre + (picked - centre) * np.sqrt((count + 1) / (count - 1)), dtype=np.float64)


def leave_one_model_out(curves: pd.DataFrame, resamples: int = 4000, seed: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Whether the intervals from the other models cover a model that was left out.

    Parameters
    ----------
    curves : DataFrame
    resamples, seed : int
    level : float in (0, 1)

    Returns
    -------
    DataFrame, one row per model and (system, precision, mode): ``n_curves``, ``pool``, and for each metric ``<metric>_covered`` (whether the
    mean of the left-out curves lies in the interval) and ``<metric>_curves_covered`` (the fraction of its single curves that do)
    """
    rng = np.random.default_rng(seed)
    tail = (1.0 - level) / 2.0
    rows = []
    for model in sorted(curves["model"].unique()):
        others = ResidualModel(curves[curves["model"] != model])
        for (system, precision, mode), held in curves[curves["model"] == model].groupby(_MODEL[1:]):
            key = ResidualKey(str(system), str(precision), str(mode))
            draws = others.draw([key], resamples, rng)
            row: dict[str, object] = {"model": model, "system": system, "precision": precision, "mode": mode, "n_curves": len(held)}
            row["pool"] = others.pool(key).name
            for name, draw in zip(_RESIDUALS, draws, strict=True):
                low, high = np.quantile(draw, [tail, 1.0 - tail])
                truth = -held[name].to_numpy(float)
                row[f"{name}_covered"] = bool(low <= truth.mean() <= high)
                row[f"{name}_curves_covered"] = float(np.mean((truth >= low) & (truth <= high)))
            rows.append(row)
    return pd.DataFrame(rows)
