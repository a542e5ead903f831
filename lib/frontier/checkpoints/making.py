"""Make a checkpoint, or find the one that was made before."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from frontier.checkpoints.folder import Checkpoint, complete, folder_name, identity, read_checkpoint
from frontier.checkpoints.load import check_spec, load_spec
from frontier.checkpoints.spec import CheckpointSpec
from frontier.checkpoints.text import Corpus, read_corpus
from frontier.errors import ConfigErrors

Progress = Callable[[str, int, int, float], None]  # stage, step from 1, steps, loss in nats per token (NaN where there is none)
DEFAULT_ONE_IN = 20


def make(spec: CheckpointSpec, cache: Path, tell: Progress | None = None) -> Checkpoint:
    """The checkpoint of a specification, made now if the cache does not hold it.

    Parameters
    ----------
    spec : CheckpointSpec
    cache : Path
        Folder of checkpoints; made when absent.
    tell : callable, optional
        Called with (stage, step, steps, loss) after every step.

    Returns
    -------
    Checkpoint
        A second call with the same specification, code, text, packages and processor returns at once.

    Raises
    ------
    ConfigErrors
        If the specification contradicts itself.
    MachineError
        If a package is missing, or this Python ships no sources to train on.
    RunError
        If the disk is full, or the training diverged. Nothing is left in the cache then.
    """
    problems = check_spec(spec, f"conf/checkpoint/{spec.name}.yaml")
    if problems:
        raise ConfigErrors(problems)
    corpus = _corpus(spec)
    name = folder_name(spec, corpus)
    found = read_checkpoint(cache / name)
    return found or complete(cache, name, lambda stage: _build(stage, spec, corpus, tell))


def find(name: str, cache: Path, conf: Path | None = None) -> Checkpoint | None:
    """The checkpoint of an option of ``conf/checkpoint`` if the cache holds it complete.

    Raises
    ------
    ConfigError
        If there is no such option.
    MachineError
        If something of that name is there, and a package is missing or this Python ships no sources, so that it cannot be told which.
    """
    return find_spec(load_spec(name, conf), cache)


def find_spec(spec: CheckpointSpec, cache: Path) -> Checkpoint | None:
    """The checkpoint of a specification if the cache holds it complete."""
    if not any(cache.glob(f"{spec.name}-*")):
        return None  # without reading the text, whose digest is part of the name
    return read_checkpoint(cache / folder_name(spec, _corpus(spec)))


def _corpus(spec: CheckpointSpec) -> Corpus:
    return read_corpus(spec.training.heldout_one_in if spec.training is not None else DEFAULT_ONE_IN)


def _build(stage: Path, spec: CheckpointSpec, corpus: Corpus, tell: Progress | None) -> dict[str, Any]:
    """Fill the staging folder; returns the report."""
    started = perf_counter()
    # Threads of the OpenMP library that wait for one another by spinning make a training ten times slower where other programs use the same
    # cores (measured: 8.4 s a step instead of 0.8 s); it reads this when torch loads it, and without a rival it changes nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    facts = _files(stage, spec, corpus, tell)
    return {
        "name": spec.name,
        "kind": spec.kind,
        "weights": spec.weights,
        "random": spec.random,
        "speed_only": spec.random,
        **facts,
        "made_in_s": perf_counter() - started,
        "identity": identity(spec, corpus),
        "specification": asdict(spec),
        "environment": {"python": platform.python_version(), "cores": os.cpu_count(), "threads": spec.training.threads if spec.training else None},
        "text": {
            "what": "sources of the Python standard library",
            "sha256": corpus.sha256,
            "training_files": len(corpus.training),
            "heldout_files": [path for path, _ in corpus.heldout],
        },
    }


def _files(stage: Path, spec: CheckpointSpec, corpus: Corpus, tell: Progress | None) -> dict[str, Any]:
    """Write the files; returns what was measured."""
    from safetensors import SafetensorError  # torch loads in seconds: only for making

    from frontier.checkpoints.published import published_into
    from frontier.checkpoints.trained import train_into

    try:
        if spec.training is not None:
            return train_into(stage, spec, spec.training, corpus, tell)
        return published_into(stage, spec, corpus, tell)
    except SafetensorError as cause:  # a full disk reaches Python as this and not as an OSError
        raise OSError(str(cause)) from cause
