"""Which keys a worker's file and a front end's file may have, and where those that are often written went.

The engine forbids unknown keys of a worker and stops when it starts, minutes into a job; the front end's parser hands unknown keys to the workers
without a word. So both are checked before anything starts. Here stand the keys that this kit sets or that a measurement needs, not all there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.serving.trtllm.releases import Release

Kinds = tuple[type, ...]
NUMBER: Kinds = (int, float)
FLAG: Kinds = (bool,)
WHOLE: Kinds = (int,)
TEXT: Kinds = (str,)
LIST: Kinds = (list,)
NONE = type(None)

WORKER: dict[str, Any] = {
    "tensor_parallel_size": WHOLE, "pipeline_parallel_size": WHOLE, "context_parallel_size": WHOLE, "moe_expert_parallel_size": (int, NONE),
    "moe_tensor_parallel_size": (int, NONE), "moe_cluster_parallel_size": (int, NONE), "gpus_per_node": (int, NONE), "enable_attention_dp": FLAG,
    "enable_lm_head_tp_in_adp": FLAG, "pp_partition": (list, NONE),
    "max_batch_size": WHOLE, "max_num_tokens": WHOLE, "max_seq_len": (int, NONE), "max_input_len": WHOLE, "max_beam_width": WHOLE,
    "backend": TEXT, "dtype": TEXT, "load_format": (str, int), "attn_backend": TEXT, "trust_remote_code": FLAG, "tokenizer": (str, NONE),
    "tokenizer_mode": TEXT, "skip_tokenizer_init": FLAG, "revision": (str, NONE), "tokenizer_revision": (str, NONE), "model_kwargs": (dict, NONE),
    "print_iter_log": FLAG, "enable_iter_perf_stats": FLAG, "enable_iter_req_stats": FLAG, "return_perf_metrics": FLAG, "enable_energy_metrics": FLAG,
    "iter_stats_max_iterations": (int, NONE), "perf_metrics_max_requests": WHOLE, "stream_interval": WHOLE, "num_postprocess_workers": WHOLE,
    "disable_overlap_scheduler": FLAG, "enable_chunked_prefill": FLAG, "enable_autotuner": FLAG, "enable_min_latency": FLAG,
    "force_dynamic_quantization": FLAG, "allreduce_strategy": (str, NONE), "garbage_collection_gen0_threshold": WHOLE,
    "enable_layerwise_nvtx_marker": FLAG, "batch_wait_timeout_ms": NUMBER, "batch_wait_timeout_iters": WHOLE, "batch_wait_max_tokens_ratio": NUMBER,
    "guided_decoding_backend": (str, NONE), "gather_generation_logits": FLAG, "orchestrator_type": (str, NONE), "sampler_type": TEXT,
    "cuda_graph_config": {"enable_padding": FLAG, "max_batch_size": WHOLE, "batch_sizes": LIST},
    "kv_cache_config": {
        "dtype": TEXT, "free_gpu_memory_fraction": NUMBER, "enable_block_reuse": FLAG, "max_tokens": (int, NONE),
        "max_attention_window": (list, NONE), "host_cache_size": (int, NONE), "enable_partial_reuse": FLAG,
        "copy_on_partial_reuse": FLAG, "tokens_per_block": WHOLE, "use_uvm": FLAG,
        "max_gpu_total_bytes": WHOLE, "event_buffer_max_size": WHOLE, "mamba_ssm_cache_dtype": TEXT, "block_reuse_config": {"policy": TEXT},
    },
    "moe_config": {
        "backend": TEXT, "max_num_tokens": (int, NONE), "disable_finalize_fusion": FLAG, "use_low_precision_moe_combine": FLAG,
        "load_balancer": {"num_slots": WHOLE, "layer_updates_per_iter": WHOLE},
    },
    "attention_dp_config": {"enable_balance": FLAG, "batching_wait_iters": WHOLE, "timeout_iters": WHOLE},
    "scheduler_config": {
        "capacity_scheduler_policy": TEXT, "context_chunking_policy": (str, NONE),
        "dynamic_batch_config": {
            "enable_batch_size_tuning": FLAG, "enable_max_num_tokens_tuning": FLAG, "dynamic_batch_moving_average_window": WHOLE,
        },
    },
    "speculative_config": {
        "decoding_type": TEXT, "max_draft_len": (int, NONE), "num_nextn_predict_layers": (int, NONE), "speculative_model": (str, NONE),
        "speculative_model_dir": (str, NONE), "max_concurrency": (int, NONE), "max_matching_ngram_size": WHOLE, "is_keep_all": FLAG,
        "is_use_oldest": FLAG, "is_public_pool": FLAG, "use_relaxed_acceptance_for_thinking": FLAG, "relaxed_topk": WHOLE, "relaxed_delta": NUMBER,
        "eagle3_one_model": (bool, NONE), "eagle3_layers_to_capture": (list, NONE), "use_rejection_sampling": FLAG,
    },
    "cache_transceiver_config": {
        "backend": (str, NONE), "max_tokens_in_buffer": (int, NONE), "transceiver_runtime": (str, NONE), "kv_transfer_timeout_ms": (int, NONE),
    },
    "torch_compile_config": {"enable_fullgraph": FLAG, "enable_inductor": FLAG, "enable_userbuffers": FLAG, "max_num_streams": WHOLE},
    "nvfp4_gemm_config": {"allowed_backends": LIST},
}  # fmt: skip
NULLABLE = ("cuda_graph_config", "speculative_config", "cache_transceiver_config", "torch_compile_config", "load_balancer", "scheduler_config")
_SECTION: dict[str, Any] = {"num_instances": WHOLE, "urls": LIST, "router": {"type": TEXT, "use_tokens": FLAG}}
FRONT: dict[str, Any] = {
    "hostname": TEXT, "port": WHOLE, "max_retries": WHOLE, "perf_metrics_max_requests": WHOLE, "schedule_style": TEXT,
    "conditional_disagg_config": {"max_local_prefill_length": WHOLE}, "context_servers": _SECTION, "generation_servers": _SECTION,
}  # fmt: skip
# Keys that stand in published files and went elsewhere: what to write instead.
WENT = {
    "pytorch_backend_config": "its keys stand at the top since 1.0",
    "use_cuda_graph": "graphs are on; cuda_graph_config: null switches them off",
    "cuda_graph_padding_enabled": "cuda_graph_config.enable_padding",
    "cuda_graph_batch_sizes": "cuda_graph_config.batch_sizes",
    "cuda_graph_max_batch_size": "cuda_graph_config.max_batch_size",
    "padding_enabled": "enable_padding",
    "moe_backend": "moe_config.backend",
    "quant_config": "the checkpoint decides precision; the cache's is kv_cache_config.dtype",
    "kv_cache_dtype": "kv_cache_config.dtype",
    "free_gpu_mem_fraction": "free_gpu_memory_fraction",
    "build_config": "it belonged to serialized TensorRT engines",
    "extended_runtime_perf_knob_config": "it belonged to serialized TensorRT engines",
    "tp_size": "tensor_parallel_size",
    "pp_size": "pipeline_parallel_size",
    "ep_size": "moe_expert_parallel_size",
    "block_reuse_policy": "block_reuse_config.policy",
    "enable_overlap_scheduler": "disable_overlap_scheduler, the other way round",
    "context_server": "context_servers",
    "generation_server": "generation_servers",
}
MOE_BACKENDS = ("AUTO", "CUTLASS", "CUTEDSL", "TRTLLM", "DEEPGEMM", "VANILLA", "TRITON")
KV_CACHE_DTYPES = ("auto", "fp8", "fp8_ds_mla", "nvfp4", "float16", "bfloat16", "float32", "int8")
TRANSCEIVERS = ("DEFAULT", "UCX", "NIXL", "MOONCAKE", "MPI")
DRAFT_MODELS = ("Eagle3", "Draft_Target")
DECODING_TYPES = ("MTP", "Eagle", "Eagle3", "NGram", "Draft_Target", "AUTO")
POLICIES = ("GUARANTEED_NO_EVICT", "MAX_UTILIZATION", "STATIC_BATCH")


def worker_problems(document: Mapping[str, Any], release: Release) -> list[str]:
    """Why a worker of this release would not take a file, or would not do what it says; empty if nothing is known.

    Parameters
    ----------
    document : mapping
        The parsed YAML.
    release : Release
    """
    return [*_unknown(document, WORKER, ""), *_values(document, release), *_relations(document)]


def front_problems(document: Mapping[str, Any]) -> list[str]:
    """Why the front end of a disaggregated deployment would not do what its file says; empty if nothing is known."""
    problems = _unknown(document, FRONT, "")
    for name in ("context_servers", "generation_servers"):
        section = document.get(name)
        if not isinstance(section, Mapping):
            problems.append(f"{name} is missing")
            continue
        urls = section.get("urls") or []
        if len(urls) != section.get("num_instances", 1):
            problems.append(f"{name}: {len(urls)} urls for num_instances {section.get('num_instances', 1)}")
        problems += [f"{name}.urls: {url!r} must be host:port, without a scheme" for url in urls if str(url).count(":") != 1]
    return problems


def _unknown(document: Mapping[str, Any], known: Mapping[str, Any], path: str) -> list[str]:
    problems = []
    for key, value in document.items():
        here = f"{path}{key}"
        if key not in known:
            problems.append(f"{here} is no key of this file" + (f": {WENT[key]}" if key in WENT else ""))
            continue
        wanted = known[key]
        if isinstance(wanted, Mapping):
            if value is None and key in NULLABLE:
                continue
            if isinstance(value, Mapping):
                problems += _unknown(value, wanted, f"{here}.")
            elif not (key == "load_balancer" and isinstance(value, str)):
                problems.append(f"{here} must be a mapping, got {value!r}")
        elif not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            problems.append(f"{here} must be {_names(wanted)}, got {value!r}")
        elif wanted == WHOLE and key.startswith(("max_batch", "max_num", "tensor_", "pipeline_", "moe_expert")) and value < 1:
            problems.append(f"{here} must be at least 1, got {value}")
    return problems


def _names(wanted: Kinds) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a mapping", NONE: "null"}
    return " or ".join(words[kind] for kind in wanted)


def _values(document: Mapping[str, Any], release: Release) -> list[str]:
    """Values out of a list."""
    backends = MOE_BACKENDS if (release.major, release.minor) >= (1, 3) else (*MOE_BACKENDS, "WIDEEP")
    lists = (
        ("moe_config", "backend", backends), ("kv_cache_config", "dtype", KV_CACHE_DTYPES), ("cache_transceiver_config", "backend", TRANSCEIVERS),
        ("speculative_config", "decoding_type", DECODING_TYPES), ("scheduler_config", "capacity_scheduler_policy", POLICIES),
    )  # fmt: skip
    problems = []
    for section, key, valid in lists:
        value = (document.get(section) or {}).get(key) if isinstance(document.get(section), Mapping) else None
        if value is not None and value not in valid:
            problems.append(f"{section}.{key} must be one of {', '.join(valid)} in {release}, got {value!r}")
    return problems


def _relations(document: Mapping[str, Any]) -> list[str]:
    """What keys ask of each other."""
    problems = []
    drafts = document.get("speculative_config")
    if isinstance(drafts, Mapping):
        kind = drafts.get("decoding_type")
        if kind is None:
            problems.append("speculative_config.decoding_type is missing: it says what the other keys are")
        if kind in DRAFT_MODELS and not (drafts.get("speculative_model") or drafts.get("speculative_model_dir")):
            problems.append(f"speculative_config: {kind} needs speculative_model")
        if drafts.get("max_draft_len") is not None and drafts.get("num_nextn_predict_layers") is not None:
            problems.append("speculative_config: max_draft_len and num_nextn_predict_layers are the same knob, write one")
        length = drafts.get("max_draft_len", drafts.get("num_nextn_predict_layers"))
        if kind in DECODING_TYPES[:-1] and (not isinstance(length, int) or length < 1):
            problems.append(f"speculative_config: {kind} needs a draft length of at least 1, got {length!r}")
    graphs = document.get("cuda_graph_config")
    sizes = graphs.get("batch_sizes") if isinstance(graphs, Mapping) else None
    if isinstance(graphs, Mapping) and sizes and graphs.get("max_batch_size", max(sizes)) != max(sizes):
        problems.append(f"cuda_graph_config: max_batch_size {graphs['max_batch_size']} is not the largest of batch_sizes")
    tensor, expert = document.get("tensor_parallel_size", 1), document.get("moe_expert_parallel_size") or 1
    sharded = document.get("moe_tensor_parallel_size") or tensor // expert if isinstance(tensor, int) and isinstance(expert, int) else 1
    if isinstance(tensor, int) and isinstance(expert, int) and sharded * expert != tensor:
        problems.append(f"moe_expert_parallel_size {expert} times moe_tensor_parallel_size {sharded} must be tensor_parallel_size {tensor}")
    balancer = (document.get("moe_config") or {}).get("load_balancer") if isinstance(document.get("moe_config"), Mapping) else None
    if isinstance(balancer, Mapping) and isinstance(balancer.get("num_slots"), int) and balancer["num_slots"] % expert:
        problems.append(f"moe_config.load_balancer.num_slots {balancer['num_slots']} must be divisible by moe_expert_parallel_size {expert}")
    return problems
