"""Whether a variant's output still holds: perplexity and greedy agreement with the baseline, asked of the engine's own API."""

from frontier.quality.document import OUTPUT, SCHEMA, SCORES, JudgedVariant, quality_columns, quality_document
from frontier.quality.gate import Gate
from frontier.quality.judge import Judgement, Share, judge
from frontier.quality.lm_eval import Score, lm_eval_command, read_scores, run_lm_eval
from frontier.quality.measure import Quality, measure
from frontier.quality.texts import TEXTS, heldout_documents, heldout_texts

__all__ = [
    "OUTPUT",
    "SCHEMA",
    "SCORES",
    "TEXTS",
    "Gate",
    "JudgedVariant",
    "Judgement",
    "Quality",
    "Score",
    "Share",
    "heldout_documents",
    "heldout_texts",
    "judge",
    "lm_eval_command",
    "measure",
    "quality_columns",
    "quality_document",
    "read_scores",
    "run_lm_eval",
]
