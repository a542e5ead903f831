"""What is varied on TensorRT-LLM and what is held fixed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frontier.errors import ConfigError
from frontier.serving.trtllm.releases import Release

DRAFT_KINDS = ("none", "mtp", "eagle3", "ngram", "draft_target")
KV_DTYPES = {"auto": "auto", "bf16": "auto", "fp8": "fp8", "nvfp4": "nvfp4"}
_LAYOUT = re.compile(r"(tp|tep|dep)(\d+)(?:pp(\d+))?")


@dataclass(frozen=True)
class Layout:
    """How the GPUs of one worker share the model.

    Attributes
    ----------
    tp, pp, ep : int
        Degrees of tensor, pipeline and expert parallelism; ``ep`` divides ``tp``.
    attention_dp : bool
        Attention runs data parallel over the ``tp`` ranks.

    Examples
    --------
    >>> Layout.parse("dep8"), Layout.parse("tp4pp2").gpus
    (Layout(tp=8, pp=1, ep=8, attention_dp=True), 8)
    """

    tp: int = 1
    pp: int = 1
    ep: int = 1
    attention_dp: bool = False

    @classmethod
    def parse(cls, text: str) -> Layout:
        """The layout of a name: ``tp8``; ``tep8``: experts over the same 8 GPUs; ``dep8``: attention data parallel too; ``tp4pp2``.

        Raises
        ------
        ConfigError
            If it is no such name.
        """
        match = _LAYOUT.fullmatch(text)
        if match is None or int(match[2]) < 1 or int(match[3] or 1) < 1:
            raise ConfigError(f"parallelism must be named like tp8, tep8, dep8 or tp4pp2, got {text!r}", origin="lever.parallelism")
        ranks = int(match[2])
        return cls(ranks, int(match[3] or 1), 1 if match[1] == "tp" else ranks, match[1] == "dep")

    @property
    def name(self) -> str:
        """The name that :meth:`parse` takes."""
        kind = "dep" if self.attention_dp else "tep" if self.ep > 1 else "tp"
        return f"{kind}{self.tp}" + (f"pp{self.pp}" if self.pp > 1 else "")

    @property
    def gpus(self) -> int:
        """GPUs of the worker."""
        return self.tp * self.pp

    def halved(self) -> Layout:
        """The same on half the GPUs, for one side of a disaggregated deployment.

        Raises
        ------
        ConfigError
            If the degree is odd.
        """
        if self.tp % 2:
            raise ConfigError(f"{self.name} cannot be halved for prefill and decode", hint="engine.context_layout and engine.generation_layout")
        return Layout(self.tp // 2, self.pp, max(1, self.ep // 2), self.attention_dp)


@dataclass(frozen=True)
class TrtllmLevers:
    """What is varied.

    Attributes
    ----------
    precision_form : str
        Of weights and activations: it chooses the checkpoint.
    layout : Layout
        Of the worker; with disaggregation of each of both together, where the knobs name none.
    draft_kind : str
        One of ``DRAFT_KINDS``.
    draft_len : int
        Tokens drafted per step.
    disaggregated : bool
        Prefill and decode on workers of their own.
    """

    precision_form: str
    layout: Layout = field(default_factory=Layout)
    draft_kind: str = "none"
    draft_len: int = 0
    disaggregated: bool = False

    def __post_init__(self) -> None:
        """Refuse a draft kind that there is not, and a length that contradicts it."""
        if self.draft_kind not in DRAFT_KINDS:
            raise ConfigError(f"draft_kind must be one of {', '.join(DRAFT_KINDS)}, got {self.draft_kind!r}")
        if (self.draft_kind == "none") != (self.draft_len == 0):
            raise ConfigError(f"draft_kind {self.draft_kind} and draft_len {self.draft_len} contradict each other")


@dataclass(frozen=True)
class TrtllmKnobs:
    """What is held fixed.

    Attributes
    ----------
    release : Release
    model : str
        Folder or id of the checkpoint.
    architecture : str
        Of the GPU: ``hopper`` or ``blackwell``.
    gpus_per_node : int
    moe : bool
        Whether the model has experts.
    isl_tokens, osl_tokens : int, tokens
        Of the workload: they decide how much room a step needs.
    max_batch_size : int, requests
        Of each rank where attention runs data parallel, else of the worker.
    max_num_tokens : int, tokens
        Of one step; 0: as many as workload and drafts need, at least 8192.
    max_seq_len : int, tokens
        0: the workload's length, rounded up.
    kv_precision : str
        Key of ``KV_DTYPES``.
    free_gpu_memory_fraction : float
        Of what is free after loading, for the KV cache.
    moe_backend : str
        Empty: by precision, GPU and release.
    stream_interval : int, tokens
        Between two chunks of an answer.
    draft_model : str
        Folder or id of the drafter; Eagle3 and draft_target only.
    transceiver : str
        How KV caches travel between workers.
    context_workers, generation_workers : int
    context_layout, generation_layout : Layout, optional
        Without them half of the variant's layout each.
    context_batch_size : int, requests
        Of a prefill worker.
    forced_acceptance : float, optional
        Mean accepted drafts that are stated instead of verified; results are labelled.
    launcher : tuple of str
        Words before a worker's command where the deployment spans nodes; workers of one job share it, so steps must be allowed to overlap.
    worker : mapping
        Further keys of every worker's file; none that a lever or knob sets.
    server : mapping
        Further keys of the file of the disaggregated front end.
    """

    release: Release
    model: str
    architecture: str
    gpus_per_node: int = 8
    moe: bool = False
    isl_tokens: int = 1024
    osl_tokens: int = 1024
    max_batch_size: int = 256
    max_num_tokens: int = 0
    max_seq_len: int = 0
    kv_precision: str = "auto"
    free_gpu_memory_fraction: float = 0.8
    moe_backend: str = ""
    stream_interval: int = 1
    draft_model: str = ""
    transceiver: str = "NIXL"
    context_workers: int = 1
    generation_workers: int = 1
    context_layout: Layout | None = None
    generation_layout: Layout | None = None
    context_batch_size: int = 8
    forced_acceptance: float | None = None
    launcher: tuple[str, ...] = ("srun", "--mpi=pmix", "--overlap")
    worker: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
