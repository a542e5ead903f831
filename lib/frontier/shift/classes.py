"""What each configuration of the second snapshot is to the first one: the same, or new by which lever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.records import COLUMNS, configuration_columns

# Lever -> its columns, in the order in which a new configuration is named after them.
LEVER_COLUMNS: dict[str, tuple[str, ...]] = {
    "hardware": ("hardware",),
    "precision": ("precision", "kv_precision"),
    "disaggregation": ("disagg",),
    "mtp": ("spec", "draft_len"),
    "parallelism": (
        "tp", "pp", "ep", "dp", "attention_dp", "gpus", "prefill_gpus", "decode_gpus",
        "prefill_tp", "prefill_ep", "prefill_dp", "prefill_workers", "decode_tp", "decode_ep", "decode_dp", "decode_workers",
    ),
    "concurrency": ("concurrency", "request_rate_per_s"),
}  # fmt: skip
VERSION_COLUMNS = ("engine_version", "image")
SAME_SOFTWARE_LEVERS = ("precision", "disaggregation", "mtp")  # at an unchanged image these are levers somebody pulled


@dataclass(frozen=True)
class Classes:
    """Cause of each configuration.

    Attributes
    ----------
    before, after : list of str, one per row of the two tables
        ``matched:<cause>``, ``new:<cause>`` (after only) or ``gone`` (before only).
    """

    before: list[str]
    after: list[str]


def classify(before: pd.DataFrame, after: pd.DataFrame) -> Classes:
    """Classes of the rows of two usable, normalized tables."""
    shared = _shared_columns(before, after)
    levers = {name: [c for c in columns if c in shared] for name, columns in LEVER_COLUMNS.items()}
    other = [c for c in shared if not any(c in columns for columns in LEVER_COLUMNS.values())]
    moved = _hardware_moved(before, after)
    key = other + [c for name, columns in levers.items() for c in columns if not (moved and name == "hardware")]
    old, new = _texts(before, key), _texts(after, key)
    old_keys, new_keys = _tuples(old), _tuples(new)
    version = _versions_by_key(before, old_keys), _versions_by_key(after, new_keys)
    both = set(old_keys) & set(new_keys)
    cause = {k: _matched_cause(version[0][k], version[1][k], moved) for k in both}
    same_software = _same_software(before, after)
    seen = {name: set(_tuples(old[columns])) for name, columns in levers.items() if columns and not (moved and name == "hardware")}
    named = {k: _new_cause(k, key, levers, seen, same_software) for k in set(new_keys) - both}
    return Classes(
        before=[f"matched:{cause[k]}" if k in both else "gone" for k in old_keys],
        after=[f"matched:{cause[k]}" if k in both else f"new:{named[k]}" for k in new_keys],
    )


def _shared_columns(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Configuration columns that hold values on both sides; what one side does not say cannot tell them apart."""
    names = [c for c in configuration_columns(before) if c in set(configuration_columns(after))]
    skip = {*VERSION_COLUMNS, "variant"}
    return [c for c in names if c not in skip and before[c].notna().any() and after[c].notna().any()]


def _texts(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    out = {}
    for column in columns:
        values = frame[column]
        number = pd.to_numeric(values, errors="coerce") if column in COLUMNS and COLUMNS[column][1] in ("Int64", "float64") else None
        out[column] = (values.astype("string") if number is None else number.astype(float).map("{:g}".format)).fillna("")
    return pd.DataFrame(out, index=frame.index)


def _tuples(texts: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(texts.itertuples(index=False, name=None)) if len(texts.columns) else [()] * len(texts)


def _hardware_moved(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    old, new = set(before["hardware"].dropna()), set(after["hardware"].dropna())
    return bool(old and new and not old & new)


def _versions_by_key(frame: pd.DataFrame, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], set[str]]:
    text = [frame[column].fillna("").astype(str) for column in VERSION_COLUMNS]
    out: dict[tuple[str, ...], set[str]] = {}
    for key, *version in zip(keys, *text, strict=True):
        out.setdefault(key, set()).add(" ".join(version).strip())
    return out


def _matched_cause(old: set[str], new: set[str], hardware_moved: bool) -> str:
    known = old - {""} and new - {""}
    if hardware_moved:
        return "hardware" if not known or old == new else "not_identifiable"
    return "unexplained" if known and old == new else "software"


def _same_software(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    versions: list[set[str]] = []
    for frame in (before, after):
        text = [frame[column].fillna("").astype(str) for column in VERSION_COLUMNS]
        versions.append({" ".join(parts).strip() for parts in zip(*text, strict=True)})
    return versions[0] == versions[1] and "" not in versions[0]


def _new_cause(
    key: tuple[str, ...], columns: Sequence[str], levers: Mapping[str, Sequence[str]], seen: Mapping[str, set[tuple[str, ...]]], same_software: bool
) -> str:
    """The first lever whose setting the other side never had; a new combination of known settings counts as parallelism."""
    value = dict(zip(columns, key, strict=True))
    for name, settings in seen.items():
        if tuple(value[c] for c in levers[name]) not in settings:
            pulled = same_software and name in SAME_SOFTWARE_LEVERS
            return f"lever:{name}" if pulled else f"search_space:{name}"
    return "search_space:parallelism"


def codes(labels: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Number of each label's class and the classes in order of first appearance."""
    number, names = pd.factorize(pd.Series(labels, dtype="object"))
    return np.asarray(number, dtype=np.int64), [str(name) for name in names]
