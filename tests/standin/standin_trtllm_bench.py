"""A stand-in for ``trtllm-bench``: its command line, its strictness about files, and all it writes; times by the closed form of the stand-in server.

    trtllm-bench --model M --model_path FOLDER --workspace W throughput|latency --dataset D ... --report_json R [--request_json Q] --iteration_log I

``standin.json`` in the checkpoint's folder may say {"bench": ["fail"]} or ["slow"] (half as fast).
"""

from __future__ import annotations

import argparse
import heapq
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from standin_trtllm import STEP_MS, refuse

NS, TTFT_MS = 1_000_000, 4.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trtllm-bench", allow_abbrev=False)
    parser.add_argument("--model", "-m", required=True)
    parser.add_argument("--model_path", type=Path)
    parser.add_argument("--workspace", "-w", type=Path)
    commands = parser.add_subparsers(dest="mode", required=True)
    for name in ("throughput", "latency"):
        command = commands.add_parser(name, allow_abbrev=False)
        command.add_argument("--backend", choices=["pytorch", "_autodeploy", "tensorrt"], default="pytorch")
        command.add_argument("--dataset", type=Path, required=True)
        for flag in ("--tp", "--pp", "--ep", "--max_seq_len", "--warmup", "--num_requests"):
            command.add_argument(flag, type=int, default=1 if flag in ("--tp", "--pp") else None)
        for flag in ("--report_json", "--iteration_log", "--extra_llm_api_options"):
            command.add_argument(flag, type=Path)
        command.add_argument("--concurrency", type=int, default=1 if name == "latency" else -1)
        command.add_argument("--kv_cache_free_gpu_mem_fraction", type=float, default=0.9)
        if name == "throughput":
            command.add_argument("--streaming", action="store_true")
            command.add_argument("--request_json", type=Path)
            command.add_argument("--max_batch_size", type=int)
            command.add_argument("--max_num_tokens", type=int)
    return parser.parse_args()


def percentiles(values: list[float]) -> dict[str, float]:
    ordered, n = sorted(values), len(values)
    found = {f"p{q}": float(ordered[int(n * q / 100)]) for q in (50, 90, 95, 99)}
    return {**found, "minimum": min(values), "maximum": max(values), "average": sum(values) / n}


def main() -> None:
    given = arguments()
    said = json.loads(file.read_text()).get("bench", []) if (file := given.model_path / "standin.json").exists() else []
    document: dict[str, Any] = yaml.safe_load(given.extra_llm_api_options.read_text())
    refuse({**document, "tensor_parallel_size": given.tp}, "torch_llm_args.schema.json")
    twice = [key for key in ("tensor_parallel_size", "max_batch_size", "max_num_tokens") if key in document]
    assert not twice, f"set on the command line and in the file: {twice}"
    if "fail" in said:
        raise SystemExit("torch.OutOfMemoryError: CUDA out of memory")
    lines = [json.loads(line) for line in given.dataset.read_text().splitlines()]
    assert all(set(line) == {"task_id", "input_ids", "output_tokens"} for line in lines), lines[0]
    drafts = document.get("speculative_config") or {}
    length = drafts.get("max_draft_len", drafts.get("num_nextn_predict_layers", 0))
    step = STEP_MS / given.tp**0.5 / (1 + 0.5 * length) * (2 if "slow" in said else 1) * (1 + given.concurrency / 20)
    rng, free, records, busy = np.random.default_rng(0), [0.0] * given.concurrency, [], []
    for line in lines:
        begin = heapq.heappop(free)
        first = begin + TTFT_MS
        end = first + step * (line["output_tokens"] - 1) * (1 + 0.02 * rng.standard_normal())
        heapq.heappush(free, end)
        busy.append((begin, end))
        iterations = max(1, round(line["output_tokens"] / (1 + 0.5 * length)))
        records.append(
            {
                "id": line["task_id"], "num_input_tokens": len(line["input_ids"]), "error_tokens": 0, "start_timestamp": int(begin * NS) + 7,
                "first_token_timestamp": int(first * NS) + 7, "end_timestamp": int(end * NS) + 7, "decode_iteration": iterations - 1,
                "output": "", "output_tokens": line["output_tokens"],
            }
        )  # fmt: skip
    total = max(end for _, end in busy)
    outputs, inputs = (sum(record[key] for record in records) for key in ("output_tokens", "num_input_tokens"))
    e2el = [end - begin for begin, end in busy]
    tpot = [(r["end_timestamp"] - r["first_token_timestamp"]) / NS / (r["output_tokens"] - 1) for r in records]
    plain, batch, step_tokens = percentiles([1.0]), getattr(given, "max_batch_size", None) or 1, getattr(given, "max_num_tokens", None) or 8192
    rates = {"request": 1e3 * len(lines) / total, "output": 1e3 * outputs / total, "total": 1e3 * (inputs + outputs) / total}
    report = {
        "engine": {"model": given.model, "model_path": str(given.model_path), "engine_dir": "None", "version": "1.2", "backend": "Pytorch",
                   "dtype": "bfloat16", "kv_cache_dtype": None, "quantization": None},
        "machine": None,
        "world_info": {"tp_size": given.tp, "pp_size": given.pp, "ep_size": given.ep, "world_size": given.tp * given.pp,
                       "max_batch_size": batch, "max_num_tokens": step_tokens,
                       "scheduling_policy": "GUARANTEED_NO_EVICT", "kv_cache_percentage": 0.8, "issue_rate": 1.2e17},
        "request_info": {"num_requests": len(lines), "avg_num_concurrent_requests": sum(e2el) / total,
                         "avg_input_length": inputs / len(lines), "avg_output_length": outputs / len(lines)},
        "performance": {"total_latency_ms": total, "avg_request_latency_ms": sum(e2el) / len(lines),
                        "request_throughput_req_s": rates["request"], "system_output_throughput_tok_s": rates["output"],
                        "system_total_throughput_tok_s": rates["total"], "output_throughput_per_user_tok_s": 1.0,
                        "output_throughput_per_gpu_tok_s": rates["output"] / given.tp,
                        "request_latency_percentiles_ms": percentiles(e2el)},
        "streaming_metrics": {"token_output_speed_tok_s": 1e3 / (sum(tpot) / len(tpot)), "avg_ttft_ms": TTFT_MS,
                              "avg_tpot_ms": sum(tpot) / len(tpot), "tpot_percentiles": percentiles(tpot),
                              "ttft_percentiles": percentiles([TTFT_MS] * len(lines)), "gen_tps_percentiles": plain},
        "dataset": {"isl_stats": plain, "osl_stats": plain, "seq_len_stats": plain, "num_requests": len(lines), "max_isl": 1, "max_osl": 1,
                    "max_sequence_length": 2, "avg_isl": 1, "avg_osl": 1, "avg_sequence_length": 2},
    }  # fmt: skip
    print_tables(report)
    given.report_json.write_text(json.dumps(report))
    if getattr(given, "request_json", None):
        given.request_json.write_text(json.dumps(records))
    with given.iteration_log.open("w") as log:
        for number in range(20):
            stats = {"iter": number, "iterLatencyMS": step, "numActiveRequests": given.concurrency, "numQueuedRequests": 0, "inflightBatchingStats": {
                "numScheduledRequests": given.concurrency, "numContextRequests": int(number % 4 == 0), "numGenRequests": given.concurrency,
                "numCtxTokens": 16 * int(number % 4 == 0)}}  # fmt: skip
            log.write(f"{stats}\n")


def print_tables(report: dict[str, Any]) -> None:
    """The console's tables, labels as the 1.2 line prints them."""
    world, info, figures, streaming = (report[key] for key in ("world_info", "request_info", "performance", "streaming_metrics"))
    ruler = "=" * 59
    for heading, pairs in (
        ("PYTORCH BACKEND", {"Model": report["engine"]["model"], "TensorRT LLM Version": "1.2", "Dtype": "bfloat16", "KV Cache Dtype": "None",
                             "Quantization": "None"}),
        ("REQUEST DETAILS", {"Number of requests": info["num_requests"], "Number of concurrent requests": info["avg_num_concurrent_requests"],
                             "Average Input Length (tokens)": info["avg_input_length"], "Average Output Length (tokens)": info["avg_output_length"]}),
        ("WORLD + RUNTIME INFORMATION", {"TP Size": world["tp_size"], "PP Size": world["pp_size"], "EP Size": world["ep_size"]}),
        ("PERFORMANCE OVERVIEW", {"Request Throughput (req/sec)": figures["request_throughput_req_s"],
                                  "Total Output Throughput (tokens/sec)": figures["system_output_throughput_tok_s"],
                                  "Total Token Throughput (tokens/sec)": figures["system_total_throughput_tok_s"],
                                  "Total Latency (ms)": figures["total_latency_ms"],
                                  "Average time-per-output-token [TPOT] (ms)": streaming["avg_tpot_ms"]}),
    ):  # fmt: skip
        print(f"{ruler}\n= {heading}\n{ruler}")
        for label, value in pairs.items():
            print(f"{label}: {value}")
    for name, value in streaming["tpot_percentiles"].items():
        print(f"[TPOT] {name.upper():<7}: {value:.4f}")


if __name__ == "__main__":
    main()
