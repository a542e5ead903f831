"""The quality gate of a run: what each variant's launches put out, judged against the baseline's, and the flags that its points get for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from frontier.engines.gate import gate_of
from frontier.files import read_json
from frontier.plan import Part
from frontier.quality import OUTPUT, SCORES, JudgedVariant, Quality, Score, judge, quality_columns, quality_document, read_scores
from frontier.records import KEPT
from frontier.schema import Config
from frontier.store import RunFolder

BASELINE = "baseline"


def outputs_of(run: RunFolder, part: Part) -> dict[str, list[Quality]]:
    """Variant -> what its launches put out, in the order in which they were measured."""
    found: dict[str, list[Quality]] = {}
    for trial in part.trials:
        file = run.trial_folder(trial.digest) / KEPT / OUTPUT
        if file.exists():
            found.setdefault(trial.variant.name, []).append(Quality.from_dict(read_json(file)))
    return found


def scores_of(run: RunFolder, part: Part) -> dict[str, list[Score]]:
    """Variant -> its scores by lm-evaluation-harness, where they were asked for."""
    files = {trial.variant.name: run.trial_folder(trial.digest) / KEPT / SCORES for trial in part.trials if trial.replicate == 1}
    return {variant: read_scores(file) for variant, file in files.items() if file.exists()}


def judge_run(run: RunFolder, cfg: Config, part: Part) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """The ``frontier.quality/1`` document and the columns each variant's rows get; None where no output was asked for.

    Returns
    -------
    document : dict
    columns : DataFrame, one row per judged variant, indexed by it: quality, quality_metric, quality_gate, flags
    """
    if cfg.quality.kind == "none":
        return None
    gate, outputs, scores = gate_of(cfg), outputs_of(run, part), scores_of(run, part)
    if BASELINE not in outputs:
        return None
    baseline, itself = _reference(outputs[BASELINE])
    judged = []
    for variant in part.variants:
        own = [one for one in outputs.get(variant.name, []) if one.along == baseline.along]
        if variant.name == BASELINE:
            judged.append(JudgedVariant(BASELINE, baseline, judge(baseline, itself or baseline, gate), scores.get(BASELINE, [])))
        elif own:
            judged.append(JudgedVariant(variant.name, own[0], judge(baseline, own[0], gate, itself=itself), scores.get(variant.name, [])))
    columns = pd.DataFrame([{"variant": one.variant, **quality_columns(one.judgement, gate)} for one in judged]).set_index("variant")
    return quality_document(gate, judged), columns


def _reference(launches: Sequence[Quality]) -> tuple[Quality, Quality | None]:
    """The baseline's output, and the same asked at another launch, if it was."""
    first = next((one for one in launches if one.is_reference), launches[0])
    again = next((one for one in launches if one is not first and one.along == first.along), None)
    return first, again


def with_quality(points: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """The points with the columns of their variant's judgement; flags are added to those there are."""
    out = points.copy()
    known = out["variant"].isin(columns.index)
    for name in ("quality", "quality_metric", "quality_gate"):
        out[name] = out["variant"].map(columns[name])
    added = out["variant"].map(columns["flags"]).where(known, "").fillna("")
    before = out["flags"].fillna("")
    out["flags"] = [_joined(first, second) for first, second in zip(before, added, strict=True)]
    return out


def _joined(first: str, second: str) -> str | None:
    return ";".join(part for part in (first, second) if part) or None

