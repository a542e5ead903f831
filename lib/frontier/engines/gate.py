"""The quality gate that a configuration asks for."""

from __future__ import annotations

from frontier.quality import Gate
from frontier.schema import Config


def gate_of(cfg: Config) -> Gate:
    """The gate of the group ``quality``."""
    chosen = cfg.quality
    return Gate(chosen.max_perplexity_increase, chosen.min_greedy_agreement, chosen.documents, chosen.prompt_tokens, chosen.output_tokens)
