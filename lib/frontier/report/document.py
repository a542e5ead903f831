"""Reading a run's documents: every value the report shows, with undefined kept undefined.

The report computes no metric. What is here turns JSON values into numbers (null becomes NaN), checks that the document is the one
the report understands, and finds the sentence that says why something is undefined.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from frontier.errors import RunError
from frontier.records import EVIDENCE, METRICS, read_points

Document = Mapping[str, Any]

SCHEMA = "frontier.attribution/1"
UNSTATED = "unstated"
_REQUIRED = ("evidence", "metric", "levers", "total")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def defined(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are there."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def consistent(self) -> bool:
        """Whether the interval holds the number; one that does not says nothing about it."""
        return self.has_interval and self.low <= self.value <= self.high

    @property
    def separated(self) -> bool:
        """Whether the interval holds the number and excludes "no change" (a factor of 1)."""
        return self.consistent and (self.low > 1.0 or self.high < 1.0)


@dataclass(frozen=True)
class Run:
    """What one run folder holds for its report."""

    run_id: str
    config: Document
    document: Document
    points: pd.DataFrame
    companion_points: pd.DataFrame | None
    model_error: Document | None
    plan: Document | None
    environment: Document | None
    quality: Document | None = None
    offline: Document | None = None
    bound: Document | None = None
    trials: Sequence[Document] = ()


def number(value: object) -> float:
    """The value as a float; NaN when it is null or no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def estimate(value: object, key: str = "ratio") -> Estimate:
    """A number, or a mapping that holds one under ``value`` or ``key`` with its ``ci95``, as an Estimate.

    >>> estimate({"ratio": 2.0, "ci95": [1.5, 2.5]})
    Estimate(value=2.0, low=1.5, high=2.5)
    >>> estimate(None).defined
    False
    """
    if not isinstance(value, Mapping):
        return Estimate(number(value))
    low, high = pair(value.get("ci95"))
    return Estimate(number(value.get("value", value.get(key))), low, high)


def pair(value: object) -> tuple[float, float]:
    """Two numbers; NaN for what is null or missing."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return math.nan, math.nan
    return number(value[0]), number(value[1])


def numbers(values: object) -> list[float]:
    """A list of numbers with NaN for null; empty when there is no list."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return []
    return [number(value) for value in values]


def rows(document: Document, key: str) -> list[Document]:
    """The list of mappings under a key; empty when it is missing or null."""
    return [row for row in document.get(key) or [] if isinstance(row, Mapping)]


def part(document: Document, key: str) -> Document:
    """The mapping under a key; empty when it is missing or null."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def evidence_kinds(document: Document) -> list[str]:
    """The kinds of evidence behind a document: one, or several when the reader asked for a mix; ``unstated`` where points name none."""
    return str(document["evidence"]).split("+")


def lever_title(document: Document, name: str) -> str:
    """The lever's title for people; its name when it has none."""
    for lever in rows(document, "levers"):
        if lever.get("name") == name:
            return str(lever.get("title") or name)
    return name


def undefined_reason(document: Document) -> str:
    """Why the headline ratio is undefined, as the document says it."""
    for source in (part(document, "total"), part(document, "shift"), part(document, "domain")):
        reason = source.get("reason") or source.get("rule")
        if reason:
            return str(reason)
    return "the document gives no reason"


def check_document(document: object, *, origin: str) -> Document:
    """The attribution document, checked for what no report can do without.

    Raises
    ------
    RunError
        If it is not a ``frontier.attribution/1`` document, a required key is missing, or its evidence or metric is unknown.
    """
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, Mapping) else type(document).__name__
        raise RunError(f"the report reads schema {SCHEMA}, got {found!r}", origin=origin, hint="frontier attribute")
    missing = [key for key in _REQUIRED if document.get(key) is None]
    if missing:
        raise RunError(f"the attribution lacks {', '.join(missing)}", origin=origin, hint="frontier attribute")
    if not set(evidence_kinds(document)) <= {*EVIDENCE, UNSTATED}:
        raise RunError(f"evidence must be among {', '.join(EVIDENCE)}, joined by '+', got {document['evidence']!r}", origin=origin)
    if document["metric"] not in METRICS:
        raise RunError(f"metric must be one of {', '.join(METRICS)}, got {document['metric']!r}", origin=origin)
    return document


def read_run(run_dir: Path) -> Run:
    """Everything the report needs from a run folder.

    Raises
    ------
    RunError
        If ``config.yaml`` or ``attribution.json`` is missing or unreadable.
    PointsError
        If ``points.parquet`` is missing or no points table.
    """
    config_file, document_file = run_dir / "config.yaml", run_dir / "attribution.json"
    for file, step in ((config_file, "frontier run"), (document_file, "frontier attribute")):
        if not file.is_file():
            raise RunError(f"{run_dir.name} has no {file.name}, which the report is made of", hint=f"{step} comes first")
    config = OmegaConf.to_container(OmegaConf.load(config_file))
    if not isinstance(config, Mapping):
        raise RunError(f"config.yaml must hold a mapping, got {type(config).__name__}", origin=str(config_file))
    companion_file = run_dir / "companion_points.parquet"
    return Run(
        run_id=run_dir.resolve().name,
        config={str(key): value for key, value in config.items()},
        document=check_document(_json(document_file), origin=str(document_file)),
        points=read_points(run_dir / "points.parquet"),
        companion_points=read_points(companion_file) if companion_file.is_file() else None,
        model_error=_optional(run_dir / "model_error.json"),
        plan=_optional(run_dir / "plan.json"),
        environment=_optional(run_dir / "environment.json"),
        quality=_optional(run_dir / "quality.json"),
        bound=_optional(run_dir / "bound.json"),
        offline=_optional(run_dir / "offline.json"),
        trials=[found for file in sorted(run_dir.glob("trials/*/trial.json")) if (found := _optional(file)) is not None],
    )


def _json(file: Path) -> object:
    try:
        found: object = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as cause:
        raise RunError(f"{file.name} is not JSON: {cause}", origin=str(file)) from cause
    return found


def _optional(file: Path) -> Document | None:
    """The JSON mapping in a file that a run may lack (``null`` counts as lacking)."""
    found = _json(file) if file.is_file() else None
    if found is not None and not isinstance(found, Mapping):
        raise RunError(f"{file.name} must hold a mapping, got {type(found).__name__}", origin=str(file))
    return found
