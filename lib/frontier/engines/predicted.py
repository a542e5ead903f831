"""Trials whose points are computed from NVIDIA's measured operator latencies; an adapter of :mod:`frontier.evidence.predicted`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import pandas as pd

from frontier.engines.base import InOrder, TrialContext, TrialResult, settings_of
from frontier.evidence.predicted import PredictedCell, predict_many
from frontier.records import Trial, Variant
from frontier.schema import Config, EngineConfig


@dataclass(frozen=True)
class PredictedEngine(InOrder):
    """Points predicted for a GPU that is not here.

    Parameters
    ----------
    cfg : Config
    engine : EngineConfig
        Backend, database version and TTFT limit.
    levers : tuple of str
    """

    cfg: Config
    engine: EngineConfig
    levers: tuple[str, ...]
    kind = "predicted"
    evidence = "predicted"
    deterministic = True
    code_packages = ("frontier.evidence.predicted", "frontier.engines.predicted", "frontier.engines.base")
    wheels = ("aiconfigurator-core",)

    def infeasible(self, variant: Variant) -> str:
        """Why the variant cannot exist: no system computes any of its precisions, or the model has no MTP head."""
        settings = settings_of(self.cfg, variant)
        if self.cfg.model.mtp_layers == 0 and min(settings.draft_lens) > 0:
            return f"{self.cfg.model.name} has no MTP head"
        return settings.infeasible()

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """The cells; source and wheel come in by ``code_packages`` and ``wheels``."""
        return {"model": self.cfg.model.name, "cells": self.resolved(variant)}

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """The cells behind a variant."""
        return [{**asdict(cell), "accepted_drafts": {str(k): v for k, v in cell.accepted_drafts.items()}} for cell in self.cells(variant)]

    def estimated_points(self, variant: Variant) -> int | None:
        """Unknown: the non-dominated set is as large as it turns out."""
        return None

    def group(self, variant: Variant) -> str:
        """Trials of one system, version and precision share a database and its evaluations."""
        return "|".join(sorted({f"{cell.system}|{cell.database_version}|{cell.precision}" for cell in self.cells(variant)}))

    def cells(self, variant: Variant) -> list[PredictedCell]:
        """One cell per feasible combination of the variant's settings; draft lengths stay together in one cell."""
        settings = settings_of(self.cfg, variant)
        mtp = self.cfg.lever.get("mtp")
        accepted = {int(k): float(v) for k, v in mtp.accepted_drafts.items() if int(k) in settings.draft_lens} if mtp else {}
        return [
            PredictedCell(
                model_path=self.cfg.model.id,
                system=system.hardware,
                backend=self.engine.backend,
                database_version=version or self.engine.database_version,
                precision=precision,
                kv_precision=self.cfg.kv_precision,
                search_space=space,
                max_gpus=system.max_gpus,
                domain_gpus=system.domain_gpus,
                gpus_per_node=system.gpus_per_node,
                draft_lens=settings.draft_lens,
                accepted_drafts=accepted,
                disaggregated=disaggregated,
                isl_tokens=self.cfg.workload.isl_tokens,
                osl_tokens=self.cfg.workload.osl_tokens,
                ttft_limit_s=self.engine.ttft_limit_s,
            )
            for (system, precision), space, disaggregated, version in product(
                settings.feasible_pairs(), settings.search_spaces, settings.disaggregated, settings.versions
            )
        ]

    def measure(self, trial: Trial, context: TrialContext | None = None) -> TrialResult:
        """The non-dominated predictions of each cell of the trial's variant, cell after cell."""
        frames = predict_many(self.cells(trial.variant))
        evaluated = sum(int(frame.attrs["evaluated"]) for frame in frames)
        filled = []
        for frame in frames:
            if len(frame):
                plain = frame.assign(model=self.cfg.model.name)
                plain.attrs = {}
                filled.append(plain)
        if not filled:
            reasons = sorted({str(frame.attrs.get("reason", "no configuration gave a point")) for frame in frames})
            return TrialResult(pd.DataFrame(), evaluated, "; ".join(reasons))
        return TrialResult(pd.concat(filled, ignore_index=True), evaluated)
