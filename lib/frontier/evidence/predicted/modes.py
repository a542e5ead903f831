"""From a precision form to the modes of a worker, and what to say when there is no data for them."""

from __future__ import annotations

from functools import lru_cache

from aiconfigurator_core.sdk.errors import PerfDataNotAvailableError

from frontier.errors import ConfigError
from frontier.evidence.predicted.precisions import PRECISIONS, Modes, kv_mode, precision_form
from frontier.evidence.predicted.silicon import database, model_facts, sm_version
from frontier.evidence.predicted.spaces import Layout
from frontier.evidence.predicted.worker import NotPriced, WorkerSpec, worker

_FP8, _BF16 = "fp8", "bfloat16"
_PROBE_TOKENS = 1024


@lru_cache(maxsize=256)
def resolve_modes(model_path: str, system: str, backend: str, version: str, precision: str, kv_precision: str) -> Modes:
    """The modes of a precision form on a system.

    Attention arithmetic follows the KV cache: FP8 attention with an FP8 cache where the system has such rows for this model's context
    attention, else BF16 attention (which is conservative). It is not a lever of its own.

    Raises
    ------
    ConfigError
        For a form that the GPU's tensor cores do not do, or that only concerns experts of a model without any.
    """
    form, kv, facts = precision_form(precision), kv_mode(kv_precision), model_facts(model_path)
    if sm_version(system) < form.min_sm_version:
        able = [name for name, other in PRECISIONS.items() if other.min_sm_version <= sm_version(system)]
        raise ConfigError(
            f"precision {precision!r} needs compute capability {form.min_sm_version / 10:.1f}, {system} has {sm_version(system) / 10:.1f}",
            hint=f"on {system} one of {', '.join(able)}",
        )
    if form.experts_only and not facts.is_moe:
        dense = [name for name, other in PRECISIONS.items() if not other.experts_only]
        raise ConfigError(f"precision {precision!r} quantizes routed experts only, and {model_path} has none", hint=f"one of {', '.join(dense)}")
    bf16_attention = Modes(gemm=form.gemm, moe=form.moe, kvcache=kv, fmha=_BF16)
    if kv != _FP8:
        return bf16_attention
    fp8_attention = Modes(gemm=form.gemm, moe=form.moe, kvcache=kv, fmha=_FP8)
    # The two differ in the attention operators only, so FP8 attention has rows if it misses nothing that BF16 attention has.
    missing = [_operators_without_rows(model_path, system, backend, version, modes) for modes in (fp8_attention, bf16_attention)]
    return fp8_attention if missing[0] <= missing[1] else bf16_attention


def _operators_without_rows(model_path: str, system: str, backend: str, version: str, modes: Modes) -> set[int]:
    """Positions of the context operators that have no measured row on one GPU.

    The engine is asked operator by operator: reading the whole attention table to see which modes it holds takes seconds.
    """
    try:
        one = worker(WorkerSpec(model_path, system, backend, version, modes, Layout(1)))
    except NotPriced as error:
        raise ConfigError(f"{model_path} has no {modes.gemm} form in aiconfigurator-core: {error}", hint=f"one of {', '.join(PRECISIONS)}") from error
    missing: set[int] = set()
    for position in range(len(one.model.context_ops)):
        try:
            one.engine.evaluate_context_ops([position], batch_size=1, s=_PROBE_TOKENS)
        except (PerfDataNotAvailableError, ValueError):
            missing.add(position)
    return missing


def data_error(model_path: str, system: str, backend: str, version: str, precision: str, cause: str) -> ConfigError:
    """The error to raise when no configuration of a precision had data: names the forms that the tables do hold."""
    supported = database(system, backend, version).supported_quant_mode
    gemm, moe = set(supported.get("gemm", [])), set(supported.get("moe", []))
    is_moe, sm = model_facts(model_path).is_moe, sm_version(system)
    valid = [
        name
        for name, form in PRECISIONS.items()
        if form.gemm in gemm and form.min_sm_version <= sm and (form.moe in moe if is_moe else not form.experts_only)
    ]
    return ConfigError(
        f"precision {precision!r} has no usable operator data for {model_path} on {system}/{backend} {version}: {cause}",
        hint=f"forms with tables here: {', '.join(valid) or 'none'}",
    )
