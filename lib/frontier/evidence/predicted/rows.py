"""Rows of the points table from evaluated configurations.

Every reported number is computed once more by the core's own ``run_agg`` or ``run_static``, which also gives memory and power; a difference to
the search means that the core's arithmetic is not the one this kit knows, and stops the prediction.
"""

from __future__ import annotations

import math
from typing import Any

from frontier.errors import RunError
from frontier.evidence.predicted.aggregated import AggregatedGrid
from frontier.evidence.predicted.disaggregated import Pairing
from frontier.evidence.predicted.schedules import (
    DECODE_LATENCY_CORRECTION,
    PREFILL_BATCH,
    PREFILL_LATENCY_CORRECTION,
    TTFT_QUEUE_FACTOR,
)
from frontier.evidence.predicted.silicon import CORE_VERSION
from frontier.evidence.predicted.spaces import Layout
from frontier.evidence.predicted.worker import WorkerSpec, worker
from frontier.units import seconds

_AGREEMENT = 1e-9  # relative; only the order of additions may differ


def aggregated_row(grid: AggregatedGrid, index: int, isl_tokens: int, osl_tokens: int) -> dict[str, Any]:
    """The row of one aggregated point.

    Raises
    ------
    RunError
        If the core's result differs from the one the search used.
    """
    spec, layout = grid.spec, grid.spec.layout
    batch, ctx = int(grid.batch_size[index]), int(grid.ctx_tokens[index])
    summary = worker(spec).run_agg(batch, ctx, isl_tokens, osl_tokens, grid.tokens_per_step)
    core = summary.get_result_dict()
    _require("tpot", float(grid.tpot_ms[index]), core["tpot"], spec)
    _require("ttft", float(grid.ttft_ms[index]), core["ttft"], spec)
    _require("tokens/s/gpu", float(grid.output_tput_tok_s_gpu[index]), core["tokens/s/gpu"], spec)
    ttft_s, tpot_s = seconds(core["ttft"]), seconds(core["tpot"])
    return {
        **_layout_columns("", layout),
        "attention_dp": layout.dp > 1,
        "disagg": False,
        "gpus": layout.gpus,
        "concurrency": float(core["concurrency"]),
        "batch_size": batch,
        "ctx_tokens": ctx,
        **_results(core["tokens/s/gpu"], ttft_s, tpot_s, isl_tokens, osl_tokens, grid.tokens_per_step),
        "power_w_gpu": known_power(core["power_w"]),
        "memory_gib": float(core["memory"]),
        "flags": "moe_comm_substituted" if summary.get_moe_comm_fallbacks() else None,
        **_draft_columns(spec.draft_len),
    }


def disaggregated_row(pairing: Pairing, isl_tokens: int, osl_tokens: int) -> dict[str, Any]:
    """The row of one rate-matched deployment.

    Raises
    ------
    RunError
        If the core's result differs from the one the search used.
    """
    decode, prefill = pairing.decode, pairing.prefill
    batch = int(decode.batch_size[pairing.index])
    context = worker(prefill.spec).run_static("static_ctx", PREFILL_BATCH, isl_tokens, osl_tokens, PREFILL_LATENCY_CORRECTION)
    generation = worker(decode.spec).run_static("static_gen", batch, isl_tokens, osl_tokens, DECODE_LATENCY_CORRECTION)
    context_core, generation_core = core_row(context), core_row(generation)
    _require("ttft", prefill.prefill_ms, context_core["ttft"], prefill.spec)
    tpot_ms = generation_core["tpot"] / decode.tokens_per_step
    _require("tpot", pairing.tpot_ms, tpot_ms, decode.spec)
    ttft_s, tpot_s = seconds(context_core["ttft"] * TTFT_QUEUE_FACTOR), seconds(tpot_ms)
    decode_s = tpot_s * (osl_tokens - 1)
    powers = known_power(context_core["power_w"]), known_power(generation_core["power_w"])
    prefill_layout, decode_layout = prefill.spec.layout, decode.spec.layout
    substituted = context.get_moe_comm_fallbacks() or generation.get_moe_comm_fallbacks()
    return {
        **_layout_columns("prefill_", prefill_layout),
        **_layout_columns("decode_", decode_layout),
        "attention_dp": decode_layout.dp > 1,
        "disagg": True,
        "prefill_workers": pairing.prefill_workers,
        "decode_workers": pairing.decode_workers,
        "gpus": pairing.gpus,
        "prefill_gpus": prefill_layout.gpus * pairing.prefill_workers,
        "decode_gpus": decode_layout.gpus * pairing.decode_workers,
        "concurrency": float(batch * decode_layout.dp * pairing.decode_workers),
        "prefill_batch_size": PREFILL_BATCH,
        "batch_size": batch,
        **_results(pairing.requests_per_s_gpu * osl_tokens, ttft_s, tpot_s, isl_tokens, osl_tokens, decode.tokens_per_step),
        "power_w_gpu": (powers[0] * ttft_s + powers[1] * decode_s) / (ttft_s + decode_s),
        "memory_gib": float(max(context_core["memory"], generation_core["memory"])),
        "flags": "moe_comm_substituted" if substituted else None,
        **_draft_columns(decode.spec.draft_len),
    }


def _results(output_tput: float, ttft_s: float, tpot_s: float, isl_tokens: int, osl_tokens: int, tokens_per_step: float) -> dict[str, float]:
    return {
        "total_tput_tok_s_gpu": output_tput * (isl_tokens + osl_tokens) / osl_tokens,
        "output_tput_tok_s_gpu": output_tput,
        "interactivity_tok_s_user": 1.0 / tpot_s,
        "median_ttft_s": ttft_s,
        "median_tpot_s": tpot_s,
        "median_e2el_s": ttft_s + tpot_s * (osl_tokens - 1),
        "acceptance_length": tokens_per_step,
    }


def _layout_columns(prefix: str, layout: Layout) -> dict[str, int]:
    names = {"tp": layout.tp, "pp": layout.pp, "ep": layout.moe_ep, "dp": layout.dp, "moe_tp": layout.moe_tp}
    return {prefix + name: value for name, value in names.items()}


def _draft_columns(draft_len: int) -> dict[str, Any]:
    return {"spec": "mtp" if draft_len else "none", "draft_len": draft_len}


def known_power(watts: float) -> float:
    """The watts, or NaN where none are given."""
    # The wheel reports 0 W where its operator rows carry no energy; that is "not known", not "none".
    return float(watts) if watts and watts > 0 else math.nan


def core_row(summary: Any) -> dict[str, Any]:
    """The unrounded result row of a ``run_static`` summary."""
    data, columns = summary._deferred_row  # the public frame is rounded to three decimals
    return dict(zip(columns, data[0], strict=True))


def _require(name: str, searched: float, core: float, spec: WorkerSpec) -> None:
    if not math.isclose(searched, core, rel_tol=_AGREEMENT):
        raise RunError(
            f"{name} of {spec.model_path} {spec.layout.label} is {searched!r} in the search and {core!r} in aiconfigurator-core {CORE_VERSION}",
            hint="install the aiconfigurator-core version that pyproject.toml pins",
        )
