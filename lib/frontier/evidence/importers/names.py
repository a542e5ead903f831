"""Names of systems as other tools write them, in the words of the points table. What is not known stays as it was written, or stays empty."""

from __future__ import annotations

import re
from typing import Any

# Marketing and driver names -> the kit's names, first match wins. SXM is what the driver calls "H100 80GB HBM3" or plain "H200" and "B200".
_HARDWARE = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"\bGB300\b", "gb300"),
        (r"\bGB200\b", "gb200"),
        (r"\bGB10\b", "gb10"),
        (r"\bB300\b", "b300_sxm"),
        (r"\bB200\b", "b200_sxm"),
        (r"\bGH200\b", "gh200"),
        (r"\bH200[ -]NVL\b", "h200_nvl"),
        (r"\bH200\b", "h200_sxm"),
        (r"\bH100[ -](?:NVL)\b", "h100_nvl"),
        (r"\bH100[ -](?:\d+GB[ -])?PCI-?e\b", "h100_pcie"),
        (r"\bH100\b", "h100_sxm"),
        (r"\bH20\b", "h20_sxm"),
        (r"\bA100[ -](?:\d+GB[ -])?PCI-?e\b", "a100_pcie"),
        (r"\bA100\b", "a100_sxm"),
        (r"\b(MI3\d\dX)\b", ""),
        (r"\b(L40S?|L4)\b", ""),
    )
)
# Of quantization algorithms (TensorRT-LLM, SGLang, ModelOpt) the width of the weights and, where both are quantized, of the activations.
_PRECISION = {
    written: name
    for name, written_so in {
        "fp8": "fp8 fp8_block_scales fp8_per_channel_per_token modelopt_fp8 w8a8_fp8 fp8_e4m3 fp8_e5m2 fp8_ds_mla",
        "fp4": "fp4 nvfp4 mxfp4 modelopt_fp4 w4a4_nvfp4 w4a8_mxfp4_fp8 w4a8_mxfp4_mxfp8 w4a16_mxfp4",
        "bf16": "bf16 bfloat16",
        "fp16": "fp16 float16",
        "int8": "int8 w8a16 w8a8_int8",
        "int4": "int4 w4a16 w4a16_awq",
    }.items()
    for written in written_so.split()
}
_SPEC = {
    "mtp": "mtp", "nextn": "mtp", "eagle3": "eagle3", "eagle": "eagle", "ngram": "ngram", "draft_target": "draft", "standalone": "draft",
    "medusa": "medusa", "lookahead": "lookahead", "lookahead_decoding": "lookahead", "pard": "pard", "none": "none",
}  # fmt: skip
_ENGINES = (
    (re.compile(r"TensorRT[- ]LLM(?:[ :=]*v?(\d[\w.+]*))?", re.IGNORECASE), "trtllm"),
    (re.compile(r"\bvLLM(?:[ :=]*v?(\d[\w.+]*))?", re.IGNORECASE), "vllm"),
    (re.compile(r"\bSGLang(?:[ :=]*v?(\d[\w.+]*))?", re.IGNORECASE), "sglang"),
    (re.compile(r"\bTensorRT(?:[ :=]*v?(\d[\w.+]*))?", re.IGNORECASE), "tensorrt"),
)


def hardware_name(text: Any) -> str | None:
    """``h200_sxm`` for ``NVIDIA H200-SXM-141GB``; an unknown accelerator in lower snake case; None where nothing is stated."""
    written = str(text or "").strip()
    for pattern, name in _HARDWARE:
        found = pattern.search(written)
        if found:
            return name or found[1].lower()
    return re.sub(r"[^a-z0-9]+", "_", written.lower()).strip("_") or None


def precision_name(text: Any) -> str | None:
    """``fp4`` for ``NVFP4``; None where nothing is stated, or the name says no single precision (``MIXED_PRECISION``, ``auto``)."""
    return _PRECISION.get(str(text or "").strip().lower().removeprefix("quantalgo."))


def speculation_name(text: Any) -> str | None:
    """``mtp`` for ``NEXTN``; an unknown method in lower case; None where nothing is stated."""
    written = str(text or "").strip().lower()
    return _SPEC.get(written, written or None)


def engine_of(software: Any) -> tuple[str | None, str | None]:
    """Engine and version that a list of software names first (``vLLM 0.9.1, PyTorch 2.7`` -> ``vllm``, ``0.9.1``); None where none is."""
    for pattern, name in _ENGINES:
        found = pattern.search(str(software or ""))
        if found:
            return name, found[1]
    return None, None
