"""Published shapes for GPUs, where only speed is measured: configuration, tokenizer and, on demand, random weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from frontier.checkpoints.spec import CheckpointSpec
from frontier.checkpoints.text import Corpus
from frontier.checkpoints.tokenizer import END_ID, tokenizer_files, train_tokenizer, widened
from frontier.checkpoints.training import Progress
from frontier.errors import ConfigError

BASE_VOCABULARY = 4096  # tokens with merges; the others are told apart by their number alone
CHARACTERS = 1_000_000
MAX_POSITIONS = "max_position_embeddings"
_NEEDED = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "vocab_size", MAX_POSITIONS)
ARCHITECTURES = ("LlamaForCausalLM", "MiMoForCausalLM", "Qwen2ForCausalLM")


def published_into(folder: Path, spec: CheckpointSpec, corpus: Corpus, tell: Progress | None) -> dict[str, Any]:
    """Write configuration, tokenizer and, where the specification says so, random weights; return what was written.

    Raises
    ------
    ConfigError
        If the configuration misses a size, or is of an architecture whose tensors are not known here.
    """
    shapes = tensor_shapes(spec.config, f"conf/checkpoint/{spec.name}.yaml")
    # The tokenizer is the kit's own, so its end mark replaces the published ids.
    config = {**spec.config, "bos_token_id": END_ID, "eos_token_id": END_ID}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    vocabulary = int(config["vocab_size"])
    texts, characters = [], 0
    for _, text in corpus.training:
        texts.append(text)
        characters += len(text)
        if characters >= CHARACTERS:
            break
    tokenizer = widened(train_tokenizer(texts, min(vocabulary, BASE_VOCABULARY)), vocabulary)
    for name, content in tokenizer_files(tokenizer, int(config[MAX_POSITIONS])).items():
        (folder / name).write_text(content, encoding="utf-8")
    written = write_random(folder, shapes, spec.seed, spec.shard_bytes, tell) if spec.weights == "random" else 0
    return {"parameters": sum(math.prod(shape) for shape in shapes.values()), "weight_bytes": written}


def tensor_shapes(config: dict[str, Any], origin: str = "config.json") -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a dense Llama, Qwen2 or MiMo checkpoint, in the order of the files.

    Raises
    ------
    ConfigError
        If a size is missing, or the architecture is another.
    """
    names = config.get("architectures", [])
    if len(names) != 1 or names[0] not in ARCHITECTURES:
        raise ConfigError(f"config.architectures must hold one of {', '.join(ARCHITECTURES)}, got {names}", origin=origin)
    missing = [key for key in _NEEDED if not isinstance(config.get(key), int)]
    if missing:
        raise ConfigError(f"config misses {', '.join(missing)}, or holds no whole number there", origin=origin)
    width, vocabulary = config["hidden_size"], config["vocab_size"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width)}
    for number in range(config["num_hidden_layers"]):
        shapes |= _block(f"model.layers.{number}.", config)
    for number in range(config.get("num_nextn_predict_layers", 0)):
        prefix = f"model.mtp_layers.{number}."
        shapes |= {f"{prefix}{name}.weight": (width,) for name in ("token_layernorm", "hidden_layernorm", "final_layernorm")}
        shapes[f"{prefix}input_proj.weight"] = (width, 2 * width)
        shapes |= _block(prefix, config)
    shapes["model.norm.weight"] = (width,)
    if not config.get("tie_word_embeddings", False):
        shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def _block(prefix: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or width // heads
    sizes = {"q": heads * head_dim, "k": (config.get("num_key_value_heads") or heads) * head_dim}
    sizes["v"] = sizes["k"]
    shapes: dict[str, tuple[int, ...]] = {f"{prefix}{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    for part, size in sizes.items():
        shapes[f"{prefix}self_attn.{part}_proj.weight"] = (size, width)
        # Qwen2 has these biases always, whatever its configuration says; Llama where `attention_bias` says so.
        if config["architectures"][0] != "LlamaForCausalLM" or config.get("attention_bias", False):
            shapes[f"{prefix}self_attn.{part}_proj.bias"] = (size,)
    shapes[f"{prefix}self_attn.o_proj.weight"] = (width, heads * head_dim)
    shapes |= {f"{prefix}mlp.{part}_proj.weight": (inner, width) for part in ("gate", "up")}
    shapes[f"{prefix}mlp.down_proj.weight"] = (width, inner)
    return shapes


def shards(shapes: dict[str, tuple[int, ...]], shard_bytes: int) -> Iterator[list[str]]:
    """Names of the tensors of each file, in order; a file closes before it would pass ``shard_bytes`` of bfloat16, but holds one at least."""
    names: list[str] = []
    size = 0
    for name, shape in shapes.items():
        more = 2 * math.prod(shape)
        if names and size + more > shard_bytes:
            yield names
            names, size = [], 0
        names.append(name)
        size += more
    yield names


def random_tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A bfloat16 tensor: ones for norms, zeros for biases, else normal with deviation 1/sqrt(inputs).

    Deviation 1/sqrt(inputs) keeps the size of what passes through a matrix, and every half of a block starts from a norm, so activations stay
    finite at any depth; embeddings have deviation 1.
    """
    if "norm" in name:
        return torch.ones(shape, dtype=torch.bfloat16)
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    deviation = 1.0 if "embed_tokens" in name else shape[-1] ** -0.5
    return torch.empty(shape, dtype=torch.bfloat16).normal_(0.0, deviation, generator=generator)


def write_random(folder: Path, shapes: dict[str, tuple[int, ...]], seed: int, shard_bytes: int, tell: Progress | None) -> int:
    """Write random weights file by file, with the index that ties them together; returns the bytes of all tensors.

    One file's tensors are in memory at a time.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = list(shards(shapes, shard_bytes))
    where: dict[str, str] = {}
    for number, names in enumerate(parts, start=1):
        file = "model.safetensors" if len(parts) == 1 else f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file({name: random_tensor(name, shapes[name], generator) for name in names}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(names, file)
        if tell is not None:
            tell("weights", number, len(parts), math.nan)
    total = sum(2 * math.prod(shape) for shape in shapes.values())
    if len(parts) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return total
