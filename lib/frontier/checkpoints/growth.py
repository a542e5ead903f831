"""A network of twice the width that computes the same: most of the training happens while the network is small and a step is cheap.

Function-preserving widening (Net2Net: Chen et al., arXiv:1511.05641) for a decoder whose norms are RMSNorm: the state ``x`` becomes ``[x, x]``,
whose root mean square is that of ``x``; heads and MLP units come twice. A matrix that reads ``[x, x]`` has two halves that must add up to what it
was, so they get opposite noise: the output stays, but the two halves no longer learn the same.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from frontier.checkpoints.network import Network
from frontier.checkpoints.spec import Shape

NOISE = 0.5  # of the deviation of a matrix


def halved(shape: Shape) -> Shape:
    """The shape of half the width that grows into ``shape``: half the width, heads and MLP units, all the layers."""
    return replace(shape, width=shape.width // 2, mlp_width=shape.mlp_width // 2, heads=shape.heads // 2, kv_heads=shape.kv_heads // 2)


def widened_network(small: Network, shape: Shape, seed: int) -> Network:
    """A float32 network of ``shape`` whose trunk computes what ``small``, of :func:`halved` shape, computes.

    Parameters
    ----------
    small : Network
    shape : Shape
    seed : int
        Of the noise that tells the halves apart.
    """
    generator = torch.Generator().manual_seed(seed)
    grown = Network(shape)
    target = grown.state_dict()
    for name, value in small.state_dict().items():
        if ".mtp_layers." in name:
            continue  # it starts from the trunk's last layer once that is trained
        target[name] = _grown(name, value.detach().to(torch.float32), generator)
    grown.load_state_dict(target)
    return grown


def _grown(name: str, value: Tensor, generator: torch.Generator) -> Tensor:
    """A parameter for doubled inputs and outputs."""
    if value.dim() == 1:
        return torch.cat([value, value])
    if "embed_tokens" in name:
        return torch.cat([value, value], dim=1)
    rows = value if name == "lm_head.weight" else torch.cat([value, value])
    noise = torch.empty_like(rows).normal_(0.0, NOISE * float(value.std()), generator=generator)
    return torch.cat([rows / 2 + noise, rows / 2 - noise], dim=1)
