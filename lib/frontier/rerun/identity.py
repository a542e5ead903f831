"""Whether two computations gave the same to the last digit: points tables and JSON documents leaf by leaf, reports byte by byte."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# They say which run a row belongs to and when it was made, not what was found.
NAMES_OF_THE_RUN = ("run_id", "date")
MOST = 10  # differences that are told; the rest is counted


def table_differences(original: pd.DataFrame, again: pd.DataFrame, *, rounding: float = 0.0) -> list[str]:
    """What differs between two points tables, as sentences; empty where every value is the same.

    Rows are compared in their order: an equal computation gives equal tables. Numbers that differ by at most ``rounding`` of their size are equal.
    """
    if len(original) != len(again):
        return [f"{len(original)} points in the original, {len(again)} in the rerun"]
    found = []
    columns = [name for name in dict.fromkeys([*original.columns, *again.columns]) if name not in NAMES_OF_THE_RUN]
    for name in columns:
        if name not in original or name not in again:
            found.append(f"column {name} is only in the {'rerun' if name in again else 'original'}")
            continue
        old, new = original[name].reset_index(drop=True), again[name].reset_index(drop=True)
        same = (old.isna() & new.isna()) | (old.astype(object) == new.astype(object)).fillna(False).astype(bool) | (_apart(old, new) <= rounding)
        if not same.all():
            found.append(f"{name} differs in {int((~same).sum())} of {len(same)} rows{_largest(old[~same], new[~same])}")
    return found


def document_differences(original: Any, again: Any, *, rounding: float = 0.0) -> list[str]:
    """What differs between two JSON documents, as sentences: at most ten of them, and a count of the rest.

    Numbers that differ by at most ``rounding`` of their size are equal.
    """
    found = list(_walk("", original, again, rounding))
    return found if len(found) <= MOST else [*found[:MOST], f"and {len(found) - MOST} more"]


def equal(old: Any, new: Any, rounding: float = 0.0) -> bool:
    """Whether two JSON values are the same, numbers to ``rounding`` of their size."""
    return next(_walk("", old, new, rounding), None) is None


def _walk(path: str, old: Any, new: Any, rounding: float) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            where = f"{path}.{key}".lstrip(".")
            if key not in old or key not in new:
                yield f"{where} is only in the {'rerun' if key in new else 'original'}"
            else:
                yield from _walk(where, old[key], new[key], rounding)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{path} has {len(old)} entries in the original, {len(new)} in the rerun"
        else:
            for number, (left, right) in enumerate(zip(old, new, strict=True)):
                yield from _walk(f"{path}[{number}]", left, right, rounding)
    elif isinstance(old, float) and isinstance(new, float) and abs(new - old) <= rounding * max(abs(old), abs(new)):
        return
    elif type(old) is not type(new) or old != new:
        yield f"{path}: {old!r} in the original, {new!r} in the rerun"


def _apart(old: pd.Series, new: pd.Series) -> pd.Series:
    """Relative difference of every two values; NaN where one is no number."""
    with np.errstate(all="ignore"):
        left, right = (pd.to_numeric(side, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan) for side in (old, new))
        return pd.Series(np.abs(right - left) / np.maximum(np.abs(left), np.abs(right)))


def _largest(old: pd.Series, new: pd.Series) -> str:
    """The largest relative difference, where the values are numbers."""
    relative = _apart(old, new)
    largest = float(relative[np.isfinite(relative)].max()) if np.isfinite(relative).any() else math.nan
    return f", by up to {largest:.2g} of the value" if math.isfinite(largest) else ""


def page_differences(original: Path, again: Path) -> list[str]:
    """Files of a report that are not the same byte by byte, each with the first line that differs."""
    names = sorted({path.relative_to(side).as_posix() for side in (original, again) for path in [side / "report.html", *side.glob("figures/*")]})
    return [name + _first_difference(original / name, again / name) for name in names if not _equal(original / name, again / name)]


def _equal(old: Path, new: Path) -> bool:
    return old.is_file() and new.is_file() and old.read_bytes() == new.read_bytes()


def _first_difference(old: Path, new: Path) -> str:
    if not old.is_file() or not new.is_file():
        return f" is only in the {'rerun' if new.is_file() else 'original'}"
    if old.suffix == ".png":
        return " has other pixels"
    before, after = (path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (old, new))
    told = next((line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[:1] in "+-" and line[:3] not in ("+++", "---")), "")
    return f" differs, first in: {told[:100]}"
