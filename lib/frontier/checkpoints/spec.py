"""What a checkpoint made here is: its shape, its training, or the published configuration whose shape it takes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

KINDS = ("trained", "random")
WEIGHTS = ("trained", "random", "none")
COMPUTE = ("bf16", "float32")
# Modules that read, check, keep and convert, and change nothing in the files.
AROUND = ("__init__", "quantized", "post_training", "folder", "load", "making", "spec")


@dataclass(frozen=True)
class Shape:
    """Sizes of a dense MiMo decoder with one MTP layer.

    Parameters
    ----------
    width, mlp_width : int
        Of the residual stream, and inside the MLP.
    layers : int
        Of the trunk; the MTP layer is one more.
    heads, kv_heads, head_dim : int
        ``heads`` is a multiple of ``kv_heads``; ``head_dim`` is even; ``heads * head_dim`` is ``width``.
    vocabulary : int, tokens
    max_positions : int, tokens
        What the configuration allows; the training sees ``tokens_per_row`` positions.
    """

    width: int
    layers: int
    mlp_width: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    max_positions: int = 4096
    norm_eps: float = 1e-6
    rope_theta: float = 10000.0


@dataclass(frozen=True)
class Stage:
    """One stretch of training: steps of so many rows, learning rate up in a line, then down along a cosine.

    Parameters
    ----------
    steps, warmup_steps : int
    rows, tokens_per_row : int
        Of one step; a row is a packed window of text.
    learning_rate : float
        At the end of the warm-up.
    last_share : float, 0 to 1
        What the cosine ends at, as a share of ``learning_rate``.
    vocabulary_share : float, 0 to 1
        Learning rate of embedding and output matrix as a share of the others': the pairs of all the text have taught them more than the
        batches of a stage can, and large steps undo it.
    weight_decay : float
        Of matrices; norms and biases have none.
    clip_norm : float
        Largest global norm of a step's gradients.
    """

    steps: int
    rows: int
    tokens_per_row: int
    learning_rate: float
    warmup_steps: int
    last_share: float = 0.0
    vocabulary_share: float = 1.0
    weight_decay: float = 0.1
    clip_norm: float = 1.0


@dataclass(frozen=True)
class Training:
    """How a checkpoint is trained.

    Parameters
    ----------
    shape : Shape
    pairs, small, trunk, drafter : Stage
        Embedding and output matrix on the counts of all pairs of neighbours (rows have no meaning there); the decoder at half its width, then
        widened, on next tokens; its MTP layer on the decoder's own distributions.
    pair_tokens : int
        Tokens of text behind the counts.
    draft_tokens : int
        Drafts one after another that the MTP layer is trained for and measured at.
    heldout_one_in : int
        One file of so many is held out.
    heldout_rows : int
        Windows of held-out text behind the losses.
    acceptance_prompts, acceptance_tokens : int
        Held-out prompts, and tokens generated after each, behind the acceptance rates.
    compute : str
        ``bf16`` or ``float32``: numbers that the passes are computed in; master weights are float32 either way.
    threads : int
        Of torch; sums depend on it, so it is part of the identity.
    """

    shape: Shape
    pairs: Stage
    small: Stage
    trunk: Stage
    drafter: Stage
    pair_tokens: int = 1_000_000
    draft_tokens: int = 3
    heldout_one_in: int = 20
    heldout_rows: int = 64
    acceptance_prompts: int = 32
    acceptance_tokens: int = 64
    compute: str = "bf16"
    threads: int = 2


@dataclass(frozen=True)
class CheckpointSpec:
    """An option of ``conf/checkpoint``.

    Parameters
    ----------
    name : str
    kind : str
        ``trained``: trained here. ``random``: the shape of a published model, for speed alone.
    about : str
    source : str
        Where the published configuration stands; empty for trained ones.
    weights : str
        ``trained``; for published shapes ``random`` (written to disk) or ``none`` (configuration and tokenizer, for an engine that makes up
        weights itself, such as ``vllm --load-format dummy``).
    seed : int
    training : Training, optional
    config : dict
        ``config.json`` of a published shape.
    shard_bytes : int
        Random weights are written in files of about this size, so that memory holds one.
    """

    name: str
    kind: str
    about: str = ""
    source: str = ""
    weights: str = "trained"
    seed: int = 0
    training: Training | None = None
    config: dict[str, Any] = field(default_factory=dict)
    shard_bytes: int = 2 * 2**30

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the specification, but for its words, and of the code that carries it out; needs neither torch nor the text."""
        return digest_of({"spec": {**asdict(self), "about": "", "source": ""}, "code": code_sha256()})

    @property
    def random(self) -> bool:
        """Whether the output means nothing: only speed may be measured."""
        return self.kind == "random"


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a plain value's JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@cache
def code_sha256() -> str:
    """SHA-256 (hex) of the modules here that determine a checkpoint's files: a changed training makes another checkpoint."""
    modules = sorted(file for file in Path(__file__).parent.glob("*.py") if file.stem not in AROUND)
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in modules}
    return digest_of(sums)
