"""The shape of a dense decoder, and what one token costs in operations and bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.catalog import PRECISION_FORMS
from frontier.errors import ConfigError

# Families whose layers are the ones counted here: attention with grouped keys and values, a gated MLP of three matrices.
DENSE = ("llama", "mimo", "mistral", "qwen2", "qwen3")
_KEYS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size")


@dataclass(frozen=True)
class ModelShape:
    """A dense decoder.

    Parameters
    ----------
    name : str
    layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary : int, >= 1
        As in a checkpoint's ``config.json``.
    tied : bool
        Whether the output head is the embedding table.
    mtp_layers : int, >= 0
        Layers of the multi-token-prediction head.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool
    mtp_layers: int = 0

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer's matrices: queries and output, keys and values, and the gated MLP; norms and biases are left out."""
        attention = 2 * self.hidden * self.heads * self.head_dim + 2 * self.hidden * self.kv_heads * self.head_dim
        return attention + 3 * self.hidden * self.intermediate

    @property
    def head_parameters(self) -> int:
        """Weights of the output head."""
        return self.hidden * self.vocabulary

    @property
    def step_parameters(self) -> int:
        """Weights that every decode step reads: all layers and the head. Of the embedding table a step reads only its tokens' rows."""
        return self.layers * self.layer_parameters + self.head_parameters

    @property
    def draft_parameters(self) -> int:
        """Weights that one draft of the model's own MTP head reads: a layer, the projection of token and state, and the output head."""
        return self.layer_parameters + 2 * self.hidden * self.hidden + self.head_parameters

    @property
    def parameters(self) -> int:
        """Weights to hold in memory: step, embedding table where it is not the head, and the MTP layers with their projections."""
        table = 0 if self.tied else self.head_parameters
        return self.step_parameters + table + self.mtp_layers * (self.layer_parameters + 2 * self.hidden * self.hidden)

    def kv_bytes_per_token(self, kv_bytes: float) -> float:
        """Bytes of keys and values that one token of context holds."""
        return 2.0 * self.layers * self.kv_heads * self.head_dim * kv_bytes

    def token_operations(self, context: float) -> float:
        """Operations of one token's pass with ``context`` tokens to attend to: two per weight, four per context token and attention element.

        Pope et al. 2022, "Efficiently scaling transformer inference", section 2: 2 N per token for N weights; scores and weighted sum of the
        attention are two products more.
        """
        return 2.0 * self.step_parameters + 4.0 * self.layers * self.heads * self.head_dim * context

    def prefill_operations(self, tokens: int) -> float:
        """Operations of a prompt: its layers for every token, causal attention, and the head for the last token only."""
        attention = 4.0 * self.layers * self.heads * self.head_dim * tokens * (tokens + 1) / 2.0
        return 2.0 * self.layers * self.layer_parameters * tokens + attention + 2.0 * self.head_parameters


# Public shapes, so that a bound needs no download: config.json of the checkpoints named. The reference decoder (8 layers of 512) is this kit's own
# yardstick for machines that hold none of them.
KNOWN: dict[str, ModelShape] = {
    "meta-llama/Llama-3.2-1B": ModelShape("Llama-3.2-1B", 16, 2048, 32, 8, 64, 8192, 128256, tied=True),
    "meta-llama/Meta-Llama-3.1-8B": ModelShape("Llama-3.1-8B", 32, 4096, 32, 8, 128, 14336, 128256, tied=False),
    "meta-llama/Meta-Llama-3.1-70B": ModelShape("Llama-3.1-70B", 80, 8192, 64, 8, 128, 28672, 128256, tied=False),
}
REFERENCE = ModelShape("reference decoder", 8, 512, 8, 4, 64, 1536, 4096, tied=False, mtp_layers=1)


def read_shape(folder: Path) -> ModelShape:
    """The shape in a checkpoint folder's ``config.json``.

    Raises
    ------
    ConfigError
        If there is none, a key is missing, or the model is of a family that the arithmetic does not cover (mixtures of experts, compressed
        attention).
    """
    file = Path(folder) / "config.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ConfigError(f"no shape can be read: {cause}", origin=str(file), hint="name a folder with the config.json of a checkpoint") from cause
    if not isinstance(found, Mapping):
        raise ConfigError(f"config.json must hold a mapping, got {type(found).__name__}", origin=str(file))
    return shape_of(found, name=str(found.get("name") or found.get("_name_or_path") or Path(folder).name), origin=str(file))


def shape_of(found: Mapping[str, Any], *, name: str, origin: str | None = None) -> ModelShape:
    """The shape in the keys of a ``config.json`` (Llama, Qwen2, Qwen3, Mistral and MiMo name them alike)."""
    family = str(found.get("model_type"))
    if family not in DENSE or any(key in found for key in ("num_experts", "n_routed_experts", "num_local_experts", "kv_lora_rank")):
        raise ConfigError(f"the bound covers dense decoders ({', '.join(DENSE)}), got model_type {family!r}", origin=origin)
    missing = [key for key in _KEYS if not isinstance(found.get(key), int) or found[key] < 1]
    if missing:
        raise ConfigError(f"config.json needs whole numbers of at least 1 for {', '.join(missing)}", origin=origin)
    layers, hidden, heads, intermediate, vocabulary = (int(found[key]) for key in _KEYS)
    return ModelShape(
        name, layers, hidden, heads, int(found.get("num_key_value_heads") or heads), int(found.get("head_dim") or hidden // heads),
        intermediate, vocabulary, tied=bool(found.get("tie_word_embeddings", False)), mtp_layers=int(found.get("num_nextn_predict_layers") or 0),
    )  # fmt: skip


def weight_bytes(precision: str) -> float:
    """Bytes per weight of a precision form, block scales included.

    Raises
    ------
    ConfigError
        If the form is unknown.
    """
    if precision == "fp32":
        return 4.0
    if precision not in PRECISION_FORMS:
        raise ConfigError(f"precision must be one of fp32, {', '.join(sorted(PRECISION_FORMS))}, got {precision!r}")
    return PRECISION_FORMS[precision][1] / 8.0
