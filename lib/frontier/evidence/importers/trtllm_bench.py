"""Reports of trtllm-bench: the JSON of ``--report_json``, the tables it prints as far as they were kept, or the requests of ``--request_json``.

Keys and labels read from tensorrt_llm/bench/dataclasses/reporting.py. What its figures are: TPOT is (E2EL - TTFT) / (OSL - 1) per request, and 0
below two tokens; a percentile is the sorted value at index floor(n q), so p50 of an even count is the upper middle one;
``output_throughput_per_user`` is tokens over the whole latency, which is no interactivity; ``average_gpu_power`` is that of all GPUs together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from frontier.evidence.importers.base import Batch, unlike
from frontier.evidence.importers.console_tables import console_reports
from frontier.evidence.importers.documents import RefusedRow, batch_of, gpu_count, milliseconds, needed, number, objects
from frontier.evidence.importers.names import hardware_name, precision_name, speculation_name
from frontier.evidence.importers.source import Source
from frontier.load import Window, bench_requests, decoded_per_step, find_steady, streamed, window_metrics

_NEEDED = ("performance", "world_info", "request_info")
ONE_A_STEP = 1.01  # tokens per decoding step; above it drafts were accepted
NOT_STREAMED = "the report has no TPOT, so there is no interactivity; run trtllm-bench throughput with --streaming"


def recognises(source: Source) -> bool:
    """Whether the file has the report's sections, as JSON or as printed tables."""
    head = source.head
    if head.lstrip().startswith("{"):
        return '"world_info"' in head and '"request_info"' in head
    return _holds_requests(source) or "PERFORMANCE OVERVIEW" in head


def _holds_requests(source: Source) -> bool:
    return source.head.lstrip().startswith("[") and '"first_token_timestamp"' in source.head and '"num_input_tokens"' in source.head


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per report, or one of a file of requests."""
    if _holds_requests(source):
        items = list(source.json_rows())
        yield batch_of(source, [(1, items)], lambda found: requests_row(found, given, source.name), mark="")
        return
    if source.head.lstrip().startswith("{"):
        found = objects(source, "trtllm-bench", _NEEDED)
        yield batch_of(source, found, lambda item: report_row({**item, "complete": True}, given), mark=":" if len(found) > 1 else "")
        return
    reports = list(console_reports(source.text()))
    if not reports:
        raise unlike(source, "trtllm-bench", "it is neither a JSON object nor console output with a PERFORMANCE OVERVIEW")
    yield batch_of(source, reports, lambda item: report_row(item, given), mark=":")


def report_row(report: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A report as a row of the points table.

    Raises
    ------
    RefusedRow
        If it has no GPU count or no TPOT.

    Notes
    -----
    Tokens are requests x mean lengths, the window is the total latency. The report holds the mean in flight and not the limit (``--concurrency``), so
    ``concurrency`` stays empty unless it is given, and without it Little's law cannot be checked.
    """
    engine, world, info, performance = (_section(report, name) for name in ("engine", "world_info", "request_info", "performance"))
    streaming, decoding = _section(report, "streaming_metrics"), _section(report, "decoding_stats")
    flags: list[str] = []
    # An EP size that is not stated is printed as None; the PyTorch backend has none then.
    row: dict[str, Any] = {
        "model": engine.get("model"),
        "hardware": hardware_name(_section(report, "machine").get("name")),
        "engine": "trtllm",
        "engine_version": engine.get("version"),
        **_precisions(engine),
        "tp": _whole(world, "tp_size"),
        "pp": _whole(world, "pp_size"),
        "ep": _whole(world, "ep_size"),
        "disagg": False,  # the tool starts one engine
        "gpus": _whole(world, "world_size") or _product(_whole(world, "tp_size"), _whole(world, "pp_size")),
        "max_batch_size": _whole(world, "max_batch_size"),
        "max_num_tokens": _whole(world, "max_num_tokens"),
    }
    gpus = gpu_count(row, given)
    row["gpus"] = row["gpus"] or gpus
    window = needed(performance, "total_latency_ms") / 1000.0
    requests, mean_in, mean_out = _volume(info, performance, window)
    if not streaming:
        raise RefusedRow("streaming_metrics", "", NOT_STREAMED)
    tpot, ttft = _section(streaming, "tpot_percentiles"), _section(streaming, "ttft_percentiles")
    latency = _section(performance, "request_latency_percentiles_ms")
    if math.isnan(milliseconds(tpot, "p50")):
        raise RefusedRow("tpot_percentiles.p50", tpot.get("p50"), NOT_STREAMED)
    if number(tpot, "minimum") == 0:
        flags.append("tpot_counts_short_requests")  # requests below two tokens are among the percentiles, as zeros
    output_rate = requests * mean_out / window
    if not _near(number(performance, "system_output_throughput_tok_s"), output_rate):
        flags.append("stated_throughput_differs")
    mean_e2el = _first(milliseconds(performance, "avg_request_latency_ms"), milliseconds(latency, "average"))
    concurrency = given.get("concurrency", math.nan)
    row.update(
        isl_tokens=given.get("isl_tokens", mean_in),
        osl_tokens=given.get("osl_tokens", mean_out),
        requests=requests,
        window_s=window,
        output_tput_tok_s_gpu=output_rate / gpus,
        total_tput_tok_s_gpu=requests * (mean_in + mean_out) / window / gpus,
        median_ttft_s=milliseconds(ttft, "p50"),
        p90_ttft_s=milliseconds(ttft, "p90"),
        p99_ttft_s=milliseconds(ttft, "p99"),
        median_tpot_s=milliseconds(tpot, "p50"),
        p99_tpot_s=milliseconds(tpot, "p99"),
        median_e2el_s=milliseconds(latency, "p50"),
        p99_e2el_s=milliseconds(latency, "p99"),
        mean_ttft_s=milliseconds(streaming, "avg_ttft_ms"),
        mean_tpot_s=milliseconds(streaming, "avg_tpot_ms"),
        mean_e2el_s=mean_e2el,
        little_ratio=requests / window * mean_e2el / float(concurrency),
        flags=";".join(flags) or None,
        **_speculation(decoding, mean_out, bool(report.get("complete"))),
        **_energy(_section(report, "energy"), window, requests * mean_out, gpus),
    )
    return row


def requests_row(items: list[Any], given: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The requests of one call as a row of the points table: the steady part of the load, or all of it, which is then flagged ``not_steady``.

    Raises
    ------
    RefusedRow
        If no GPU count is given, or nothing was streamed.
    PointsError
        If the file is none of this tool's.

    Notes
    -----
    The file holds neither model nor GPUs nor date. The concurrency is the one given, else the most requests in flight at once.
    """
    gpus = gpu_count({}, given)
    stated = number(given, "concurrency")
    requests = bench_requests(items, origin=origin, concurrency=int(stated) if stated >= 1 else 0)
    if not streamed(requests):
        raise RefusedRow("first_token_timestamp", -1, NOT_STREAMED)
    concurrency = int(requests["concurrency"].iloc[0])
    steady = find_steady(requests, concurrency)
    window = steady.window or Window(int(requests["start_ns"].min()), int(requests["end_ns"].max()))
    row: dict[str, Any] = {
        "engine": "trtllm",
        "gpus": gpus,
        "disagg": False,
        "isl_tokens": given.get("isl_tokens", float(requests["input_tokens"].mean())),
        "osl_tokens": given.get("osl_tokens", float(requests["output_tokens"].mean())),
        **window_metrics(requests, window, gpus=gpus, concurrency=concurrency),
        "flags": None if steady.found else "not_steady",
    }
    per_step = decoded_per_step(items)
    if per_step > ONE_A_STEP:
        row["acceptance_length"] = per_step
    return row


def _section(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = report.get(name)
    return found if isinstance(found, Mapping) else {}


def _whole(section: Mapping[str, Any], key: str) -> int | None:
    value = number(section, key)
    return int(value) if value >= 1 and value == math.floor(value) else None


def _product(tp: int | None, pp: int | None) -> int | None:
    return tp * pp if tp and pp else None


def _precisions(engine: Mapping[str, Any]) -> dict[str, str | None]:
    """Without a quantization algorithm the weights, and without one for it the KV cache, are in the model's own type."""
    own = precision_name(engine.get("dtype"))
    return {
        name: own if key in engine and engine[key] in (None, "") else precision_name(engine.get(key))
        for name, key in (("precision", "quantization"), ("kv_precision", "kv_cache_dtype"))
    }


def _volume(info: Mapping[str, Any], performance: Mapping[str, Any], window: float) -> tuple[float, float, float]:
    """Requests and their mean input and output tokens; of a performance table alone they follow from its rates."""
    if info:
        return needed(info, "num_requests"), needed(info, "avg_input_length"), needed(info, "avg_output_length")
    rate, out = needed(performance, "request_throughput_req_s"), needed(performance, "system_output_throughput_tok_s")
    both = needed(performance, "system_total_throughput_tok_s")
    return float(round(rate * window)), (both - out) / rate, out / rate


def _speculation(decoding: Mapping[str, Any], mean_out: float, complete: bool) -> dict[str, Any]:
    """Method, draft length and acceptance length. A complete report has the section exactly when speculation was on.

    Notes
    -----
    The tool's drafted tokens are L x iterations and its accepted ones tokens - iterations per request, so with their means
    L = drafted / (mean OSL - accepted).
    """
    if not decoding:
        return {"spec": "none", "draft_len": 0} if complete else {}
    row: dict[str, Any] = {"spec": speculation_name(decoding.get("mode"))}
    drafted = number(_section(decoding, "num_draft_tokens_percentiles"), "average")
    accepted = number(_section(decoding, "num_accepted_draft_tokens_percentiles"), "average")
    length = drafted / (mean_out - accepted) if mean_out > accepted else math.nan
    if math.isfinite(length) and abs(length - round(length)) < 0.01 * max(length, 1.0):
        row["draft_len"] = round(length)
    row["acceptance_length"] = number(_section(decoding, "acceptance_length_percentiles"), "average")
    return row


def _energy(energy: Mapping[str, Any], window: float, tokens_out: float, gpus: int) -> dict[str, float]:
    joules = number(energy, "total_energy_j")
    return {"power_w_gpu": joules / window / gpus, "joules_per_output_token": joules / tokens_out} if joules > 0 else {}


def _first(*values: float) -> float:
    return next((value for value in values if not math.isnan(value)), math.nan)


def _near(stated: float, worked_out: float) -> bool:
    return math.isnan(stated) or abs(stated - worked_out) <= 0.01 * abs(worked_out)
