"""Two questions to an OpenAI-compatible completions server: the log-probabilities of given tokens, and a greedy continuation.

The form is vLLM's: ``prompt`` as token ids, ``prompt_logprobs`` for the log-probabilities of the prompt's own tokens, ``return_token_ids`` for
the generated ids (checked against vLLM 0.32.0). Requests are sent one at a time: a request that shares its batch with others may round otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontier.errors import RunError

Scored = tuple[list[float], list[bool]]  # per token after the first: log-probability (nats), and whether it is the most likely one


@dataclass(frozen=True)
class Server:
    """A completions server.

    Parameters
    ----------
    url : str
        Root of the server, with or without ``/v1``: ``http://127.0.0.1:8000``.
    name : str
        The model's served name.
    timeout_s : float, seconds
        For one request.
    """

    url: str
    name: str
    timeout_s: float = 120.0

    def scored(self, tokens: Sequence[int]) -> Scored:
        """Log-probability of every token after the first given all before it, and whether no other token is more likely.

        A tie for the first place counts as first: with 16-bit logits ties are common, and which of the tied tokens is chosen is no property
        of the model.

        Returns
        -------
        (list of float, list of bool), each of length len(tokens) - 1

        Raises
        ------
        RunError
            If the server cannot be asked, gives no log-probabilities of the prompt, or gives those of other tokens than it was asked about.
        """
        choice = self._complete({"prompt": list(tokens), "max_tokens": 1, "prompt_logprobs": 1})
        entries = choice.get("prompt_logprobs")
        if not isinstance(entries, list) or not entries:
            raise self._error("gives no log-probabilities of the prompt (prompt_logprobs)", "measure quality on a server that does, such as vLLM")
        if len(entries) != len(tokens):
            raise self._error(f"gave log-probabilities of {len(entries)} tokens, asked about {len(tokens)}")
        values, first = [], []
        for place, (token, entry) in enumerate(zip(tokens[1:], entries[1:], strict=True), start=1):
            found = {int(key): _logprob(value) for key, value in entry.items()} if isinstance(entry, dict) else {}
            value = found.get(token, math.nan)
            if token not in found or value > 1e-6:
                # A server that took the prompt's keys and values from elsewhere did not compute these and returns what memory held.
                raise self._error(
                    f"gave no log-probability of token {token} at position {place} of the prompt, but of {sorted(found)}",
                    "a decode server that receives its KV cache has not computed the prompt: name the prefill server (prefill_url)",
                )
            if math.isnan(value):
                raise self._error(f"gave an undefined log-probability at position {place} of the prompt", "the variant computes NaN: look at its log")
            values.append(value)
            first.append(value >= max(found.values()))
        return values, first

    def continued(self, tokens: Sequence[int], count: int) -> list[int]:
        """The greedy continuation of a prompt, ``count`` token ids; an end-of-text token does not end it.

        Raises
        ------
        RunError
            If the server cannot be asked, or returns another number of tokens.
        """
        choice = self._complete({"prompt": list(tokens), "max_tokens": count, "ignore_eos": True, "return_token_ids": True})
        ids = choice.get("token_ids")
        if not isinstance(ids, list):
            raise self._error("returns no token ids (return_token_ids)", "measure quality on a server that does, such as vLLM 0.10.2 or later")
        if len(ids) != count:
            raise self._error(f"generated {len(ids)} tokens, asked for {count}", "quality.output_tokens must fit into the model's length")
        return [int(token) for token in ids]

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        import requests  # heavy, and needed only when a server is asked

        try:
            answer = requests.post(f"{self._root}/v1/completions", json={"model": self.name, "temperature": 0, **body}, timeout=self.timeout_s)
        except requests.Timeout as cause:
            raise self._error(f"did not answer within {self.timeout_s:g} s", "a longer timeout_s, or look at the server's log") from cause
        except requests.RequestException as cause:
            raise self._error(f"cannot be reached: {type(cause).__name__}", "look at the server's log") from cause
        if answer.status_code != 200:
            raise self._error(f"refused a request with status {answer.status_code}: {_reason(answer)}")
        try:
            choice = answer.json()["choices"][0]
        except (ValueError, LookupError, TypeError) as cause:
            raise self._error(f"answered with something else than a completion: {answer.text[:120]!r}") from cause
        if not isinstance(choice, dict):
            raise self._error(f"answered with something else than a completion: {answer.text[:120]!r}")
        return choice

    @property
    def _root(self) -> str:
        return self.url.rstrip("/").removesuffix("/v1")

    def _error(self, what: str, hint: str | None = None) -> RunError:
        return RunError(f"the server of {self.name!r} {what}", origin=self.url, hint=hint)


def _logprob(entry: object) -> float:
    value = entry.get("logprob") if isinstance(entry, dict) else entry
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _reason(answer: Any) -> str:
    """The server's own words for a refusal, in one line."""
    try:
        found = answer.json()
    except ValueError:
        found = answer.text
    if isinstance(found, dict):
        found = found.get("error", found)
    if isinstance(found, dict):
        found = found.get("message", found)
    return " ".join(str(found).split())[:300]
