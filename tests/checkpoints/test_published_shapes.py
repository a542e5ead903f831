"""Published shapes: tensors by hand, random weights file by file, and configurations that stay what was published."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="checkpoints need frontier-kit[torch]")
from safetensors.torch import load_file  # noqa: E402 - after the check for torch

from frontier.checkpoints import CheckpointSpec, load_spec, make, spec_names  # noqa: E402
from frontier.checkpoints.export import mimo_config  # noqa: E402
from frontier.checkpoints.network import Network  # noqa: E402
from frontier.checkpoints.published import shards, tensor_shapes  # noqa: E402
from frontier.checkpoints.spec import Shape  # noqa: E402
from frontier.checkpoints.text import Corpus  # noqa: E402
from frontier.errors import ConfigError  # noqa: E402

# Parameters in all, from the model cards; MiMo-7B's card counts its MTP layer.
PUBLISHED = {
    "random_llama_1b": 1_235_814_400,
    "random_llama_8b": 8_030_261_248,
    "random_llama_70b": 70_553_706_496,
    "random_qwen2_7b": 7_615_616_512,
    "random_mimo_7b": 7_833_409_536,
}
SMALL = {
    "architectures": ["MiMoForCausalLM"], "model_type": "qwen2", "hidden_size": 16, "num_hidden_layers": 3, "intermediate_size": 24,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "vocab_size": 600, "max_position_embeddings": 128,
    "num_nextn_predict_layers": 1,
}  # fmt: skip


@pytest.fixture
def spec() -> CheckpointSpec:
    return CheckpointSpec("shape", "random", source="https://example.org/config.json", weights="random", seed=3, config=SMALL, shard_bytes=2**20)


def parameters(name: str) -> int:
    return sum(math.prod(shape) for shape in tensor_shapes(load_spec(name).config).values())


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_are_the_published_ones(name: str) -> None:
    assert parameters(name) == PUBLISHED[name]


def test_every_published_shape_is_known_and_labelled() -> None:
    specs = [load_spec(name) for name in spec_names() if name.startswith("random_")]
    assert {spec.name for spec in specs} == set(PUBLISHED)
    assert all(spec.random and spec.weights == "none" and spec.source.startswith("https://") for spec in specs)


def test_names_and_shapes_are_those_of_the_trained_form() -> None:
    shape = Shape(width=16, layers=3, mlp_width=24, heads=4, kv_heads=2, head_dim=6, vocabulary=600)
    made = {name: tuple(value.shape) for name, value in Network(shape).state_dict().items()}
    assert tensor_shapes(mimo_config(shape)) == made


def test_files_close_before_they_pass_their_size() -> None:
    # Bytes are twice the elements: 20, 20, 10, 100, 4; a file of 40 holds the first two, the one of 100 stands alone.
    shapes = {"a": (10,), "b": (10,), "c": (5,), "d": (50,), "e": (2,)}
    assert list(shards(shapes, 40)) == [["a", "b"], ["c"], ["d"], ["e"]]


def test_random_weights_in_several_files(spec: CheckpointSpec, small_text: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(replace(spec, config={**SMALL, "vocab_size": 40_000}), tmp_path)  # 1.3 MB of embeddings, as much of outputs
    index = json.loads((made.path / "model.safetensors.index.json").read_text(encoding="utf-8"))
    files = sorted(set(index["weight_map"].values()))
    assert files == ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"]
    tensors = {name: tensor for file in files for name, tensor in load_file(made.path / file).items()}
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == tensor_shapes({**SMALL, "vocab_size": 40_000})
    assert index["metadata"]["total_size"] == sum(2 * tensor.numel() for tensor in tensors.values()) == made.report["weight_bytes"]
    assert made.report["weights"] == "random"
    assert made.report["random"] is True
    assert made.report["speed_only"] is True


def test_random_weights_repeat_and_keep_activations_finite(spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    one, two = make(spec, tmp_path / "a"), make(spec, tmp_path / "b")
    assert one.digest == two.digest
    shape = Shape(width=16, layers=3, mlp_width=24, heads=4, kv_heads=2, head_dim=6, vocabulary=600)
    network = Network(shape).to(torch.bfloat16)
    network.load_state_dict(load_file(one.path / "model.safetensors"))
    with torch.no_grad():
        hidden = network.hidden(torch.arange(600)[None, :100])
    assert 0.1 < float(hidden.float().std()) < 30
    assert bool(torch.isfinite(network.logits(hidden)).all())


def test_without_weights_configuration_and_tokenizer_alone(spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    made = make(replace(spec, weights="none"), tmp_path)
    assert set(made.report["files"]) == {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert made.report["weights"] == "none"
    assert made.report["parameters"] == sum(math.prod(shape) for shape in tensor_shapes(SMALL).values())
    assert made.report["weight_bytes"] == 0


def test_every_id_of_a_wide_vocabulary_has_a_text(spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    from tokenizers import Tokenizer  # after the check for the extra

    made = make(replace(spec, weights="none", config={**SMALL, "vocab_size": 9000}), tmp_path)
    tokenizer = Tokenizer.from_file(str(made.path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 9000
    assert tokenizer.decode([8999]) == " <8999>"
    text = "def f(x):\n    return x\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["MambaForCausalLM"]}, r"config.architectures must hold one of LlamaForCausalLM, .* got \['MambaForCausalLM'\]"),
        ({"hidden_size": None}, "config misses hidden_size"),
    ],
)
def test_a_shape_that_is_not_known(change: dict[str, object], message: str, spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        make(replace(spec, config={**SMALL, **change}), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
