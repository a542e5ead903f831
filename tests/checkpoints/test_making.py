"""Making a checkpoint: the same twice, cached, whole or not at all, and worth what its report says."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="checkpoints need frontier-kit[torch]")

from frontier.checkpoints import CheckpointSpec, find_spec, make  # noqa: E402 - after the check for torch
from frontier.checkpoints.evaluation import heldout_loss  # noqa: E402
from frontier.checkpoints.export import read_network  # noqa: E402
from frontier.checkpoints.text import Corpus  # noqa: E402
from frontier.checkpoints.trained import packed  # noqa: E402
from frontier.errors import ConfigError, MachineError, RunError  # noqa: E402

# transformers 5.19, models/qwen2/tokenization_qwen2.py.
QWEN2 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
# Runs `make` in a process of its own and does something to it after a step: kill it, or forbid large files.
CHILD = """
import os, pickle, resource, signal, sys
from pathlib import Path
from frontier.checkpoints import make
spec, text, cache, stage, limit = pickle.loads(bytes.fromhex(sys.argv[1]))
import frontier.checkpoints.making as module
module.read_corpus = lambda heldout_one_in: text
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def tell(name, step, steps, loss):
    if name == stage and step == steps:
        os.kill(os.getpid(), signal.SIGKILL)
try:
    make(spec, cache, tell)
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
    sys.exit(getattr(error, "exit_code", 1))
"""


def child(spec: CheckpointSpec, text: Corpus, cache: Path, stage: str = "", limit: int = 0) -> subprocess.CompletedProcess[str]:
    given = pickle.dumps((spec, text, cache, stage, limit)).hex()
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", CHILD, given], capture_output=True, text=True, env=threads, check=False)


def visible(cache: Path) -> list[str]:
    return sorted(file.name for file in cache.iterdir() if not file.name.endswith(".lock"))


def test_the_same_specification_makes_the_same_files(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    one, two = make(small_spec, tmp_path / "a"), make(small_spec, tmp_path / "b")
    assert one.digest == two.digest
    assert one.report["heldout"] == two.report["heldout"]
    assert one.report["acceptance"] == two.report["acceptance"]


def test_another_seed_makes_other_weights(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    one, two = make(small_spec, tmp_path), make(replace(small_spec, seed=2), tmp_path)
    assert one.path != two.path
    assert one.report["files"]["model.safetensors"]["sha256"] != two.report["files"]["model.safetensors"]["sha256"]
    assert one.report["files"]["tokenizer.json"] == two.report["files"]["tokenizer.json"]


def test_torch_is_left_as_it_was(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    make(small_spec, tmp_path)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_second_call_makes_nothing(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    assert find_spec(small_spec, tmp_path) is None
    steps: list[str] = []
    first = make(small_spec, tmp_path, lambda stage, step, of, loss: steps.append(stage))
    assert [steps.count(stage) for stage in ("pairs", "small", "trunk", "drafter")] == [3, 12, 12, 4]
    steps.clear()
    assert make(small_spec, tmp_path, lambda stage, step, of, loss: steps.append(stage)) == first
    assert steps == []
    assert find_spec(small_spec, tmp_path) == first


def test_the_report_holds_for_the_files(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    from tokenizers import Tokenizer  # after the check for the extra

    made = make(small_spec, tmp_path)
    training = small_spec.training
    assert training is not None
    network = read_network(made.path, training.shape, torch.float32)
    tokenizer = Tokenizer.from_file(str(made.path / "tokenizer.json"))
    rows = packed(tokenizer, iter([text for _, text in small_text.heldout]), 33, 8)
    lengths = torch.tensor([len(tokenizer.decode([number]).encode()) for number in range(320)])
    again = heldout_loss(network, rows, lengths)
    before, after = made.report["heldout"]["before"], made.report["heldout"]["after"]
    assert again.nats_per_token == after["nats_per_token"]
    assert after["nats_per_token"] < before["nats_per_token"] - 0.3
    # 48 rows of 32 tokens in the first stage.
    assert made.report["trained_tokens"]["small"] == 12 * 4 * 32
    assert made.report["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert made.report["random"] is False


def test_held_out_files_are_never_trained_on(small_spec: CheckpointSpec, text: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same training text with other held-out files gives the same weights.
    parts = []
    for number, heldout in enumerate((text.heldout, (("other.py", text.training[1][1]),))):
        monkeypatch.setattr("frontier.checkpoints.making.read_corpus", lambda heldout_one_in, heldout=heldout: Corpus(text.training, heldout))
        parts.append(make(small_spec, tmp_path / str(number)).report["files"])
    assert parts[0]["model.safetensors"] == parts[1]["model.safetensors"]
    assert parts[0]["heldout.jsonl"] != parts[1]["heldout.jsonl"]


def test_the_folder_is_what_an_engine_loads(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    made = make(small_spec, tmp_path)
    config = json.loads((made.path / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["MiMoForCausalLM"]
    assert (config["hidden_size"], config["num_hidden_layers"], config["num_nextn_predict_layers"]) == (32, 1, 1)
    # transformers reads the tokenizer of model_type qwen2 as Qwen2's, whose cutting of text must therefore be the file's own.
    tokenizer = json.loads((made.path / "tokenizer.json").read_text(encoding="utf-8"))
    assert tokenizer["normalizer"] == {"type": "NFC"}
    assert tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"] == {"Regex": QWEN2}
    assert "chat_template" in json.loads((made.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    documents = [json.loads(line)["text"] for line in (made.path / "heldout.jsonl").read_text(encoding="utf-8").splitlines()]
    assert documents
    assert all(any(document in text for _, text in small_text.heldout) for document in documents)
    assert set(made.report["files"]) | {"checkpoint.json"} == {file.name for file in made.path.iterdir()}


@pytest.mark.parametrize("stage", ["pairs", "small", "drafter"])
def test_a_killed_maker_leaves_nothing_that_counts(stage: str, small_spec: CheckpointSpec, small_text: Corpus, text: Corpus, tmp_path: Path) -> None:
    assert child(small_spec, text, tmp_path, stage=stage).returncode == -signal.SIGKILL
    assert find_spec(small_spec, tmp_path) is None
    made = make(small_spec, tmp_path)
    assert visible(tmp_path) == [made.path.name]


def test_a_full_disk_is_an_error_and_leaves_nothing(small_spec: CheckpointSpec, text: Corpus, tmp_path: Path) -> None:
    done = child(small_spec, text, tmp_path, limit=20_000)  # the weights need 60 kB
    assert done.returncode == 4, done.stderr
    assert "RunError cannot write the checkpoint" in done.stderr
    assert "--cache" in done.stderr
    assert visible(tmp_path) == []


def test_a_cut_file_is_made_again(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    made = make(small_spec, tmp_path)
    weights = made.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert find_spec(small_spec, tmp_path) is None
    assert make(small_spec, tmp_path).digest == made.digest


def test_a_folder_without_its_manifest_does_not_count(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    made = make(small_spec, tmp_path)
    (made.path / "checkpoint.json").unlink()
    assert find_spec(small_spec, tmp_path) is None


def test_a_cache_that_cannot_be_a_folder(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="cannot write the checkpoint"):
        make(small_spec, tmp_path / "file")


def test_a_training_that_diverges_says_where(small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path) -> None:
    training = small_spec.training
    assert training is not None
    wild = replace(training, small=replace(training.small, learning_rate=1e30))
    with pytest.raises(RunError, match=r"the training of the small diverged: the loss of step \d+ is nan"):
        make(replace(small_spec, training=wild), tmp_path)
    assert visible(tmp_path) == []


def test_a_text_too_short_for_the_vocabulary(small_spec: CheckpointSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontier.checkpoints.making.read_corpus", lambda heldout_one_in: Corpus((("a.py", "a = 1\n"),), (("b.py", "b = 2\n"),)))
    with pytest.raises(ConfigError, match=r"the text gives \d+ tokens, shape.vocabulary asks for 320"):
        make(small_spec, tmp_path)


def test_without_torch_the_message_says_what_to_install(
    small_spec: CheckpointSpec, small_text: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    with pytest.raises(MachineError, match="needs the package torch") as caught:
        make(small_spec, tmp_path)
    assert caught.value.hint == "pip install 'frontier-kit[torch]'"
