"""The real engine on the CPU, with a tiny random model that has a head for multi-token prediction. About two minutes on two free cores."""

from __future__ import annotations

import json
import os
import random
import urllib.request
from pathlib import Path

import psutil
import pytest

from frontier.errors import RunError
from frontier.serving import VllmKnobs, VllmLevers, checkpoint_facts, deployment, difference, launch, refusals, usable
from frontier.serving.vllm import BLOCK_TOKENS

pytestmark = pytest.mark.slow
WIDTH, LAYERS, WORDS, HEADS, KV_HEADS = 128, 2, 512, 2, 2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MiMo checkpoint of half a million random weights and a tokenizer of 512 words."""
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    folder = tmp_path_factory.mktemp("tiny")
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> object:
        return (torch.randn(*shape, generator=draw) * 0.3).bfloat16()

    def ones(*shape: int) -> object:
        return torch.ones(*shape).bfloat16()

    size, inner = 64, 2 * WIDTH
    weights = {"model.embed_tokens.weight": normal(WORDS, WIDTH), "lm_head.weight": normal(WORDS, WIDTH), "model.norm.weight": ones(WIDTH)}
    head = "model.mtp_layers.0."
    for prefix in (*(f"model.layers.{number}." for number in range(LAYERS)), head):
        for letter, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            weights[f"{prefix}self_attn.{letter}_proj.weight"] = normal(heads * size, WIDTH)
            weights[f"{prefix}self_attn.{letter}_proj.bias"] = normal(heads * size)
        weights[f"{prefix}self_attn.o_proj.weight"] = normal(WIDTH, HEADS * size)
        weights |= {f"{prefix}mlp.{name}_proj.weight": normal(inner, WIDTH) for name in ("gate", "up")}
        weights[f"{prefix}mlp.down_proj.weight"] = normal(WIDTH, inner)
        weights |= {f"{prefix}{name}_layernorm.weight": ones(WIDTH) for name in ("input", "post_attention")}
    weights |= {f"{head}{name}_layernorm.weight": ones(WIDTH) for name in ("token", "hidden", "final")}
    weights[f"{head}input_proj.weight"] = normal(WIDTH, 2 * WIDTH)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["MiMoForCausalLM"], "model_type": "qwen2", "hidden_size": WIDTH, "num_hidden_layers": LAYERS,
        "intermediate_size": inner, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": size, "vocab_size": WORDS,
        "max_position_embeddings": 1024, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "num_nextn_predict_layers": 1, "hidden_act": "silu", "attention_bias": True, "torch_dtype": "bfloat16",
        "bos_token_id": 0, "eos_token_id": 1, "use_sliding_window": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    model = {"type": "WordLevel", "vocab": {f"w{number}": number for number in range(WORDS)}, "unk_token": "w0"}
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    tokenizer |= dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "w1"}))
    return folder


def ask(url: str, prompt: list[int]) -> list[int]:
    body = {"model": "model", "prompt": prompt, "max_tokens": 8, "ignore_eos": True, "temperature": 0, "return_token_ids": True}
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return list(json.loads(answer.read())["choices"][0]["token_ids"])


def left(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_kv_caches_really_move_and_the_text_stays(tiny: Path, vllm_python: Path, tmp_path: Path) -> None:
    if len(usable()) < 2:
        pytest.skip("needs two cores")
    levers = VllmLevers("bf16", 1, 1, "mtp", 2, True)
    cores = usable()[:2]
    knobs = VllmKnobs("cpu", str(tiny), max_model_len=256, max_num_seqs=4, cores=cores)
    assert refusals(levers, knobs, cores=len(cores), checkpoint=checkpoint_facts(tiny)) == ""
    draw = random.Random(0)
    lengths = (5, 33, 64, 65, 97, 128, 129, 200)  # around the blocks' ends
    prompts = [[draw.randrange(2, WORDS) for _ in range(length)] for length in lengths]
    with launch(deployment(levers, knobs), tmp_path, vllm_python, ready_timeout_s=500) as server:
        pids = [pid for tree in server.pids().values() for pid in tree]
        assert all(
            os.sched_getaffinity(pid) == {core} for core, name in zip(cores, ("prefill", "decode"), strict=True) for pid in server.pids()[name]
        )
        alone = [ask(f"http://127.0.0.1:{server.ports['decode']}", prompt) for prompt in prompts]
        before = server.scrape_each()
        assert [ask(server.url, prompt) for prompt in prompts] == alone
        after = server.scrape_each()
        decode, router = (difference(before[name], after[name]) for name in ("decode", "router"))
        block = BLOCK_TOKENS["cpu"]
        assert decode["handed_over_tokens"] == sum((length - 1) // block * block for length in lengths)
        assert (router["router_handed_over"], router["router_not_handed_over"], router["router_failed"]) == (7, 1, 0)
        assert decode["drafts"] > 0
        assert after["prefill"]["requests_finished"] - before["prefill"]["requests_finished"] == len(prompts)
        assert server.versions["engine"].startswith("0.")
    assert left(pids) == []


def test_a_wrong_model_directory_is_named(vllm_python: Path, tmp_path: Path) -> None:
    spec = deployment(VllmLevers(), VllmKnobs("cpu", str(tmp_path / "nothing")))
    with pytest.raises(RunError, match="the model directory is wrong or incomplete"), launch(spec, tmp_path, vllm_python, ready_timeout_s=300):
        pytest.fail("it is not ready")
