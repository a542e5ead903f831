"""A dense MiMo decoder with a multi-token-prediction (MTP) layer, in torch, for training.

The form is that of MiMo-7B (Xiaomi, arXiv:2505.07608): Qwen2 blocks - grouped-query attention with biases on queries, keys and values,
rotary positions, SwiGLU, RMSNorm before each half - and one further block that drafts. The drafting step follows vLLM's ``mimo_mtp.py``
(0.32.0), because that is what runs the checkpoint: it takes the trunk's hidden state *before* the final norm and the embedding of the next
token, zeroes the embedding at position 0, norms both, projects ``[hidden, embedding]`` to one width, applies the block and a norm of its own,
and shares the trunk's output matrix. To draft further, the same layer is fed its own output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from frontier.checkpoints.spec import Shape


@dataclass
class Memory:
    """Keys and values that one attention layer has seen, each of shape (batch, kv_heads, tokens, head_dim)."""

    keys: Tensor
    values: Tensor


def rotary(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding (Su et al., arXiv:2104.09864), halves side by side as Qwen2 has them.

    Parameters
    ----------
    positions : int tensor, shape (tokens,) or (batch, tokens)
    head_dim : int, even
    theta : float
        Base of the wavelengths.

    Returns
    -------
    two float32 tensors, shape (..., tokens, head_dim)
    """
    rates = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = positions.to(torch.float32)[..., None] * rates
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(states: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys, shape (batch, heads, tokens, head_dim), turned by their positions."""
    cos, sin = (part.to(states.dtype) for part in turn)
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat([-second, first], dim=-1) * sin


class Norm(nn.Module):
    """RMSNorm (Zhang and Sennrich, arXiv:1910.07467) with a learned scale."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, states: Tensor) -> Tensor:
        """States of the same shape with root mean square 1, scaled."""
        return functional.rms_norm(states, self.weight.shape, self.weight, self.eps)


class Attention(nn.Module):
    """Grouped-query attention with biases on queries, keys and values, as in Qwen2."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = shape.heads, shape.kv_heads, shape.head_dim
        self.q_proj = nn.Linear(shape.width, shape.heads * shape.head_dim)
        self.k_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_dim)
        self.v_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_dim)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.width, bias=False)

    def _split(self, states: Tensor, heads: int) -> Tensor:
        batch, tokens, _ = states.shape
        return states.view(batch, tokens, heads, self.head_dim).transpose(1, 2)

    def forward(self, states: Tensor, turn: tuple[Tensor, Tensor], memory: Memory | None, mask: Tensor | None) -> tuple[Tensor, Memory]:
        """Attention over ``memory`` followed by these states; causal where no mask is given and there is no memory."""
        queries = rotate(self._split(self.q_proj(states), self.heads), turn)
        keys = rotate(self._split(self.k_proj(states), self.kv_heads), turn)
        values = self._split(self.v_proj(states), self.kv_heads)
        if memory is not None:
            keys, values = torch.cat([memory.keys, keys], dim=2), torch.cat([memory.values, values], dim=2)
        repeat = self.heads // self.kv_heads
        mixed = functional.scaled_dot_product_attention(
            queries,
            keys.repeat_interleave(repeat, dim=1),
            values.repeat_interleave(repeat, dim=1),
            attn_mask=mask,
            is_causal=mask is None and memory is None,
        )
        batch, tokens, _ = states.shape
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, tokens, self.heads * self.head_dim))
        return out, Memory(keys, values)


class Mlp(nn.Module):
    """SwiGLU (Shazeer, arXiv:2002.05202)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.mlp_width, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.mlp_width, bias=False)
        self.down_proj = nn.Linear(shape.mlp_width, shape.width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Output of the width of the input."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(states)) * self.up_proj(states))
        return out


class Block(nn.Module):
    """One decoder layer; parameter names are those of the exported file."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = Norm(shape.width, shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.width, shape.norm_eps)
        self.mlp = Mlp(shape)

    def forward(self, states: Tensor, turn: tuple[Tensor, Tensor], memory: Memory | None = None, mask: Tensor | None = None) -> tuple[Tensor, Memory]:
        """States after the layer, and what its attention has now seen."""
        mixed, seen = self.self_attn(self.input_layernorm(states), turn, memory, mask)
        states = states + mixed
        return states + self.mlp(self.post_attention_layernorm(states)), seen


class Drafter(Block):
    """The MTP layer: a block with two norms and a projection in front, and a norm behind."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.token_layernorm = Norm(shape.width, shape.norm_eps)
        self.hidden_layernorm = Norm(shape.width, shape.norm_eps)
        self.input_proj = nn.Linear(2 * shape.width, shape.width, bias=False)
        self.final_layernorm = Norm(shape.width, shape.norm_eps)

    def draft(
        self,
        hidden: Tensor,
        embedded: Tensor,
        positions: Tensor,
        turn: tuple[Tensor, Tensor],
        memory: Memory | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Memory]:
        """Hidden states from which the token after next is read, and what the layer's attention has now seen.

        Parameters
        ----------
        hidden : tensor, shape (batch, tokens, width)
            Of the trunk before its final norm, or of this layer one draft earlier.
        embedded : tensor, shape (batch, tokens, width)
            Embedding of the token that follows each position.
        positions : int tensor, shape (tokens,) or (batch, tokens)
            Of the hidden states; the embedding at position 0 is zeroed.
        turn : two tensors
            :func:`rotary` of the positions.
        memory, mask : see :class:`Attention`
        """
        embedded = embedded.masked_fill((positions == 0)[..., None], 0.0)
        joined = self.input_proj(torch.cat([self.hidden_layernorm(hidden), self.token_layernorm(embedded)], dim=-1))
        states, seen = self(joined, turn, memory, mask)
        return self.final_layernorm(states), seen


class Network(nn.Module):
    """Trunk, output matrix and drafter; ``state_dict`` keys are those of the exported file."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(shape.vocabulary, shape.width),
                "layers": nn.ModuleList(Block(shape) for _ in range(shape.layers)),
                "norm": Norm(shape.width, shape.norm_eps),
                "mtp_layers": nn.ModuleList([Drafter(shape)]),
            }
        )
        self.lm_head = nn.Linear(shape.width, shape.vocabulary, bias=False)

    @property
    def drafter(self) -> Drafter:
        """The MTP layer."""
        return cast(Drafter, cast(nn.ModuleList, self.model["mtp_layers"])[0])

    @property
    def final_norm(self) -> Norm:
        """The trunk's last norm, which the output matrix follows."""
        return cast(Norm, self.model["norm"])

    def layers(self) -> list[Block]:
        """The trunk's layers."""
        return list(cast(nn.ModuleList, self.model["layers"]))  # type: ignore[arg-type]

    def turn(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """:func:`rotary` of positions for this shape; a batch of positions gets an axis for the heads."""
        cos, sin = rotary(positions, self.shape.head_dim, self.shape.rope_theta)
        return (cos, sin) if positions.dim() == 1 else (cos[:, None], sin[:, None])

    @property
    def embedding(self) -> nn.Embedding:
        """Token id to state."""
        return cast(nn.Embedding, self.model["embed_tokens"])

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings, shape (batch, tokens, width)."""
        out: Tensor = self.embedding(tokens)
        return out

    def hidden(self, tokens: Tensor) -> Tensor:
        """The trunk's states before the final norm, shape (batch, tokens, width), for whole sequences from position 0."""
        turn = self.turn(torch.arange(tokens.shape[1]))
        states = self.embed(tokens)
        for layer in self.layers():
            states, _ = layer(states, turn)
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """The trunk's logits of its hidden states."""
        out: Tensor = self.lm_head(self.final_norm(hidden))
        return out
