"""What each configuration of the second snapshot is to the first one: the same but for something, or new by which lever."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.records import INTERACTIVITY, METRICS, configuration_columns, joined_codes, row_codes

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
# Where something ran. Not settings: the same configuration on another of them is the same configuration.
PLATFORM_COLUMNS = ("site", "cluster", "platform", "runner", "node", "hostname")
SAME_SOFTWARE_LEVERS = ("precision", "disaggregation", "mtp")  # at an unchanged image these are levers somebody pulled
# What a whole side can change at once and still be compared configuration by configuration.
DIMENSIONS = ("hardware", "engine", *SAME_SOFTWARE_LEVERS)

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """Cause of each row.

    Attributes
    ----------
    cause : object array, shape (rows of both sides,)
        ``software``, ``hardware``, ``platform``, ``lever:<name>``, ``search_space:<lever>``, ``coverage`` (only the first side has it),
        ``unexplained``, or ``not_identifiable`` (more than one thing changed at once).
    matched : bool array, same shape
        Whether the configuration stands on both sides.
    moved : tuple of str
        Of hardware, engine, precision, disaggregation and mtp those in which the two sides have no value in common.
    same_software : bool
        Whether both sides ran exactly the same, known engine versions and images.
    unknown_version : bool
        Whether a configuration that stands on both sides has a row that names neither engine version nor image.
    same_measurements : int
        Rows of the second side that repeat all measured values of a row of the first one under another identity.
    """

    cause: NDArray[np.object_]
    matched: NDArray[np.bool_]
    moved: tuple[str, ...]
    same_software: bool
    unknown_version: bool
    same_measurements: int


def classify(both: pd.DataFrame, is_after: NDArray[np.bool_]) -> Classes:
    """Classes of the rows of two usable, normalized tables laid end to end.

    Parameters
    ----------
    both : DataFrame
    is_after : bool array, shape (len(both),)
    """
    shared = _shared_columns(both, is_after)
    levers = {name: [c for c in columns if c in shared] for name, columns in LEVER_COLUMNS.items()}
    levers["engine"] = [c for c in ("engine",) if c in shared]
    codes = {name: row_codes(both, columns) for name, columns in levers.items() if columns}
    moved = tuple(name for name in DIMENSIONS if name in codes and not np.isin(codes[name], codes[name][is_after])[~is_after].any())
    gone_columns = {c for name in moved for c in levers[name]}
    key = row_codes(both, [c for c in shared if c not in gone_columns])
    version, release = _filled(_versions(both), both, is_after), _filled(_releases(both), both, is_after)
    same_software = _same_sides(version, is_after)
    matched = np.isin(key, key[~is_after]) & np.isin(key, key[is_after])
    cause = np.where(is_after, "search_space:parallelism", "coverage").astype(object)
    # A new configuration is named after the first lever with which the settings so far are new; the first wins, so it is written last.
    names = [name for name in LEVER_COLUMNS if name in codes and not (name == "hardware" and name in moved)]
    prefix = np.zeros(len(both), dtype=np.int64)
    unseen = np.zeros(len(both), dtype=bool)
    for name in names:
        prefix = joined_codes(prefix, codes[name])
        first = is_after & ~matched & ~unseen & ~np.isin(prefix, prefix[~is_after])
        cause[first] = f"lever:{name}" if same_software and name in SAME_SOFTWARE_LEVERS else f"search_space:{name}"
        unseen |= first
    platform = _platform_moved(both, is_after)
    # Images differ between GPUs by their CUDA or ROCm build; across hardware the engine's release counts.
    by_code = _matched_causes(key, release if "hardware" in moved else version, is_after, moved, platform)
    cause[matched] = by_code[key[matched]]
    unknown = bool((matched & (version < 0)).any())
    repeated = _same_measurements(both, is_after) & ~matched
    cause[repeated] = "unexplained"
    return Classes(cause, matched | repeated, moved, same_software, unknown, int((repeated & is_after).sum()))


def _shared_columns(both: pd.DataFrame, is_after: NDArray[np.bool_]) -> list[str]:
    """Configuration columns that hold values on both sides; what one side does not say cannot tell them apart."""
    skip = {*VERSION_COLUMNS, *PLATFORM_COLUMNS, "variant"}
    out = []
    for column in configuration_columns(both):
        if column in skip:
            continue
        stated = both[column].notna().to_numpy()
        if stated[~is_after].any() and stated[is_after].any():
            out.append(column)
    return out


def _versions(frame: pd.DataFrame) -> Codes:
    """One number per engine version and image, shape (rows,); -1 where neither is known."""
    known = frame[list(VERSION_COLUMNS)].notna().any(axis=1).to_numpy()
    return np.where(known, row_codes(frame, VERSION_COLUMNS), -1)


_NOT_THE_ENGINE = re.compile(r"(?:rocm|cuda|cu|ubuntu|pytorch|torch|python|py)[-_]?\d[\d.]*", re.IGNORECASE)
_RELEASE = re.compile(r"\d+\.\d+(?:\.\d+)?(?:\.?(?:rc|post|dev)\d*)*")


def release_of(image: str) -> str:
    """The engine's release in an image's tag; the tag itself where there is none.

    >>> release_of("lmsysorg/sglang:v0.5.9-rocm700-mi30x"), release_of("rocm/atom:rocm7.1.1-ubuntu24.04-pytorch2.9-atom0.1.1-MI350x")
    ('0.5.9', '0.1.1')
    """
    tag = image.rsplit(":", 1)[-1]
    found = _RELEASE.search(_NOT_THE_ENGINE.sub("", tag))
    return found.group(0) if found else tag


def _releases(frame: pd.DataFrame) -> Codes:
    """One number per release: the engine version where it is stated, else what the image's tag names; -1 where neither is known."""
    image = frame["image"].map(release_of, na_action="ignore")
    release = frame["engine_version"].fillna(image)
    return np.asarray(pd.factorize(release.astype(object))[0], dtype=np.int64)


def _filled(version: Codes, both: pd.DataFrame, is_after: NDArray[np.bool_]) -> Codes:
    """Versions in which rows that name none have that of their run, where the rest of the run names exactly one.

    A run is what one series (hardware, engine, precision, speculation) did on one date; public records name the image on some of its rows only.
    """
    if (version >= 0).all() or (version < 0).all() or both["date"].isna().all():
        return version
    run = joined_codes(row_codes(both, ["date", "hardware", "engine", "precision", "spec"]), is_after.astype(np.int64))
    known = pd.Series(version).where(version >= 0)
    low, high = known.groupby(run).transform("min"), known.groupby(run).transform("max")
    one = (low == high) & both["date"].notna().to_numpy()
    return np.where((version < 0) & one.to_numpy(), low.fillna(-1).to_numpy(dtype=np.int64), version)


def _same_sides(version: Codes, is_after: NDArray[np.bool_]) -> bool:
    old, new = set(version[~is_after].tolist()), set(version[is_after].tolist())
    return old == new and -1 not in old


def _platform_moved(both: pd.DataFrame, is_after: NDArray[np.bool_]) -> bool:
    """Whether the two sides name sites, runners or nodes and share none."""
    for column in (c for c in PLATFORM_COLUMNS if c in both):
        values = both[column].astype("string")
        old, new = set(values[~is_after].dropna()), set(values[is_after].dropna())
        if old and new and not old & new:
            return True
    return False


def _matched_causes(key: Codes, version: Codes, is_after: NDArray[np.bool_], moved: Sequence[str], platform: bool) -> NDArray[np.object_]:
    """Cause of a configuration that stands on both sides, by configuration number: what differs beside the configuration."""
    width = int(version.max()) + 2
    pair = key * width + version + 1
    on_one_side = np.setxor1d(pair[~is_after], pair[is_after])  # a configuration's version that only one side ran
    same = np.ones(int(key.max()) + 1, dtype=bool)
    unknown = np.zeros(len(same), dtype=bool)
    unknown[key[version < 0]] = True
    same[on_one_side // width] = False
    same &= ~unknown
    if not moved:
        return np.where(same, "platform" if platform else "unexplained", "software").astype(object)
    if moved == ("engine",):
        return np.full(len(same), "software", dtype=object)  # another engine is other software, whatever its version is called
    if len(moved) > 1:
        return np.full(len(same), "not_identifiable", dtype=object)
    cause = "hardware" if moved[0] == "hardware" else f"lever:{moved[0]}"
    return np.where(same | unknown, cause, "not_identifiable").astype(object)


def _same_measurements(both: pd.DataFrame, is_after: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows whose measured values all stand, to the last digit, on the other side too: no two runs agree like that."""
    measured = [INTERACTIVITY, *METRICS.values(), "median_ttft_s", "median_e2el_s", "concurrency"]
    if not (both["evidence"].astype("string") != "predicted").fillna(True).any():
        return np.zeros(len(both), dtype=bool)
    code = row_codes(both, measured)
    return np.asarray(np.isin(code, code[~is_after]) & np.isin(code, code[is_after]))
