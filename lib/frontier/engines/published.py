"""Trials whose points are rows of a public record; an adapter of :mod:`frontier.evidence.published`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from frontier.catalog import PRECISION_FORMS
from frontier.engines.base import InOrder, TrialContext, TrialResult, settings_of
from frontier.errors import ConfigError
from frontier.evidence.published import published_points
from frontier.records import Trial, Variant
from frontier.schema import Config, EngineConfig

LEVERS = ("hardware", "precision", "disaggregation")  # what the record's columns tell apart


@dataclass(frozen=True)
class PublishedEngine(InOrder):
    """Points that others measured and published.

    Parameters
    ----------
    cfg : Config
    engine : EngineConfig
        Data set and backends to keep.
    levers : tuple of str
        Must be among those that the record labels; the rest of a deployment (parallelism, MTP, version) is whatever was published.

    Raises
    ------
    ConfigError
        If a lever is not labelled in the record.
    """

    cfg: Config
    engine: EngineConfig
    levers: tuple[str, ...]
    kind = "published"
    evidence = "published"
    deterministic = True
    code_packages = ("frontier.evidence.published", "frontier.engines.published", "frontier.engines.base")
    wheels = ("aiconfigurator-core",)

    def __post_init__(self) -> None:
        unlabelled = [lever for lever in self.levers if lever not in LEVERS]
        if unlabelled:
            raise ConfigError(
                f"the published record {self.engine.dataset!r} does not label {', '.join(unlabelled)}; it tells apart {', '.join(LEVERS)}",
                origin="engine=published",
                hint=f"choose levers among {', '.join(LEVERS)}",
            )

    def infeasible(self, variant: Variant) -> str:
        """Why the variant cannot exist."""
        return settings_of(self.cfg, variant).infeasible()

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """The filters; source and wheel come in by ``code_packages`` and ``wheels``."""
        return {"model": self.cfg.model.name, "filters": self.resolved(variant)}

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """The filters on the record, one per system and precision."""
        settings = settings_of(self.cfg, variant)
        return [
            {
                "dataset": self.engine.dataset,
                "models": list(self.cfg.model.published_ids) or [self.cfg.model.name],
                "hardware": system.hardware,
                "isl_tokens": self.cfg.workload.isl_tokens,
                "osl_tokens": self.cfg.workload.osl_tokens,
                "backends": list(self.engine.backends),
                "precision": PRECISION_FORMS[precision][0],
                "disaggregated": list(settings.disaggregated),
            }
            for system, precision in settings.feasible_pairs()
        ]

    def estimated_points(self, variant: Variant) -> int | None:
        """The rows there are: reading the record costs nothing."""
        return len(self._rows(variant))

    def group(self, variant: Variant) -> str:
        """All trials read the same file."""
        return "record"

    def measure(self, trial: Trial, context: TrialContext | None = None) -> TrialResult:
        """The rows of the record that belong to the trial's variant."""
        rows = self._rows(trial.variant)
        if rows.empty:
            return TrialResult(pd.DataFrame(), 0, "the record holds no such rows")
        return TrialResult(rows, evaluated=len(rows))

    def _rows(self, variant: Variant) -> pd.DataFrame:
        kept = []
        for wanted in self.resolved(variant):
            rows = published_points(
                wanted["dataset"],
                models=wanted["models"],
                hardware=[wanted["hardware"]],
                isl_tokens=wanted["isl_tokens"],
                osl_tokens=wanted["osl_tokens"],
                backends=wanted["backends"],
            )
            keep = (rows["precision"] == wanted["precision"]) & rows["disagg"].isin(wanted["disaggregated"])
            kept.append(rows[keep.fillna(False).astype(bool)])
        if not kept:
            return pd.DataFrame()
        joined = pd.concat(kept, ignore_index=True)
        # The record files one model under several names; the experiment's name makes them one, the record's own name stays beside it.
        named: pd.DataFrame = joined.assign(published_model=joined["model"], model=self.cfg.model.name)
        return named
