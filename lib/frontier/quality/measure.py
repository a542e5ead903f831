"""What one deployment's output is like: perplexity of held-out text, greedy continuations, and decisions along the baseline's continuation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frontier.attribution import number
from frontier.errors import RunError
from frontier.quality.api import Server
from frontier.quality.gate import Gate
from frontier.quality.texts import token_digest

SCHEMA = "frontier.output/1"


@dataclass(frozen=True)
class Quality:
    """What one launch of a variant put out.

    Attributes
    ----------
    documents : str
        Digest of the documents' token ids.
    nll : tuple of float, one per document, nats
        Negative log-likelihood of a document's tokens after the first, summed.
    scored : tuple of int, one per document
        Tokens in that sum.
    outputs : tuple of tuples of int
        Greedy continuation of every document, token ids.
    along : str
        Digest of the continuations that ``forced`` was asked along: the baseline's.
    forced : tuple of int, one per document
        Tokens of that continuation that this variant finds most likely too, given the baseline's tokens before them.
    """

    documents: str
    nll: tuple[float, ...]
    scored: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    along: str
    forced: tuple[int, ...]

    @property
    def is_reference(self) -> bool:
        """Whether it was asked along its own continuations, as the baseline's first launch is."""
        return self.along == token_digest(self.outputs)

    @property
    def tokens(self) -> int:
        """Scored tokens of all documents."""
        return sum(self.scored)

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-likelihood per token, over all documents; infinite beyond a float's range."""
        return _exp(sum(self.nll) / self.tokens)

    @property
    def perplexity_by_document(self) -> tuple[float, ...]:
        """The same for every document."""
        return tuple(_exp(nll / count) for nll, count in zip(self.nll, self.scored, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The measurement as plain JSON values (``quality.json`` of a trial); what is derived stands beside what it is derived from."""
        return {
            "schema": SCHEMA,
            "documents": self.documents,
            "perplexity": number(self.perplexity),
            "perplexity_by_document": [number(value) for value in self.perplexity_by_document],
            "tokens": self.tokens,
            "nll": list(self.nll),
            "scored": list(self.scored),
            "outputs": [list(ids) for ids in self.outputs],
            "along": self.along,
            "forced": list(self.forced),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Quality:
        """The measurement in a document of :meth:`to_dict`.

        Raises
        ------
        RunError
            If it is another document, or its lists differ in length.
        """
        if found.get("schema") != SCHEMA:
            raise RunError(f"a measurement of output has schema {SCHEMA}, got {found.get('schema')!r}")
        try:
            made = cls(
                documents=str(found["documents"]),
                nll=tuple(float(value) for value in found["nll"]),
                scored=tuple(int(value) for value in found["scored"]),
                outputs=tuple(tuple(int(token) for token in ids) for ids in found["outputs"]),
                along=str(found["along"]),
                forced=tuple(int(value) for value in found["forced"]),
            )
        except (KeyError, TypeError, ValueError) as cause:
            raise RunError(f"a measurement of output lacks or garbles {cause}") from cause
        lengths = {len(made.nll), len(made.scored), len(made.outputs), len(made.forced)}
        if len(lengths) != 1 or not made.nll:
            raise RunError(f"the lists of a measurement of output must have one length, got {sorted(lengths)}")
        return made


def measure(
    url: str,
    served_name: str,
    documents: Sequence[Sequence[int]],
    gate: Gate,
    *,
    baseline: Quality | None = None,
    prefill_url: str = "",
    timeout_s: float = 120.0,
) -> Quality:
    """Ask a deployment for its output; two requests per document, one at a time.

    The continuation comes through ``url``, by the path that users get (decode, speculation, KV hand-over). Document and continuation are then
    scored in one request.

    Parameters
    ----------
    url : str
        Where users send requests: the server, or the router of a disaggregated deployment.
    served_name : str
    documents : sequence of token id lists
        See :func:`frontier.quality.heldout_documents`; the gate's ``documents`` and ``prompt_tokens`` are not applied again.
    gate : Gate
        For ``output_tokens``.
    baseline : Quality, optional
        The baseline's measurement, along whose continuations decisions are asked; without it, along this deployment's own.
    prefill_url : str
        Disaggregated: the server that computes users' prompts. Asked through a router, vLLM 0.32 computes a prompt whose log-probabilities are
        wanted on the decode server; an engine that took them from a handed-over KV cache would return what memory held, which is refused.
    timeout_s : float, seconds
        For one request.

    Raises
    ------
    RunError
        If the server cannot be asked or lacks what is needed, or ``baseline`` was asked about other documents or another output length.
    """
    if not documents or any(len(one) < 2 for one in documents):
        raise RunError(f"quality needs documents of at least 2 tokens, got lengths {sorted({len(one) for one in documents})}")
    digest = token_digest(documents)
    if baseline is not None and baseline.documents != digest:
        raise RunError("the baseline was asked about other documents than this variant is", hint="measure the baseline again")
    if baseline is not None and {len(ids) for ids in baseline.outputs} != {gate.output_tokens}:
        raise RunError(f"the baseline's continuations are not {gate.output_tokens} tokens long", hint="measure the baseline again")
    users, prompts = Server(url, served_name, timeout_s), Server(prefill_url or url, served_name, timeout_s)
    outputs = [users.continued(one, gate.output_tokens) for one in documents]
    along = baseline.outputs if baseline is not None else outputs
    nll, forced = [], []
    for document, continuation in zip(documents, along, strict=True):
        values, first = prompts.scored([*document, *continuation])
        nll.append(-math.fsum(values[: len(document) - 1]))
        forced.append(sum(first[len(document) - 1 :]))
    return Quality(
        documents=digest,
        nll=tuple(nll),
        scored=tuple(len(one) - 1 for one in documents),
        outputs=tuple(tuple(ids) for ids in outputs),
        along=token_digest(along),
        forced=tuple(forced),
    )


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(value))
