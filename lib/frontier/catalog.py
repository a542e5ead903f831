"""Facts about precisions and GPUs that no experiment may contradict."""

from __future__ import annotations

# Precision form -> (name in the points table, bits per weight, GPU architectures that compute it natively).
# fp8_block is DeepSeek's 128x128 block-scaled FP8; the w4a* forms are gpt-oss' MXFP4 weights with 16- or 8-bit activations.
# Hopper has FP8 tensor cores and no FP4 ones (NVIDIA H100 and Blackwell architecture whitepapers); MXFP4 weights run on Hopper
# by up-conversion, so those forms are not bound to an architecture. int8 has 8-bit weights and activations, w8a16_int8 weights alone.
PRECISION_FORMS: dict[str, tuple[str, float, frozenset[str] | None]] = {
    "bf16": ("bf16", 16.0, None),
    "fp8": ("fp8", 8.0, frozenset({"ada", "hopper", "blackwell"})),
    "fp8_block": ("fp8", 8.0, frozenset({"hopper", "blackwell"})),
    "nvfp4": ("fp4", 4.5, frozenset({"blackwell"})),
    "w4a16_mxfp4": ("fp4", 4.25, None),
    "w4a8_mxfp4_mxfp8": ("fp4", 4.25, frozenset({"blackwell"})),
    "int8": ("int8", 8.0, None),
    "w8a16_int8": ("int8", 8.0, None),
}

# Value of the `hardware` column -> GPU architecture.
ARCHITECTURES: dict[str, str] = {
    "a100_sxm": "ampere",
    "l40s": "ada",
    "h100_sxm": "hopper",
    "h200_sxm": "hopper",
    "gh200": "hopper",
    "b200_sxm": "blackwell",
    "gb200": "blackwell",
    "b300_sxm": "blackwell",
    "gb300": "blackwell",
    "cpu": "cpu",
}


GENERATIONS = ("cpu", "ampere", "ada", "hopper", "blackwell")


def seniority(value: str) -> float | None:
    """Where a precision or a GPU stands in time, for telling a baseline from a target; None when it is neither.

    Fewer bits come later, and so do newer architectures; two GPUs of one architecture are not told apart.

    >>> seniority("fp8") < seniority("fp4")
    True
    >>> seniority("h200_sxm") < seniority("gb200")
    True
    """
    if value in ARCHITECTURES:
        return float(GENERATIONS.index(ARCHITECTURES[value]))
    bits = {name: width for form, (column, width, _) in PRECISION_FORMS.items() for name in (form, column)}
    return -bits[value] if value in bits else None


def precision_names() -> list[str]:
    """Every precision form the kit knows, sorted."""
    return sorted(PRECISION_FORMS)


def infeasible_precision(precision: str, hardware: str) -> str:
    """Why a GPU cannot compute a precision natively; empty when it can or when nothing is known.

    Parameters
    ----------
    precision : str
        A precision form (``nvfp4``) or a name of the points table (``fp4``).
    hardware : str
        A value of the ``hardware`` column.

    >>> infeasible_precision("nvfp4", "h200_sxm")
    'nvfp4 needs blackwell, h200_sxm is hopper'
    >>> infeasible_precision("fp8", "gb200")
    ''
    """
    form = "nvfp4" if precision == "fp4" else precision
    architectures = PRECISION_FORMS[form][2] if form in PRECISION_FORMS else None
    have = ARCHITECTURES.get(hardware)
    if architectures is None or have is None or have in architectures:
        return ""
    return f"{precision} needs {' or '.join(sorted(architectures))}, {hardware} is {have}"
