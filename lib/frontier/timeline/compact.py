"""The account of one step, short enough to stand in a list of steps, and its cause in a few words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frontier.pareto import Frontier
from frontier.records import INTERACTIVITY, METRICS, usable

_KEPT = (
    "ratio", "corrected_ratio", "reason", "state", "peak_ratio", "max_interactivity_ratio", "overlap_tok_s_user", "factors", "verdict",
    "verdict_rule", "matched", "checks", "interval", "notes",
)  # fmt: skip
# A cause -> what kind of step it makes: artefacts are no change of the system.
_KINDS = {"harness": "artefact", "denominator": "artefact", "coverage": "artefact", "unexplained": "unexplained", "lever": "lever"}
_SETTINGS = (
    "precision", "tp", "pp", "ep", "dp", "attention_dp", "spec", "draft_len", "prefill_tp", "prefill_ep", "prefill_dp", "prefill_workers",
    "decode_tp", "decode_ep", "decode_dp", "decode_workers", "concurrency",
)  # fmt: skip
_HARNESS = {
    "little_law": "cold start or idle time", "warmup": "cold start", "ttft_vs_load": "prompt lengths", "token_counts": "token counts",
    "completions": "failed requests", "label_contradicted": "a wrong label", "gpu_count": "GPU count", "denominators": "denominator",
}  # fmt: skip
_ONE_VERSION = re.compile(r"(?:image|container|version|upstream|release)\b[^|]*?\b(v?\d+\.\d+\.\d+[\w.\-+]*)", re.IGNORECASE)
_HALF, _SMALL = 0.5, 1.1  # a rest below half of the whole, or of a factor of 1.1, is no news
_TWO_VERSIONS = re.compile(r"(v?\d+\.\d+[\w.\-+]*)\s*(?:to|→|->)\s*(?:[\w./#:]*:)?(v?\d+\.\d+[\w.\-+]*)")


def compact(shift: Mapping[str, Any]) -> dict[str, Any]:
    """What a list of steps keeps of a ``frontier.shift/1`` document."""
    return {name: shift[name] for name in _KEPT if name in shift}


def curve(rows: pd.DataFrame, metric: str) -> list[list[float]]:
    """The frontier of some rows as pairs of interactivity and throughput; empty where no row can carry one."""
    good = rows[usable(rows, metric)]
    if good.empty:
        return []
    found = Frontier.of(good[INTERACTIVITY].to_numpy(float), good[METRICS[metric]].to_numpy(float))
    return [[float(x), float(y)] for x, y in zip(found.x, found.y, strict=True)]


def images_of(rows: pd.DataFrame) -> list[str]:
    """Images (or engine versions, where no image is stated) that some rows name."""
    stated = rows["image"].fillna(rows["engine_version"]).dropna()
    return sorted({str(value) for value in stated})


def main_cause(shift: Mapping[str, Any]) -> str | None:
    """The named cause with the largest factor; None where none is named, or the named ones are less than half of the whole (log)."""
    named = _named(shift)
    if not named or shift["ratio"] is None or _rest(shift, named) > _HALF * max(abs(np.log(shift["ratio"]["value"])), np.log(_SMALL)):
        return None
    return str(named[0]["cause"])


def _named(shift: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The factors in the verdict, the largest first."""
    return sorted((f for f in shift["factors"] if f["cause"] in shift["verdict"] and f["ratio"]), key=lambda f: -abs(np.log(f["ratio"])))


def _rest(shift: Mapping[str, Any], named: Sequence[Mapping[str, Any]]) -> float:
    """How far the ratio is from the product of the named factors, log."""
    return float(abs(np.log(shift["ratio"]["value"]) - sum(np.log(f["ratio"]) for f in named)))


def kind_of(cause: str | None) -> str:
    """artefact, software, search_space, lever, hardware, platform, not_identifiable or unexplained."""
    head = (cause or "unexplained").split(":")[0]
    return _KINDS.get(head, head)


def label_of(shift: Mapping[str, Any], before: pd.DataFrame, after: pd.DataFrame, changelog: Mapping[str, Any] | None) -> str:
    """The causes of a step in a few words, the largest first, each with its factor."""
    if shift["ratio"] is None:
        return "no common interactivity"
    named = _named(shift)
    if not named:
        return f"cause not separated: {shift['ratio']['value']:.2f}x"
    shown = [f"{_words(f['cause'], shift, before, after, changelog)} {f['ratio']:.2f}x" for f in named[:2]]
    rest = "; rest not separated" if main_cause(shift) is None else ""
    return ", ".join(shown) + (f" and {len(named) - 2} more" if len(named) > 2 else "") + rest


def _words(cause: str, shift: Mapping[str, Any], before: pd.DataFrame, after: pd.DataFrame, changelog: Mapping[str, Any] | None) -> str:
    head, _, lever = cause.partition(":")
    if head == "software":
        change = _image_change(before, after) or _entry_change(changelog)
        return f"{change}: software" if change else "software"
    if head in ("harness", "denominator"):
        checks = [str(check["check"]) for check in shift["checks"] if check.get("kind", head) == head]
        said = next((_HARNESS[name] for name in ("warmup", *checks) if name in checks and name in _HARNESS), None)
        return f"{head}: {said}" if said else head
    if head == "search_space":
        new = _new_settings(before, after)
        return f"search space: {new or lever}"
    if head == "lever":
        return {"mtp": "MTP", "disaggregation": "disaggregation"}.get(lever, lever)
    return head.replace("_", " ")


def _image_change(before: pd.DataFrame, after: pd.DataFrame) -> str | None:
    """``image A -> B`` (``version A -> B`` where no image is stated) if the two sides name different ones, by the ends of their tags."""
    named = images_of(before), images_of(after)
    if not all(named) or set(named[0]) & set(named[1]):
        return None
    tags = [side[-1].rsplit(":", 1)[-1] for side in named]
    return f"{'image' if after['image'].notna().any() else 'version'} {_short(tags[0])} -> {_short(tags[1])}"


def _short(tag: str) -> str:
    return tag if len(tag) <= 22 else f"{tag[:21]}…"


def _entry_change(changelog: Mapping[str, Any] | None) -> str | None:
    """``image A -> B`` where the one entry of the window states it."""
    if changelog is None or changelog["verdict"] != "one":
        return None
    text = next(str(entry["text"]) for entry in changelog["entries"] if entry["candidate"])
    found = _TWO_VERSIONS.search(text)
    if found:
        return f"image {_short(found[1])} -> {_short(found[2])}"
    one = _ONE_VERSION.search(text)
    return f"image {_short(one[1])}" if one else None


def _new_settings(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """The settings with values that only the second side has, as ``tp 4, ep 4``; at most two."""
    out = []
    for column in _SETTINGS:
        fresh = sorted(set(after[column].dropna()) - set(before[column].dropna()))
        if fresh and before[column].notna().any():
            out.append(f"{column} {'/'.join(f'{value:g}' if isinstance(value, float) else str(value) for value in fresh[:3])}")
    return ", ".join(out[:2])
