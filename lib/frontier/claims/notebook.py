"""What notebook 50 calls: the claim of a run against the run's own points, and the shipped claims against the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.claim_schema import ClaimConfig, ReadingConfig
from frontier.claims.audit import Auditor
from frontier.claims.keep import evidence_folder, keep_audit
from frontier.claims.predicted import Predicted, predicted_ratio
from frontier.config import conf_dir
from frontier.plan import artifacts_folder
from frontier.report.audit import overview_rows
from frontier.session import Notes, Session

NEWEST = "9999-12-31"  # the table of power and price that is in force now


@dataclass(frozen=True)
class RunAudit:
    """The audit that goes with a run.

    Parameters
    ----------
    run : Session
    """

    run: Session

    @cached_property
    def own(self) -> dict[str, Any]:
        """The claim of the experiment against the run's own points: one entry of an audit document."""
        return self._auditor.audit_claim(self.run.cfg.name, self._claim(), self._findings())

    @cached_property
    def document(self) -> dict[str, Any]:
        """The audit of all shipped claims; predictions are used where the experiment's own engine predicts."""
        return self._auditor.audit()

    def verdict(self) -> pd.DataFrame:
        """The run's claim: claimed, found, verdict; one row."""
        return pd.DataFrame(overview_rows({"claims": [self.own]})).set_index("claim")

    def overview(self) -> pd.DataFrame:
        """One row per shipped claim: claimed, found, verdict, where it holds, evidence."""
        return pd.DataFrame(overview_rows(self.document)).set_index("claim")

    def unsaid(self, name: str = "") -> Notes:
        """What a claim leaves unsaid; the run's own without a name."""
        return Notes(self._entry(name)["unsaid"])

    def limits(self) -> Notes:
        """What the verdicts do not show."""
        head = self.own["headline"] or {"notes": [], "interval_method": "none"}
        kinds = ", ".join(self.document["evidence"]["kinds"])
        told = f"The shipped claims were held against these kinds of evidence: {kinds}; a file of points given to `frontier audit` outranks them."
        return Notes((told, f"Intervals of the run's claim: {head['interval_method']}.", *head["notes"]))

    def write(self) -> Path:
        """Write overview and cards beside the runs, the run's own claim first, and return the overview's path."""
        document = {**self.document, "claims": [self.own, *self.document["claims"]]}
        return keep_audit(document, self._artifacts) / "overview.html"

    def entry(self, name: str) -> Mapping[str, Any]:
        """One shipped claim's part of the document, for a figure."""
        return self._entry(name)

    def _entry(self, name: str) -> dict[str, Any]:
        return self.own if not name else next(claim for claim in self.document["claims"] if claim["name"] == name)

    @cached_property
    def _auditor(self) -> Auditor:
        predicts = self.run.plan.main.engine == "predicted"
        kinds = ("published", "predicted") if predicts else ("published",)
        return Auditor(kinds=kinds, artifacts_dir=evidence_folder(self._artifacts), conf=conf_dir())

    @property
    def _artifacts(self) -> Path:
        return artifacts_folder(self.run.cfg)

    def _claim(self) -> ClaimConfig:
        """The experiment's claim in the words of the audit; what an experiment's claim has no key for is not stated."""
        cfg = self.run.cfg
        other = []
        if cfg.claim.workload and cfg.claim.workload != cfg.workload.name:
            other.append(f"the claim is for {cfg.claim.workload}, the run for {cfg.workload.name}")
        named = bool(cfg.claim.workload) and not other
        reading = ReadingConfig(title=cfg.title, isl_tokens=cfg.workload.isl_tokens, osl_tokens=cfg.workload.osl_tokens, other_than_claimed=other)
        return ClaimConfig(
            title=cfg.title,
            statement=cfg.claim.statement,
            source=cfg.claim.source,
            url=cfg.claim.url,
            date=NEWEST,
            value=cfg.claim.ratio,
            model=[cfg.model.name],
            isl_tokens=cfg.workload.isl_tokens if named else None,
            osl_tokens=cfg.workload.osl_tokens if named else None,
            direction="about",
            interactivity_tok_s_user=cfg.claim.interactivity_tok_s_user,
            settled_by=f"Launches on hardware: {cfg.gpu_hours}" if cfg.gpu_hours else "Launches on hardware",
            readings={"run": reading},
        )

    def _findings(self) -> list[Any]:
        found = Predicted(self.run.cfg, self.run.attribute(), f"frontier run experiment={self.run.cfg.name}")
        own = predicted_ratio(found, kind=self.run.plan.main.evidence)
        beside = [predicted_ratio(found, "companion")] if found.document["companion"] else []
        # Published points outrank predictions, as everywhere in the audit; measured ones outrank both.
        return [*beside, own] if own.kind == "predicted" else [own, *beside]


def audit_run(run: Session) -> RunAudit:
    """The audit that goes with a run; nothing is computed before it is asked for."""
    return RunAudit(run)
