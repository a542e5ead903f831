"""The gate on a real server, with a model whose probabilities are known: its layers put out zero, so the next token depends on one token."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from frontier import processes
from frontier.errors import MachineError
from frontier.quality import Gate, Quality, judge, measure
from frontier.quality.texts import token_digest
from frontier.tools.environments import find

VOCABULARY, HIDDEN, EPSILON = 256, 64, 1e-6
GATE = Gate(documents=8, prompt_tokens=64, output_tokens=16)
READY_S = 300.0


@pytest.fixture
def vllm_python() -> Path:
    """Interpreter with vLLM: the one in ``FRONTIER_TEST_VLLM_PYTHON``, else the one ``frontier doctor --install vllm`` made here."""
    named = os.environ.get("FRONTIER_TEST_VLLM_PYTHON")
    try:
        return find("vllm", Path(__file__).parents[2] / "artifacts" / "cache" / "tools", python=Path(named) if named else None).python
    except MachineError as missing:
        pytest.skip(str(missing))


def write_model(folder: Path, seed: int) -> np.ndarray:
    """A two-layer Qwen2 checkpoint whose layers add nothing; returns its log-probabilities, shape (token before, token)."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file  # beside the import that may be skipped
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    torch.manual_seed(seed)
    kv, inner = HIDDEN // 2, 2 * HIDDEN
    shapes = {
        "self_attn.q_proj.weight": (HIDDEN, HIDDEN), "self_attn.k_proj.weight": (kv, HIDDEN), "self_attn.v_proj.weight": (kv, HIDDEN),
        "self_attn.q_proj.bias": (HIDDEN,), "self_attn.k_proj.bias": (kv,), "self_attn.v_proj.bias": (kv,),
        "mlp.gate_proj.weight": (inner, HIDDEN), "mlp.up_proj.weight": (inner, HIDDEN),
    }  # fmt: skip
    tensors: dict[str, Any] = {
        "model.embed_tokens.weight": torch.randn(VOCABULARY, HIDDEN),
        "lm_head.weight": torch.randn(VOCABULARY, HIDDEN) * 0.3,
        "model.norm.weight": torch.ones(HIDDEN),
    }
    for layer in (0, 1):
        at = f"model.layers.{layer}."
        tensors |= {at + name: torch.randn(shape) * 0.1 for name, shape in shapes.items()}
        tensors |= {at + f"{name}_layernorm.weight": torch.ones(HIDDEN) for name in ("input", "post_attention")}
        tensors |= {at + "self_attn.o_proj.weight": torch.zeros(HIDDEN, HIDDEN), at + "mlp.down_proj.weight": torch.zeros(HIDDEN, inner)}
    tensors = {name: value.to(torch.bfloat16).contiguous() for name, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": HIDDEN, "num_hidden_layers": 2, "intermediate_size": inner,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": VOCABULARY, "max_position_embeddings": 512, "rms_norm_eps": EPSILON,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "hidden_act": "silu", "torch_dtype": "bfloat16", "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0")).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}', encoding="utf-8")
    x, head = (tensors[name].double().numpy() for name in ("model.embed_tokens.weight", "lm_head.weight"))
    logits = (x / np.sqrt((x**2).mean(axis=1, keepdims=True) + EPSILON)) @ head.T
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_perplexity_and_decisions_of_a_known_model(vllm_python: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    known = write_model(model, seed=3)
    rng = np.random.default_rng(5)
    documents = [[int(token) for token in rng.integers(2, VOCABULARY, GATE.prompt_tokens)] for _ in range(GATE.documents)]
    # A baseline that decides at random: which of its tokens the model finds most likely is known without asking it.
    best = known.argmax(axis=1)
    random = rng.random((GATE.documents, GATE.output_tokens)) < 0.5
    along: list[list[int]] = []
    for document, wrong in zip(documents, random, strict=True):
        ids = [document[-1]]
        for other in wrong:
            ids.append(int((best[ids[-1]] + 1) % VOCABULARY) if other else int(best[ids[-1]]))
        along.append(ids[1:])
    made_up = Quality(token_digest(documents), (1.0,) * 8, (63,) * 8, tuple(map(tuple, along)), token_digest(along), (16,) * 8)

    port = free_port()
    command = [
        vllm_python, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "known", "--host", "127.0.0.1",
        "--port", str(port), "--max-model-len", "512", "--max-num-seqs", "4", "--enforce-eager",
    ]  # fmt: skip
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with processes.start(command, log=tmp_path / "server.log", env=env) as child:
        wait_ready(port, child)
        url = f"http://127.0.0.1:{port}"
        first = measure(url, "known", documents, GATE)
        again = measure(url, "known", documents, GATE, baseline=first)
        other = measure(url, "known", documents, GATE, baseline=made_up)
    nll = [-sum(known[a, b] for a, b in pairwise(document)) for document in documents]
    assert first.perplexity == pytest.approx(math.exp(sum(nll) / sum(first.scored)), rel=0.005)  # bf16 has 8 bits
    assert np.mean(other.forced) == pytest.approx(np.mean(~random) * GATE.output_tokens, abs=0.5)
    for document, ids in zip(documents, first.outputs, strict=True):
        steps = list(zip([document[-1], *ids], ids, strict=False))
        assert all(known[a, b] > known[a].max() - 0.05 for a, b in steps)
    found = judge(first, again, GATE, itself=again)
    assert found.passed
    assert found.perplexity_ratio.value == pytest.approx(1.0, abs=1e-6)
    assert not judge(made_up, other, Gate(max_perplexity_increase=1e9)).passed


def wait_ready(port: int, child: processes.Child) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and child.alive:
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.5)
    pytest.fail(f"the server did not come up:\n{child.log_tail()}")
