"""The keys by which a change log names a series: as InferenceX writes them, as patterns, or as columns with values."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

# Model -> how InferenceX's keys begin for it (its configurations say dsr1, gptoss, 70b); other models are keyed by their own name.
MODEL_KEYS = {
    "deepseek-r1-0528": "dsr1",
    "deepseek-r1": "dsr1",
    "gpt-oss-120b": "gptoss",
    "gptoss120b": "gptoss",
    "llama-3.3-70b-instruct": "70b",
    "llama70b": "70b",
}
ENGINE_KEYS = {"trtllm": "trt", "dynamo-trtllm": "dynamo-trt"}
RANKS = {"exact": 3, "columns": 3, "family": 2, "pattern": 1, "all": 0}


def series_keys(series: Mapping[str, Any]) -> list[str]:
    """The keys that name a series, the most specific first.

    Parameters
    ----------
    series : mapping
        Columns of the points table with one value each: model, hardware, engine, precision, spec, disagg, isl_tokens, osl_tokens. What is left out
        or undefined does not narrow the keys: ``*`` stands for it.

    Returns
    -------
    list of str
        ``model-precision-hardware-framework[-disagg][-<isl>k<osl>k][-mtp]``. For a series with speculative decoding the keys without ``-mtp``
        follow: entries for configurations that are published with and without it often name the common key only.

    Examples
    --------
    >>> series_keys({"model": "DeepSeek-R1-0528", "precision": "fp8", "hardware": "b200_sxm", "engine": "trtllm", "spec": "mtp"})
    ['dsr1-fp8-b200-trt-mtp', 'dsr1-fp8-b200-trt']
    """
    text = {name: str(value).strip().lower() for name, value in series.items() if _stated(value)}
    model = MODEL_KEYS.get(text.get("model", ""), text.get("model", "*"))
    hardware = re.sub(r"_(sxm|pcie|nvl)$", "", text.get("hardware", "*"))
    engine = ENGINE_KEYS.get(text.get("engine", ""), text.get("engine", "*"))
    disagg = text.get("disagg") in ("true", "1", "1.0")
    # A disaggregated engine under Dynamo has that in its name; one built on a transfer library is keyed by its engine and "-disagg".
    frameworks = [engine]
    if disagg and not engine.startswith("dynamo-"):
        frameworks = [f"{engine}-disagg", f"{engine.rsplit('-', 1)[-1]}-disagg", engine]
    drafts = text.get("spec") != "none"
    scenario = f"-{_short(series.get('isl_tokens'))}{_short(series.get('osl_tokens'))}"
    out = []
    for suffix in ("-mtp", "") if drafts else ("",):
        for framework in dict.fromkeys(frameworks):
            base = f"{model}-{text.get('precision', '*')}-{hardware}-{framework}"
            out += [f"{base}{scenario}{suffix}"] if scenario != "-" else []
            out += [f"{base}{suffix}"]
    return out


def key_match(key: str, series: Mapping[str, Any]) -> str | None:
    """How a key of an entry names a series: ``exact``, ``columns``, ``family``, ``pattern``, ``all``; None where it does not.

    Parameters
    ----------
    key : str
        A key, a pattern (``dsr1*``), or ``COLUMN=VALUE`` pairs between commas, all of which must hold; values may be patterns.
    series : mapping
        As for :func:`series_keys`.
    """
    key = key.strip().lower()
    if "=" in key:
        pairs = [part.split("=", 1) for part in key.split(",")]
        fits = all(len(pair) == 2 and fnmatch.fnmatchcase(_text(series.get(pair[0].strip())), pair[1].strip()) for pair in pairs)
        return "columns" if fits else None
    if key == "*":
        return "all"
    names = series_keys(series)
    own = names
    if _stated(series.get("spec")):
        own = [name for name in names if name.endswith("-mtp")] or names
    if key in own:
        return "exact"
    if key in names:
        return "family"
    if any(fnmatch.fnmatchcase(name, key) or fnmatch.fnmatchcase(key, name) for name in names):
        return "pattern"
    return None


def _stated(value: Any) -> bool:
    # NaN and NA differ from themselves; comparing NA gives NA, whose truth is undefined, so texts are compared.
    return value is not None and str(value) not in ("", "nan", "<NA>", "None")


def _text(value: Any) -> str:
    """A value as keys write it: whole numbers without a point, lower case."""
    if not _stated(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _short(tokens: Any) -> str:
    """8192 as 8k; empty where it is no multiple of 1024."""
    return f"{float(tokens) / 1024:g}k" if _stated(tokens) and float(tokens) % 1024 == 0 else ""
