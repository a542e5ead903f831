"""The audit of claims: every reading of every claim against every kind of evidence at hand, and the document of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.claim_schema import EVIDENCE_KINDS, USD_KINDS, ClaimConfig, ReadingConfig, TcoConfig
from frontier.claims.breakdown import breakdown, separable
from frontier.claims.combine import combined_shares, headline, share_rows
from frontier.claims.denominators import DEFAULT_USD, TITLES, factor, in_force
from frontier.claims.document import answer_document, curve_document, found_document, parts_document, plain
from frontier.claims.finding import Finding, level, observed
from frontier.claims.holds import would_have_to_hold
from frontier.claims.judge import Answer, answer
from frontier.claims.load import claim_names, load_claim, load_tco, tco_names
from frontier.claims.predicted import (
    Predicted,
    not_composed,
    predicted_differences,
    predicted_level,
    predicted_ratio,
    run_reading,
)
from frontier.claims.sides import differences, gather, shipped_table, sides_of
from frontier.claims.unsaid import unsaid
from frontier.claims.verdict import NOT_COMPARABLE
from frontier.errors import ConfigError, PointsError, RunError, UsageError
from frontier.findings import corrected

SCHEMA = "frontier.audit/1"
BY_TABLE = ("megawatt", "megawatt_bit", "usd", "usd_per_mtok")
SHIPPED_SOURCE = "public record shipped with aiconfigurator-core (most rows InferenceX, SemiAnalysis)"


@dataclass
class Auditor:
    """An audit's evidence and rules.

    Parameters
    ----------
    points : sequence of (name, DataFrame)
        Points tables of the user's; they outrank the shipped record and predictions.
    kinds : sequence of str
        Which kinds of evidence may be used.
    tco : str
        A table of ``conf/tco`` for every claim; empty: the one in force on the claim's date.
    artifacts_dir : Path
        Where predictions are kept between audits.
    conf : Path, optional
        The configuration folder; by default that of the clone.
    resamples, seed : int
    tell : callable
        Told what is being done.
    """

    points: Sequence[tuple[str, pd.DataFrame]] = ()
    kinds: Sequence[str] = EVIDENCE_KINDS
    tco: str = ""
    artifacts_dir: Path = Path("artifacts")
    conf: Path | None = None
    resamples: int = 1000
    seed: int = 1
    tell: Callable[[str], object] = str
    tables: dict[str, TcoConfig] = field(init=False)
    _tables: list[tuple[str, str, pd.DataFrame, pd.DataFrame]] = field(init=False, default_factory=list)
    _runs: dict[str, Predicted | str] = field(init=False, default_factory=dict)
    _seen: dict[str, Finding] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in EVIDENCE_KINDS]
        if unknown:
            raise UsageError(f"evidence must be among {', '.join(EVIDENCE_KINDS)}, got {', '.join(unknown)}", hint="--evidence published,predicted")
        self.tables = {name: load_tco(name, self.conf) for name in tco_names(self.conf)}
        if self.tco and self.tco not in self.tables:
            load_tco(self.tco, self.conf)  # raises, and lists the tables there are
        tables = [("points", source, table) for source, table in self.points] if "points" in self.kinds else []
        if "published" in self.kinds:
            tables.append(("published", SHIPPED_SOURCE, shipped_table()))
        self._tables = [(kind, source, table, corrected(table)[0]) for kind, source, table in tables]

    def audit(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """The ``frontier.audit/1`` document of the named claims, or of all that ship.

        Raises
        ------
        ConfigError
            For an unknown claim or a claim file that does not fit its schema.
        """
        wanted = list(dict.fromkeys(names)) or claim_names(self.conf)
        claims = {name: load_claim(name, self.conf) for name in wanted}
        documents = []
        for name, claim in claims.items():
            self.tell(f"{name}: {claim.title}")
            documents.append(self.audit_claim(name, claim))
        return {
            "schema": SCHEMA,
            "evidence": {
                "kinds": [kind for kind in self.kinds if kind != "points" or self.points],
                "points": [{"source": name, "rows": len(table)} for name, table in self.points],
            },
            "tables": [{"name": name, **{k: v for k, v in asdict(t).items() if k != "gpus"}} for name, t in self.tables.items()],
            "resamples": self.resamples,
            "seed": self.seed,
            "claims": documents,
        }

    def audit_claim(self, name: str, claim: ClaimConfig, found: Sequence[Finding] | None = None) -> dict[str, Any]:
        """One claim's part of the document.

        Parameters
        ----------
        found : sequence of Finding, optional
            Findings on the claim's first reading, in place of the evidence that the auditor would look for.
        """
        table_name = self.tco or in_force(self.tables, claim.date)
        table = self.tables[table_name]
        if found is None:
            tried = [(key, reading, *one) for key, reading in claim.readings.items() for one in self._findings(claim, reading)]
        else:
            first = next(iter(claim.readings.items()))
            tried = [(*first, finding, list(first[1].other_than_claimed)) for finding in found]
        answers = [(key, reading, answer(claim, finding, table, differs)) for key, reading, finding, differs in tried]
        shares = share_rows(claim, answers) if claim.quantity == "share" else []
        if shares:
            verdict, head = combined_shares(shares), shares[0]["_answer"]
        else:
            verdict, head = headline(claim, [key for key, _, _ in answers], [found for _, _, found in answers])
        head_key = next((key for key, _, found in answers if found is head), "")
        split = _split(claim, head, [found for key, _, found in answers if key == head_key], table)
        raw = next((finding for key, _, finding, _ in tried if head is not None and key == head_key and finding.kind == head.scaled.kind), None)
        return {
            "name": name,
            **{key: getattr(claim, key) for key in _COPIED},
            "claimed": {key: getattr(claim, key) for key in _CLAIMED},
            "sides": {"baseline": asdict(claim.baseline), "target": asdict(claim.target)},
            "table": table_name,
            "verdict": {"state": verdict.state, "reason": verdict.reason, "holds_tok_s_user": [list(span) for span in verdict.ranges]},
            "headline": None if head is None else {"reading": head_key, **answer_document(head)},
            "curve": [] if head is None else curve_document(head.scaled),
            "readings": [
                {
                    "reading": key, "title": reading.title, "model": reading.model[:1], "isl_tokens": reading.isl_tokens,
                    "osl_tokens": reading.osl_tokens, **answer_document(found),
                }
                for key, reading, found in answers
            ],
            "by_table": self._by_table(claim, raw, head),
            "by_denominator": self._by_denominator(claim, raw, head, table),
            "parts": split,
            "shares": [{key: value for key, value in row.items() if not key.startswith("_")} for row in shares],
            "would_have_to_hold": would_have_to_hold(claim, head, table, table_name),
            "unsaid": unsaid(claim),
        }

    def _findings(self, claim: ClaimConfig, reading: ReadingConfig) -> list[tuple[Finding, list[str]]]:
        """Findings of a reading by rank of evidence, each with what it differs in from the claim."""
        metric = reading.metric or (claim.metric if claim.metric in ("total", "output") else "total")
        single = claim.quantity == "level"
        out: list[tuple[Finding, list[str]]] = []
        stated = differences(claim, reading, level=single)
        for source in self._tables if reading.model else ():  # a reading without a model is for predictions only
            out.append((self._seen_in(source, claim, reading, metric), stated))
        if "predicted" in self.kinds and reading.experiment:
            run = self._run(reading, metric)
            if isinstance(run, str):
                out.append((Finding("predicted", "", missing=run), []))
            else:
                differs = [*predicted_differences(claim, run, level=single), *reading.other_than_claimed]
                out.append((predicted_level(run) if single else predicted_ratio(run), differs))
                if claim.quantity == "share" and "published" in self.kinds and run.document["companion"] is not None:
                    out.append((predicted_ratio(run, "companion"), differs))
        return out

    def _seen_in(self, table: tuple[str, str, pd.DataFrame, pd.DataFrame], claim: ClaimConfig, reading: ReadingConfig, metric: str) -> Finding:
        """What a points table says on a reading; several claims may ask the same of it."""
        kind, source, given, mended = table
        single = claim.quantity == "level"
        sides = [asdict(side) | {"title": ""} for side in sides_of(claim, reading)]
        lengths = (reading.isl_tokens, reading.osl_tokens, reading.baseline_isl_tokens, reading.baseline_osl_tokens)
        key = repr((kind, source, single, metric, reading.model, lengths, sides))
        if key not in self._seen:
            rows = gather(mended, kind, source, claim, reading, metric)
            if single:
                self._seen[key] = level(rows, metric, resamples=self.resamples, seed=self.seed)
            else:
                before = gather(given, kind, source, claim, reading, metric)
                same = before.before.equals(rows.before) and before.after.equals(rows.after)
                self._seen[key] = observed(rows, metric, resamples=self.resamples, seed=self.seed, given=None if same else before)
        return self._seen[key]

    def _run(self, reading: ReadingConfig, metric: str) -> Predicted | str:
        """The run behind a reading, or why there is none; one run serves every claim that asks for it."""
        key = " ".join([reading.experiment, *reading.overrides, metric])
        if key not in self._runs:
            self.tell(f"  predicting {reading.experiment} {' '.join(reading.overrides)}")
            try:
                self._runs[key] = run_reading(reading, self.artifacts_dir, metric, self.resamples)
            except (ConfigError, PointsError, RunError) as error:
                self._runs[key] = not_composed(error)
        return self._runs[key]

    def _by_table(self, claim: ClaimConfig, raw: Finding | None, head: Answer | None) -> list[dict[str, Any]]:
        """The same number under every table of power and price."""
        if raw is None or head is None or claim.per not in BY_TABLE:
            return []
        differs = head.judged.state == NOT_COMPARABLE
        # A claim in dollars that does not say whose is shown under every kind of price that a table has.
        kinds = [claim.usd_kind or DEFAULT_USD]
        if claim.per in ("usd", "usd_per_mtok") and not claim.usd_kind:
            kinds = list(USD_KINDS)
        out = []
        for (name, table), kind in product(self.tables.items(), kinds):
            if kind != kinds[0] and not any(gpu.usd_per_gpu_hr for gpu in table.gpus.values()):
                continue
            found = answer(replace(claim, usd_kind=kind), raw, table)
            at = found.at if found.at.defined else found.scaled.mean
            out.append(
                {
                    "table": name,
                    "title": table.title,
                    "price": kind if len(kinds) > 1 else "",
                    "what_if": table.what_if,
                    "factor": None if claim.per == "usd_per_mtok" else plain(factor(claim.per, raw.ends, table, kind)),
                    "found": found_document(at),
                    "verdict": NOT_COMPARABLE if differs else found.judged.state,
                    "verdict_if_comparable": found.judged.state,
                }
            )
        return out

    def _by_denominator(self, claim: ClaimConfig, raw: Finding | None, head: Answer | None, table: TcoConfig) -> list[dict[str, Any]]:
        """The ratio per GPU, die, megawatt, US dollar and bit."""
        if raw is None or head is None or claim.quantity not in ("ratio", "projection") or not raw.mean.defined:
            return []
        own = factor(claim.per, raw.ends, table, claim.usd_kind)
        at = head.at if head.at.defined else head.scaled.mean
        base = at.times(1.0 / own)
        rows = [(per, factor(per, raw.ends, table, claim.usd_kind)) for per in TITLES]
        return [
            {"per": per, "title": TITLES[per], "claimed": per == claim.per, "factor": plain(value), "found": found_document(base.times(value))}
            for per, value in rows
        ]


_COPIED = ("title", "statement", "source", "url", "date", "confirmed", "confirmed_by", "settled_by", "remarks", "value_rule")
_CLAIMED = (
    "quantity", "metric", "per", "value", "direction", "tolerance", "at", "interactivity_tok_s_user", "interactivity_until_tok_s_user", "model",
    "isl_tokens", "osl_tokens", "usd_kind", "cost_fraction", "hardware_factor",
)  # fmt: skip


def _split(claim: ClaimConfig, head: Answer | None, same: Sequence[Answer], table: TcoConfig) -> dict[str, Any] | None:
    """The parts of the headline; where its own evidence cannot be split, those of the next kind that can, which the parts name."""
    if head is None:
        return None
    for found in (head, *(other for other in same if other is not head)):
        if found.scaled.there and separable(found.scaled):
            return parts_document(breakdown(claim, found.scaled, table), found.scaled)
    return parts_document(breakdown(claim, head.scaled, table), head.scaled)
