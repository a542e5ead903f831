"""The files that an engine loads: weights in bfloat16 and ``config.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from frontier.checkpoints.network import Network
from frontier.checkpoints.spec import Shape
from frontier.checkpoints.tokenizer import END_ID
from frontier.errors import RunError

WEIGHTS = "model.safetensors"


def mimo_config(shape: Shape) -> dict[str, Any]:
    """``config.json`` of a shape.

    ``model_type`` is qwen2: transformers (5.19) knows no ``mimo``, whose configuration is Qwen2's with a number of MTP layers; vLLM (0.32.0)
    chooses the model by ``architectures`` and finds the MTP layer by ``num_nextn_predict_layers``.
    """
    return {
        "architectures": ["MiMoForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.mlp_width,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.max_positions,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": False,
        "num_nextn_predict_layers": 1,
        "hidden_act": "silu",
        "attention_bias": True,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "initializer_range": 0.02,
        "torch_dtype": "bfloat16",
        "bos_token_id": END_ID,
        "eos_token_id": END_ID,
    }


def write_network(network: Network, folder: Path) -> None:
    """Write ``model.safetensors`` (bfloat16) and ``config.json``."""
    tensors = {name: value.detach().to(torch.bfloat16).contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(mimo_config(network.shape), indent=1) + "\n", encoding="utf-8")


def read_network(folder: Path, shape: Shape, dtype: torch.dtype) -> Network:
    """The network of an exported folder.

    Raises
    ------
    RunError
        If the file's tensors are not those of the shape.
    """
    network = Network(shape).to(dtype)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as cause:
        raise RunError(f"{WEIGHTS} does not hold the tensors of its shape: {cause}", origin=str(folder)) from cause
    return network
