"""What is kept of the gate: ``quality.json`` of a run, and the columns of the points table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from frontier.attribution import number
from frontier.quality.gate import Gate
from frontier.quality.judge import Judgement
from frontier.quality.lm_eval import Score
from frontier.quality.measure import Quality
from frontier.records import BELOW_GATE

OUTPUT = "output.json"  # of a trial: what one launch put out
SCORES = "scores.json"  # of a trial: scores of lm-evaluation-harness on that launch
SCHEMA = "frontier.quality/1"
METRIC = "perplexity_ratio"  # smaller is better: the integrity checks know that of every metric named perplexity


@dataclass(frozen=True)
class JudgedVariant:
    """A variant with its measurement and judgement; scores of lm-evaluation-harness stand beside them and are not gated."""

    variant: str
    quality: Quality
    judgement: Judgement
    scores: Sequence[Score] = field(default_factory=tuple)


def quality_document(gate: Gate, judged: Sequence[JudgedVariant]) -> dict[str, Any]:
    """The ``frontier.quality/1`` document of a run: the gate, and per variant what was found and the verdict.

    Parameters
    ----------
    gate : Gate
    judged : sequence of JudgedVariant
        The baseline too, judged by its second launch: it shows what "no change" looks like.
    """
    return {
        "schema": SCHEMA,
        "gate": gate.to_dict(),
        "variants": [
            {
                "variant": one.variant,
                "perplexity": number(one.quality.perplexity),
                "perplexity_by_document": _spread(one.quality.perplexity_by_document),
                "documents": len(one.quality.nll),
                "tokens": one.quality.tokens,
                **one.judgement.to_dict(),
                "scores": [score.to_dict() for score in one.scores],
            }
            for one in judged
        ],
    }


def quality_columns(judgement: Judgement, gate: Gate) -> dict[str, Any]:
    """Columns of the points table for a variant's rows: ``quality`` with its metric and gate, and the flag of a variant that fails.

    ``flags`` is what to add to the row's list of flags, empty for a variant that passes.
    """
    return {
        "quality": judgement.perplexity_ratio.value if np.isfinite(judgement.perplexity_ratio.value) else np.nan,
        "quality_metric": METRIC,
        "quality_gate": gate.max_perplexity_ratio,
        "flags": "" if judgement.passed else BELOW_GATE,
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"q25": number(low), "median": number(median), "q75": number(high)}
