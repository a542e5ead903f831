"""Results of TensorRT-LLM's benchmark_serving (``--save-result``), alone or in the folder of its disaggregated Slurm benchmark.

Keys read from tensorrt_llm/serve/scripts/benchmark_serving.py; the goodput key carries a colon (``"request_goodput:"``), which the file shares with
the vLLM script it descends from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from frontier.evidence.importers.base import Batch
from frontier.evidence.importers.benchmark_serving import serving_row
from frontier.evidence.importers.documents import RefusedRow, batch_of, number, objects
from frontier.evidence.importers.slurm_folder import folder_facts
from frontier.evidence.importers.source import Source

_NEEDED = ("request_goodput:", "completed", "duration", "max_concurrency")
ENGINE_NOTE = "the file names the client's protocol, not the server's engine: state it with --set engine=..."


def recognises(source: Source) -> bool:
    """Whether the file has the goodput key with the colon."""
    return source.head.lstrip().startswith("{") and '"request_goodput:"' in source.head


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per result; levers come from the folder's name where it is one of the Slurm benchmark."""
    found = objects(source, "trtllm-serve", _NEEDED)
    facts = folder_facts(source.path)
    notes = () if facts or "engine" in given or any(isinstance(item, Mapping) and "engine" in item for _, item in found) else (ENGINE_NOTE,)
    yield batch_of(source, found, lambda item: _row(item, given, facts), mark=":" if len(found) > 1 else "", notes=notes)


def _row(document: Mapping[str, Any], given: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    told, stated = facts.get("concurrency"), number(document, "max_concurrency")
    if told is not None and stated == stated and told != stated:
        raise RefusedRow("max_concurrency", stated, f"the folder says concurrency_{told}")
    row = serving_row(document, given, facts)
    decoded = document.get("avg_decoded_tokens_per_iter")
    if isinstance(decoded, Mapping):
        row["acceptance_length"] = number(decoded, "mean")
    return row
