"""What the upper package sweeps: batch sizes, context budgets, latency targets, corrections.

Every constant is the default of ``Task`` in aiconfigurator 0.12.0 (sdk/task_v2.py, sdk/sweep.py), so that frontiers can be compared.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Targets of time per output token, milliseconds; each yields the best configurations that meet it.
TPOT_TARGETS_MS: tuple[float, ...] = tuple(float(t) for t in [*range(1, 20), *range(20, 300, 5)])
DEFAULT_TTFT_LIMIT_S = 1.0

AGGREGATED_BATCHES = (*range(1, 16), *range(16, 32, 4), *range(32, 64, 8), *range(64, 256, 16), *range(256, 513, 32))
DECODE_BATCHES = (*range(1, 16), *range(16, 32, 2), *range(32, 128, 4), *range(128, 512, 8), 512)
PREFILL_BATCH = 1
KEEP_PER_LAYOUT = 10  # aggregated rows kept per layout and target
KEEP_PREFILL = 32  # prefill workers tried, best rate per GPU first
KEEP_DECODE_PER_LAYOUT = 16  # decode workers tried per layout and target
KEEP_PER_TARGET = 5  # disaggregated rows kept per target

PREFILL_LATENCY_CORRECTION = 1.1
DECODE_LATENCY_CORRECTION = 1.08
PREFILL_RATE_FACTOR = 0.9  # loss when prefill and decode pools are paired
DECODE_RATE_FACTOR = 0.92
TTFT_QUEUE_FACTOR = 1.8  # queueing before prefill under load
MAX_WORKERS_PER_ROLE = 32
RATE_DECIMALS = 3  # worker tables are rounded to 1e-3 before rate matching

_STEP_TOKENS = 512
_SMALL_LIMIT_TOKENS = 8192


@lru_cache(maxsize=64)
def context_budgets(isl_tokens: int) -> tuple[int, ...]:
    """Context tokens per step that the sweep tries: multiples of the input length (prefill is not chunked), up to 8192 or two inputs."""
    limit = max(_SMALL_LIMIT_TOKENS, 2 * isl_tokens)
    fine = max(isl_tokens, _STEP_TOKENS)
    coarse = math.ceil(max(1024, _STEP_TOKENS, limit // 8) / isl_tokens) * isl_tokens
    found, tokens = {isl_tokens, 2 * isl_tokens}, 0
    while True:
        tokens += fine if tokens < _SMALL_LIMIT_TOKENS else coarse
        if tokens > limit:
            return tuple(sorted(found))
        found.add(tokens)


@lru_cache(maxsize=64)
def aggregated_grid(isl_tokens: int, osl_tokens: int, speculative: bool) -> NDArray[np.int64]:
    """Batch size and context budget of every aggregated point, shape (n, 2), in sweep order.

    A budget larger than the batch's context is left out. Without speculation, points that share their number of decoding requests per mixed
    step are tried once, as the upper package does.
    """
    points: list[tuple[int, int]] = []
    tried: set[float] = set()
    for batch in AGGREGATED_BATCHES:
        for tokens in context_budgets(isl_tokens):
            waiting = batch - math.ceil(tokens / isl_tokens)
            if waiting < 0 or (batch > 1 and waiting < 1):
                break
            if not speculative:
                balance = isl_tokens * batch / tokens / osl_tokens
                if balance > 1:
                    decoding = batch // balance
                    if decoding > 1 and decoding in tried:
                        continue
                    tried.add(decoding)
            points.append((batch, tokens))
    return np.array(points, dtype=np.int64).reshape(-1, 2)


def replica_sizes(max_gpus: int, wide_ep: bool) -> tuple[int, ...]:
    """GPU counts that a disaggregated replica may hold."""
    if wide_ep:
        return tuple(range(1, min(max_gpus, 512) + 1))
    return tuple(n for n in (1, 2, 4, 8, *range(16, 129, 8)) if n <= max_gpus)
