"""Exports of aiperf: the summary ``profile_export_aiperf.json``, the requests ``profile_export.jsonl``, or both of one run.

Metrics read from aiperf 0.13.0. Its ``inter_token_latency`` is (request latency - TTFT) / (OSL - 1) per request, which is TPOT; its
``inter_chunk_latency`` is the pooled gap between chunks, which is ITL. With ``--per-chunk-usage`` the divisor is OSL - tokens of the first chunk,
another quantity: such a summary is refused and the requests are needed. ``nvidia_average_gpu_power`` is the power of all GPUs together; energy over
time over GPUs is taken instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frontier.evidence.importers.aiperf_requests import AiperfRequests, read_requests
from frontier.evidence.importers.base import Batch, unlike
from frontier.evidence.importers.benchmark_serving import NO_TPOT
from frontier.evidence.importers.documents import RefusedRow, batch_of, gpu_count, iso_date, number, objects
from frontier.evidence.importers.source import Source

_NEEDED = ("aiperf_version", "input_config")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "sec": 1.0, "s": 1.0}
_FIRST_CHUNK = "with --per-chunk-usage inter_token_latency leaves out the first chunk's tokens, not one token: import profile_export.jsonl of the run"


def recognises(source: Source) -> bool:
    """Whether the file is a summary or a list of requests of aiperf."""
    head = source.head
    return head.lstrip().startswith("{") and ('"aiperf_version"' in head or ('"benchmark_phase"' in head and '"request_start_ns"' in head))


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per run. Of a summary and the requests of one folder the requests give the figures and the summary the settings."""
    if not recognises(source):
        raise unlike(source, "aiperf", "it is neither a summary (key aiperf_version) nor a list of requests (keys benchmark_phase, request_start_ns)")
    requests = _is_requests(source)
    pair = next((other for other in source.beside if other.path.parent == source.path.parent and _is_requests(other) is not requests), None)
    if requests and pair is not None and recognises(pair):
        return  # the summary's turn gives the row of both
    if requests:
        found = read_requests(source)
        yield batch_of(source, [(1, found)], lambda item: _row({}, item, given), mark="", notes=found.notes)
        return
    listed = read_requests(pair) if pair is not None and recognises(pair) else None
    notes = listed.notes if listed is not None else ()
    yield batch_of(source, objects(source, "aiperf", _NEEDED), lambda item: _row(item, listed, given), mark="", notes=notes)


def _is_requests(source: Source) -> bool:
    first = source.head.lstrip().split("\n", 1)[0]
    try:
        return "benchmark_phase" in json.loads(first).get("metadata", {})
    except (ValueError, AttributeError):
        return False


def _row(summary: Mapping[str, Any], requests: AiperfRequests | None, given: Mapping[str, Any]) -> dict[str, Any]:
    flags: list[str] = []
    settings = _settings(summary)
    gpus = gpu_count({}, given)
    if requests is not None:
        if not requests.completed:
            raise RefusedRow("request_count", 0, "no request completed")
        outcome, times = requests.outcome(), requests.times.statistics()
        stated = _time(summary, "inter_token_latency", "p50")
        if not math.isnan(stated) and abs(stated - times["median_tpot_s"]) > 0.01 * stated:
            flags.append("stated_median_tpot_differs")
    else:
        outcome, times = _outcome(summary), _times(summary)
        if _section(_section(summary, "input_config"), "endpoint").get("per_chunk_usage"):
            raise RefusedRow("per_chunk_usage", True, _FIRST_CHUNK)
    if math.isnan(times["median_tpot_s"]):
        raise RefusedRow("inter_token_latency", "", NO_TPOT)
    window, tokens_in, tokens_out = outcome["window_s"], outcome["tokens_in"], outcome["tokens_out"]
    concurrency = settings.get("concurrency") or given.get("concurrency", math.nan)
    row: dict[str, Any] = {
        **settings,
        "requests": outcome["requests"],
        "failed_requests": outcome["failed_requests"],
        "window_s": window,
        "isl_tokens": settings.get("isl_tokens") or given.get("isl_tokens", tokens_in / outcome["requests"]),
        "osl_tokens": settings.get("osl_tokens") or given.get("osl_tokens", tokens_out / outcome["requests"]),
        "output_tput_tok_s_gpu": tokens_out / window / gpus,
        "total_tput_tok_s_gpu": (tokens_in + tokens_out) / window / gpus,
        **times,
        "little_ratio": outcome["requests"] / window * times["mean_e2el_s"] / float(concurrency),
        **_speculation(summary),
    }
    if not (summary.get("is_complete", True) and not summary.get("was_cancelled", False)):
        row["valid"] = False
        flags.append("incomplete_run")
    row.update(_power(summary, window, tokens_out, gpus, flags))
    row["flags"] = ";".join(flags) or None
    return row


def _settings(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was set to: model, load of its one profiling phase, lengths of a synthetic data set without spread."""
    if not summary:
        return {}
    config = _section(summary, "input_config")
    models = [item.get("name") for item in _items(_section(config, "models").get("items"))]
    phases = [phase for phase in _items(config.get("phases")) if phase.get("kind") == "profiling"]
    load = phases[0] if len(phases) == 1 else {}
    prompts = [_section(data, "prompts") for data in _items(config.get("datasets"))]
    lengths = {name: _section(prompts[0], name) if len(prompts) == 1 else {} for name in ("isl", "osl")}
    exact = {name: found.get("mean") if found and not number(found, "stddev") > 0 else None for name, found in lengths.items()}
    return {
        "model": models[0] if len(models) == 1 else None,
        "date": iso_date(summary.get("start_time")),
        "run_id": summary.get("benchmark_id"),
        "isl_tokens": exact["isl"],
        "osl_tokens": exact["osl"],
        "concurrency": load.get("concurrency"),
        "request_rate_per_s": load.get("rate"),
        "warmup_requests": number(_section(_section(summary, "warmup_metrics"), "request_count"), "avg"),
    }


def _outcome(summary: Mapping[str, Any]) -> dict[str, float]:
    completed = number(_section(summary, "request_count"), "avg")
    if not completed > 0:
        raise RefusedRow("request_count", "", "no request completed")
    failed = number(_section(summary, "error_request_count"), "avg")
    found = {
        "requests": completed,
        "failed_requests": 0.0 if math.isnan(failed) else failed,  # the metric is left out of a run without errors
        "window_s": _time(summary, "benchmark_duration", "avg"),
        "tokens_in": number(_section(summary, "total_isl"), "avg"),
        "tokens_out": number(_section(summary, "total_osl"), "avg"),
    }
    for name, metric in (("window_s", "benchmark_duration"), ("tokens_in", "total_isl"), ("tokens_out", "total_osl")):
        if not found[name] > 0:
            raise RefusedRow(metric, "", f"{metric} must be a number above 0")
    return found


def _times(summary: Mapping[str, Any]) -> dict[str, float]:
    columns = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "e2el": "request_latency"}
    times = {
        f"{statistic}_{name}_s": _time(summary, metric, key)
        for name, metric in columns.items()
        for statistic, key in (("median", "p50"), ("p99", "p99"), ("mean", "avg"))
    }
    times["p90_ttft_s"] = _time(summary, "time_to_first_token", "p90")
    times["median_itl_s"] = _time(summary, "inter_chunk_latency", "p50")
    return times


def _time(summary: Mapping[str, Any], metric: str, key: str) -> float:
    """Seconds of one statistic, by the unit that stands beside it; NaN where it is missing or 0.

    Raises
    ------
    RefusedRow
        If the unit is none of time.
    """
    section = _section(summary, metric)
    value = number(section, key)
    if not value > 0:
        return math.nan
    if section.get("unit") not in _SECONDS:
        raise RefusedRow(f"{metric}.unit", section.get("unit"), f"the unit must be one of {', '.join(_SECONDS)}")
    return value * _SECONDS[section["unit"]]


def _speculation(summary: Mapping[str, Any]) -> dict[str, float]:
    """Tokens per decoding step over the run: 1 + accepted drafts / steps."""
    steps = number(_section(summary, "total_spec_decode_steps"), "avg")
    accepted = number(_section(summary, "total_accepted_draft_tokens"), "avg")
    return {"acceptance_length": 1 + accepted / steps} if steps > 0 else {}


def _power(summary: Mapping[str, Any], window: float, tokens_out: float, gpus: int, flags: list[str]) -> dict[str, float]:
    """Energy of the GPUs that were watched over the window, if they are exactly the GPUs of the deployment."""
    stated = [number(_section(summary, f"{vendor}_total_gpu_energy"), "avg") for vendor in ("nvidia", "amd")]
    joules = next((value for value in stated if value > 0), math.nan)
    if math.isnan(joules):
        return {}
    endpoints = _section(_section(summary, "telemetry_data"), "endpoints")
    watched = sum(len(_section(endpoint, "gpus")) for endpoint in endpoints.values() if isinstance(endpoint, Mapping))
    if watched != gpus:
        flags.append("power_of_other_gpus")
        return {}
    return {"power_w_gpu": joules / window / gpus, "joules_per_output_token": joules / tokens_out}


def _section(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = mapping.get(key)
    return found if isinstance(found, Mapping) else {}


def _items(found: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


