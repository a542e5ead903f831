"""Disaggregated serving: prefill and decode workers evaluated once each, then rate-matched.

The matching follows aiconfigurator 0.12.0 (sdk/sweep.py): prefill rates are cut to 90 % and decode rates to 92 %, TTFT is 1.8 times the prefill
latency, and the pair of worker counts is the one with the highest rate per GPU. The upper package rounds its worker tables to 1e-3 requests/s and
1e-3 ms before it selects; the selection here uses the same rounded values, so that the same configurations win, and reports the unrounded ones
(at 0.1 requests/s per worker the rounding alone is worth 0.5 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from frontier.evidence.predicted.schedules import (
    DECODE_BATCHES,
    DECODE_LATENCY_CORRECTION,
    DECODE_RATE_FACTOR,
    KEEP_DECODE_PER_LAYOUT,
    KEEP_PER_TARGET,
    KEEP_PREFILL,
    MAX_WORKERS_PER_ROLE,
    PREFILL_BATCH,
    PREFILL_LATENCY_CORRECTION,
    PREFILL_RATE_FACTOR,
    RATE_DECIMALS,
    TTFT_QUEUE_FACTOR,
)
from frontier.evidence.predicted.worker import NotPriced, WorkerSpec, worker

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PrefillWorker:
    """One prefill worker: latency of a prompt in milliseconds, prompts per second."""

    spec: WorkerSpec
    prefill_ms: float
    requests_per_s: float

    @property
    def table_rate(self) -> float:
        """Prompts per second as the worker table rounds them."""
        return round(self.requests_per_s, RATE_DECIMALS)


@dataclass(frozen=True, eq=False)
class DecodeWorkers:
    """All batch sizes of one decode worker; arrays of shape (n,), accepted drafts included.

    ``table_tpot_ms`` and ``table_rate`` are ``tpot_ms`` and ``requests_per_s`` as the worker table rounds them.
    """

    spec: WorkerSpec
    tokens_per_step: float
    batch_size: IntArray
    tpot_ms: FloatArray
    requests_per_s: FloatArray
    table_tpot_ms: FloatArray
    table_rate: FloatArray


@dataclass(frozen=True)
class Pairing:
    """A decode worker, the prefill worker it is paired with, and how many of each; ``score`` is the rate per GPU from rounded worker rates."""

    decode: DecodeWorkers
    index: int
    prefill: PrefillWorker
    prefill_workers: int
    decode_workers: int
    gpus: int
    score: float

    @property
    def tpot_ms(self) -> float:
        """Time per output token, milliseconds."""
        return float(self.decode.tpot_ms[self.index])

    @property
    def requests_per_s_gpu(self) -> float:
        """Requests per second and GPU of the slower of the two pools, losses included."""
        prefill_rate = self.prefill.requests_per_s * self.prefill_workers * PREFILL_RATE_FACTOR
        decode_rate = float(self.decode.requests_per_s[self.index]) * self.decode_workers * DECODE_RATE_FACTOR
        return min(prefill_rate, decode_rate) / self.gpus


@lru_cache(maxsize=4096)
def evaluate_prefill(spec: WorkerSpec, isl_tokens: int, osl_tokens: int) -> PrefillWorker | None:
    """The prefill worker, or None if it does not fit in memory.

    Raises
    ------
    NotPriced
        If the model cannot take the layout, or no operator row answers.
    """
    one = worker(spec)
    if not one.fits("prefill", PREFILL_BATCH, isl_tokens, osl_tokens):
        return None
    latency_ms = PREFILL_LATENCY_CORRECTION * one.static_ms("static_ctx", PREFILL_BATCH, isl_tokens, osl_tokens)
    if not np.isfinite(latency_ms):
        raise NotPriced(one.miss)
    rate = PREFILL_BATCH * spec.layout.dp / latency_ms * 1000.0 * spec.layout.pp
    return PrefillWorker(spec, latency_ms, rate)


@lru_cache(maxsize=4096)
def evaluate_decode(spec: WorkerSpec, isl_tokens: int, osl_tokens: int, accepted_drafts: float) -> DecodeWorkers:
    """Every batch size of a decode worker that fits in memory and has operator rows.

    Raises
    ------
    NotPriced
        If the model cannot take the layout, or no batch size has operator rows.
    """
    one = worker(spec)
    fitting = DECODE_BATCHES[: one.largest_fitting("decode", DECODE_BATCHES, isl_tokens, osl_tokens)]
    batch = np.array(fitting, dtype=np.int64)
    generation_ms = DECODE_LATENCY_CORRECTION * np.array([one.static_ms("static_gen", b, isl_tokens, osl_tokens) for b in fitting], dtype=np.float64)
    known = np.isfinite(generation_ms)
    if batch.size and not known.any():
        raise NotPriced(one.miss)
    batch, generation_ms = batch[known], generation_ms[known]
    tokens_per_step = 1.0 + accepted_drafts
    step_ms = generation_ms / (osl_tokens - 1)
    rate = batch * spec.layout.dp / generation_ms * 1000.0 * spec.layout.pp
    table_tpot_ms, table_rate = np.round(step_ms, RATE_DECIMALS), np.round(rate, RATE_DECIMALS)
    if accepted_drafts > 0:
        table_tpot_ms = np.round(table_tpot_ms / tokens_per_step, RATE_DECIMALS)
        table_rate = np.round(table_rate * tokens_per_step, RATE_DECIMALS)
    return DecodeWorkers(spec, tokens_per_step, batch, step_ms / tokens_per_step, rate * tokens_per_step, table_tpot_ms, table_rate)


def usable_prefill(workers: Sequence[PrefillWorker], ttft_limit_s: float) -> list[PrefillWorker]:
    """Prefill workers within the TTFT limit, best rate per GPU first, and of equal GPU count only the first (a faster one always wins)."""
    meeting = [w for w in workers if round(w.prefill_ms, RATE_DECIMALS) * TTFT_QUEUE_FACTOR < ttft_limit_s * 1000.0]
    ranked = sorted(meeting, key=lambda w: (-w.table_rate / w.spec.layout.gpus, w.spec.layout.dp))[:KEEP_PREFILL]
    first: dict[int, PrefillWorker] = {}
    for one in ranked:
        first.setdefault(one.spec.layout.gpus, one)
    return list(first.values())


def match(decode: DecodeWorkers, prefill: Sequence[PrefillWorker], sizes: tuple[int, ...]) -> list[Pairing | None]:
    """For every batch size the pairing with the highest rate per GPU (fewer GPUs on a tie), or None if no replica size fits.

    Parameters
    ----------
    sizes : tuple of int
        GPU counts that the replica may hold.
    """
    best: list[Pairing | None] = [None] * decode.batch_size.size
    decode_gpus = decode.spec.layout.gpus
    for candidate in prefill:
        prefill_gpus = candidate.spec.layout.gpus
        counts = _worker_counts(prefill_gpus, decode_gpus, sizes)
        if not counts.size:
            continue
        p_rate = candidate.table_rate * counts[:, 0] * PREFILL_RATE_FACTOR
        d_rate = decode.table_rate[:, None] * counts[:, 1] * DECODE_RATE_FACTOR
        gpus = prefill_gpus * counts[:, 0] + decode_gpus * counts[:, 1]
        per_gpu = np.minimum(p_rate, d_rate) / gpus
        chosen = np.argmax(per_gpu, axis=1)
        for index, pick in enumerate(chosen.tolist()):
            found = Pairing(decode, index, candidate, int(counts[pick, 0]), int(counts[pick, 1]), int(gpus[pick]), float(per_gpu[index, pick]))
            old = best[index]
            if found.score > 0 and (old is None or _score(found) > _score(old)):
                best[index] = found
    return best


def select_disaggregated(pairings: Sequence[Sequence[Pairing | None]], tpot_targets_ms: tuple[float, ...]) -> list[Pairing]:
    """The pairings that some latency target keeps.

    Parameters
    ----------
    pairings : per layout, the pairings of its batch sizes
    tpot_targets_ms : tuple of float, milliseconds

    Notes
    -----
    Per target and layout the 16 decode workers with the highest rate that stay under the target compete; the five best layouts are kept.
    """
    ranked: list[tuple[FloatArray, list[Pairing | None]]] = []
    for row in pairings:
        if row:
            known = next((p for p in row if p is not None), None)
            if known is None:
                continue
            decode = known.decode
            order = np.argsort(-decode.table_rate, kind="stable")
            ranked.append((decode.table_tpot_ms[order], [row[i] for i in order.tolist()]))
    kept: dict[tuple[WorkerSpec, int], Pairing] = {}
    for target in tpot_targets_ms:
        winners: list[Pairing] = []
        for tpot, row in ranked:
            inside = np.flatnonzero((tpot < target) & (tpot > 0))[:KEEP_DECODE_PER_LAYOUT]
            found = [pairing for i in inside.tolist() if (pairing := row[i]) is not None]
            if found:
                winners.append(max(found, key=_score))
        winners.sort(key=lambda p: -p.score)
        for pairing in winners[:KEEP_PER_TARGET]:
            kept[pairing.decode.spec, int(pairing.decode.batch_size[pairing.index])] = pairing
    return list(kept.values())


def _score(pairing: Pairing) -> tuple[float, int]:
    return pairing.score, -pairing.gpus


@lru_cache(maxsize=512)
def _worker_counts(prefill_gpus: int, decode_gpus: int, sizes: tuple[int, ...]) -> IntArray:
    """Counts (prefill, decode) whose GPUs add up to an allowed replica, shape (n, 2), decode count rising first."""
    allowed = set(sizes)
    counts = range(1, MAX_WORKERS_PER_ROLE + 1)
    pairs = [(p, d) for d in counts for p in counts if prefill_gpus * p + decode_gpus * d in allowed]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
