"""Shapes read from config.json of the families that serve here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier.calibration import KNOWN, read_shape, shape_of
from frontier.calibration.shapes import weight_bytes
from frontier.errors import ConfigError

MIMO = {
    "architectures": ["MiMoForCausalLM"], "model_type": "qwen2", "hidden_size": 512, "num_hidden_layers": 8, "intermediate_size": 1536,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 8192, "tie_word_embeddings": False,
    "num_nextn_predict_layers": 1,
}  # fmt: skip


def test_read_from_a_checkpoint_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MIMO), encoding="utf-8")
    shape = read_shape(tmp_path)
    assert (shape.layers, shape.hidden, shape.kv_heads, shape.head_dim, shape.vocabulary, shape.mtp_layers) == (8, 512, 4, 64, 8192, 1)
    # 8 layers of 2*512*512 + 2*512*256 + 3*512*1536, and the head of 512*8192.
    assert shape.step_parameters == 8 * 3_145_728 + 4_194_304


@pytest.mark.parametrize(("name", "billions"), [("Llama-3.2-1B", 1.24), ("Meta-Llama-3.1-8B", 8.03), ("Meta-Llama-3.1-70B", 70.55)])
def test_public_shapes_have_the_published_number_of_weights(name: str, billions: float) -> None:
    # Model cards of Llama 3.1 and 3.2: 8.03 B, 70.6 B and 1.23 B weights.
    shape = KNOWN[f"meta-llama/{name}"]
    assert shape.parameters / 1e9 == pytest.approx(billions, rel=0.006)


def test_keys_that_may_be_missing_have_the_families_defaults() -> None:
    plain = {key: value for key, value in MIMO.items() if key not in ("num_key_value_heads", "head_dim", "num_nextn_predict_layers")}
    shape = shape_of({**plain, "model_type": "llama", "tie_word_embeddings": True}, name="x")
    assert (shape.kv_heads, shape.head_dim, shape.mtp_layers, shape.tied) == (8, 64, 0, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model_type": "deepseek_v3"}, "got model_type 'deepseek_v3'"), ({"num_experts": 8}, "dense decoders"), ({"hidden_size": 0}, "hidden_size")],
)
def test_other_families_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shape_of({**MIMO, **change}, name="x")


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no shape can be read"):
        read_shape(tmp_path)


def test_bytes_per_weight_hold_the_block_scales() -> None:
    assert [weight_bytes(form) for form in ("fp32", "bf16", "w8a16_int8", "nvfp4")] == [4.0, 2.0, 1.0, 0.5625]
    with pytest.raises(ConfigError, match="precision must be one of"):
        weight_bytes("int3")
