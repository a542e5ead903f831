"""Names of models: what the site is asked for, and the keys that its rows carry."""

from __future__ import annotations

from collections.abc import Iterable

# Key in the rows -> name that the site is asked for; several keys may share a name (point releases).
# Source: SemiAnalysisAI/InferenceX-app, packages/constants/src/models.ts (DB_MODEL_TO_DISPLAY). A name that is not here still works: the site's
# own answer says which keys belong to it. The table is for messages, for --model KEY, and for dumps, which hold keys alone.
DISPLAY_NAMES = {
    "dsr1": "DeepSeek-R1-0528",
    "dsv2lite": "DeepSeek-Coder-V2-Lite-Instruct",
    "dsv4": "DeepSeek-V4-Pro",
    "gemma4": "Gemma-4-31B",
    "glm5": "GLM-5",
    "glm5.1": "GLM-5",
    "glm5.2": "GLM-5.2",
    "gptoss120b": "gpt-oss-120b",
    "kimik2.5": "Kimi-K2.5",
    "kimik2.6": "Kimi-K2.5",
    "kimik2.7-code": "Kimi-K2.5",
    "kimik3": "Kimi-K3",
    "llama70b": "Llama-3.3-70B-Instruct-FP8",
    "minimaxm2.5": "MiniMax-M2.5",
    "minimaxm2.7": "MiniMax-M2.5",
    "minimaxm3": "MiniMax-M3",
    "qwen3.5": "Qwen-3.5-397B-A17B",
    "qwen3.8next": "Qwen3.8-Flash-Next",
}


def display_name(model: str) -> str:
    """The name to ask the site for; a key becomes its name, anything else stays."""
    return DISPLAY_NAMES.get(model, model)


def known_keys(model: str) -> set[str]:
    """Keys that a name or a key stands for, as far as the table knows."""
    return {key for key, name in DISPLAY_NAMES.items() if name == display_name(model)}


def listed(keys: Iterable[str]) -> str:
    """Names for a message, from the keys that the record holds; a key whose name is not known stands as it is."""
    names: dict[str, list[str]] = {}
    unknown = []
    for key in sorted(set(keys)):
        if key in DISPLAY_NAMES:
            names.setdefault(DISPLAY_NAMES[key], []).append(key)
        else:
            unknown.append(key)
    text = ", ".join(f"{name} ({', '.join(group)})" for name, group in sorted(names.items(), key=lambda item: item[0].lower()))
    return text + (f"; keys whose name this version does not know (the site shows it): {', '.join(unknown)}" if unknown else "")
