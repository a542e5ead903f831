"""One configuration at one load, without a search: what the residual model compares with measured points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from frontier.errors import ConfigError
from frontier.evidence.predicted.modes import resolve_modes
from frontier.evidence.predicted.precisions import Modes
from frontier.evidence.predicted.rows import core_row, known_power
from frontier.evidence.predicted.schedules import (
    DECODE_LATENCY_CORRECTION,
    DECODE_RATE_FACTOR,
    PREFILL_LATENCY_CORRECTION,
    PREFILL_RATE_FACTOR,
    TTFT_QUEUE_FACTOR,
)
from frontier.evidence.predicted.silicon import model_facts, resolve_version
from frontier.evidence.predicted.spaces import Layout
from frontier.evidence.predicted.worker import PREDICTION_ERRORS, NotPriced, Worker, spec_for, worker
from frontier.units import seconds

_T = TypeVar("_T")


@dataclass(frozen=True)
class PointPrediction:
    """What one configuration does at one load.

    Parameters
    ----------
    ttft_s, tpot_s : float, seconds
    output_tput_tok_s_gpu, total_tput_tok_s_gpu : float, tokens/s per GPU held
    concurrency : float, requests in flight
    gpus : int
    memory_gib : float, GiB of the fullest GPU
    fits : bool
        Whether that memory and the KV budget allow it; the other numbers stand either way.
    power_w_gpu : float, watts; NaN where the operator rows carry no energy
    """

    ttft_s: float
    tpot_s: float
    output_tput_tok_s_gpu: float
    total_tput_tok_s_gpu: float
    concurrency: float
    gpus: int
    memory_gib: float
    fits: bool
    power_w_gpu: float


@dataclass(frozen=True)
class WorkerChoice:
    """Layout, batch size and count of one kind of worker of a disaggregated deployment."""

    tp: int
    pp: int = 1
    dp: int = 1
    moe_tp: int = 1
    moe_ep: int = 1
    batch_size: int = 1
    workers: int = 1

    @property
    def layout(self) -> Layout:
        """The parallel layout."""
        return Layout(self.tp, self.pp, self.dp, self.moe_tp, self.moe_ep)


def predict_point(
    model_path: str,
    system: str,
    *,
    precision: str,
    kv_precision: str,
    tp: int,
    batch_size: int,
    isl_tokens: int,
    osl_tokens: int,
    pp: int = 1,
    dp: int = 1,
    moe_tp: int = 1,
    moe_ep: int = 1,
    ctx_tokens: int | None = None,
    nextn: int = 0,
    accepted_drafts: float = 0.0,
    backend: str = "trtllm",
    database_version: str = "",
    modes: Modes | None = None,
) -> PointPrediction:
    """Latencies and throughput of one aggregated configuration.

    Parameters
    ----------
    batch_size : int
        Requests in flight per attention-data rank and pipeline stage; the concurrency is ``batch_size * dp * pp``.
    ctx_tokens : int, optional
        Context tokens per step; by default the input length, as the upper package's single-point run takes it.
    nextn, accepted_drafts : int, float
        Draft length, and the mean accepted drafts per step.
    modes : Modes, optional
        Modes to use instead of those of ``precision`` and ``kv_precision``.

    Raises
    ------
    ConfigError
        If the configuration is impossible or has no operator rows; the message has the reason.
    """
    one, tokens_per_step = _worker(
        "aggregated",
        model_path,
        system,
        backend,
        database_version,
        precision,
        kv_precision,
        modes,
        Layout(tp, pp, dp, moe_tp, moe_ep),
        nextn,
        accepted_drafts,
    )
    _check_load(isl_tokens, osl_tokens, batch_size)
    summary = _priced(lambda: one.run_agg(batch_size, ctx_tokens or isl_tokens, isl_tokens, osl_tokens, tokens_per_step))
    core = summary.get_result_dict()
    output = float(core["tokens/s/gpu"])
    return PointPrediction(
        ttft_s=seconds(core["ttft"]),
        tpot_s=seconds(core["tpot"]),
        output_tput_tok_s_gpu=output,
        total_tput_tok_s_gpu=output * (isl_tokens + osl_tokens) / osl_tokens,
        concurrency=float(core["concurrency"]),
        gpus=one.spec.layout.gpus,
        memory_gib=float(core["memory"]),
        fits=not summary.check_oom() and not summary.check_kv_cache_oom(),
        power_w_gpu=known_power(core["power_w"]),
    )


def predict_disagg_point(
    model_path: str,
    system: str,
    *,
    precision: str,
    kv_precision: str,
    prefill: WorkerChoice,
    decode: WorkerChoice,
    isl_tokens: int,
    osl_tokens: int,
    nextn: int = 0,
    accepted_drafts: float = 0.0,
    backend: str = "trtllm",
    database_version: str = "",
    modes: Modes | None = None,
) -> PointPrediction:
    """Latencies and throughput of given prefill and decode workers, rate-matched.

    Parameters
    ----------
    prefill, decode : WorkerChoice
    nextn, accepted_drafts : int, float
        Draft length, and the mean accepted drafts per step.

    Raises
    ------
    ConfigError
        As ``predict_point``.

    Notes
    -----
    ``ttft_s`` includes the queueing factor 1.8 that the search applies; the rate is that of the slower pool after the losses of pairing.
    """
    common = (model_path, system, backend, database_version, precision, kv_precision, modes)
    context, _ = _worker("prefill", *common, prefill.layout, nextn, accepted_drafts)
    generation, tokens_per_step = _worker("decode", *common, decode.layout, nextn, accepted_drafts)
    for choice in (prefill, decode):
        _check_load(isl_tokens, osl_tokens, choice.batch_size)
        if choice.workers < 1:
            raise ConfigError(f"workers must be at least 1, got {choice.workers}", hint="workers=1")
    p = _priced(lambda: context.run_static("static_ctx", prefill.batch_size, isl_tokens, osl_tokens, PREFILL_LATENCY_CORRECTION))
    d = _priced(lambda: generation.run_static("static_gen", decode.batch_size, isl_tokens, osl_tokens, DECODE_LATENCY_CORRECTION))
    p_core, d_core = core_row(p), core_row(d)
    gpus = prefill.layout.gpus * prefill.workers + decode.layout.gpus * decode.workers
    prefill_rate = p_core["seq/s"] * prefill.workers * PREFILL_RATE_FACTOR
    decode_rate = d_core["seq/s"] * tokens_per_step * decode.workers * DECODE_RATE_FACTOR
    output = min(prefill_rate, decode_rate) / gpus * osl_tokens
    ttft_s, tpot_s = seconds(p_core["ttft"] * TTFT_QUEUE_FACTOR), seconds(d_core["tpot"] / tokens_per_step)
    decode_s = tpot_s * (osl_tokens - 1)
    power = (known_power(p_core["power_w"]) * ttft_s + known_power(d_core["power_w"]) * decode_s) / (ttft_s + decode_s)
    return PointPrediction(
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        output_tput_tok_s_gpu=float(output),
        total_tput_tok_s_gpu=float(output * (isl_tokens + osl_tokens) / osl_tokens),
        concurrency=float(decode.batch_size * decode.dp * decode.workers),
        gpus=gpus,
        memory_gib=float(max(p_core["memory"], d_core["memory"])),
        fits=not any(s.check_oom() or s.check_kv_cache_oom() for s in (p, d)),
        power_w_gpu=power,
    )


def _worker(
    role: str,
    model_path: str,
    system: str,
    backend: str,
    database_version: str,
    precision: str,
    kv_precision: str,
    modes: Modes | None,
    layout: Layout,
    nextn: int,
    accepted_drafts: float,
) -> tuple[Worker, float]:
    version = resolve_version(system, backend, database_version)
    model_facts(model_path)
    if nextn < 0 or not (math.isfinite(accepted_drafts) and 0 <= accepted_drafts <= nextn):
        raise ConfigError(f"accepted_drafts must be between 0 and nextn={nextn}, got {accepted_drafts!r}", hint="nextn=1 accepted_drafts=0.8")
    used = modes or resolve_modes(model_path, system, backend, version, precision, kv_precision)
    found = _priced(lambda: worker(spec_for(role, model_path, system, backend, version, used, layout, nextn)))
    return found, 1.0 + accepted_drafts


def _check_load(isl_tokens: int, osl_tokens: int, batch_size: int) -> None:
    for name, value, least in (("isl_tokens", isl_tokens, 1), ("osl_tokens", osl_tokens, 2), ("batch_size", batch_size, 1)):
        if value < least:
            raise ConfigError(f"{name} must be at least {least}, got {value}", hint=f"{name}={least}")


def _priced(call: Callable[[], _T]) -> _T:
    try:
        return call()
    except (NotPriced, *PREDICTION_ERRORS) as error:
        raise ConfigError(f"no prediction for this configuration: {error}", hint="another layout, precision or system") from error
