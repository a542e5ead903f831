"""Aggregated serving: every batch size and context budget of one worker, each evaluated once.

The arithmetic of continuous batching is that of ``BaseBackend.run_agg`` and ``TRTLLMBackend`` in aiconfigurator-core 0.12.0, done for the
whole grid at once; the latencies of the two kinds of steps come from the core's engine. Points that reach a frontier are computed again by
``run_agg`` itself (``rows.py``), which refuses any difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from frontier.evidence.predicted.schedules import KEEP_PER_LAYOUT, RATE_DECIMALS, aggregated_grid
from frontier.evidence.predicted.worker import NotPriced, WorkerSpec, worker

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_DRAIN_STEPS = 3  # steps TensorRT-LLM loses at the border of context and decoding; they do not count for TPOT


@dataclass(frozen=True, eq=False)
class AggregatedGrid:
    """All aggregated points of one worker; arrays of shape (n,), NaN where no operator row answers.

    Parameters
    ----------
    spec : WorkerSpec
    tokens_per_step : float, tokens that one request gains per decode step (1 + accepted drafts)
    batch_size : int array, requests in flight per attention-data rank
    ctx_tokens : int array, context tokens per mixed step
    ttft_ms, tpot_ms : float arrays, milliseconds
    requests_per_s : float array, of the worker
    output_tput_tok_s_gpu : float array, counting ``osl - 1`` tokens per request as the core does
    """

    spec: WorkerSpec
    tokens_per_step: float
    batch_size: IntArray
    ctx_tokens: IntArray
    ttft_ms: FloatArray
    tpot_ms: FloatArray
    requests_per_s: FloatArray
    output_tput_tok_s_gpu: FloatArray

    @property
    def evaluated(self) -> int:
        """How many points were evaluated with an answer."""
        return int(np.isfinite(self.tpot_ms).sum())


@lru_cache(maxsize=4096)
def evaluate_aggregated(spec: WorkerSpec, isl_tokens: int, osl_tokens: int, accepted_drafts: float) -> AggregatedGrid:
    """Every point of a worker that fits in memory.

    Parameters
    ----------
    spec : WorkerSpec
    isl_tokens, osl_tokens : int, tokens, osl_tokens >= 2
    accepted_drafts : float, mean accepted draft tokens per step, 0 <= accepted_drafts <= draft length

    Raises
    ------
    NotPriced
        If the model cannot take the layout, or no point has operator rows.
    """
    one = worker(spec)
    tokens_per_step = 1.0 + accepted_drafts
    grid = aggregated_grid(isl_tokens, osl_tokens, tokens_per_step > 1.0)
    batches = tuple(int(b) for b in np.unique(grid[:, 0]))
    fitting = batches[: one.largest_fitting("aggregated", batches, isl_tokens, osl_tokens)]
    grid = grid[np.isin(grid[:, 0], fitting)]
    batch, ctx = grid[:, 0], grid[:, 1]
    iterations = 1.0 + (osl_tokens - 1) / tokens_per_step
    schedule = step_schedule(batch, ctx, isl_tokens, iterations)
    mixed_ms = _each_once(
        list(zip(ctx.tolist(), schedule.decoding.tolist(), strict=True)),
        lambda key: one.mixed_step_ms(key[0], key[1], isl_tokens, osl_tokens),
    )
    # Where the context takes longer than the whole generation there are no decode-only steps to price.
    decode_ms = _each_once(
        [(int(b), 0) if alone else (0, 0) for b, alone in zip(batch, schedule.has_decode_only, strict=True)],
        lambda key: one.decode_step_ms(key[0], isl_tokens, osl_tokens) if key[0] else 0.0,
    )
    if batch.size and not np.isfinite(mixed_ms + decode_ms).any():
        raise NotPriced(one.miss)
    layout = spec.layout
    ttft_ms = mixed_ms * np.ceil(isl_tokens / ctx) * np.minimum(2.0 + (schedule.context_steps - 3.0) / 2.0 / 10.0, 4.0)
    counted = schedule.mixed_counted + schedule.decode_only
    tpot_ms = (mixed_ms * schedule.mixed_counted + decode_ms * schedule.decode_only) / counted / tokens_per_step
    window_ms = schedule.mixed * mixed_ms + schedule.decode_only * decode_ms
    tput = 1000.0 / window_ms * batch * (osl_tokens - 1) * (layout.pp * layout.dp)
    return AggregatedGrid(
        spec=spec,
        tokens_per_step=tokens_per_step,
        batch_size=batch,
        ctx_tokens=ctx,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
        requests_per_s=tput / (osl_tokens - 1),
        output_tput_tok_s_gpu=tput / layout.gpus,
    )


@dataclass(frozen=True, eq=False)
class StepSchedule:
    """Steps that a batch needs until all its requests are done; arrays of shape (n,)."""

    context_steps: FloatArray
    mixed: FloatArray
    mixed_counted: FloatArray
    decode_only: FloatArray
    decoding: IntArray
    has_decode_only: NDArray[np.bool_]


def step_schedule(batch: IntArray, ctx_tokens: IntArray, isl_tokens: int, iterations: float) -> StepSchedule:
    """How many mixed and decode-only steps each point takes.

    Parameters
    ----------
    batch, ctx_tokens : int arrays, shape (n,)
    isl_tokens : int
    iterations : float, decode steps one request needs

    Notes
    -----
    ``context_steps = ceil(isl * batch / ctx)``. When they exceed the iterations of a request, all steps are mixed. A single request has one
    context step, which does not count for TPOT.
    """
    context_steps = np.ceil(isl_tokens * batch / ctx_tokens)
    all_mixed = context_steps >= iterations
    shared = np.floor_divide(batch, context_steps / iterations).astype(np.int64)
    beside = batch - np.ceil(ctx_tokens / isl_tokens).astype(np.int64)
    single = batch == 1
    decoding = np.where(single, 0, np.maximum(1, np.where(all_mixed, shared, beside)))
    mixed = np.where(single, 1.0, context_steps)
    counted = np.where(all_mixed, context_steps, np.maximum(1.0, context_steps - _DRAIN_STEPS))
    decode_only = np.where(all_mixed, 0.0, iterations - context_steps)
    return StepSchedule(
        context_steps=context_steps,
        mixed=mixed,
        mixed_counted=np.where(single, 0.0, counted),
        decode_only=np.where(single, max(iterations - 1.0, 0.0), decode_only),
        decoding=decoding,
        has_decode_only=single | ~all_mixed,
    )


def select_aggregated(grid: AggregatedGrid, ttft_limit_s: float, tpot_targets_ms: tuple[float, ...]) -> IntArray:
    """Indices of the points that some latency target keeps: per target the ten with the highest request rate.

    Notes
    -----
    Rates are compared at the three decimals of the upper package's tables, and equal ones are ordered as its table sort orders them (reversed,
    then sorted, then reversed), because which of several equal rates is kept decides which interactivity is reached.
    """
    allowed = (grid.ttft_ms <= ttft_limit_s * 1000.0) & np.isfinite(grid.tpot_ms)
    rate = np.round(grid.requests_per_s, RATE_DECIMALS)
    kept: set[int] = set()
    for target in tpot_targets_ms:
        inside = np.flatnonzero(allowed & (grid.tpot_ms <= target))[::-1]
        kept.update(inside[np.argsort(rate[inside])][::-1][:KEEP_PER_LAYOUT].tolist())
    return np.array(sorted(kept), dtype=np.int64)


def _each_once(keys: list[tuple[int, int]], price: Callable[[tuple[int, int]], float]) -> FloatArray:
    known = {key: price(key) for key in dict.fromkeys(keys)}
    return np.array([known[key] for key in keys], dtype=np.float64)
