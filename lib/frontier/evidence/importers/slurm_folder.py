"""What the folder of TensorRT-LLM's disaggregated Slurm benchmark says of a result: its name is the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# <isl>-<osl>/[disagg_]ctx<N>_gen<M>_<dep|tep><X>_batch<Y>_eplb<Z>_mtp<W>[...]/concurrency_<C>/result.json
_LENGTHS = re.compile(r"^(\d+)-(\d+)$")
_LAYOUT = re.compile(r"^(?:disagg_)?ctx(\d+)_gen(\d+)_(dep|tep)(\d+)_batch(\d+)_eplb(\d+)_mtp(\d+)(?:_.*)?$")
_CONCURRENCY = re.compile(r"^concurrency_(\d+)$")


def folder_facts(path: Path) -> dict[str, Any]:
    """Columns that the folders above a result name; empty for a file that stands elsewhere.

    ``dep<X>`` is attention and expert parallelism over X GPUs, ``tep<X>`` tensor and expert parallelism, both of one generation worker. The
    name holds no tensor parallelism of the context workers and no pipeline parallelism, so the number of GPUs is not in it.
    """
    names = path.resolve().parts
    layout = next((index for index in range(len(names) - 2, -1, -1) if _LAYOUT.match(names[index])), None)
    if layout is None:
        return {}
    found = _LAYOUT.match(names[layout])
    if found is None:
        return {}
    prefill, decode, kind, ranks, batch, slots, drafts = found.groups()
    facts: dict[str, Any] = {
        "engine": "trtllm",
        "disagg": True,
        "prefill_workers": int(prefill),
        "decode_workers": int(decode),
        "decode_tp": int(ranks),
        "decode_ep": int(ranks),
        "decode_dp": int(ranks) if kind == "dep" else 1,
        "spec": "mtp" if int(drafts) else "none",
        "draft_len": int(drafts),
        "max_batch_size": int(batch),
        "eplb_slots": int(slots),
    }
    lengths = _LENGTHS.match(names[layout - 1])
    first = layout
    if lengths:
        facts.update(isl_tokens=int(lengths[1]), osl_tokens=int(lengths[2]))
        first = layout - 1
    concurrency = _CONCURRENCY.match(names[layout + 1])
    if concurrency:
        facts["concurrency"] = int(concurrency[1])
    # Every result of a sweep is called result.json: the folders are its name.
    facts["run_id"] = "/".join(names[first:-1])
    return facts
