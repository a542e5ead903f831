"""A specification and a text so small that a checkpoint is made in a second."""

from __future__ import annotations

import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from frontier.checkpoints import CheckpointSpec, Shape, Stage, Training
from frontier.checkpoints.text import Corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def text() -> Corpus:
    """Four sources to train on and two held out."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    read = [(name, (folder / name).read_text(encoding="utf-8")) for name in ("bisect.py", "heapq.py", "abc.py", "glob.py", "queue.py", "keyword.py")]
    return Corpus(tuple(read[:4]), tuple(read[4:]))


@pytest.fixture(scope="session")
def small_spec() -> CheckpointSpec:
    """A trained checkpoint of 30 thousand parameters."""
    stage = Stage(steps=12, rows=4, tokens_per_row=32, learning_rate=0.01, warmup_steps=2)
    shape = Shape(width=32, layers=1, mlp_width=32, heads=4, kv_heads=2, head_dim=8, vocabulary=320, max_positions=256)
    training = Training(
        shape=shape,
        pairs=replace(stage, steps=3),
        small=stage,
        trunk=stage,
        drafter=replace(stage, steps=4),
        heldout_rows=8,
        acceptance_prompts=4,
        acceptance_tokens=12,
        compute="float32",
        threads=1,
    )
    return CheckpointSpec("small", "trained", seed=1, training=training)


@pytest.fixture
def small_text(text: Corpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """Makes ``make`` and ``find`` read the short text instead of the whole library."""
    monkeypatch.setattr("frontier.checkpoints.making.read_corpus", lambda heldout_one_in: text)
    return text
