"""What each configuration of the second snapshot is to the first one: the same, or new by which lever."""

from __future__ import annotations

from collections.abc import Sequence
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
    unknown_version : bool
        Whether a configuration that stands on both sides has a row that names neither engine version nor image.
    """

    before: list[str]
    after: list[str]
    unknown_version: bool


def classify(before: pd.DataFrame, after: pd.DataFrame) -> Classes:
    """Classes of the rows of two usable, normalized tables."""
    shared = _shared_columns(before, after)
    moved = _hardware_moved(before, after)
    levers = {name: [c for c in columns if c in shared] for name, columns in LEVER_COLUMNS.items() if not (moved and name == "hardware")}
    levers = {name: columns for name, columns in levers.items() if columns}
    key = [c for c in shared if not (moved and c == "hardware")]
    both = pd.concat([before, after], ignore_index=True)
    is_after = np.arange(len(both)) >= len(before)
    code = _codes(both, key)
    on_both = np.isin(code, code[~is_after]) & np.isin(code, code[is_after])
    version = _versions(both)
    matched = _matched_causes(code, version, is_after, moved)
    same_software = _same_software(version, is_after)
    label = np.where(is_after, "new:search_space:parallelism", "gone").astype(object)
    for name in reversed(list(levers)):  # the first lever whose setting the other side never had wins, so it is written last
        setting = _codes(both, levers[name])
        unseen = is_after & ~np.isin(setting, setting[~is_after])
        label[unseen] = f"new:lever:{name}" if same_software and name in SAME_SOFTWARE_LEVERS else f"new:search_space:{name}"
    label[on_both] = matched[code[on_both]]
    return Classes(label[~is_after].tolist(), label[is_after].tolist(), bool((on_both & (version < 0)).any()))


def _shared_columns(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Configuration columns that hold values on both sides; what one side does not say cannot tell them apart."""
    names = [c for c in configuration_columns(before) if c in set(configuration_columns(after))]
    skip = {*VERSION_COLUMNS, "variant"}
    return [c for c in names if c not in skip and before[c].notna().any() and after[c].notna().any()]


def _codes(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """One number per combination of values, shape (rows,); whole numbers are equal however they were read."""
    if not columns:
        return np.zeros(len(frame), dtype=np.int64)
    plain = {c: frame[c].astype(float) if COLUMNS.get(c, ("", ""))[1] in ("Int64", "float64") else frame[c].astype("string") for c in columns}
    return np.asarray(pd.DataFrame(plain).groupby(list(columns), dropna=False, sort=False).ngroup(), dtype=np.int64)


def _hardware_moved(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    old, new = set(before["hardware"].dropna()), set(after["hardware"].dropna())
    return bool(old and new and not old & new)


def _versions(frame: pd.DataFrame) -> NDArray[np.int64]:
    """One number per engine version and image, shape (rows,); -1 where neither is known."""
    known = frame[list(VERSION_COLUMNS)].notna().any(axis=1).to_numpy()
    return np.where(known, _codes(frame, VERSION_COLUMNS), -1)


def _matched_causes(code: NDArray[np.int64], version: NDArray[np.int64], is_after: NDArray[np.bool_], hardware_moved: bool) -> NDArray[np.object_]:
    """Cause of a configuration that stands on both sides, by configuration number: what differs beside the configuration."""
    pairs = pd.DataFrame({"code": code, "version": version, "after": is_after}).drop_duplicates()
    sides = pairs.groupby(["code", "version"])["after"].agg(["min", "max"])
    on_both = (sides["min"] != sides["max"]).groupby(level="code").all()
    unknown = (pairs[pairs["version"] < 0]).groupby("code").size().reindex(on_both.index, fill_value=0) > 0
    same = (on_both & ~unknown).to_numpy()
    if hardware_moved:
        return np.where(same | unknown.to_numpy(), "matched:hardware", "matched:not_identifiable").astype(object)
    return np.where(same, "matched:unexplained", "matched:software").astype(object)


def _same_software(version: NDArray[np.int64], is_after: NDArray[np.bool_]) -> bool:
    old, new = set(version[~is_after].tolist()), set(version[is_after].tolist())
    return old == new and -1 not in old
