"""Series that differ in one lever only, compared at one image or on one date: what the lever alone does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from frontier.shift.classes import release_of
from frontier.timeline.compact import images_of
from frontier.timeline.series import SERIES, Series

LEVERS = ("spec", "precision", "disagg")  # what somebody pulls at an unchanged image
# The order from without to with, for values that have one.
_ORDER = {"spec": ("none",), "precision": ("bf16", "fp16", "fp8", "int8", "fp6", "fp4", "int4"), "disagg": (False, True)}


@dataclass(frozen=True)
class Contrast:
    """Two snapshots of two series that differ in one lever.

    Attributes
    ----------
    lever : str
    without, with_ : Series
    before_date, after_date : str
    release : str or None
        The engine's release that both sides' images name; None where images are not stated.
    """

    lever: str
    without: Series
    with_: Series
    before_date: str
    after_date: str
    release: str | None

    @property
    def same_image(self) -> bool | None:
        """Whether the two sides name one image; None where one of them names none."""
        known = [set(images_of(rows)) for rows in (self.before, self.after)]
        return bool(known[0] & known[1]) if known[0] and known[1] else None

    @property
    def before(self) -> pd.DataFrame:
        """Rows without the lever."""
        return _of_release(self.without.snapshot(self.before_date), self.release)

    @property
    def after(self) -> pd.DataFrame:
        """Rows with the lever."""
        return _of_release(self.with_.snapshot(self.after_date), self.release)


def contrasts(found: Sequence[Series]) -> Iterator[Contrast]:
    """One contrast for each pair of series that differ in one lever and meet at a release on one date, the latest.

    Speculative decoding is compared on the closest dates where none is common, and on a common date where a side names no image. Images of one
    release may differ in their build (the base system, the GPU's libraries); the contrast says so.
    """
    groups: dict[tuple[Any, ...], list[Series]] = {}
    for series in found:
        for lever in LEVERS:
            rest = tuple(series.name[column] for column in SERIES if column != lever)
            groups.setdefault((lever, str(series.rows["evidence"].iloc[0]), *rest), []).append(series)
    releases = {id(series): _by_release(series) for series in found}
    for (lever, *_), members in groups.items():
        for one, other in combinations(sorted(members, key=lambda s: _rank(lever, s.name[lever])), 2):
            if one.name[lever] is None or other.name[lever] is None:
                continue
            if (meeting := _meeting(releases[id(one)], releases[id(other)], one, other, lever)) is not None:
                yield Contrast(lever, one, other, *meeting)


Releases = dict[str, list[str]]


def _meeting(a: Releases, b: Releases, one: Series, other: Series, lever: str) -> tuple[str, str, str | None] | None:
    """Dates and the release at which two series are best compared."""
    # Other weights and other topologies are compared on one date only: each of them comes with a sweep of its own.
    pairs = [(x, y, release) for release in set(a) & set(b) for x in a[release] for y in b[release] if lever == "spec" or x == y]
    if pairs:
        return max(pairs, key=lambda pair: (-_days_apart(pair[0], pair[1]), pair[1], pair[2]))
    if lever != "spec":
        return None
    told = [{date for dates in known.values() for date in dates} for known in (a, b)]
    # Two known releases that differ are no unchanged software.
    common = [date for date in set(one.dates) & set(other.dates) if not (date in told[0] and date in told[1])]
    return (max(common), max(common), None) if common else None


def _by_release(series: Series) -> Releases:
    """The dates on which each release was run."""
    rows = series.rows[series.rows["image"].notna() | series.rows["engine_version"].notna()]
    if rows.empty:
        return {}
    release = rows["engine_version"].fillna(rows["image"].map(release_of, na_action="ignore"))
    return {str(name): sorted(set(dates)) for name, dates in rows.groupby(release)["date"]}


def _of_release(rows: pd.DataFrame, release: str | None) -> pd.DataFrame:
    """Rows of a release, and those of the same snapshot that name none."""
    stated = rows["engine_version"].fillna(rows["image"].map(release_of, na_action="ignore"))
    return rows if release is None else rows[(stated == release).fillna(True).astype(bool)]


def _days_apart(a: str, b: str) -> int:
    return abs((pd.Timestamp(a) - pd.Timestamp(b)).days)


def _rank(lever: str, value: Any) -> tuple[int, str]:
    order = _ORDER[lever]
    return (order.index(value) if value in order else len(order), str(value))
