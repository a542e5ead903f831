"""The tables that trtllm-bench prints, read back into the sections of its JSON report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_ENTRY = re.compile(r"^\[(TPOT|TTFT|GTPS|Latency|DT|ADT|DAR|AL)\]\s*([A-Za-z0-9]+)\s*:\s*(\S+)$")
# srun -l puts the task number before each line.
_PREFIX = re.compile(r"^\s*\d+:\s(?=\S)")
_HEADING = re.compile(
    r"^=?\s*(PYTORCH BACKEND|ENGINE DETAILS|MACHINE DETAILS|REQUEST DETAILS|WORLD \+ RUNTIME INFORMATION|PERFORMANCE OVERVIEW|"
    r"DECODING STATISTICS|DATASET DETAILS)\s*(?:\((.+)\))?\s*$",
    re.IGNORECASE,
)

# Labels up to the first bracket, in lower case -> section and key of the JSON report. Labels drift between versions; these are all that were seen.
_LABELS = {
    "model": ("engine", "model"),
    "model path": ("engine", "model_path"),
    "tensorrt llm version": ("engine", "version"),
    "tensorrt-llm version": ("engine", "version"),
    "dtype": ("engine", "dtype"),
    "kv cache dtype": ("engine", "kv_cache_dtype"),
    "quantization": ("engine", "quantization"),
    "tp size": ("world_info", "tp_size"),
    "pp size": ("world_info", "pp_size"),
    "ep size": ("world_info", "ep_size"),
    "max runtime batch size": ("world_info", "max_batch_size"),
    "max runtime tokens": ("world_info", "max_num_tokens"),
    "number of requests": ("request_info", "num_requests"),
    "number of concurrent requests": ("request_info", "avg_num_concurrent_requests"),
    "average input length": ("request_info", "avg_input_length"),
    "average output length": ("request_info", "avg_output_length"),
    "request throughput": ("performance", "request_throughput_req_s"),
    "total output throughput": ("performance", "system_output_throughput_tok_s"),
    "token throughput": ("performance", "system_output_throughput_tok_s"),
    "total token throughput": ("performance", "system_total_throughput_tok_s"),
    "total latency": ("performance", "total_latency_ms"),
    "average request latency": ("performance", "avg_request_latency_ms"),
    "average time-to-first-token": ("streaming_metrics", "avg_ttft_ms"),
    "average time-per-output-token": ("streaming_metrics", "avg_tpot_ms"),
}
_PERCENTILES = {
    "TPOT": ("streaming_metrics", "tpot_percentiles"),
    "TTFT": ("streaming_metrics", "ttft_percentiles"),
    "GTPS": ("streaming_metrics", "gen_tps_percentiles"),
    "Latency": ("performance", "request_latency_percentiles_ms"),
    "DT": ("decoding_stats", "num_draft_tokens_percentiles"),
    "ADT": ("decoding_stats", "num_accepted_draft_tokens_percentiles"),
    "DAR": ("decoding_stats", "draft_acceptance_rate_percentiles"),
    "AL": ("decoding_stats", "acceptance_length_percentiles"),
}


def console_reports(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line of the first heading and sections of every report in a console log; a section that comes again begins the next report."""
    report: dict[str, Any] = {}
    headings: set[str] = set()
    begun = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _PREFIX.sub("", raw).strip()
        heading = _HEADING.match(line)
        if heading:
            name = heading[1].upper()
            if name in headings:
                yield begun, report
                report, headings = {}, set()
            begun = begun if headings else number
            headings.add(name)
            if name == "DECODING STATISTICS":
                report.setdefault("decoding_stats", {})["mode"] = heading[2]
            if name == "DATASET DETAILS":
                report["complete"] = True  # the last table: what is missing before it was not there
        elif headings:
            _read(line, report)
    if headings:
        yield begun, report


def _read(line: str, report: dict[str, Any]) -> None:
    """Put one line of a table into its section; lines of other kinds are passed over."""
    entry = _ENTRY.match(line)
    if entry:
        section, key = _PERCENTILES[entry[1]]
        report.setdefault(section, {}).setdefault(key, {})[entry[2].lower()] = entry[3]
        return
    label, colon, value = line.partition(":")
    place = _LABELS.get(re.split(r"[\[(]", label)[0].strip().lower())
    if colon and place and value.strip():
        report.setdefault(place[0], {})[place[1]] = None if value.strip() == "None" else value.strip()
