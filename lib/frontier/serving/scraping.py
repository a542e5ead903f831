"""Counters from a server's ``/metrics`` page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

# Name here, name on the page; the sum over labels is taken.
COUNTERS = {
    "prompt_tokens": "vllm:prompt_tokens_total",
    "generation_tokens": "vllm:generation_tokens_total",
    "preemptions": "vllm:num_preemptions_total",
    "requests_finished": "vllm:request_success_total",
    "drafts": "vllm:spec_decode_num_drafts_total",
    "draft_tokens": "vllm:spec_decode_num_draft_tokens_total",
    "accepted_tokens": "vllm:spec_decode_num_accepted_tokens_total",
    "prefix_cache_hits": "vllm:prefix_cache_hits_total",
    "handed_over_tokens": "vllm:external_prefix_cache_hits_total",
    "router_requests": "frontier_router:requests_total",
    "router_failed": "frontier_router:failed_total",
    "router_handed_over": "frontier_router:handed_over_total",
    "router_not_handed_over": "frontier_router:not_handed_over_total",
    "router_bytes": "frontier_router:bytes_total",
    "router_prefill_s": "frontier_router:prefill_seconds_total",
    "router_decode_first_s": "frontier_router:decode_first_seconds_total",
}
PER_POSITION = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_POSITION = re.compile(r'position="(\d+)"')


def counters(page: str) -> dict[str, float]:
    """The counters of one page; those that are not on it are absent.

    Returns
    -------
    dict of str to float
        Keys of ``COUNTERS``, and ``accepted_tokens_at_<k>`` for draft position k, counted from 1.

    Examples
    --------
    >>> counters('vllm:generation_tokens_total{engine="0"} 4.0\\nvllm:spec_decode_num_accepted_tokens_per_pos_total{position="0"} 3.0')
    {'generation_tokens': 4.0, 'accepted_tokens_at_1': 3.0}
    """
    names = {theirs: ours for ours, theirs in COUNTERS.items()}
    found: dict[str, float] = {}
    for line in page.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels, value = match[1], match[2] or "", float(match[3])
        if name in names:
            found[names[name]] = found.get(names[name], 0.0) + value
        elif name == PER_POSITION and (position := _POSITION.search(labels)):
            key = f"accepted_tokens_at_{int(position[1]) + 1}"
            found[key] = found.get(key, 0.0) + value
    return found


def added(pages: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Counters of several servers together."""
    total: dict[str, float] = {}
    for page in pages:
        for name, value in page.items():
            total[name] = total.get(name, 0.0) + value
    return total


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was counted between two looks; a counter that went backwards (a server started anew) is NaN."""
    return {name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else math.nan for name, value in after.items()}


def acceptance_length(counted: Mapping[str, float]) -> float:
    """Mean tokens per decoding step: 1 + accepted / drafts; NaN where nothing was drafted."""
    drafts = counted.get("drafts", 0.0)
    return 1 + counted.get("accepted_tokens", 0.0) / drafts if drafts > 0 else math.nan
