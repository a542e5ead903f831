"""A machine that became faster or slower while a run was measured: a trend over the run, or a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.integrity.check import Check
from frontier.integrity.columns import LAYOUT, LOAD, SYSTEM, THROUGHPUT, BoolArray, FloatArray, groups, marks, number, predicted
from frontier.integrity.memory import once

MEASURED_AT = "measured_at_s"  # seconds since the first launch of the run; an extra column
MARGIN = 0.03  # of the level, over the run or at the step; less than this moves no verdict whose margin is 5 %
LEVEL = 0.05  # of the permutation test, all forms and both coordinates together
PERMUTATIONS = 999
CLIP = 3.0  # robust standard deviations at which a launch's residual is cut, so that one bad launch is no trend
LAUNCHES = 6  # of variants launched twice or more; fewer cannot be told from chance at this level
SIDE = 2  # launches on either side of a step at least


@dataclass(frozen=True)
class Drift:
    """What one run shows.

    Attributes
    ----------
    form : "trend" | "step"
    size : float
        Relative change over the run, or at the step.
    span_s : float, seconds
        From the first launch to the last one.
    at_s : float, seconds
        Time of a step; NaN for a trend.
    launches : int
    p : float
        Of the permutation test.
    rows : bool array
        Rows of the table measured while the level was another one: of a trend all of the run, of a step the side with fewer launches.
    """

    form: str
    size: float
    span_s: float
    at_s: float
    launches: int
    p: float
    rows: BoolArray


def drift(frame: pd.DataFrame) -> pd.Series:
    """Which rows were measured while their run's machine drifted: bool, shape (rows,).

    Quiet without the column ``measured_at_s`` and for runs with fewer than six launches of variants that were launched twice or more.
    """
    out = np.zeros(len(frame), dtype=bool)
    for found in drifts(frame):
        out |= found.rows
    return marks(frame, out)


@once
def drifts(frame: pd.DataFrame) -> list[Drift]:
    """Every run's drift that is larger than 3 % and separated from chance.

    Notes
    -----
    Each configuration's mean log throughput and mean log interactivity over its launches are subtracted; what is left is averaged over the loads of a
    launch. Its slope over time is taken within variants (time, too, less the variant's mean), so that variants that differ in speed do not matter.
    Without drift the launches of a variant could have been made in any order: every statistic (a trend and all possible steps, of throughput and of
    interactivity), each over its standard deviation under random orders of the launches within their variants, is compared with the largest one of
    each of 999 random orders (permutation test: E. J. G. Pitman, 1937; maximum over several statistics: P. H. Westfall and S. S. Young, 1993).
    """
    time = number(frame, MEASURED_AT)
    known = np.isfinite(time) & ~predicted(frame)
    if not known.any():
        return []
    run = groups(frame, ("run_id",))
    found = (_of_run(frame, known & (run == one), time) for one in np.unique(run[known]))
    return [one for one in found if one is not None]


def _of_run(frame: pd.DataFrame, rows: BoolArray, time: FloatArray) -> Drift | None:
    launches = _launches(frame, rows, time)
    if len(launches) < LAUNCHES:
        return None
    at, variant = launches["time"].to_numpy(), launches["variant"].to_numpy()
    residual = np.stack([_clipped(launches[name].to_numpy()) for name in ("y", "x")])  # (2, launches)
    forms, cuts = _forms(at, variant)
    if not len(forms):
        return None
    size = (forms**2).sum(axis=1)
    rng = np.random.default_rng(1)
    orders = np.array([_shuffled(variant, rng) for _ in range(PERMUTATIONS)])
    shuffled = np.einsum("fl,pvl->pfv", forms, residual.T[orders].swapaxes(1, 2))
    spread = shuffled.std(axis=0)
    flat = spread <= 1e-12
    scores = np.where(flat, 0.0, np.abs(forms @ residual.T) / np.where(flat, 1.0, spread))
    chance = np.where(flat, 0.0, np.abs(shuffled) / np.where(flat, 1.0, spread)).max(axis=(1, 2))
    p = (1 + (chance[:, None, None] >= scores - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)  # of each, allowing for all of them
    span_s = float(at.max() - at.min())
    change = np.expm1(forms @ residual.T / size[:, None] * np.where(np.isnan(cuts), span_s, 1.0)[:, None])
    real = (p <= LEVEL) & (np.abs(change) > MARGIN)
    if not real.any():
        return None
    form, coordinate = np.unravel_index(int(np.where(real, scores, -1.0).argmax()), scores.shape)
    cut = float(cuts[form])
    after = time > cut
    fewer = after if (at > cut).sum() <= (at < cut).sum() else ~after
    return Drift(
        "step" if form else "trend", float(change[form, coordinate]), span_s, cut, len(at), float(p[form, coordinate]), rows & fewer if form else rows
    )


def _launches(frame: pd.DataFrame, rows: BoolArray, time: FloatArray) -> pd.DataFrame:
    """One row per launch of a variant with several: its variant, mean time, and mean log residuals of throughput ``y`` and interactivity ``x``."""
    total, output = (number(frame, name) for name in THROUGHPUT)
    y, x = np.where(np.isnan(total), output, total), number(frame, "interactivity_tok_s_user")
    rows = rows & (x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)
    names = [name for name in (*SYSTEM, *LAYOUT) if name not in LOAD]
    table = pd.DataFrame(
        {
            "configuration": groups(frame, (*names, *LOAD)), "variant": groups(frame, (*names, "isl_tokens", "osl_tokens")),
            "replicate": number(frame, "replicate"), "time": time, "y": np.log(np.where(rows, y, 1.0)), "x": np.log(np.where(rows, x, 1.0)),
        }
    )[rows]  # fmt: skip
    # A sentinel may stand several times in one launch; each time counts as a launch of its own.
    table["again"] = table.groupby(["configuration", "replicate"], dropna=False).cumcount()
    several = table.groupby("configuration")["time"].transform("size") > 1
    table = table[several]
    for name in ("y", "x"):
        table = table.assign(**{name: table[name] - table.groupby("configuration")[name].transform("mean")})
    launches = table.groupby(["variant", "replicate", "again"], dropna=False)[["time", "y", "x"]].mean().reset_index()
    return launches[launches.groupby("variant")["time"].transform("size") > 1].sort_values("time", ignore_index=True)


def _clipped(residual: FloatArray) -> FloatArray:
    scale = CLIP * 1.4826 * float(np.median(np.abs(residual)))
    return np.clip(residual, -scale, scale) if scale > 0 else residual


def _forms(at: FloatArray, variant: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """A trend and every possible step, each less its mean within variants, shape (forms, launches), and the times of the steps (NaN for the trend).

    Steps are left out that hardly any variant was measured on both sides of.
    """
    cuts = (at[1:] + at[:-1]) / 2
    raw = np.vstack([at[None, :], at[None, :] > cuts[:, None]]).astype(float)
    member = variant[:, None] == np.unique(variant)[None, :]
    centred = raw - (raw @ member / member.sum(axis=0)) @ member.T
    size = (centred**2).sum(axis=1)
    keep = (size[1:] >= SIDE / 2) & (raw[1:].sum(axis=1) >= SIDE) & ((1 - raw[1:]).sum(axis=1) >= SIDE)
    if size[0] <= 0:
        return np.empty((0, len(at))), np.empty(0)
    return centred[np.r_[True, keep]], np.r_[np.nan, cuts][np.r_[True, keep]]


def _shuffled(variant: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """An order of the launches in which each keeps its variant."""
    place = np.argsort(variant, kind="stable")
    out = np.empty(len(variant), dtype=np.int64)
    out[place] = np.lexsort((rng.random(len(variant)), variant))
    return out


def _saw(frame: pd.DataFrame, mark: pd.Series) -> str:
    parts = []
    for found in drifts(frame):
        where = f"over {found.span_s:.0f} s" if found.form == "trend" else f"at {found.at_s:.0f} s"
        parts.append(f"a {found.form} of {100 * found.size:+.1f} % {where} in {found.launches} launches (p = {found.p:.3f})")
    return f"{int(mark.sum())} rows: {'; '.join(parts)}."


DRIFT = Check(
    name="drift",
    rule=f"The machine is as fast at the end of a run as at its start: within {100 * MARGIN:g} %, no trend over the run and no step in it.",
    mark=drift,
    saw=_saw,
    kind="harness",
)
