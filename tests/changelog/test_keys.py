"""How the keys of a change log name series."""

from __future__ import annotations

from typing import Any

import pytest

from frontier.changelog import key_match, series_keys

B200: dict[str, Any] = {
    "model": "DeepSeek-R1-0528", "hardware": "b200_sxm", "engine": "trtllm", "precision": "fp8", "spec": "none", "disagg": False, "isl_tokens": 8192,
    "osl_tokens": 1024,
}  # fmt: skip
MORI = {**B200, "hardware": "mi355x", "engine": "mori-sglang", "spec": "mtp", "disagg": True}


@pytest.mark.parametrize(
    ("changes", "key", "found"),
    [
        ({}, "dsr1-fp8-b200-trt", "exact"),
        ({}, "dsr1-fp8-b200-trt-mtp", None),
        ({}, "dsr1-fp4-b200-trt", None),
        ({}, "dsr1-fp8-b200-trt-8k1k", "exact"),
        ({}, "dsr1-fp8-b200-trt-1k1k", None),
        ({}, "dsr1*", "pattern"),
        ({}, "gptoss*", None),
        ({}, "*", "all"),
        ({}, "dsr1-fp8-b200-sglang-agentic", None),
        ({"spec": "mtp"}, "dsr1-fp8-b200-trt-mtp", "exact"),
        ({"spec": "mtp"}, "dsr1-fp8-b200-trt", "family"),
        ({"hardware": "gb200", "engine": "dynamo-sglang"}, "*gb200-dynamo-sglang", "pattern"),
        ({"hardware": "gb200", "engine": "dynamo-trtllm", "disagg": True}, "dsr1-fp8-gb200-dynamo-trt", "exact"),
        ({"model": "qwen3.5", "engine": "sglang"}, "qwen3.5-fp8-b200-sglang", "exact"),
        ({"model": "gpt-oss-120b", "precision": "fp4", "engine": "vllm"}, "gptoss-fp4-*-vllm", "pattern"),
        ({}, "hardware=b200_sxm,engine=trtllm", "columns"),
        ({}, "hardware=b200*,isl_tokens=8192", "columns"),
        ({}, "hardware=b200_sxm,engine=vllm", None),
    ],
)
def test_keys(changes: dict[str, Any], key: str, found: str | None) -> None:
    assert key_match(key, {**B200, **changes}) == found


def test_a_disaggregated_engine_is_keyed_by_its_engine_and_disagg() -> None:
    assert key_match("dsr1-fp8-mi355x-sglang-disagg-mtp", MORI) == "exact"
    assert key_match("dsr1-fp8-mi355x-sglang-disagg-8k1k-mtp", MORI) == "exact"
    assert key_match("dsr1-fp8-mi355x-sglang-disagg", MORI) == "family"
    assert key_match("dsr1-fp8-mi355x-sglang", MORI) is None


def test_what_is_not_stated_does_not_narrow() -> None:
    assert key_match("dsr1-fp8-b200-trt", {**B200, "precision": None}) == "pattern"
    assert key_match("dsr1-fp8-b200-trt-mtp", {**B200, "spec": None}) == "exact"
    assert key_match("dsr1-fp8-h200-trt", {**B200, "precision": None}) is None


def test_the_most_specific_key_comes_first() -> None:
    assert series_keys({**B200, "isl_tokens": None, "osl_tokens": None, "spec": "mtp"}) == ["dsr1-fp8-b200-trt-mtp", "dsr1-fp8-b200-trt"]
