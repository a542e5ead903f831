"""The gate: how much worse a variant's output may be than the baseline's, and how many tokens are asked to find out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from frontier.errors import ConfigError


@dataclass(frozen=True)
class Gate:
    """What a variant's output must meet for its points to count.

    Parameters
    ----------
    max_perplexity_increase : float, >= 0
        Largest allowed increase of perplexity over the baseline, relative: 0.02 allows a ratio of 1.02.
    min_greedy_agreement : float, 0 to 1
        Smallest allowed share of greedy decisions that agree with the baseline's after the same prefix.
    documents : int, >= 1
        Held-out documents that are asked.
    prompt_tokens : int, >= 2
        Tokens of each document; all but the first are scored.
    output_tokens : int, >= 1
        Tokens generated after each document.

    Raises
    ------
    ConfigError
        For a value out of range.
    """

    max_perplexity_increase: float = 0.02
    min_greedy_agreement: float = 0.9
    documents: int = 16
    prompt_tokens: int = 192
    output_tokens: int = 32

    def __post_init__(self) -> None:
        rules = (
            ("max_perplexity_increase", self.max_perplexity_increase >= 0, "at least 0 (0.02 allows two percent)"),
            ("min_greedy_agreement", 0 <= self.min_greedy_agreement <= 1, "between 0 and 1"),
            ("documents", self.documents >= 1, "at least 1"),
            ("prompt_tokens", self.prompt_tokens >= 2, "at least 2: the first token of a document is not scored"),
            ("output_tokens", self.output_tokens >= 1, "at least 1"),
        )
        for name, good, rule in rules:
            if not good:
                raise ConfigError(f"quality.{name} must be {rule}, got {getattr(self, name)!r}", hint=f"quality.{name}={_DEFAULTS[name]}")

    @property
    def max_perplexity_ratio(self) -> float:
        """The largest ratio of perplexity to the baseline's that passes."""
        return 1.0 + self.max_perplexity_increase

    def to_dict(self) -> dict[str, Any]:
        """The gate as plain JSON values."""
        return asdict(self)


_DEFAULTS = {"max_perplexity_increase": 0.02, "min_greedy_agreement": 0.9, "documents": 16, "prompt_tokens": 192, "output_tokens": 32}
