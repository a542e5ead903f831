"""What one kind of evidence says on one reading of a claim: the ratio curve, peaks and reach, or a level, and how the whole splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from frontier.claims.denominators import Ends
from frontier.claims.sides import Rows, only
from frontier.claims.verdict import MARGIN_OTHER_SYSTEM, MARGIN_SAME_SYSTEM, Found, with_margin
from frontier.errors import PointsError
from frontier.evidence.noise import Drawn, draw_errors
from frontier.pareto import frontier_values, grid_over
from frontier.shift import account
from frontier.shift.corrected import STEADY_SPREAD
from frontier.snapshots import Snapshot

UNMOVED = 0.002  # a correction that moves the log ratio by less is not shown as a part
NORMAL_95 = 1.96
TAIL = 2.5  # percent on each side of a 95 % interval


@dataclass(frozen=True)
class Factor:
    """One part of a ratio: what it is called, and its factor with interval."""

    name: str
    found: Found


@dataclass(frozen=True)
class Finding:
    """Evidence of one kind on one reading, per GPU.

    Attributes
    ----------
    kind : "points" | "published" | "predicted"
    source, method, rerun : str
        Where the rows come from; how intervals were made; the command that remakes a prediction.
    rows : (int, int)
        Rows of baseline and target.
    ends : Ends
    places : tuple of float, tokens/s/user
    curve : tuple of Found
        Ratio at each place, or the level where the claim is about a level.
    mean, peak, reach : Found
        Log-mean over the places, ratio (or level) of the largest throughput, and of the largest interactivity.
    first : (float, float)
        Interactivity of each side's peak throughput.
    factors : tuple of Factor
        Parts whose product is the whole ratio; empty when it could not be split.
    split : str
        How the parts were found.
    notes, checks : tuple of str
    missing : str
        Why there is nothing; empty when there is something.
    dates : (str, str)
        Dates of the rows of each side.
    given : Finding or None
        The same from the rows as given, where an integrity check set some of them right; the finding itself then stands on the corrected rows.
    """

    kind: str
    source: str
    method: str = ""
    rerun: str = ""
    rows: tuple[int, int] = (0, 0)
    ends: Ends = field(default_factory=lambda: Ends(("", ""), ("", "")))
    places: tuple[float, ...] = ()
    curve: tuple[Found, ...] = ()
    mean: Found = field(default_factory=lambda: Found(math.nan))
    peak: Found = field(default_factory=lambda: Found(math.nan))
    reach: Found = field(default_factory=lambda: Found(math.nan))
    first: tuple[float, float] = (math.nan, math.nan)
    factors: tuple[Factor, ...] = ()
    split: str = ""
    notes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    missing: str = ""
    dates: tuple[str, str] = ("", "")
    given: Finding | None = None

    @property
    def there(self) -> bool:
        """Whether the evidence says anything."""
        return not self.missing

    def times(self, factor: float) -> Finding:
        """The same with every ratio multiplied by a known factor, such as power before over power after; the reach is left as it is."""
        return replace(
            self,
            curve=tuple(one.times(factor) for one in self.curve),
            mean=self.mean.times(factor),
            peak=self.peak.times(factor),
            given=None if self.given is None else self.given.times(factor),
        )


def from_shift(document: Mapping[str, Any], base: Finding, margin: float) -> Finding:
    """A finding from a ``frontier.shift/1`` document (or the ``shift`` of an attribution)."""
    curve = document["by_interactivity"]
    ratio = document["ratio"]
    return replace(
        base,
        places=tuple(float(row["interactivity_tok_s_user"]) for row in curve),
        curve=tuple(with_margin(row["ratio"], row["ci95"], margin) for row in curve),
        mean=Found(math.nan) if ratio is None else with_margin(ratio["value"], ratio["ci95"], margin),
        peak=with_margin(document["peak_ratio"], document["peak_ratio_ci95"], margin),
        reach=with_margin(document["max_interactivity_ratio"], document["max_interactivity_ratio_ci95"], margin),
    )


def observed(rows: Rows, metric: str, *, resamples: int, seed: int, given: Rows | None = None) -> Finding:
    """The ratio between two sets of rows, accounted for by cause.

    Parameters
    ----------
    rows : Rows
        Both sides; a side without rows gives a finding that says so.
    metric : "total" | "output"
    given : Rows, optional
        The rows before the integrity checks' corrections, where they differ. What the correction takes away becomes the part ``harness``.
    """
    found = _accounted(rows, metric, resamples, seed)
    if given is None or found.missing:
        return found
    before = _accounted(given, metric, resamples, seed)
    whole = before.mean.value / found.mean.value if found.mean.defined else before.peak.value / found.peak.value
    if abs(math.log(whole)) < UNMOVED:  # the rows that were set right carry neither frontier
        return replace(found, checks=before.checks)
    parts = found.factors or (Factor("software" if _one_system(found) else "not_identifiable", found.peak),)
    return replace(_less_sure(found), given=before, factors=(Factor("harness", Found(whole)), *parts), checks=before.checks)


def _less_sure(found: Finding) -> Finding:
    """The finding with what a correction by Little's law may be off, on either side, added to its intervals in quadrature."""
    extra = 2.0 * STEADY_SPREAD**2 * NORMAL_95**2

    def wider(one: Found) -> Found:
        if not (one.low > 0 and math.isfinite(one.high)):
            return one
        down, up = (math.sqrt(math.log(one.value / end) ** 2 + extra) for end in (one.low, one.high))
        return Found(one.value, one.value * math.exp(-down), one.value * math.exp(up), one.by_margin)

    return replace(found, curve=tuple(map(wider, found.curve)), mean=wider(found.mean), peak=wider(found.peak))


def _one_system(found: Finding) -> bool:
    """Whether both sides are the same system at the same precision."""
    return found.ends.hardware[0] == found.ends.hardware[1] and found.ends.precision[0] == found.ends.precision[1]


def _accounted(rows: Rows, metric: str, resamples: int, seed: int) -> Finding:
    base = Finding(rows.kind, rows.source, rows=(len(rows.before), len(rows.after)), ends=ends_of(rows), dates=_dates(rows))
    absent = [name for name, side in (("baseline", rows.before), ("target", rows.after)) if side.empty]
    if absent:
        return replace(base, missing=f"no row of the {' and none of the '.join(absent)}")
    margin = MARGIN_SAME_SYSTEM if base.ends.hardware[0] == base.ends.hardware[1] else MARGIN_OTHER_SYSTEM
    try:
        document = account(rows.before, rows.after, metric=metric, resamples=resamples, seed=seed, names=("the baseline", "the target"))
    except PointsError as error:
        return replace(base, missing=error.message)
    found = from_shift(document, base, margin)
    return replace(
        found,
        method=document["interval"]["method"],
        first=tuple(float(Snapshot.of(side, metric).frontier().x[0]) for side in (rows.before, rows.after)),  # type: ignore[arg-type]  # two sides
        factors=tuple(Factor(f["cause"], with_margin(f["ratio"], f["ci95"], margin)) for f in document["factors"]),
        split="shift accounting: order-free split over what differs between the configurations of the two sides",
        notes=tuple(document["notes"]),
        checks=tuple(_check_words(check) for check in document["checks"]),
    )


def _check_words(check: Mapping[str, Any]) -> str:
    effect = check.get("effect_ratio")
    moved = "" if effect is None else f"; the frontier with them over the one without is {effect:.3g}"
    return f"integrity check {check['check']}: {check['points']} rows of {check['side']}{moved}"


def ends_of(rows: Rows) -> Ends:
    """System and precision of both sides, where a side has one of each."""
    before, after = ((only(side, "hardware"), only(side, "precision")) for side in (rows.before, rows.after))
    return Ends((before[0], after[0]), (before[1], after[1]))


def _dates(rows: Rows) -> tuple[str, str]:
    return _span(rows.before), _span(rows.after)


def _span(side: pd.DataFrame) -> str:
    dates = sorted(side["date"].dropna().unique()) if len(side) else []
    return "" if not dates else dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def level(rows: Rows, metric: str, *, resamples: int, seed: int, grid_points: int = 65) -> Finding:
    """The target's frontier: throughput per GPU over interactivity, its peak and its reach.

    Parameters
    ----------
    rows : Rows
        Only ``after`` is read.
    """
    side = rows.after
    base = Finding(rows.kind, rows.source, rows=(0, len(side)), ends=ends_of(rows), dates=_dates(rows))
    if side.empty:
        return replace(base, missing="no row of the target")
    snapshot = Snapshot.of(side, metric)
    frontier = snapshot.frontier()
    grid = grid_over((float(frontier.x[0]), frontier.reach), grid_points)
    values = frontier.interpolated(grid)
    drawn = draw_errors({0: snapshot}, side, resamples, seed, None)
    bounds = _level_bounds(drawn, grid)
    margin = MARGIN_SAME_SYSTEM
    return replace(
        base,
        method=drawn.method,
        places=tuple(float(x) for x in grid),
        curve=tuple(with_margin(float(y), b, margin) for y, b in zip(values, bounds["curve"], strict=True)),
        peak=with_margin(frontier.peak, bounds["peak"][0], margin),
        reach=with_margin(frontier.reach, bounds["reach"][0], margin),
        first=(math.nan, float(frontier.x[0])),
    )


def _level_bounds(drawn: Drawn, grid: np.ndarray) -> Mapping[str, Sequence[Sequence[float] | None]]:
    """Intervals of the curve, the peak and the reach; None where nothing was drawn."""
    if drawn.draws is None:
        return {"curve": [None] * len(grid), "peak": [None], "reach": [None]}
    x, y = drawn.values(0)
    curve = np.nanpercentile(frontier_values(x, y, grid, attain=True), [TAIL, 100 - TAIL], axis=0)
    single = {name: [np.percentile(values.max(axis=1), [TAIL, 100 - TAIL]).tolist()] for name, values in (("peak", y), ("reach", x))}
    return {"curve": curve.T.tolist(), **single}
