"""One worker: a model in one parallel layout on one system, and the latencies of its engine steps.

The step latencies come from the compiled engine of aiconfigurator-core, which interpolates measured operator rows. This module is the only
place that holds the core's model, backend and engine objects.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiconfigurator_core.sdk import common, config
from aiconfigurator_core.sdk.backends.factory import get_backend
from aiconfigurator_core.sdk.errors import PerfDataNotAvailableError
from aiconfigurator_core.sdk.inference_summary import InferenceSummary
from aiconfigurator_core.sdk.models import get_model
from aiconfigurator_core.sdk.rust_engine_step import RustEngineUnsupportedError, _cached_engine_handle

from frontier.evidence.predicted.expert_comm import CommChoice, choose_comm
from frontier.evidence.predicted.precisions import Modes
from frontier.evidence.predicted.silicon import database, gpus_per_node
from frontier.evidence.predicted.spaces import Layout

# What the core raises for a layout that a model cannot take, or for a missing row.
PREDICTION_ERRORS = (ValueError, AssertionError, NotImplementedError, KeyError, PerfDataNotAvailableError, RustEngineUnsupportedError)
STRIDE_TOKENS = 32  # decode positions sampled per generation, as the upper package does


class NotPriced(Exception):  # noqa: N818 - a state of the search, never shown as an error
    """The configuration cannot be built or has no data; the reason is the message."""


@dataclass(frozen=True)
class WorkerSpec:
    """All that determines a worker's latencies; hashable, so results are kept by content."""

    model_path: str
    system: str
    backend: str
    version: str
    modes: Modes
    layout: Layout
    draft_len: int = 0
    comm: CommChoice | None = None


def spec_for(role: str, model_path: str, system: str, backend: str, version: str, modes: Modes, layout: Layout, draft_len: int) -> WorkerSpec:
    """The worker of a role in a layout, with the all-to-all that the data select.

    Raises
    ------
    NotPriced
        If the layout spans nodes without all-to-all data.
    """
    comm, refusal = choose_comm(role, layout, model_path, system, backend, version, modes.moe)
    if refusal:
        raise NotPriced(refusal)
    return WorkerSpec(model_path, system, backend, version, modes, layout, draft_len, comm)


class Worker:
    """The core's objects of one worker, and the few numbers the search takes from them.

    Parameters
    ----------
    spec : WorkerSpec

    Raises
    ------
    NotPriced
        If the model cannot take the layout (heads that do not divide, for example).
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.miss = ""  # what the last missing row was
        self.database = database(spec.system, spec.backend, spec.version)
        # One backend object per worker: its internal cache does not tell models apart.
        self.backend = get_backend(spec.backend)
        layout, modes = spec.layout, spec.modes
        model_config = config.ModelConfig(
            tp_size=layout.tp,
            pp_size=layout.pp,
            attention_dp_size=layout.dp,
            moe_tp_size=layout.moe_tp,
            moe_ep_size=layout.moe_ep,
            gemm_quant_mode=common.GEMMQuantMode[modes.gemm],
            moe_quant_mode=common.MoEQuantMode[modes.moe],
            kvcache_quant_mode=common.KVCacheQuantMode[modes.kvcache],
            fmha_quant_mode=common.FMHAQuantMode[modes.fmha],
            comm_quant_mode=common.CommQuantMode.half,
            nextn=spec.draft_len,
            moe_comm_backend=dict(spec.comm) if spec.comm else None,
            num_gpus_per_node=gpus_per_node(spec.system),
            system=spec.system,
            _gemm_quant_mode_is_explicit=True,
        )
        try:
            self.model = get_model(spec.model_path, model_config, spec.backend)
            self.engine = _cached_engine_handle(self.model, self.database)
        except PREDICTION_ERRORS as error:
            raise NotPriced(str(error) or type(error).__name__) from error

    def mixed_step_ms(self, ctx_tokens: int, decode_requests: int, isl_tokens: int, osl_tokens: int) -> float:
        """Milliseconds of one step that carries context tokens and decoding requests; NaN where no row answers."""
        return self._price(lambda: self.engine.mixed_step_latency(ctx_tokens, decode_requests, isl_tokens, osl_tokens))

    def decode_step_ms(self, requests: int, isl_tokens: int, osl_tokens: int) -> float:
        """Milliseconds of one decode-only step; NaN where no row answers."""
        return self._price(lambda: self.engine.decode_step_latency(requests, isl_tokens, osl_tokens))

    def static_ms(self, mode: str, batch_size: int, isl_tokens: int, osl_tokens: int) -> float:
        """Milliseconds of a whole context phase (``static_ctx``) or generation (``static_gen``); NaN where no row answers."""
        part = 0 if mode == "static_ctx" else 1
        return self._price(
            lambda: self.engine.run_static(batch_size=batch_size, isl=isl_tokens, osl=osl_tokens, mode=mode, stride=STRIDE_TOKENS)[part]
        )

    def _price(self, call: Callable[[], float]) -> float:
        try:
            return float(call())
        except PerfDataNotAvailableError as error:
            self.miss = str(error)
            return math.nan
        except ValueError as error:
            raise NotPriced(str(error)) from error

    def fits(self, role: str, batch_size: int, isl_tokens: int, osl_tokens: int) -> bool:
        """Whether weights, activations and KV cache of a batch fit, by the core's memory model and KV budget."""
        capacity = self.database.system_spec["gpu"]["mem_capacity"]
        if role == "aggregated":
            extra = self.backend._resolve_agg_kwargs({}, isl=isl_tokens, osl=osl_tokens)
            sized = self.backend._memory_usage_kwargs_for_agg(num_tokens=0, agg_extra=extra)
            memory = self.backend._get_memory_usage(self.model, self.database, batch_size, 1, isl_tokens, osl_tokens, **sized)
            checks = self.backend._oom_check_kwargs(extra)
        else:
            checks = self.backend._static_oom_check_kwargs(capacity, backend_version=self.database.version, model_config=self.model.config)
            if role == "prefill":
                memory = self.backend._get_memory_usage(self.model, self.database, batch_size, 1, isl_tokens, 1, mtp_scaled_tokens=0)
            else:
                memory = self.backend._get_memory_usage(self.model, self.database, batch_size, 1, isl_tokens, osl_tokens, num_tokens=batch_size)
        summary = InferenceSummary(config.RuntimeConfig(isl=isl_tokens, osl=osl_tokens))
        summary.set_memory_and_check_oom(memory, capacity, **checks)
        return not summary.check_oom() and not summary.check_kv_cache_oom()

    def largest_fitting(self, role: str, batches: tuple[int, ...], isl_tokens: int, osl_tokens: int) -> int:
        """How many of the rising batch sizes fit (memory grows with the batch, so the first that does not ends the list)."""
        low, high = 0, len(batches)
        while low < high:
            middle = (low + high) // 2
            if self.fits(role, batches[middle], isl_tokens, osl_tokens):
                low = middle + 1
            else:
                high = middle
        return low

    def run_agg(self, batch_size: int, ctx_tokens: int, isl_tokens: int, osl_tokens: int, tokens_per_step: float) -> Any:
        """The core's own result of one aggregated point, with memory and power."""
        kwargs = {"decode_tokens_per_iteration": tokens_per_step} if tokens_per_step > 1.0 else {}
        return self.backend.run_agg(self.model, self.database, self._runtime(batch_size, isl_tokens, osl_tokens), ctx_tokens=ctx_tokens, **kwargs)

    def run_static(self, mode: str, batch_size: int, isl_tokens: int, osl_tokens: int, scale: float) -> Any:
        """The core's own result of one phase, with memory and power."""
        return self.backend.run_static(self.model, self.database, self._runtime(batch_size, isl_tokens, osl_tokens), mode, STRIDE_TOKENS, scale)

    @staticmethod
    def _runtime(batch_size: int, isl_tokens: int, osl_tokens: int) -> Any:
        return dataclasses.replace(config.RuntimeConfig(isl=isl_tokens, osl=osl_tokens), batch_size=batch_size)


@lru_cache(maxsize=512)
def worker(spec: WorkerSpec) -> Worker:
    """The worker of a specification, kept for the process (bounded)."""
    return Worker(spec)
