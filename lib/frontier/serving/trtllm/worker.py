"""From levers to the file of a worker (``trtllm-serve --extra_llm_api_options``) and of the disaggregated front end.

Every knob is written in the file alone and none on the command line: which of the two wins changed between releases. Written for 1.0 to 1.3 from
their sources and documentation; not run on hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from frontier.errors import ConfigError
from frontier.serving.spec import HERE, PORT, host_of, port_of
from frontier.serving.trtllm.levers import KV_DTYPES, Layout, TrtllmKnobs, TrtllmLevers

LEAST_STEP_TOKENS = 8192  # the engine's own default: a step that prefills
BLOCK = 32  # tokens of a block of the KV cache; lengths are rounded up to it
DECODING = {"mtp": "MTP", "eagle3": "Eagle3", "ngram": "NGram", "draft_target": "Draft_Target"}
MOE_BACKENDS = {
    ("hopper", "fp8_block"): "CUTLASS",
    ("hopper", "fp8"): "CUTLASS",
    ("hopper", "bf16"): "CUTLASS",
    ("hopper", "w4a16_mxfp4"): "TRITON",
    ("blackwell", "fp8_block"): "DEEPGEMM",
    ("blackwell", "fp8"): "CUTLASS",
    ("blackwell", "bf16"): "CUTLASS",
    ("blackwell", "nvfp4"): "TRTLLM",
    ("blackwell", "w4a16_mxfp4"): "TRTLLM",
    ("blackwell", "w4a8_mxfp4_mxfp8"): "TRTLLM",
}  # what fits precision and GPU; attention data parallel and wide expert parallelism change it, see moe_backend


def layouts(levers: TrtllmLevers, knobs: TrtllmKnobs) -> dict[str, tuple[Layout, int]]:
    """Role -> layout of a worker and how many there are.

    Raises
    ------
    ConfigError
        If a disaggregated variant names no layouts and its own cannot be halved.
    """
    if not levers.disaggregated:
        return {"server": (levers.layout, 1)}
    context = knobs.context_layout or levers.layout.halved()
    generation = knobs.generation_layout or levers.layout.halved()
    return {"prefill": (context, knobs.context_workers), "decode": (generation, knobs.generation_workers)}


def spans_nodes(levers: TrtllmLevers, knobs: TrtllmKnobs) -> bool:
    """Whether one node is too small for the deployment: every worker is then placed on nodes of a job."""
    return sum(layout.gpus * count for layout, count in layouts(levers, knobs).values()) > knobs.gpus_per_node


def moe_backend(form: str, layout: Layout, knobs: TrtllmKnobs) -> str:
    """The kernels for the experts: those asked for, or what fits precision, GPU, layout and release.

    Raises
    ------
    ConfigError
        If nothing is known to fit.
    """
    if knobs.moe_backend:
        return knobs.moe_backend
    if layout.ep > 8 and form == "nvfp4":
        return knobs.release.wide_ep_backend
    if layout.attention_dp and knobs.architecture == "blackwell" and form in ("nvfp4", "w4a16_mxfp4", "w4a8_mxfp4_mxfp8"):
        return "CUTLASS"
    try:
        return MOE_BACKENDS[knobs.architecture, form]
    except KeyError:
        raise ConfigError(f"no MoE backend is known for {form} on {knobs.architecture}", hint="engine.moe_backend=CUTLASS") from None


def step_tokens(levers: TrtllmLevers, knobs: TrtllmKnobs, role: str) -> int:
    """``max_num_tokens`` of a worker: what is asked for, or room for a prompt and a step of drafts for every request.

    Notes
    -----
    A decoding step verifies draft_len + 1 tokens of every request. A worker that prefills too needs room for a prompt beside it.
    """
    drafts = (levers.draft_len + 1) * knobs.max_batch_size
    if role == "decode":
        return _up(drafts)
    if role == "prefill":
        return max(LEAST_STEP_TOKENS, _up(knobs.isl_tokens + (levers.draft_len + 1) * knobs.context_batch_size))
    return knobs.max_num_tokens or max(LEAST_STEP_TOKENS, _up(drafts + knobs.isl_tokens))


def least_step_tokens(levers: TrtllmLevers, knobs: TrtllmKnobs) -> int:
    """The smallest ``max_num_tokens`` with which an aggregated worker can do a step of drafts beside a prompt."""
    return (levers.draft_len + 1) * knobs.max_batch_size + knobs.isl_tokens


def worker_document(levers: TrtllmLevers, knobs: TrtllmKnobs, role: str) -> dict[str, Any]:
    """The file of a worker.

    Parameters
    ----------
    levers : TrtllmLevers
    knobs : TrtllmKnobs
    role : str
        ``server`` (does all), ``prefill`` or ``decode``.

    Raises
    ------
    ConfigError
        If ``knobs.worker`` sets what a lever or another knob sets.
    """
    layout, _ = layouts(levers, knobs)[role]
    batch = knobs.context_batch_size if role == "prefill" else knobs.max_batch_size
    document: dict[str, Any] = {
        "tensor_parallel_size": layout.tp,
        "pipeline_parallel_size": layout.pp,
        "max_batch_size": batch,
        "max_num_tokens": step_tokens(levers, knobs, role),
        "max_seq_len": knobs.max_seq_len or _up(knobs.isl_tokens + knobs.osl_tokens + levers.draft_len),
        "print_iter_log": True,
        "stream_interval": knobs.stream_interval,
        # Prefill workers replay no graph: their steps differ in length.
        "cuda_graph_config": None if role == "prefill" else {"enable_padding": True, "max_batch_size": batch},
        # A prompt that comes again must not be found in the cache: it would be measured as if it had been computed.
        "kv_cache_config": {
            "dtype": KV_DTYPES[knobs.kv_precision],
            "free_gpu_memory_fraction": knobs.free_gpu_memory_fraction,
            "enable_block_reuse": False,
        },
    }
    if knobs.moe:
        document |= {"moe_expert_parallel_size": layout.ep, "moe_config": {"backend": moe_backend(levers.precision_form, layout, knobs)}}
    if knobs.moe or layout.attention_dp:
        document["enable_attention_dp"] = layout.attention_dp
    if layout.attention_dp:
        document["attention_dp_config"] = {"enable_balance": True, "batching_wait_iters": 0, "timeout_iters": 60}
    if levers.draft_len:
        document["speculative_config"] = drafting(levers, knobs)
    if role == "prefill" or levers.draft_kind == "ngram":
        document["disable_overlap_scheduler"] = True
    if role in ("prefill", "decode"):
        document["cache_transceiver_config"] = {"backend": knobs.transceiver, "max_tokens_in_buffer": _up(knobs.isl_tokens + levers.draft_len)}
    return merged(document, knobs.worker, "engine.worker")


def drafting(levers: TrtllmLevers, knobs: TrtllmKnobs) -> dict[str, Any]:
    """``speculative_config`` of a worker."""
    key = knobs.release.draft_key if levers.draft_kind == "mtp" else "max_draft_len"
    document: dict[str, Any] = {"decoding_type": DECODING[levers.draft_kind], key: levers.draft_len}
    if levers.draft_kind in ("eagle3", "draft_target"):
        document[knobs.release.draft_model_key] = knobs.draft_model
    if levers.draft_kind == "ngram":
        document |= {"max_matching_ngram_size": 3, "is_keep_all": True, "is_use_oldest": True, "is_public_pool": False}
    return document


def front_document(levers: TrtllmLevers, knobs: TrtllmKnobs) -> dict[str, Any]:
    """The file of ``trtllm-serve disaggregated``: ports, and hosts where workers are on several, are places that the launch fills in."""
    where = host_of if spans_nodes(levers, knobs) else lambda name: HERE
    sections = {
        f"{word}_servers": {"num_instances": count, "urls": [f"{where(f'{role}{number}')}:{port_of(f'{role}{number}')}" for number in range(count)]}
        for word, role, count in (("context", "prefill", knobs.context_workers), ("generation", "decode", knobs.generation_workers))
    }
    return merged({"hostname": HERE, "port": PORT, **sections}, knobs.server, "engine.server")


def nested(flat: Mapping[str, str], origin: str) -> dict[str, Any]:
    """A document from dotted keys and values as YAML.

    Raises
    ------
    ConfigError
        If a value is no YAML, or a key lies below one that has a value.

    Examples
    --------
    >>> nested({"kv_cache_config.max_tokens": "4096", "print_iter_log": "false"}, "engine.worker")
    {'kv_cache_config': {'max_tokens': 4096}, 'print_iter_log': False}
    """
    out: dict[str, Any] = {}
    for dotted, text in flat.items():
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{dotted} must be YAML, got {text!r}", origin=origin) from error
        *path, last = dotted.split(".")
        place = out
        for name in path:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{dotted} lies below a key that has a value", origin=origin)
        place[last] = value
    return out


def merged(document: Mapping[str, Any], more: Mapping[str, Any], origin: str, path: str = "") -> dict[str, Any]:
    """A document with further keys in it; every key is set in one place.

    Raises
    ------
    ConfigError
        If both set a key.
    """
    out = dict(document)
    for key, value in more.items():
        here = f"{path}{key}"
        if key not in out:
            out[key] = value
        elif isinstance(out[key], Mapping) and isinstance(value, Mapping):
            out[key] = merged(out[key], value, origin, f"{here}.")
        else:
            raise ConfigError(f"{here} is set by a lever or a knob already, to {out[key]!r}", origin=origin, hint="set it in one place")
    return out


def _up(tokens: int) -> int:
    """Rounded up to whole blocks.

    >>> _up(2049)
    2080
    """
    return -(-tokens // BLOCK) * BLOCK
