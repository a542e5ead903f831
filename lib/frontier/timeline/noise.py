"""Errors of the cells of a series when nothing changes, drawn: from repeated launches, or from the public record's noise."""

from __future__ import annotations

import numpy as np

from frontier.evidence.record_noise import RecordNoise
from frontier.timeline.series import FloatArray, Series

# Where nothing is known of the noise, changes within the margin of the MLPerf Endpoints draft (5 % on one system) are not told apart: the margin
# is taken for three standard deviations.
UNKNOWN_SD = float(np.log1p(0.05)) / 3


def draw_null(series: Series, draws: int, rng: np.random.Generator) -> tuple[FloatArray, str]:
    """Log errors of interactivity and throughput of every cell, shape (draws, cells, 2), and in words where they come from."""
    cells = len(series.day)
    if np.isfinite(series.scatter).all():
        root = _root(series.scatter)
        errors = rng.standard_normal((draws, cells, 2)) @ root.T / np.sqrt(series.launches)[None, :, None]
        return errors, "repeated launches of the record itself"
    if set(series.rows["evidence"].dropna()) <= {"published", "measured"}:
        x, y = RecordNoise.shipped().draw(series.rows, draws, rng)
        return np.stack([x, y], axis=-1), "the noise model of the public record"
    common = rng.standard_normal((draws, cells, 1)) * UNKNOWN_SD
    return np.repeat(common, 2, axis=2), "nothing known: the 5 % margin of the MLPerf Endpoints draft as three standard deviations"


def _root(covariance: FloatArray) -> FloatArray:
    """A matrix whose product with its transpose is the covariance, also where that is singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
