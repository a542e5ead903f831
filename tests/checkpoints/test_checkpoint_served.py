"""A trained checkpoint on a real server: the same tokens, and drafts accepted as often as the report says."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from frontier import processes
from frontier.checkpoints import Checkpoint, load_spec, make
from frontier.errors import MachineError
from frontier.tools.environments import find

pytestmark = pytest.mark.slow
READY_S, ANSWER_S = 300.0, 120.0
CLOSE = 0.15  # of a rate over some eighty drafting steps; the server computes in bfloat16, the report of this form in float32


@pytest.fixture
def vllm_python() -> Path:
    """Interpreter with vLLM: the one in ``FRONTIER_TEST_VLLM_PYTHON``, else the one ``frontier doctor --install vllm`` made here."""
    named = os.environ.get("FRONTIER_TEST_VLLM_PYTHON")
    try:
        return find("vllm", Path(__file__).parents[2] / "artifacts" / "cache" / "tools", python=Path(named) if named else None).python
    except MachineError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def tiny(tmp_path: Path) -> Checkpoint:
    pytest.importorskip("torch", reason="checkpoints need frontier-kit[torch]")
    return make(load_spec("pocket_tiny"), tmp_path)


@pytest.fixture
def url(vllm_python: Path, tiny: Checkpoint, tmp_path: Path) -> Iterator[str]:
    """A server of the tiny form with three drafts per step."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [
        vllm_python, "-m", "vllm.entrypoints.openai.api_server", "--model", tiny.path, "--served-model-name", "tiny", "--host", "127.0.0.1",
        "--port", str(port), "--max-model-len", "512", "--max-num-seqs", "4", "--enforce-eager", "--no-enable-prefix-caching",
        "--speculative-config", json.dumps({"method": "mtp", "num_speculative_tokens": 3}),
    ]  # fmt: skip
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    address = f"http://127.0.0.1:{port}"
    with processes.start(command, log=tmp_path / "server.log", env=env) as child:
        last = time.monotonic() + READY_S
        while True:
            assert child.alive, child.log_tail()
            assert time.monotonic() < last, "the server did not get ready"
            try:
                if requests.get(f"{address}/health", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(1.0)
        yield address


def counters(url: str) -> tuple[float, list[float]]:
    """Drafting steps so far, and of those the ones whose first k drafts were all accepted."""
    text = requests.get(f"{url}/metrics", timeout=30).text
    steps = sum(float(value) for value in re.findall(r"^vllm:spec_decode_num_drafts_total\{.*\} (\S+)$", text, re.MULTILINE))
    found = re.findall(r'^vllm:spec_decode_num_accepted_tokens_per_pos_total\{.*position="(\d)".*\} (\S+)$', text, re.MULTILINE)
    return steps, [float(value) for _, value in sorted(found)]


def test_the_server_reads_and_drafts_as_the_report_says(url: str, tiny: Checkpoint) -> None:
    from tokenizers import Tokenizer  # after the check for the extra

    tokenizer = Tokenizer.from_file(str(tiny.path / "tokenizer.json"))
    documents = [json.loads(line)["text"] for line in (tiny.path / "heldout.jsonl").read_text(encoding="utf-8").splitlines()]
    said = requests.post(f"{url}/tokenize", json={"model": "tiny", "prompt": documents[0][:600]}, timeout=ANSWER_S).json()
    assert said["tokens"] == tokenizer.encode(documents[0][:600]).ids

    report = tiny.report["acceptance"]
    prompts = [tokenizer.encode(text).ids[: report["prompt_tokens"]] for text in documents[: report["prompts"]]]
    before, _ = counters(url)
    for prompt in prompts:
        asked = {"model": "tiny", "prompt": prompt, "max_tokens": report["generated_tokens"], "temperature": 0, "ignore_eos": True}
        requests.post(f"{url}/v1/completions", json=asked, timeout=ANSWER_S).raise_for_status()
    steps, accepted = counters(url)
    assert before == 0
    assert steps == pytest.approx(report["steps"], rel=0.2)
    assert [count / steps for count in accepted] == pytest.approx(report["by_position"], abs=CLOSE)
