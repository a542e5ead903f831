"""The timeline of a record: for every series its levels by date, where they stepped, and the account of each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.changelog import LAG_DAYS, match
from frontier.errors import PointsError
from frontier.evidence.residuals import ResidualModel
from frontier.findings import Examined
from frontier.records import check_metric
from frontier.shift import account
from frontier.timeline.compact import compact, curve, images_of, kind_of, label_of, main_cause
from frontier.timeline.contrasts import Contrast, contrasts
from frontier.timeline.dates import Levels, dated
from frontier.timeline.noise import draw_null
from frontier.timeline.series import FloatArray, Series, series_title, split_series
from frontier.timeline.signals import Chain, chain, search_gains
from frontier.timeline.steps import FALSE_STEPS, Found, find_steps

SCHEMA = "frontier.timeline/1"
NULL_DRAWS = 400


class _Teller:
    """Accounts for pairs of snapshots, and matches them to the change log."""

    def __init__(self, metric: str, changelog: pd.DataFrame | None, lag_days: int, options: Mapping[str, Any]) -> None:
        self.metric, self.changelog, self.lag_days, self.options = metric, changelog, lag_days, options

    def tell(self, before: pd.DataFrame, after: pd.DataFrame, dates: tuple[str, str], series: Series) -> dict[str, Any]:
        """One step as JSON values; ``shift`` is null and ``reason`` says why where the pair cannot be accounted for."""
        entry: dict[str, Any] = {"from": dates[0], "to": dates[1]}
        try:
            shift = account(before, after, metric=self.metric, names=dates, **self.options)
        except PointsError as error:
            return {**entry, "shift": None, "reason": error.message, "changelog": None, "kind": "unexplained", "label": "cannot be accounted for"}
        told = None
        if self.changelog is not None and dates[0] < dates[1]:
            told = match(
                self.changelog, series.name, before_date=dates[0], after_date=dates[1], causes=shift["verdict"],
                images=(images_of(before), images_of(after)), dates=series.dates, lag_days=self.lag_days,
            )  # fmt: skip
        return {
            **entry,
            "shift": compact(shift),
            "reason": shift["reason"],
            "changelog": told,
            "kind": kind_of(main_cause(shift)),
            "label": label_of(shift, before, after, told),
            "frontiers": {"before": curve(before, self.metric), "after": curve(after, self.metric)},
        }


def timeline(
    points: pd.DataFrame,
    *,
    metric: str = "total",
    changelog: pd.DataFrame | None = None,
    lag_days: int = LAG_DAYS,
    residuals: ResidualModel | None = None,
    resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 1,
    false_steps: float = FALSE_STEPS,
) -> dict[str, Any]:
    """The ``frontier.timeline/1`` document of a points table with several dates.

    Parameters
    ----------
    points : DataFrame
        A normalized points table; every series in it is treated on its own.
    metric : "total" | "output"
    changelog : DataFrame, optional
        As :func:`frontier.changelog.read_changelog` gives it.
    lag_days : int
        How long before a snapshot a change may have been merged and still have run only after it.
    residuals, resamples, confidence, seed
        As for :func:`frontier.shift.account`.
    false_steps : float, 0 to 1
        Chance that a series without any change gets a candidate step; the account must then separate it from the noise too.

    Returns
    -------
    dict
        Keys as in docs/timeline.md.

    Raises
    ------
    PointsError
        If no row states a date and can carry a frontier.
    UsageError
        For an unknown metric.
    """
    check_metric(metric)
    points = points.reset_index(drop=True)
    examined = Examined.of(points, metric)  # the rows are checked once, beside all others of the record
    found, notes = split_series(points, metric, examined.carries)
    options = {"examined": examined, "residuals": residuals, "resamples": resamples, "confidence": confidence, "seed": seed}
    teller = _Teller(metric, changelog, lag_days, options)
    seeds = np.random.SeedSequence(seed).spawn(len(found))
    entries = [_entry(series, teller, np.random.default_rng(own), false_steps) for series, own in zip(found, seeds, strict=True)]
    if changelog is not None and changelog.attrs.get("refused"):
        refused = changelog.attrs["refused"]
        numbers = ", ".join(str(entry["number"]) for entry in refused[:10])
        notes.append(f"{len(refused)} entries of the change log state no date and match nothing (number {numbers}).")
    return {
        "schema": SCHEMA,
        "metric": metric,
        "changelog": None if changelog is None else {"entries": len(changelog), "refused": changelog.attrs.get("refused", []), "lag_days": lag_days},
        "false_steps": false_steps,
        "series": entries,
        "contrasts": [_contrast(pair, teller) for pair in contrasts(found)],
        "notes": notes,
    }


def _entry(series: Series, teller: _Teller, rng: np.random.Generator, false_steps: float) -> dict[str, Any]:
    """One series of the document."""
    linked = chain(series)
    level = linked.weights @ np.stack([series.log_x, series.log_y], axis=1)
    gains = search_gains(series, linked, level)
    null, noise = draw_null(series, NULL_DRAWS, rng)
    drawn = np.moveaxis(np.tensordot(linked.weights, null, axes=(1, 1)), 0, 1)
    lists: dict[str, list[dict[str, Any]]] = {name: [] for name in ("steps", "coverage_changes", "unresolved", "gaps", "quiet")}
    excursions: list[str] = []
    sd = np.full(len(series.dates), np.nan)
    segment = np.full(len(series.dates), -1)
    total = np.full(len(series.dates), np.nan)
    numbers = 0
    for component in np.unique(linked.component):
        days = np.flatnonzero(linked.component == component)
        total[days] = level[days, 1] + np.cumsum(gains[days])
        spot, moved = _candidates(days, level, gains, drawn, false_steps)
        sd[days] = spot.sd
        excursions += [series.dates[days[place]] for place in spot.excursions]
        segment[days] = numbers
        for place in spot.breaks:
            before = _before(days, place, linked, spot.excursions)
            told = _pair(series, teller, before, int(days[place]))
            what = _judged(told, bool(gains[days[place]] > 0), moved)
            lists[what].append(told)
            if what == "steps":
                numbers += 1
                segment[days[place:]] = numbers
        numbers += 1
    # Chains that share no configuration with what came before: the frontiers are compared as they are, and that is said.
    for component in np.unique(linked.component):
        first = int(np.flatnonzero(linked.component == component)[0])
        if first == 0:
            continue
        told = _pair(series, teller, first - 1, first)
        lists[_judged(told, True, True)].append(told)
    steps = lists["steps"]
    steps.sort(key=lambda step: (step["to"], step["from"]))
    return {
        "series": series.name,
        "title": series_title(series.name),
        "evidence": str(series.rows["evidence"].iloc[0]),
        "noise": noise,
        **dated(series, linked, Levels(level, total, sd, segment), null),
        "steps": steps,
        **{
            name: [{key: told[key] for key in ("from", "to", "label", "reason")} for told in lists[name]]
            for name in ("coverage_changes", "unresolved")
        },
        "gaps": [{key: told[key] for key in ("from", "to", "reason")} for told in lists["gaps"]],
        "excursions": sorted(excursions),
        "quiet": not steps,
    }


def _candidates(days: NDArray[np.intp], level: FloatArray, gains: FloatArray, drawn: FloatArray, false_steps: float) -> tuple[Found, bool]:
    """Places in a chain of dates at which an account is worth its time, and whether the levels themselves step there."""
    if len(days) == 1:
        return Found((), (), float("nan")), False
    found = find_steps(np.column_stack([level[days], np.cumsum(gains[days])]), drawn[:, days], false_steps)
    if len(days) == 2:  # nothing to detect: the pair is accounted for as it stands
        return Found((1,), (), found.sd), bool(found.breaks)
    return found, True


def _before(days: NDArray[np.intp], place: int, linked: Chain, excursions: Sequence[int]) -> int:
    """The date to compare a new level with: the one that the chain links it to, unless that night was an excursion."""
    usable = [day for i, day in enumerate(days[:place]) if i not in excursions] or list(days[:place])
    link = int(linked.link[days[place]])
    return link if link in usable else int(usable[-1])


def _pair(series: Series, teller: _Teller, before: int, after: int) -> dict[str, Any]:
    dates = series.dates[before], series.dates[after]
    return teller.tell(series.snapshot(dates[0]), series.snapshot(dates[1]), dates, series)


def _judged(told: Mapping[str, Any], tried_new: bool, moved: bool) -> str:
    """Which list of the document a pair belongs to.

    A step is what the account separates from the noise. Where it names only configurations that one snapshot has and the other lacks, without
    new settings (``tried_new``), or names nothing while the levels stand still (not ``moved``), the samples differ and nothing says that the
    system does.
    """
    shift = told["shift"]
    if shift is None or shift["ratio"] is None:
        return "gaps"
    if shift["verdict"] and all(cause == "coverage" or (cause.startswith("search_space") and not tried_new) for cause in shift["verdict"]):
        return "coverage_changes"
    if not shift["verdict"] and shift["state"] == "moved" and not moved:
        return "coverage_changes"
    if shift["verdict"] or shift["state"] == "moved":
        return "steps"
    return "quiet" if shift["state"] == "not_moved" else "unresolved"


def _contrast(pair: Contrast, teller: _Teller) -> dict[str, Any]:
    """One contrast of the document."""
    told = teller.tell(pair.before, pair.after, (pair.before_date, pair.after_date), pair.with_)
    shared = {column: value for column, value in pair.with_.name.items() if column != pair.lever}
    return {
        "series": shared,
        "title": series_title({**pair.with_.name, pair.lever: None}),
        "lever": pair.lever,
        "without": pair.without.name[pair.lever],
        "with": pair.with_.name[pair.lever],
        "release": pair.release,
        "same_image": pair.same_image,
        "dates": [pair.before_date, pair.after_date],
        "shift": told["shift"],
        "reason": told["reason"],
        "label": told["label"],
    }
