"""The record's short names for models, GPUs and engines, and the names of the points table.

Keys and displayed names are those of the site (packages/constants/src/models.ts, gpu-keys.ts and framework-aliases.ts of InferenceX-app).
The site draws point releases under one name; here each keeps its own, because a frontier is drawn over one model.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

MODELS = {
    "dsr1": "DeepSeek-R1-0528",
    "dsv4": "DeepSeek-V4-Pro",
    "glm5": "GLM-5",
    "glm5.1": "GLM-5.1",
    "glm5.2": "GLM-5.2",
    "gptoss120b": "gpt-oss-120b",
    "kimik2.5": "Kimi-K2.5",
    "kimik2.6": "Kimi-K2.6",
    "kimik2.7-code": "Kimi-K2.7-Code",
    "kimik3": "Kimi-K3",
    "llama70b": "Llama-3.3-70B-Instruct",
    "Llama-3.3-70B-Instruct-FP8": "Llama-3.3-70B-Instruct",
    "minimaxm2.5": "MiniMax-M2.5",
    "minimaxm2.7": "MiniMax-M2.7",
    "minimaxm3": "MiniMax-M3",
    "qwen3.5": "Qwen3.5-397B-A17B",
    "Qwen-3.5-397B-A17B": "Qwen3.5-397B-A17B",
}
HARDWARE = {"h100": "h100_sxm", "h200": "h200_sxm", "b200": "b200_sxm", "b300": "b300_sxm"}
ENGINES = {"trt": "trtllm", "dynamo-trt": "dynamo-trtllm"}
PRECISIONS = {"nvfp4": "fp4", "mxfp4": "fp4"}


def renamed(values: pd.Series[Any], names: dict[str, str]) -> pd.Series[Any]:
    """The values with the known names replaced; unknown ones stay as they are."""
    text = values.astype("string").str.strip()
    return text.map(names).fillna(text).astype("string")
