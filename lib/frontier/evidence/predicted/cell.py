"""One cell of a predicted experiment: an atomic assignment of lever settings, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from frontier.errors import ConfigError
from frontier.evidence.predicted.precisions import kv_mode, precision_form
from frontier.evidence.predicted.schedules import DEFAULT_TTFT_LIMIT_S, TPOT_TARGETS_MS
from frontier.evidence.predicted.silicon import gpus_per_node, model_facts, resolve_version
from frontier.evidence.predicted.spaces import SEARCH_SPACES

MAX_DRAFT_LEN = 8


@dataclass(frozen=True)
class PredictedCell:
    """Lever settings, workload and limits of one predicted frontier.

    Parameters
    ----------
    model_path : str
        Hugging Face id that aiconfigurator-core carries, such as ``deepseek-ai/DeepSeek-R1``.
    system : str
        System of aiconfigurator-core: ``h200_sxm``, ``b200_sxm``, ``gb200``, ...
    precision, kv_precision : str
        Forms of ``precisions.PRECISIONS`` and ``KV_PRECISIONS``.
    search_space : str
        One of ``spaces.SEARCH_SPACES``.
    max_gpus : int
        GPU budget of one deployment.
    domain_gpus, gpus_per_node : int
        GPUs of the scale-up (NVLink) domain and of one node; the latter must be what the wheel prices.
    disaggregated : bool
        Prefill and decode workers apart and rate-matched, or one kind of worker.
    isl_tokens, osl_tokens : int
        Tokens in and out of every request; osl_tokens >= 2, or there is no time per output token.
    draft_lens : tuple of int
        Draft lengths of multi-token prediction to try; 0 is without. The frontier is that of all of them together.
    accepted_drafts : mapping of int to float
        Mean accepted draft tokens per step for every draft length above 0; never assumed.
    ttft_limit_s : float
        Points with a longer TTFT are left out; the default is that of the upper package's Task (1 s).
    hypothetical_draft_head : bool
        Price a multi-token-prediction head that the checkpoint does not ship. Without it such a draft length is refused.
    tpot_targets_ms : tuple of float
        Latency targets, each of which keeps its best configurations; the default is the upper package's list.
    backend, database_version : str
        Engine; version of its operator data, empty for the one the wheel holds as current.
    """

    model_path: str
    system: str
    precision: str
    kv_precision: str
    search_space: str
    max_gpus: int
    domain_gpus: int
    gpus_per_node: int
    disaggregated: bool
    isl_tokens: int
    osl_tokens: int
    draft_lens: tuple[int, ...] = (0,)
    accepted_drafts: Mapping[int, float] = field(default_factory=dict)
    ttft_limit_s: float = DEFAULT_TTFT_LIMIT_S
    hypothetical_draft_head: bool = False
    tpot_targets_ms: tuple[float, ...] = TPOT_TARGETS_MS
    backend: str = "trtllm"
    database_version: str = ""


def check_cell(cell: PredictedCell) -> str:
    """The resolved database version of a cell whose settings are possible.

    Raises
    ------
    ConfigError
        At the first setting that is not; the message has the valid choices.
    """
    version = resolve_version(cell.system, cell.backend, cell.database_version)
    facts = model_facts(cell.model_path)
    precision_form(cell.precision)
    kv_mode(cell.kv_precision)
    if cell.search_space not in SEARCH_SPACES:
        raise ConfigError(f"search_space must be one of {', '.join(SEARCH_SPACES)}, got {cell.search_space!r}", hint="search_space=node")
    _at_least("isl_tokens", cell.isl_tokens, 1)
    _at_least("osl_tokens", cell.osl_tokens, 2)
    _at_least("max_gpus", cell.max_gpus, 2 if cell.disaggregated else 1)
    _at_least("domain_gpus", cell.domain_gpus, 1)
    if cell.gpus_per_node != gpus_per_node(cell.system):
        raise ConfigError(
            f"gpus_per_node is {cell.gpus_per_node}, but the operator data of {cell.system} are for nodes of {gpus_per_node(cell.system)}",
            hint=f"gpus_per_node={gpus_per_node(cell.system)}",
        )
    if not (math.isfinite(cell.ttft_limit_s) and cell.ttft_limit_s > 0):
        raise ConfigError(f"ttft_limit_s must be a positive number of seconds, got {cell.ttft_limit_s!r}", hint="ttft_limit_s=1.0")
    if not cell.tpot_targets_ms or not all(math.isfinite(t) and t > 0 for t in cell.tpot_targets_ms):
        raise ConfigError(f"tpot_targets_ms must be positive milliseconds, got {cell.tpot_targets_ms!r}", hint="leave it at its default")
    if not cell.draft_lens:
        raise ConfigError("draft_lens is empty", hint="draft_lens=[0] for no multi-token prediction")
    for length in cell.draft_lens:
        check_draft(length, cell.accepted_drafts.get(length), facts.mtp_layers, cell.model_path, cell.hypothetical_draft_head)
    return version


def check_draft(length: int, accepted: float | None, mtp_layers: int, model_path: str, hypothetical: bool) -> None:
    """Refuse a draft length that the model or the missing acceptance does not allow.

    Raises
    ------
    ConfigError
    """
    if not 0 <= length <= MAX_DRAFT_LEN:
        raise ConfigError(f"draft length must be 0 to {MAX_DRAFT_LEN}, got {length}", hint="draft_lens=[0,1,2,3]")
    if length == 0:
        return
    if not mtp_layers and not hypothetical:
        raise ConfigError(
            f"draft length {length}: {model_path} ships no multi-token-prediction head", hint="draft_lens=[0], or a model with such a head"
        )
    if accepted is None:
        raise ConfigError(
            f"draft length {length} needs its mean accepted drafts, which is measured and never assumed",
            hint=f"accepted_drafts={{{length}: 0.8}}",
        )
    if not (math.isfinite(accepted) and 0 <= accepted <= length):
        raise ConfigError(f"accepted_drafts[{length}] must be between 0 and {length}, got {accepted!r}", hint=f"accepted_drafts={{{length}: 0.8}}")


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, got {value}", hint=f"{name}={least}")
