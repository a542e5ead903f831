"""A checkpoint trained here: tokenizer, trunk, drafter, export, and what the exported file is worth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from frontier.checkpoints.drafting import drafter_loss
from frontier.checkpoints.evaluation import acceptance, heldout_loss
from frontier.checkpoints.export import read_network, write_network
from frontier.checkpoints.growth import halved, widened_network
from frontier.checkpoints.network import Block, Network
from frontier.checkpoints.pairs import learn_pairs
from frontier.checkpoints.spec import CheckpointSpec, Shape, Stage, Training
from frontier.checkpoints.text import Corpus
from frontier.checkpoints.tokenizer import END_ID, token_bytes, tokenizer_files, train_tokenizer
from frontier.checkpoints.training import Progress, next_token_loss, run_stage
from frontier.errors import ConfigError, RunError

TOKENIZER_CHARACTERS = 4_000_000  # of text behind the merges: more changes the tokens little and costs seconds
PROMPT_TOKENS = 128
HELDOUT = "heldout.jsonl"
_DTYPES = {"bf16": torch.bfloat16, "float32": torch.float32}


def train_into(folder: Path, spec: CheckpointSpec, training: Training, corpus: Corpus, tell: Progress | None) -> dict[str, Any]:
    """Train, write the files of a checkpoint but its manifest, and return what was measured.

    Raises
    ------
    RunError
        If the training diverges, or the exported file read again is worth something else than the network in memory.
    ConfigError
        If the text is too short for the specification.
    """
    with _settings(training.threads):
        clock = _Clock()
        tokenizer = train_tokenizer(islice_characters((text for _, text in corpus.training), TOKENIZER_CHARACTERS), training.shape.vocabulary)
        if tokenizer.get_vocab_size() != training.shape.vocabulary:
            raise ConfigError(
                f"the text gives {tokenizer.get_vocab_size()} tokens, shape.vocabulary asks for {training.shape.vocabulary}",
                origin=f"conf/checkpoint/{spec.name}.yaml",
                hint="a smaller shape.vocabulary",
            )
        stages = (training.small, training.trunk, training.drafter)
        longest = max(stage.tokens_per_row for stage in stages) + 1
        needed = max(sum(stage.steps * stage.rows for stage in stages), training.pair_tokens // longest)
        rows = packed(tokenizer, (text for _, text in corpus.training), longest, needed)
        unseen = packed(tokenizer, (text for _, text in corpus.heldout), training.trunk.tokens_per_row + 1, training.heldout_rows)
        if min(len(rows), len(unseen)) == 0:
            raise ConfigError(
                f"the text gives {len(rows)} rows to train on and {len(unseen)} held-out ones; at least one of each is needed",
                origin=f"conf/checkpoint/{spec.name}.yaml",
                hint="a smaller tokens_per_row, or a smaller heldout_one_in",
            )
        lengths = torch.tensor(token_bytes(tokenizer))
        clock.lap("tokenizer")
        dtype = _DTYPES[training.compute]
        small = initial(halved(training.shape), spec.seed).to(dtype)
        before = heldout_loss(small, unseen, lengths)
        learn_pairs(small, rows.flatten()[: training.pair_tokens], training.pairs, tell)
        clock.lap("pairs")
        train_trunk("small", small, rows, training.small, spec.seed + 1, tell)
        clock.lap("small")
        middle = heldout_loss(small, unseen, lengths)
        network = widened_network(small, training.shape, spec.seed + 2).to(dtype)
        train_trunk("trunk", network, rows, training.trunk, spec.seed + 3, tell)
        clock.lap("trunk")
        train_drafter(network, rows, training, spec.seed + 4, tell)
        clock.lap("drafter")
        write_network(network, folder)
        for name, content in tokenizer_files(tokenizer, training.shape.max_positions).items():
            (folder / name).write_text(content, encoding="utf-8")
        documents = corpus.documents()
        (folder / HELDOUT).write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
        network.to(torch.bfloat16).to(dtype)  # as the file rounds it
        exported = read_network(folder, training.shape, dtype)
        after, kept = heldout_loss(exported, unseen, lengths), heldout_loss(network, unseen, lengths)
        if after != kept:
            raise RunError(
                f"the exported weights have a held-out loss of {after.nats_per_token}, those in memory {kept.nats_per_token}", origin=str(folder)
            )
        prompts = prompts_of(tokenizer, documents, min(PROMPT_TOKENS, training.trunk.tokens_per_row // 2), training.acceptance_prompts)
        accepted = acceptance(exported, prompts, training.acceptance_tokens, training.draft_tokens)
        clock.lap("evaluation")
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "parameters_mtp": sum(parameter.numel() for parameter in network.drafter.parameters()),
        "trained_tokens": {
            **{name: stage.steps * stage.rows * stage.tokens_per_row for name, stage in zip(("small", "trunk", "drafter"), stages, strict=True)},
            "distinct": rows.numel(),
            "pairs": min(training.pair_tokens, rows.numel()),
        },
        "heldout": {"before": before.to_dict(), "before_widening": middle.to_dict(), "after": after.to_dict()},
        "acceptance": accepted,
        "seconds": clock.laps,
    }


def initial(shape: Shape, seed: int) -> Network:
    """A network with normal weights of deviation 0.02, smaller where a layer writes to the residual stream (as in GPT-2), zero biases."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(shape)
    deep = 0.02 / math.sqrt(2 * shape.layers)
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() > 1:
                parameter.normal_(0.0, deep if "o_proj" in name or "down_proj" in name else 0.02, generator=generator)
    return network


def train_trunk(name: str, network: Network, rows: Tensor, stage: Stage, seed: int, tell: Progress | None) -> None:
    """Train everything but the MTP layer on next tokens."""
    own = set(network.drafter.parameters())
    trunk = [parameter for parameter in network.parameters() if parameter not in own]
    slow = [*network.embedding.parameters(), *network.lm_head.parameters()]
    run_stage(name, trunk, rows[:, : stage.tokens_per_row + 1], stage, lambda batch: next_token_loss(network, batch), seed, tell, slow)


def train_drafter(network: Network, rows: Tensor, training: Training, seed: int, tell: Progress | None) -> None:
    """Train the MTP layer alone; the trunk stays as it is, and what it predicts is the target."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    own = list(network.drafter.parameters())
    for parameter in own:
        parameter.requires_grad_(True)
    start_drafter(network)
    stage, drafts = training.drafter, training.draft_tokens
    run_stage("drafter", own, rows[:, : stage.tokens_per_row + 1], stage, lambda batch: drafter_loss(network, batch, drafts), seed, tell)


def start_drafter(network: Network) -> None:
    """Start the MTP layer as a copy of the trunk's last layer that sees hidden state and embedding in equal parts, and ends in the trunk's norm."""
    drafter, width = network.drafter, network.shape.width
    last: Block = network.layers()[-1]
    with torch.no_grad():
        drafter.load_state_dict(last.state_dict(), strict=False)
        eye = torch.eye(width)
        drafter.input_proj.weight.copy_(torch.cat([eye, eye], dim=1))
        drafter.final_layernorm.weight.copy_(network.final_norm.weight)


def packed(tokenizer: Tokenizer, texts: Iterator[str], tokens: int, needed: int) -> Tensor:
    """Texts one after another, each closed by the end mark, cut into rows, shape (at most ``needed``, ``tokens``)."""
    stream: list[int] = []
    for text in texts:
        stream += [*tokenizer.encode(text).ids, END_ID]
        if len(stream) >= tokens * needed:
            break
    count = min(needed, len(stream) // tokens)
    return torch.tensor(stream[: count * tokens], dtype=torch.long).view(count, tokens)


def prompts_of(tokenizer: Tokenizer, documents: Sequence[str], tokens: int, count: int) -> Tensor:
    """The first tokens of held-out documents, shape (at most ``count``, ``tokens``); shorter documents are left out."""
    found = [ids[:tokens] for ids in (tokenizer.encode(text).ids for text in documents) if len(ids) >= tokens]
    return torch.tensor(found[:count], dtype=torch.long).view(-1, tokens)


def islice_characters(texts: Iterator[str], characters: int) -> Iterator[str]:
    """Texts until so many characters have come."""
    for text in texts:
        yield text
        characters -= len(text)
        if characters <= 0:
            return


class _Clock:
    """Seconds of each part, for the manifest."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.laps[name], self._last = now - self._last, now


@contextmanager
def _settings(threads: int) -> Iterator[None]:
    """Torch with so many threads and deterministic algorithms; as it was afterwards."""
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict)
