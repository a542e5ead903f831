"""One stretch of training: rows of packed text, AdamW on float32 master weights, warm-up and cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from frontier.checkpoints.network import Network
from frontier.checkpoints.spec import Stage
from frontier.errors import RunError

Progress = Callable[[str, int, int, float], None]  # stage, step from 1, steps, loss in nats per token


class Masters:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101) on float32 copies of parameters that may be kept in bfloat16."""

    def __init__(self, parameters: Sequence[nn.Parameter], stage: Stage, slow: Sequence[nn.Parameter] = ()) -> None:
        self.parameters = list(parameters)
        self.masters = [parameter.detach().to(torch.float32).clone().requires_grad_() for parameter in self.parameters]
        self.stage = stage
        held = {id(parameter) for parameter in slow}
        pairs = [
            (master, stage.vocabulary_share if id(parameter) in held else 1.0) for master, parameter in zip(self.masters, parameters, strict=True)
        ]
        kinds = [(share, flat) for share in dict.fromkeys(share for _, share in pairs) for flat in (False, True)]
        groups = [
            {
                "params": [master for master, own in pairs if own == share and (master.dim() == 1) is flat],
                "weight_decay": 0.0 if flat else stage.weight_decay,
                "share": share,
            }
            for share, flat in kinds
        ]
        filled = [group for group in groups if group["params"]]
        self.optimizer = torch.optim.AdamW(filled, lr=stage.learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)

    def step(self, number: int) -> None:
        """One update from the parameters' gradients, which are cleared."""
        for master, parameter in zip(self.masters, self.parameters, strict=True):
            master.grad = None if parameter.grad is None else parameter.grad.to(torch.float32)
            parameter.grad = None
        nn.utils.clip_grad_norm_(self.masters, self.stage.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(self.stage, number)
        self.optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(self.masters, self.parameters, strict=True):
                parameter.copy_(master)


def learning_rate(stage: Stage, number: int) -> float:
    """Learning rate of step ``number`` (from 0): a line up over the warm-up, then a cosine down to its last share."""
    if number < stage.warmup_steps:
        return stage.learning_rate * (number + 1) / stage.warmup_steps
    done = (number - stage.warmup_steps) / max(1, stage.steps - stage.warmup_steps)
    falling = 0.5 * (1.0 + math.cos(math.pi * done))
    return stage.learning_rate * (stage.last_share + (1.0 - stage.last_share) * falling)


def batches(rows: Tensor, stage: Stage, generator: torch.Generator) -> Iterator[Tensor]:
    """``stage.steps`` batches of rows, shape (stage.rows, tokens), each row once before any comes again."""
    order: list[int] = []
    for _ in range(stage.steps):
        while len(order) < stage.rows:
            order += torch.randperm(len(rows), generator=generator).tolist()
        chosen, order = order[: stage.rows], order[stage.rows :]
        yield rows[chosen]


def next_token_loss(network: Network, tokens: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats per token of every token after the first of its row."""
    logits = network.logits(network.hidden(tokens[:, :-1]))
    return functional.cross_entropy(logits.flatten(0, 1).to(torch.float32), tokens[:, 1:].flatten())


def run_stage(
    name: str,
    parameters: Sequence[nn.Parameter],
    rows: Tensor,
    stage: Stage,
    loss_of: Callable[[Tensor], Tensor],
    seed: int,
    tell: Progress | None,
    slow: Sequence[nn.Parameter] = (),
) -> None:
    """Train ``parameters`` in place on the loss that ``loss_of`` gives a batch of rows; those in ``slow`` at the stage's ``vocabulary_share``.

    Raises
    ------
    RunError
        If the loss is no longer finite; the message names the step.
    """
    generator = torch.Generator().manual_seed(seed)
    masters = Masters(parameters, stage, slow)
    for number, batch in enumerate(batches(rows, stage, generator)):
        loss = loss_of(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RunError(
                f"the training of the {name} diverged: the loss of step {number + 1} is {value}",
                hint=f"a smaller learning_rate than {stage.learning_rate:g}",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        masters.step(number)
        if tell is not None:
            tell(name, number + 1, stage.steps, value)
