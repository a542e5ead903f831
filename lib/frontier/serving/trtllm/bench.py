"""``trtllm-bench throughput`` and ``latency`` for a variant: the engine without a server, as a second opinion on what was measured through one.

It cannot measure disaggregation. Parallel degrees and batch limits are flags here, because its report repeats the flags and not what the file says;
the file holds all else, and nothing stands in both. Written from sources and documentation; not run on hardware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.serving.spec import BIN
from frontier.serving.trtllm.levers import TrtllmKnobs, TrtllmLevers
from frontier.serving.trtllm.serve import FORCED, as_yaml
from frontier.serving.trtllm.worker import worker_document

FLAGS = {
    "tensor_parallel_size": "--tp",
    "pipeline_parallel_size": "--pp",
    "moe_expert_parallel_size": "--ep",
    "max_batch_size": "--max_batch_size",
    "max_num_tokens": "--max_num_tokens",
    "max_seq_len": "--max_seq_len",
}  # key of the worker's file -> flag of the tool
ONE_USER = ("--max_batch_size", "--max_num_tokens")  # not of `latency`, which serves one request at a time
REPORT, REQUESTS, STEPS, DATASET, WORKER, LOG = "report.json", "requests.json", "steps.log", "dataset.jsonl", "worker.yaml", "bench.log"


@dataclass(frozen=True)
class OfflineBench:
    """One call of the tool.

    Attributes
    ----------
    command : tuple of str
        ``{bin}`` stands for the folder of the engine's commands.
    env : mapping of str to str
    files : mapping of str to str
        Name -> text of the files it reads, but for the dataset.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str]


def offline_bench(levers: TrtllmLevers, knobs: TrtllmKnobs, model_folder: Path, concurrency: int, folder: Path) -> OfflineBench:
    """The call for a variant at a concurrency: ``latency`` for one user, ``throughput`` for more.

    Parameters
    ----------
    levers : TrtllmLevers
        Not disaggregated, on the GPUs of one node.
    knobs : TrtllmKnobs
    model_folder : Path
        The checkpoint.
    concurrency : int, >= 1
    folder : Path
        Where files are read and written.
    """
    document = worker_document(levers, knobs, "server")
    flags = {flag: document.pop(key) for key, flag in FLAGS.items() if key in document}
    document.setdefault("enable_chunked_prefill", False)  # the tool's default is to chunk, the server's is not to
    one = concurrency == 1
    words = [f"{BIN}/trtllm-bench", "--model", knobs.model, "--model_path", str(model_folder), "--workspace", str(folder / "workspace")]
    words += ["latency" if one else "throughput", "--backend", "pytorch", "--dataset", str(folder / DATASET)]
    words += [word for flag, value in flags.items() if not (one and flag in ONE_USER) for word in (flag, str(value))]
    words += ["--concurrency", str(concurrency), "--report_json", str(folder / REPORT), "--iteration_log", str(folder / STEPS)]
    words += [] if one else ["--streaming", "--request_json", str(folder / REQUESTS)]
    words += ["--extra_llm_api_options", str(folder / WORKER)]
    env = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(levers.layout.gpus)))}
    if levers.draft_len and knobs.forced_acceptance is not None:
        env[FORCED] = f"{knobs.forced_acceptance:g}"
    return OfflineBench(tuple(words), env, {WORKER: as_yaml(document)})


def offline_refusal(levers: TrtllmLevers, knobs: TrtllmKnobs) -> str:
    """Why the tool cannot measure a variant here; empty if it can."""
    if levers.disaggregated:
        return "trtllm-bench cannot measure disaggregation"
    if levers.layout.gpus > knobs.gpus_per_node:
        return f"{levers.layout.name} spans nodes, the cross-check runs on one"
    return ""


def dataset_lines(prompts: Sequence[Sequence[int]], output_tokens: int) -> list[dict[str, Any]]:
    """The tool's dataset: one request per line, its tokens given, so that no tokenizer comes between."""
    return [{"task_id": number, "input_ids": list(ids), "output_tokens": output_tokens} for number, ids in enumerate(prompts)]
