"""Results of ``vllm bench serve --save-result`` (with or without ``--save-detailed``), one document or several appended.

Keys read from vllm/benchmarks/serve.py. Files of the older benchmarks/benchmark_serving.py have the goodput key with a colon and no ``failed``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from frontier.evidence.importers.base import Batch
from frontier.evidence.importers.benchmark_serving import serving_row
from frontier.evidence.importers.documents import RefusedRow, batch_of, number, objects
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.trtllm_serve import ENGINE_NOTE

_NEEDED = ("model_id", "num_prompts", "completed", "duration", "max_concurrency")


def recognises(source: Source) -> bool:
    """Whether the file has vLLM's keys and the goodput key without a colon."""
    head = source.head
    return head.lstrip().startswith("{") and '"request_goodput"' in head and '"tokenizer_id"' in head


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per document; embedding and pooling results are refused."""
    found = objects(source, "vllm-bench", _NEEDED)
    notes = () if "engine" in given or any(isinstance(item, Mapping) and "engine" in item for _, item in found) else (ENGINE_NOTE,)
    yield batch_of(source, found, lambda item: _row(item, given), mark=":" if len(found) > 1 else "", notes=notes)


def _row(document: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if "total_input_sequences" in document:
        raise RefusedRow("backend", document.get("backend"), "an embedding or pooling run has no output tokens")
    if document.get("ramp_up_strategy"):
        raise RefusedRow("ramp_up_strategy", document["ramp_up_strategy"], "the load changed during the run: its figures belong to no single load")
    row = serving_row(document, given, {})
    drafts, tokens = number(document, "spec_decode_num_drafts"), number(document, "spec_decode_draft_tokens")
    if drafts > 0:
        # One verified token per step and the accepted drafts; drafts per step are whole where every step drafts alike.
        row["acceptance_length"] = 1 + number(document, "spec_decode_accepted_tokens") / drafts
        length = tokens / drafts
        if math.isclose(length, round(length), abs_tol=1e-9):
            row["draft_len"] = round(length)
    return row
