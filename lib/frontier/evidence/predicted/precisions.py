"""Precision forms: one name in the configuration, the modes of aiconfigurator-core behind it."""

from __future__ import annotations

from dataclasses import dataclass

from frontier.errors import ConfigError


@dataclass(frozen=True)
class PrecisionForm:
    """One way to hold weights and do the matrix work.

    Parameters
    ----------
    gemm, moe : str
        Mode names of dense matrix products and of the routed experts in aiconfigurator-core.
    precision : str
        The kit's name in the points table's ``precision`` column.
    min_sm_version : int
        Lowest compute capability (x10) whose tensor cores do this arithmetic; below it the form is refused.
    experts_only : bool
        True if only routed experts are quantized, so the form means nothing for a dense model.
    """

    gemm: str
    moe: str
    precision: str
    min_sm_version: int = 80
    experts_only: bool = False


PRECISIONS: dict[str, PrecisionForm] = {
    "bf16": PrecisionForm("bfloat16", "bfloat16", "bf16"),
    "fp8": PrecisionForm("fp8", "fp8", "fp8", min_sm_version=89),
    "fp8_block": PrecisionForm("fp8_block", "fp8_block", "fp8", min_sm_version=89),
    "nvfp4": PrecisionForm("nvfp4", "nvfp4", "fp4", min_sm_version=100),
    "w4a16_mxfp4": PrecisionForm("bfloat16", "w4a16_mxfp4", "fp4", experts_only=True),
    "w4a8_mxfp4_mxfp8": PrecisionForm("bfloat16", "w4a8_mxfp4_mxfp8", "fp4", min_sm_version=100, experts_only=True),
}
KV_PRECISIONS: dict[str, str] = {"bf16": "bfloat16", "fp8": "fp8"}


@dataclass(frozen=True)
class Modes:
    """Resolved modes of one worker, by the names aiconfigurator-core gives them."""

    gemm: str
    moe: str
    kvcache: str
    fmha: str


def precision_form(name: str) -> PrecisionForm:
    """The form of that name.

    Raises
    ------
    ConfigError
        If there is none; the message lists all forms.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {name!r}", hint="precision=fp8")
    return PRECISIONS[name]


def kv_mode(name: str) -> str:
    """The KV-cache mode of that precision.

    Raises
    ------
    ConfigError
        If there is none; the message lists all.
    """
    if name not in KV_PRECISIONS:
        raise ConfigError(f"kv_precision must be one of {', '.join(KV_PRECISIONS)}, got {name!r}", hint="kv_precision=fp8")
    return KV_PRECISIONS[name]
