"""What is compared: a run's folder, a points table, or a bundle, each read as data. Nothing of it is executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from frontier.attribute import attribute
from frontier.attribute.levers import LeverSpec
from frontier.attribution import MAX_PLAYERS
from frontier.errors import PointsError, RunError, UsageError
from frontier.evidence.residuals import ResidualModel
from frontier.files import read_json
from frontier.records import evidence_of, read_points
from frontier.report.document import check_document
from frontier.store import RunFolder

LEVEL = "level_"
LARGEST_CONFIG = 1 << 20  # bytes; a resolved configuration has some ten thousand
TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Source:
    """One run to compare.

    Attributes
    ----------
    run_id : str
        The run's id; of a points table its file's name.
    kind : "run" | "points" | "bundle"
    points : DataFrame
        Normalized.
    metric : "total" | "output"
    document : mapping or None
        Its ``frontier.attribution/1`` document; None where the points hold no plan over levers.
    config, environment : mapping or None
        ``config.yaml`` and ``environment.json`` as plain values; None where there is none.
    created_utc : str
        ISO time; empty where nothing says it.
    notes : tuple of str
    placements : tuple of mapping
        Where a cluster ran its trials: node, nodes and GPUs of each, as ``trial.json`` has them; empty for a run of one machine.
    """

    run_id: str
    kind: str
    points: pd.DataFrame
    metric: str
    document: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    created_utc: str = ""
    notes: tuple[str, ...] = field(default=())
    placements: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def evidence(self) -> str:
        """Kinds of evidence of its points, joined by ``+``."""
        return evidence_of(self.points)

    @property
    def title(self) -> str:
        """What the experiment calls itself; its id where it does not."""
        config = self.config or {}
        return str(config.get("title") or config.get("name") or self.run_id)

    @property
    def levers(self) -> list[str]:
        """Levers whose levels the points tell apart."""
        return [str(column).removeprefix(LEVEL) for column in self.points if str(column).startswith(LEVEL)]

    def ends(self) -> dict[str, pd.DataFrame]:
        """The rows of the two ends of the shift by name; all rows where the points hold no plan. An end without rows is left out."""
        levels = [self.points[f"{LEVEL}{name}"].astype("string") for name in self.levers]
        if not levels:
            return {"all points": self.points}
        masks = {end: np.logical_and.reduce([(level == end).fillna(False).to_numpy(bool) for level in levels]) for end in ("baseline", "target")}
        return {end: self.points[mask].reset_index(drop=True) for end, mask in masks.items() if mask.any()}

    def launches(self) -> tuple[int, int]:
        """Fewest launches of a variant, and the number of variants."""
        variants = self.points["variant"].fillna("").astype(str)
        counts = [self.points["replicate"][variants == name].nunique() for name in variants.unique()]
        return (int(min(counts)), len(counts)) if counts else (0, 0)


def read_source(path: Path, *, metric: str = "") -> Source:
    """A run's folder, or a points table in CSV or Parquet.

    Parameters
    ----------
    path : Path
    metric : "total" | "output" | ""
        For tables, whose shares are computed here; by default ``total``. A run has its own.

    Raises
    ------
    UsageError
        If the path is neither.
    RunError
        If a run's folder has no attribution, or a document of it cannot be read.
    PointsError
        If points cannot be read.
    """
    if path.is_dir():
        return _run(path)
    if path.suffix.lower() in TABLES:
        return _table(path, metric or "total")
    raise UsageError(
        f"{path} is neither a run's folder, nor a points table, nor a bundle",
        hint=f"a run's id or folder, a file that ends in {', '.join(TABLES)}, or a bundle (.zip)",
    )


def _run(path: Path) -> Source:
    folder = RunFolder(path.resolve())
    for file, step in (("points.parquet", "20_measure_frontier"), ("attribution.json", "30_attribute_shift")):
        if not (path / file).is_file():
            raise RunError(f"{folder.run_id} has no {file}, so there is nothing to compare", hint=f"`frontier run`, or notebook {step}")
    return source_of(folder, check_document(_mapping(path / "attribution.json"), origin=str(path / "attribution.json")))


def source_of(folder: RunFolder, document: Mapping[str, Any]) -> Source:
    """A run's folder whose attribution was read already."""
    path = folder.path
    environment = _mapping(path / "environment.json") if (path / "environment.json").is_file() else None
    config = _config(path / "config.yaml") if (path / "config.yaml").is_file() else None
    kind = "bundle" if (path / "bundle.json").is_file() else "run"  # the mark of a run from elsewhere
    records = [_mapping(file).get("placement") for file in sorted(path.glob("trials/*/trial.json"))]
    points = read_points(path / "points.parquet")
    placements = tuple(found for found in records if isinstance(found, Mapping))
    return Source(folder.run_id, kind, points, str(document["metric"]), document, config, environment, folder.created_utc, placements=placements)


def _mapping(file: Path) -> Mapping[str, Any]:
    found = read_json(file)
    if not isinstance(found, Mapping):
        raise RunError(f"{file.name} must hold a mapping, got {type(found).__name__}", origin=str(file))
    return found


def _config(file: Path) -> Mapping[str, Any]:
    """The configuration as plain values: tags that would make objects are refused, and keys of an older or newer kit are kept."""
    if file.stat().st_size > LARGEST_CONFIG:
        raise RunError(f"config.yaml has {file.stat().st_size} bytes; at most {LARGEST_CONFIG} are read", origin=str(file))
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise RunError(f"config.yaml is not plain YAML: {' '.join(str(cause).split())}", origin=str(file)) from cause
    if not isinstance(found, Mapping):
        raise RunError(f"config.yaml must hold a mapping, got {type(found).__name__}", origin=str(file))
    return found


def _table(file: Path, metric: str) -> Source:
    """A table's shares are computed here, from the columns ``level_<lever>`` that a run's points carry."""
    points = read_points(file)
    dates = sorted(points["date"].dropna().unique())
    specs = level_specs(points)
    document, notes = None, []
    if not specs:
        notes.append(f"{file.name} has no columns level_<lever> with a baseline and a target, so it has no shift and no shares of its own.")
    else:
        residuals = ResidualModel() if evidence_of(points) == "predicted" else None
        try:
            document = attribute(points, specs, metric=metric, missing="restrict", residuals=residuals, resamples=1000, origin=str(file))
        except PointsError as cause:
            notes.append(f"{file.name}: the shift could not be split: {cause}")
    # Files of one name from two folders have to be told apart.
    name = f"{file.resolve().parent.name}/{file.name}"
    return Source(name, "points", points, metric, document, None, None, str(dates[-1]) if dates else "", tuple(notes))


def level_specs(points: pd.DataFrame) -> Sequence[LeverSpec]:
    """The levers of a table that tells their levels apart in columns ``level_<lever>``; none where one of them has a single level."""
    names = [str(column).removeprefix(LEVEL) for column in points if str(column).startswith(LEVEL)]
    if not 0 < len(names) <= MAX_PLAYERS:
        return []
    if any(not {"baseline", "target"} <= set(points[f"{LEVEL}{name}"].dropna()) for name in names):
        return []
    settings: dict[str, Sequence[str]] = {"baseline": ("as in the points",), "target": ("as in the points",)}
    return [LeverSpec(name, f"{LEVEL}{name}", ("baseline",), ("target",), "forced", name.replace("_", " "), settings) for name in names]
