"""Results of ``sglang.bench_serving``: JSONL, one run per line.

Keys read from python/sglang/bench_serving.py and its successor python/sglang/benchmark/serving.py. End-to-end keys are spelled ``e2e_latency``;
``concurrency`` is the mean in flight and not the limit; an unlimited rate is the bare word ``Infinity``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from frontier.evidence.importers.base import Batch
from frontier.evidence.importers.benchmark_serving import serving_row
from frontier.evidence.importers.documents import batch_of, number, objects
from frontier.evidence.importers.names import precision_name, speculation_name
from frontier.evidence.importers.source import Source

_NEEDED = ("total_output_tokens_retokenized", "completed", "duration", "median_e2e_latency_ms")


def recognises(source: Source) -> bool:
    """Whether the file has SGLang's keys."""
    head = source.head
    return head.lstrip().startswith("{") and '"total_output_tokens_retokenized"' in head


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per line; a broken line is refused and the others are read."""
    found = objects(source, "sglang-bench", _NEEDED)
    yield batch_of(source, found, lambda item: _row(item, given), mark=":")


def _row(document: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**_lengths(document), **_server(document.get("server_info"))}
    if document.get("backend") in ("sglang", "sglang-native") or "tp_size" in (document.get("server_info") or {}):
        # The other backends name the protocol that was spoken, which is not the server behind it.
        facts["engine"] = "sglang"
    row = serving_row(document, given, facts, e2e="e2e_latency")
    row["acceptance_length"] = number(document, "accept_length")
    return row


def _lengths(document: Mapping[str, Any]) -> dict[str, Any]:
    """Nominal lengths of the random data set, if every request had them: a ratio below 1 draws lengths from ratio x length up to the length."""
    if str(document.get("dataset_name") or "").startswith("random") and number(document, "random_range_ratio") == 1.0:
        return {"isl_tokens": document.get("random_input_len"), "osl_tokens": document.get("random_output_len")}
    return {}


def _server(info: Any) -> dict[str, Any]:
    """What the server said of itself. A router answers with lists of prefill and decode workers."""
    if not isinstance(info, Mapping):
        return {}
    roles = {role: [worker for worker in info.get(role) or () if isinstance(worker, Mapping)] for role in ("prefill", "decode")}
    if all(roles.values()):
        facts: dict[str, Any] = {**_worker(roles["decode"][0]), "disagg": True}
        for role, workers in roles.items():
            counts = [_gpus(worker) for worker in workers]
            facts[f"{role}_workers"] = len(workers)
            facts[f"{role}_tp"] = workers[0].get("tp_size")
            facts[f"{role}_ep"] = workers[0].get("ep_size")
            facts[f"{role}_gpus"] = sum(count for count in counts if count) if all(counts) else None
        both = (facts["prefill_gpus"], facts["decode_gpus"])
        facts["gpus"] = sum(both) if None not in both else None
        return facts
    if info.get("disaggregation_mode") in ("prefill", "decode"):
        return _worker(info)  # one role of several: its GPUs are not all
    attention_dp = info.get("enable_dp_attention")
    return {
        **_worker(info),
        "disagg": False,
        "tp": info.get("tp_size"),
        "pp": info.get("pp_size"),
        "ep": info.get("ep_size"),
        "dp": info.get("dp_size"),
        "attention_dp": attention_dp if isinstance(attention_dp, bool) else None,
        "gpus": _gpus(info),
    }


def _gpus(worker: Mapping[str, Any]) -> int | None:
    """tp x pp, times dp where data parallelism is over copies of the model and not of attention inside one (``enable_dp_attention``)."""
    tp, pp, dp = (worker.get(key) for key in ("tp_size", "pp_size", "dp_size"))
    if not isinstance(tp, int) or not isinstance(pp, int) or not isinstance(dp, int):
        return None
    return tp * pp * (1 if worker.get("enable_dp_attention") else dp)


def _worker(info: Mapping[str, Any]) -> dict[str, Any]:
    method = info.get("speculative_algorithm")
    spec = None
    if "speculative_algorithm" in info:
        # EAGLE without a draft model of its own runs the checkpoint's MTP layer.
        built_in = method == "EAGLE" and not info.get("speculative_draft_model_path")
        spec = "none" if method is None else "mtp" if built_in else speculation_name(method)
    steps = info.get("speculative_num_steps")
    return {
        "model": info.get("model_path"),
        "engine_version": info.get("version"),
        # The checkpoint may be quantized without this option, so its absence says nothing.
        "precision": precision_name(info.get("quantization")),
        "kv_precision": precision_name(info.get("kv_cache_dtype")),
        "spec": spec,
        "draft_len": 0 if spec == "none" else steps if info.get("speculative_eagle_topk") == 1 else None,
    }
