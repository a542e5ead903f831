"""The start of a training: embedding and output matrix learn which token follows which, from counts over all the text.

A decoder spends its first hundred steps on little else, one batch after another. The counts hold all pairs of the text at once, so one step
over them is a step over millions of tokens, for the price of one over ``vocabulary`` tokens; the layers in between hardly write to the residual
stream yet, so the network starts out as this model of pairs.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from frontier.checkpoints.network import Network
from frontier.checkpoints.spec import Stage
from frontier.checkpoints.training import Masters, Progress

PRIOR = 4.0  # pairs per token that are drawn from single tokens' shares: a Dirichlet prior, so that rare tokens do not follow one count
FLOOR = 0.1  # of a count, so that no token is impossible


def pair_shares(stream: Tensor, vocabulary: int) -> Tensor:
    """Share of every ordered pair of neighbours, shape (vocabulary, vocabulary), float32, adding up to 1.

    Parameters
    ----------
    stream : int tensor, shape (tokens,)
    vocabulary : int
    """
    single = torch.bincount(stream, minlength=vocabulary).to(torch.float32) + FLOOR
    pairs = torch.bincount(stream[:-1] * vocabulary + stream[1:], minlength=vocabulary**2).view(vocabulary, vocabulary).to(torch.float32)
    pairs += PRIOR * single / single.sum()
    return pairs / pairs.sum()


def learn_pairs(network: Network, stream: Tensor, stage: Stage, tell: Progress | None) -> None:
    """Train embedding, last norm and output matrix on the pairs of a stream, all pairs in every step; ``stage`` gives steps and learning rate."""
    shares = pair_shares(stream, network.shape.vocabulary)
    weights = network.embedding.weight
    trained = [cast(nn.Parameter, weight) for weight in (weights, network.final_norm.weight, network.lm_head.weight)]
    masters = Masters(trained, stage)
    for number in range(stage.steps):
        loss = -(shares * torch.log_softmax(network.logits(weights).to(torch.float32), dim=-1)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        masters.step(number)
        if tell is not None:
            tell("pairs", number + 1, stage.steps, float(loss.detach()))
    # The norms do not see a row's size, so the model of pairs stays; but beside rows of size 1 the layers' first, noisy writes are small.
    with torch.no_grad():
        weights.div_(weights.square().mean(dim=1, keepdim=True).sqrt())
