"""How good a checkpoint is: loss on held-out text, and the share of drafts that greedy decoding accepts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from frontier.checkpoints.drafting import accepted_lengths
from frontier.checkpoints.network import Memory, Network

CHUNK = 8  # rows at a time


@dataclass(frozen=True)
class Loss:
    """Held-out loss in nats per token and in bits per byte of the text behind those tokens."""

    nats_per_token: float
    bits_per_byte: float
    tokens: int

    def to_dict(self) -> dict[str, float]:
        """Plain values."""
        return {"nats_per_token": self.nats_per_token, "bits_per_byte": self.bits_per_byte, "tokens": self.tokens}


def heldout_loss(network: Network, rows: Tensor, lengths: Tensor) -> Loss:
    """Loss of every token after the first of each row.

    Parameters
    ----------
    rows : int tensor, shape (rows, tokens)
    lengths : int tensor, shape (vocabulary,)
        Bytes behind each token.
    """
    total = 0.0
    with torch.no_grad():
        for part in _parts(rows):
            logits = network.logits(network.hidden(part[:, :-1])).flatten(0, 1).to(torch.float32)
            total += float(functional.cross_entropy(logits, part[:, 1:].flatten(), reduction="sum"))
    tokens = rows[:, 1:].numel()
    size = int(lengths[rows[:, 1:]].sum())
    return Loss(total / tokens, total / size / math.log(2), tokens)


def _parts(rows: Tensor) -> Iterator[Tensor]:
    """Rows in groups that fit into memory."""
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def greedy(network: Network, prompts: Tensor, tokens: int) -> Tensor:
    """Prompts, shape (batch, prompt tokens), followed by the most likely token again and again, shape (batch, prompt tokens + tokens)."""
    memories: list[Memory | None] = [None] * network.shape.layers
    out, fresh = prompts, prompts
    with torch.no_grad():
        for _ in range(tokens):
            turn = network.turn(torch.arange(out.shape[1] - fresh.shape[1], out.shape[1]))
            states = network.embed(fresh)
            for number, layer in enumerate(network.layers()):
                states, memories[number] = layer(states, turn, memories[number])
            fresh = network.logits(states[:, -1:]).argmax(-1)
            out = torch.cat([out, fresh], dim=1)
    return out


def acceptance(network: Network, prompts: Tensor, tokens: int, drafts: int) -> dict[str, Any]:
    """Acceptance of drafts in greedy decoding of held-out prompts, counted as a server counts it.

    Parameters
    ----------
    prompts : int tensor, shape (batch, prompt tokens)
    tokens : int
        Generated after each prompt.
    drafts : int
        Draft tokens in a row.

    Returns
    -------
    dict
        ``by_position``: for k = 1 to ``drafts``, the share of drafting steps whose first k drafts were all accepted; ``mean_length``: tokens a
        step yields, the token of the trunk included; ``steps``, ``prompts``, ``prompt_tokens``, ``generated_tokens``.
    """
    accepted = [0] * drafts
    steps = 0
    for part in _parts(prompts):
        lengths = accepted_lengths(network, greedy(network, part, tokens), drafts)
        for row in lengths.tolist():
            # The trunk has emitted the first token after the prompt; each step then jumps over what it accepted and the trunk's own token.
            place = prompts.shape[1] - 1
            while place < len(row):
                steps += 1
                for number in range(row[place]):
                    accepted[number] += 1
                place += row[place] + 1
    rates = [count / steps for count in accepted]
    return {
        "decoding": "greedy",
        "by_position": rates,
        "mean_length": 1.0 + sum(rates),
        "steps": steps,
        "prompts": prompts.shape[0],
        "prompt_tokens": prompts.shape[1],
        "generated_tokens": tokens,
    }
