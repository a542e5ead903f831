"""What the notebook on shifts calls: a run's snapshots or a file's, accounted for pair by pair, and the timeline where there are several dates."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier.changelog import read_changelog
from frontier.errors import PointsError, UsageError
from frontier.evidence.residuals import ResidualModel
from frontier.records import evidence_of, read_points
from frontier.report.style import ReportFigure
from frontier.report.timeline import chosen_series, fig_timeline, no_timeline
from frontier.session import DEFAULT_ARTIFACTS, Notes, open_run
from frontier.shift import account
from frontier.timeline.document import timeline

# Overrides that name a record instead of a run: the file of the points, of the change log, and words of one series' title.
OWN_OVERRIDES = ("points", "changelog", "series")


def open_record(experiment: str, overrides: Sequence[str] = (), artifacts_dir: str = DEFAULT_ARTIFACTS, run_id: str = "") -> Record:
    """The snapshots of a run's ladder, or those of a points table that an override names.

    Parameters
    ----------
    experiment, artifacts_dir, run_id : str
        As for :func:`frontier.session.open_run`.
    overrides : sequence of str
        ``points=FILE`` reads a points table instead of a run; ``changelog=FILE`` a change log beside it; ``series=WORDS`` chooses the series that is
        drawn by words of its title. All others are the configuration's.

    Raises
    ------
    RunError
        If there is no such run, or it has no points yet.
    UsageError
        For an override of this notebook without a value.
    """
    own = dict(_own(text) for text in overrides if text.split("=", 1)[0] in OWN_OVERRIDES)
    rest = [text for text in overrides if text.split("=", 1)[0] not in OWN_OVERRIDES]
    changelog = read_changelog(own["changelog"]) if "changelog" in own else None
    if "points" in own:
        file = Path(own["points"])
        facts = {"points table": file.name, "SHA-256": hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.exists() else ""}
        return Record(read_points(file), "total", facts, (), changelog, own.get("series"))
    run = open_run(experiment, rest, artifacts_dir, run_id)
    points = run.points()
    if points is None:
        raise PointsError(f"run {run.run.run_id} has no points yet", hint="execute notebook 20_measure_frontier first")
    facts = {str(name): str(value) for name, value in run.identity()["value"].items()}
    have = set(points["variant"].dropna())
    ladder = [frozenset(run.plan.main.levers[:count]) for count in range(len(run.plan.main.levers) + 1)]
    named = {frozenset(name for name, level in v.levels.items() if level == "target"): v.name for v in run.plan.main.variants if v.name in have}
    return Record(points, run.cfg.report.metric, facts, tuple(named[step] for step in ladder if step in named), changelog, own.get("series"))


def _own(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not value:
        raise UsageError(f"{name} needs a value, got {text!r}", hint=f"{name}=FILE")
    return name, value


@dataclass(frozen=True)
class Record:
    """Points with the pairs of snapshots to account for.

    Parameters
    ----------
    points : DataFrame
    metric : "total" | "output"
    facts : dict
        What the points are, for people.
    ladder : tuple of str
        Variants of a run from baseline to target, neighbours to be compared; empty for a points table, whose steps are compared.
    changelog : DataFrame or None
    words : str or None
        Words of the title of the series to draw; by default the one with the most steps.
    """

    points: pd.DataFrame
    metric: str
    facts: dict[str, str]
    ladder: tuple[str, ...]
    changelog: pd.DataFrame | None = None
    words: str | None = None

    def identity(self) -> pd.DataFrame:
        """What these points are; one row per fact."""
        dates = sorted(self.points["date"].dropna().unique())
        span = f"{len(dates)}, {dates[0]} to {dates[-1]}" if dates else "none stated"
        facts = {**self.facts, "evidence": evidence_of(self.points), "rows": str(len(self.points)), "dates": span}
        return pd.DataFrame({"value": facts})

    @cached_property
    def timeline(self) -> dict[str, Any] | None:
        """The ``frontier.timeline/1`` document; None where no date is stated or a run compares variants of one day."""
        if self.ladder or self.points["date"].isna().all():
            return None
        return timeline(self.points, metric=self.metric, changelog=self.changelog)

    @cached_property
    def pairs(self) -> list[tuple[str, str, dict[str, Any]]]:
        """From, to and account of every pair: neighbours of a run's ladder, or the steps of the drawn series."""
        if self.timeline is not None:
            entry = chosen_series(self.timeline, self.words)
            return [(step["from"], step["to"], step["shift"]) for step in entry["steps"]]
        residuals = ResidualModel() if set(self.points["evidence"].dropna()) == {"predicted"} else None
        steps = list(zip(self.ladder[:-1], self.ladder[1:], strict=True))
        whole = [(self.ladder[0], self.ladder[-1])] if len(self.ladder) > 2 else []
        out = []
        for before, after in [*steps, *whole]:
            tables = [self.points[self.points["variant"] == name] for name in (before, after)]
            out.append((before, after, account(*tables, metric=self.metric, residuals=residuals, names=(before, after))))
        return out

    def shifts(self) -> pd.DataFrame:
        """One row per pair: how far the frontier moved at equal interactivity, and the causes that the interval tells from noise."""
        rows = []
        for before, after, shift in self.pairs:
            ratio = shift["ratio"] or {"value": np.nan, "ci95": None}
            low, high = ratio["ci95"] or (np.nan, np.nan)
            rows.append((before, after, ratio["value"], low, high, shift["state"], ", ".join(shift["verdict"]) or "none"))
        return pd.DataFrame(rows, columns=["from", "to", "ratio", "ci95_low", "ci95_high", "state", "verdict"])

    def factors(self) -> pd.DataFrame:
        """One row per factor of each pair; within a pair their product is the whole ratio."""
        rows = []
        for before, after, shift in self.pairs:
            for factor in shift["factors"]:
                low, high = factor["ci95"] or (np.nan, np.nan)
                rows.append((before, after, factor["cause"], factor["ratio"], low, high, factor["points"]))
        return pd.DataFrame(rows, columns=["from", "to", "cause", "factor", "ci95_low", "ci95_high", "points"])

    def checks(self) -> pd.DataFrame:
        """One row per integrity check that marked points of a pair's side; empty where none did."""
        names = ["from", "to", "side", "check", "points", "saw"]
        rows = [
            (before, after, check["side"], check["check"], check["points"], check.get("saw", ""))
            for before, after, shift in self.pairs
            for check in shift["checks"]
        ]
        return pd.DataFrame(rows, columns=names)

    def figure(self) -> ReportFigure:
        """The drawn series through time; where there is no timeline, a figure that says so."""
        if self.timeline is None:
            return no_timeline("no timeline: these points compare variants of one day, not dates")
        return fig_timeline(self.timeline, self.words)

    def limits(self) -> Notes:
        """What the accounts do not show, and the rules that were applied."""
        notes = [note for _, _, shift in self.pairs for note in [*shift["notes"], shift["verdict_rule"], shift["interval"]["method"]]]
        notes += [] if self.timeline is None else self.timeline["notes"]
        return Notes(f"{note[0].upper()}{note[1:]}" for note in dict.fromkeys(notes) if note)
