"""Drafts of the MTP layer as the engine makes them: the layer applied to the trunk's states, then to its own output."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier.checkpoints.network import Network


def draft_mask(tokens: int, draft: int) -> Tensor:
    """What the query of draft ``draft`` (from 1) may attend to, shape (tokens, draft * tokens), boolean.

    Keys of the first draft come first, then those of the second, and so on. The query at index ``j`` belongs to the chain of drafts that
    started at ``s = j - draft + 1``. An engine has kept the layer's keys of the trunk's own states up to ``s``, and of the chain itself one
    key per draft: that of draft ``m`` at index ``s + m - 1``.
    """
    query, key = torch.arange(tokens)[:, None], torch.arange(tokens)[None, :]
    start = query - draft + 1
    return torch.cat([key <= start, *(key == start + number - 1 for number in range(2, draft + 1))], dim=1)


def drafted_logits(network: Network, tokens: Tensor, hidden: Tensor, drafts: int, given: bool) -> list[Tensor]:
    """Logits of each draft at all places of whole sequences.

    Parameters
    ----------
    tokens : int tensor, shape (batch, tokens)
    hidden : tensor, shape (batch, tokens, width)
        The trunk's states of these tokens.
    drafts : int
    given : bool
        Whether a further draft reads the text's own token (training) or the token that the draft before it chose, as an engine does.

    Returns
    -------
    list of tensors, shape (batch, tokens - 1, vocabulary)
        At index ``j`` of draft ``k``: logits of token ``j + 2``, in the chain that started at ``j - k + 1``; indices below ``k - 1`` have no
        chain and mean nothing.
    """
    length = tokens.shape[1] - 1
    positions = torch.arange(length)
    turn = network.turn(positions)
    states, following, memory = hidden[:, :length], tokens[:, 1:], None
    out: list[Tensor] = []
    for number in range(1, drafts + 1):
        mask = None if number == 1 else draft_mask(length, number)
        states, memory = network.drafter.draft(states, network.embed(following), positions, turn, memory, mask)
        logits = network.lm_head(states)
        out.append(logits)
        states = torch.cat([states[:, :1], states[:, :-1]], dim=1)
        if not given:
            chosen = logits.argmax(-1)
            following = torch.cat([chosen[:, :1], chosen[:, :-1]], dim=1)
    return out


def drafter_loss(network: Network, tokens: Tensor, drafts: int) -> Tensor:
    """Mean cross-entropy, nats per token, of all drafts against what the trunk itself predicts there.

    A draft is accepted when the *trunk* would have said the same, so the trunk's distribution is the target, not the text
    (distillation for drafting: Zhou et al., arXiv:2310.08461).
    """
    with torch.no_grad():
        hidden = network.hidden(tokens)
        target = torch.softmax(network.logits(hidden).to(torch.float32), dim=-1)[:, 1:]
    losses = []
    for number, logits in enumerate(drafted_logits(network, tokens, hidden, drafts, given=True), start=1):
        first = number - 1
        logs = torch.log_softmax(logits[:, first:].to(torch.float32), dim=-1)
        losses.append(-(target[:, first:] * logs).sum(-1).mean())
    return torch.stack(losses).mean()


def accepted_lengths(network: Network, tokens: Tensor, drafts: int) -> Tensor:
    """How many of ``drafts`` drafts in a row equal the sequence, by the place the chain starts, shape (batch, tokens - 1 - drafts).

    At index ``s`` the chain has seen tokens up to ``s + 1`` and drafts tokens ``s + 2`` to ``s + 1 + drafts``.
    """
    with torch.no_grad():
        logits = drafted_logits(network, tokens, network.hidden(tokens), drafts, given=False)
    starts = tokens.shape[1] - 1 - drafts
    alive = torch.ones(tokens.shape[0], starts, dtype=torch.bool)
    count = torch.zeros(tokens.shape[0], starts, dtype=torch.long)
    for number, scores in enumerate(logits, start=1):
        right = scores.argmax(-1)[:, number - 1 : number - 1 + starts] == tokens[:, number + 1 : number + 1 + starts]
        alive = alive & right
        count += alive
    return count
