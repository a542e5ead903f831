"""Post-training quantization: what comes back is checked and kept, and ModelOpt itself where its environment is installed."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import pytest

from frontier.builds import read_weights
from frontier.checkpoints import PostTraining, post_training
from frontier.errors import ConfigError, MachineError, RunError
from frontier.tools import Tool, find

ROOT = Path(__file__).parents[2]
# Writes what ModelOpt would, as far as it is looked at; the words after the form say what goes wrong.
EXPORT = """
import json, struct, sys
from pathlib import Path
given = sys.argv[1:]
value = lambda name: given[given.index(name) + 1]
out = Path(value("--out"))
out.mkdir()
print("quantizing", value("--form"))
if {wrong!r} == "fails":
    sys.exit("RuntimeError: no kernel")
keys = ["weight"] if {wrong!r} == "no scales" else ["weight", "weight_scale"]
header = json.dumps({{key: {{"dtype": "I8", "shape": [4], "data_offsets": [4 * n, 4 * n + 4]}} for n, key in enumerate(keys)}}).encode()
(out / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * len(keys)))
(out / "config.json").write_text('{{"architectures": ["LlamaForCausalLM"]}}')
algorithm = "FP8" if {wrong!r} == "other form" else "NVFP4"
kv = None if "--kv" not in given or {wrong!r} == "no kv" else "FP8"
(out / "hf_quant_config.json").write_text(json.dumps({{"quantization": {{"quant_algo": algorithm, "kv_cache_quant_algo": kv}}}}))
"""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    folder.mkdir()
    header = json.dumps({"weight": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    (folder / "config.json").write_text("{}")
    (folder / "heldout.jsonl").write_text('{"text": "a b c"}\n')
    return folder


def standin(folder: Path, wrong: str = "") -> Tool:
    script, python = folder / "export.py", folder / "python"
    script.write_text(EXPORT.format(wrong=wrong))
    python.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {script} "$@"\n')
    python.chmod(0o755)
    return Tool("modelopt", "", python, {"nvidia-modelopt": "0.0.standin"}, pinned=False)


def test_the_export_is_checked_and_kept(plain: Path, tmp_path: Path) -> None:
    tool, cache, how = standin(tmp_path), tmp_path / "cache", PostTraining("nvfp4", "fp8")
    made = post_training(plain, how, plain / "heldout.jsonl", cache, tool)
    assert made.report["algorithm"] == "NVFP4"
    assert made.report["kv_algorithm"] == "FP8"
    assert made.report["scales"] == 1
    assert made.report["how"]["samples"] == 64
    assert read_weights(made.path, "nvfp4").kv_algorithm == "fp8"
    stamp = (made.path / "model.safetensors").stat().st_mtime_ns
    again = post_training(plain, how, plain / "heldout.jsonl", cache, standin(tmp_path, "fails"))
    assert (again.path, (again.path / "model.safetensors").stat().st_mtime_ns) == (made.path, stamp)


def test_other_data_or_another_seed_is_another_checkpoint(plain: Path, tmp_path: Path) -> None:
    tool, cache, texts = standin(tmp_path), tmp_path / "cache", plain / "heldout.jsonl"
    paths = {post_training(plain, PostTraining("nvfp4", seed=seed), texts, cache, tool).path for seed in (1, 2)}
    texts.write_text('{"text": "other words"}\n')
    paths.add(post_training(plain, PostTraining("nvfp4"), texts, cache, tool).path)
    assert len(paths) == 3


@pytest.mark.parametrize(
    ("wrong", "kv", "says"),
    [
        ("fails", "", "ModelOpt ended with code 1.*no kernel"),
        ("other form", "", "ModelOpt exported FP8, nvfp4 is NVFP4"),
        ("no scales", "", "without a single scale"),
        ("no kv", "fp8", "KV cache in None, asked for fp8"),
    ],
)
def test_an_export_that_is_not_what_was_asked_for_is_not_kept(plain: Path, tmp_path: Path, wrong: str, kv: str, says: str) -> None:
    cache, tool = tmp_path / "cache", standin(tmp_path, wrong)
    with pytest.raises(RunError, match=f"(?s){says}"):
        post_training(plain, PostTraining("nvfp4", kv), plain / "heldout.jsonl", cache, tool)
    assert [file.suffix for file in cache.iterdir() if not file.name.startswith(".")] == [".log"]


@pytest.mark.parametrize(
    ("values", "says"), [({"form": "fp3"}, "got 'fp3'"), ({"form": "fp8", "kv": "int2"}, "int2"), ({"form": "fp8", "samples": 0}, "samples")]
)
def test_what_modelopt_does_not_make_is_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        PostTraining(**values)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "kv", "word", "bits"), [("fp8", "", "fp8", 8), ("nvfp4", "fp8", "nvfp4", 4), ("int8", "", "w8a8_sq_per_channel", 8)]
)
def test_modelopt_quantizes_a_small_llama_on_the_cpu(tmp_path: Path, form: str, kv: str, word: str, bits: int) -> None:
    named = os.environ.get("FRONTIER_MODELOPT_PYTHON")
    try:
        tool = find("modelopt", ROOT / "artifacts" / "cache" / "tools", python=Path(named) if named else None)
    except MachineError as error:
        pytest.skip(f"{error.message}: {error.hint}")
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    folder = tmp_path / "small"
    folder.mkdir()
    width, inner, words, layers = 128, 256, 512, 2
    shapes = {"q_proj": (width, width), "k_proj": (width // 2, width), "v_proj": (width // 2, width), "o_proj": (width, width)}
    mlp = {"gate_proj": (inner, width), "up_proj": (inner, width), "down_proj": (width, inner)}
    draw = torch.Generator().manual_seed(0)
    weights = {"model.embed_tokens.weight": (words, width), "lm_head.weight": (words, width)}
    for layer in range(layers):
        weights |= {f"model.layers.{layer}.self_attn.{name}.weight": shape for name, shape in shapes.items()}
        weights |= {f"model.layers.{layer}.mlp.{name}.weight": shape for name, shape in mlp.items()}
    tensors = {name: (torch.randn(*shape, generator=draw) * 0.05).bfloat16() for name, shape in weights.items()}
    norms = ["model.norm", *(f"model.layers.{n}.{kind}_layernorm" for n in range(layers) for kind in ("input", "post_attention"))]
    save_file(tensors | {f"{name}.weight": torch.ones(width).bfloat16() for name in norms}, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": words, "max_position_embeddings": 256, "torch_dtype": "bfloat16",
        "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    model = {"type": "WordLevel", "vocab": {f"w{number}": number for number in range(words)}, "unk_token": "w0"}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model, **empty}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": " ".join(f"w{(row * 7 + at) % words}" for at in range(64))}) + "\n" for row in range(8)))
    made = post_training(folder, PostTraining(form, kv, samples=4, tokens=32), texts, tmp_path / "cache", tool)
    found = read_weights(made.path, form)
    assert found.algorithm == word
    assert found.kv_algorithm == kv
    assert made.report["scales"] >= 7 * layers
    linear = sum(rows * columns for name, (rows, columns) in weights.items() if ".layers." in name)
    kept = 2 * 2 * words * width  # embedding and output layer stay in bf16
    assert made.report["weight_bytes"] == pytest.approx(linear * bits / 8 + kept, rel=0.2)
