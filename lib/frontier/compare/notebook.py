"""What notebook 55 calls: the runs of an experiment compared, each step one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.attribute import attribute
from frontier.compare.document import compare
from frontier.compare.page import comparison_file, read_any, verdict_rows, write_page
from frontier.compare.sources import Source, level_specs
from frontier.errors import RunError, UsageError
from frontier.plan import artifacts_folder
from frontier.records import read_points
from frontier.report.comparison import Dotted, fig_changes, fig_overlay
from frontier.report.comparison.rows import change_rows, factors_table, runs_table
from frontier.report.comparison.words import change_estimate, kinds_document
from frontier.report.style import ReportFigure
from frontier.report.tables import Table
from frontier.report.wording import upper_first
from frontier.session import DEFAULT_ARTIFACTS, Notes, compose
from frontier.store import RunFolder, Store

# Overrides that name what to compare instead of settings: further runs, and published points.
OWN_OVERRIDES = ("against", "points")
NEWEST = 4  # runs of the experiment that are compared where none is named


def open_comparison(experiment: str, overrides: Sequence[str] = (), artifacts_dir: str = DEFAULT_ARTIFACTS, run_id: str = "") -> Comparison:
    """The runs of an experiment, the oldest of them as the reference.

    Parameters
    ----------
    experiment, artifacts_dir : str
        As for :func:`frontier.session.open_run`; runs of the experiment count whatever else was overridden in them.
    overrides : sequence of str
        ``against=RUN`` (may be repeated) compares the run with named ones instead: ids, runs' folders, points tables or bundles. ``points=FILE``
        holds published points beside them. All others are the configuration's.
    run_id : str
        The reference. Empty: the oldest of the newest four runs; with ``against`` the newest run.

    Raises
    ------
    RunError
        If there is no run, or a single one that was launched once, which nothing can be compared with.
    UsageError
        For an override of this notebook without a value.
    """
    own = [_own(text) for text in overrides if text.split("=", 1)[0] in OWN_OVERRIDES]
    store = Store(artifacts_folder(compose(experiment, [text for text in overrides if text.split("=", 1)[0] not in OWN_OVERRIDES], artifacts_dir)))
    named = [value for name, value in own if name == "against"]
    points = [Path(value) for name, value in own if name == "points"]
    if named:
        others = [Path(word) if Path(word).exists() else store.find_run(run_id=word).path for word in named]
        paths = [store.find_run(experiment, run_id).path, *others]
    else:
        paths = [run.path for run in _of_experiment(store, experiment, run_id)]
    sources = [read_any(path) for path in paths]
    if len(sources) == 1 and not points:
        sources = launches_apart(sources[0])
    published = read_points(points[0]) if points else None
    return Comparison(tuple(sources), store.artifacts_dir, published, points[0].name if points else "")


def _own(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not value:
        raise UsageError(f"{name} needs a value, got {text!r}", hint=f"{name}={'RUN' if name == 'against' else 'FILE'}")
    return name, value


def _of_experiment(store: Store, experiment: str, run_id: str) -> list[RunFolder]:
    """The newest runs of an experiment that have an attribution, oldest first; from the named one on if one is named."""
    runs = [run for run in store.list_runs(experiment) if (run.path / "attribution.json").is_file() and (run.path / "points.parquet").is_file()]
    if run_id:
        first = store.find_run(run_id=run_id)
        return [first, *[run for run in runs if run.run_id > first.run_id][-(NEWEST - 1) :]]
    if not runs:
        raise RunError(f"no run of experiment {experiment!r} has an attribution", hint=f"frontier run experiment={experiment}")
    return runs[-NEWEST:]


def launches_apart(source: Source) -> list[Source]:
    """The earlier and the later launches of one run as two, for a run that stands alone: what differs between them is noise.

    Raises
    ------
    RunError
        If no variant was launched twice.
    """
    replicates = sorted(source.points["replicate"].dropna().unique())
    specs = level_specs(source.points)
    if len(replicates) < 2 or not specs:
        raise RunError(
            f"{source.run_id} is the only run, and nothing in it was launched twice",
            hint="run the experiment again: `frontier run ... sweep.repetition=2`, or name another run: against=RUN",
        )
    half = (len(replicates) + 1) // 2
    out = []
    for name, chosen in (("earlier launches", replicates[:half]), ("later launches", replicates[half:])):
        points = source.points[source.points["replicate"].isin(chosen)].reset_index(drop=True)
        document = attribute(points, specs, metric=source.metric, missing="restrict", resamples=1000, origin=name)
        note = f"One run alone: its {name} are {', '.join(map(str, chosen))}."
        out.append(replace(source, run_id=f"{source.run_id} ({name})", points=points, document=document, notes=(*source.notes, note)))
    return out


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Parameters
    ----------
    sources : tuple of Source
        The first is the reference.
    artifacts : Path
        Where the page is kept.
    published : DataFrame or None
    published_name : str
    """

    sources: tuple[Source, ...]
    artifacts: Path
    published: pd.DataFrame | None = None
    published_name: str = ""

    @cached_property
    def document(self) -> dict[str, Any]:
        """The ``frontier.compare/1`` document."""
        return compare(self.sources, published=self.published, published_name=self.published_name or "published points")

    def identity(self) -> pd.DataFrame:
        """What is compared; one column per run."""
        return _frame(runs_table(self.document)).set_index("")

    def changes(self) -> pd.DataFrame:
        """One row per quantity and frontier of every pair: change, interval, verdict."""
        pairs = [(str(pair["new"]), row) for pair in self.document["pairs"] for row in verdict_rows(pair)]
        pairs += [("published points", row) for one in self.document["published"] for row in verdict_rows(one)]
        return pd.DataFrame([{"against the reference": new, **row} for new, row in pairs])

    def figure(self) -> ReportFigure:
        """All frontiers on one plot."""
        return fig_overlay(self.document)

    def figure_changes(self, pair: int = -1) -> ReportFigure:
        """What moved in one pair, by default that of the last run, against the margin."""
        if not self.document["pairs"]:
            return fig_changes(kinds_document(self.document), [], 0.05)
        chosen = self.document["pairs"][pair]
        dots = [Dotted(row["title"], change_estimate(row["change"]), row["verdict"]) for row in change_rows(chosen)]
        return fig_changes(kinds_document(self.document), dots, float(chosen["margin"]))

    def factors(self) -> pd.DataFrame:
        """By which causes the frontiers of every pair moved; their product is the whole."""
        frames = [_frame(found).assign(run=pair["new"]) for pair in self.document["pairs"] if (found := factors_table(pair)) is not None]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["Frontier", "Cause", "Factor", "run"])

    def differences(self) -> pd.DataFrame:
        """What else differs between the runs, likely causes first."""
        found = [{"run": pair["new"], **row} for pair in self.document["pairs"] for row in pair["environment"]]
        return pd.DataFrame(found, columns=["run", "fact", "original", "new", "group", "likely_cause", "why"])

    def verdict(self) -> pd.DataFrame:
        """One row per pair: verdict, what moved, and its cause."""
        rows = [(pair["new"], pair["original"], pair["verdict"], pair["sentence"], pair["cause"]["title"]) for pair in self.document["pairs"]]
        return pd.DataFrame(rows, columns=["run", "reference", "verdict", "what moved", "cause"])

    def causes(self) -> Notes:
        """The attribution of every difference in sentences."""
        return Notes(f"{pair['new']}: {' '.join(pair['cause']['sentences'])}" for pair in self.document["pairs"])

    def write(self) -> Path:
        """Write the page beside the runs, and return its path."""
        return write_page(self.document, comparison_file(self.document, self.artifacts))

    def limits(self) -> Notes:
        """What the comparison does not show."""
        notes: list[str] = [*self.document["notes"], *(note for pair in self.document["pairs"] for note in pair["notes"])]
        return Notes(upper_first(note) for note in dict.fromkeys(notes))


def _frame(table: Table) -> pd.DataFrame:
    """A report's table for a notebook."""
    rows: list[Mapping[str, str]] = [dict(zip(table.heads, (cell.text for cell in row), strict=True)) for row in table.rows]
    return pd.DataFrame(rows, columns=list(table.heads))
