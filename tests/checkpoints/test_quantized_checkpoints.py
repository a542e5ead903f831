"""The 8-bit form of a checkpoint: one rounding per weight, everything else as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from frontier.checkpoints import Checkpoint, quantized
from frontier.errors import ConfigError

torch = pytest.importorskip("torch", reason="torch is an extra")


def _checkpoint(folder: Path) -> Checkpoint:
    from safetensors.torch import save_file

    folder.mkdir()
    weights = {
        "model.layers.0.self_attn.q_proj.weight": torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]).bfloat16(),
        "model.layers.0.self_attn.q_proj.bias": torch.ones(2).bfloat16(),
        "model.mtp_layers.0.mlp.up_proj.weight": torch.ones(2, 3).bfloat16(),
        "lm_head.weight": torch.ones(4, 3).bfloat16(),
    }
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text('{"hidden_size": 3, "num_hidden_layers": 12}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "checkpoint.json").write_text("{}")
    return Checkpoint(folder, "abc", {"name": "small"})


def test_weights_are_rounded_to_127_steps_of_their_channel(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    made = quantized(_checkpoint(tmp_path / "small"), "int8", tmp_path / "cache")
    found = load_file(made.path / "model.safetensors")
    # Row 1: scale 2 / 127; 1.0 is 63.5 steps, rounded to even 64; -2.0 is -127; 0.5 is 31.75, rounded to 32. Row 2 is zero.
    assert found["model.layers.0.self_attn.q_proj.weight"].tolist() == [[64, -127, 32], [0, 0, 0]]
    assert found["model.layers.0.self_attn.q_proj.weight"].dtype == torch.int8
    assert found["model.layers.0.self_attn.q_proj.weight_scale"][0].item() == pytest.approx(2 / 127)
    assert found["model.mtp_layers.0.mlp.up_proj.weight"].dtype == torch.bfloat16
    assert found["lm_head.weight"].dtype == torch.bfloat16
    config = json.loads((made.path / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    assert config["hidden_size"] == 3
    left = config["quantization_config"]["ignore"]
    # The names under which vLLM 0.32 builds the head's block (one more layer), the output layer and the checkpoint's own; not those of a layer.
    rules = [rule.removeprefix("re:") for rule in left if rule.startswith("re:")]
    for layer, is_left in ((12, True), (1, False), (11, False)):
        assert any(re.match(rule, f"model.layers.{layer}.self_attn.q_proj") for rule in rules) is is_left
    assert (made.path / "tokenizer.json").exists()
    assert made.report["made_from"] == "abc"
    assert made.report["quantized_layers"] == 1


def test_the_second_call_takes_it_from_the_cache(tmp_path: Path) -> None:
    plain = _checkpoint(tmp_path / "small")
    first = quantized(plain, "int8", tmp_path / "cache")
    stamp = (first.path / "model.safetensors").stat().st_mtime_ns
    assert (quantized(plain, "int8", tmp_path / "cache").path / "model.safetensors").stat().st_mtime_ns == stamp


def test_another_form_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="int8, got 'fp3'"):
        quantized(_checkpoint(tmp_path / "small"), "fp3", tmp_path / "cache")
