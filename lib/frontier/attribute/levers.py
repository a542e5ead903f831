"""Levers as columns of a points table, and the cells their levels span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.attribution import MAX_PLAYERS
from frontier.catalog import infeasible_precision, seniority
from frontier.errors import UsageError

SEPARATOR = "|"


@dataclass(frozen=True)
class LeverSpec:
    """A lever: which column tells its levels apart, and which values belong to each.

    ``unlocked``: at target, baseline settings stay available (frontier of both); ``forced``: only the target's.
    """

    name: str
    column: str
    baseline: tuple[str, ...]
    target: tuple[str, ...]
    mode: str = "forced"
    title: str = ""
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what the levels mean, when the column only says baseline | target


def as_text(values: pd.Series) -> pd.Series:
    """Values as the user would type them: booleans in lower case, whole numbers without a point, undefined as ``<NA>``."""
    if pd.api.types.is_bool_dtype(values):
        return values.astype("string").str.lower()
    if pd.api.types.is_numeric_dtype(values):
        return values.map(lambda value: f"{value:g}", na_action="ignore").astype("string")
    return values.astype("string").str.strip()


def parse_levers(
    frame: pd.DataFrame,
    names: Sequence[str],
    baseline: Mapping[str, str],
    target: Mapping[str, str],
    unlocked: Sequence[str] = (),
    *,
    origin: str = "",
) -> list[LeverSpec]:
    """Lever specifications from column names and ``column=value`` choices, levels filled in where the table leaves no doubt.

    A lever whose column has exactly two values needs no choice when their order is plain: false before true, ``none`` before anything,
    ``baseline`` before ``target``, more bits before fewer, older GPUs before newer, numbers rising; otherwise the value of the table's first row
    is the baseline.

    Raises
    ------
    UsageError
        For an unknown column, a value that does not occur, more than two values without a choice, or baseline equal to target.
    """
    if not names:
        raise UsageError("no levers named", hint="--levers precision,tp,spec")
    if len(set(names)) != len(names):
        raise UsageError(f"a lever is named twice in {','.join(names)}")
    if len(names) > MAX_PLAYERS:
        raise UsageError(f"attribution is exact for 1 to {MAX_PLAYERS} levers, got {len(names)}")
    for what, choice in (("--baseline", baseline), ("--target", target), ("--unlocked", dict.fromkeys(unlocked, ""))):
        strange = sorted(set(choice) - set(names))
        if strange:
            raise UsageError(f"{what} names {', '.join(strange)}, which is not among the levers {', '.join(names)}")
    specs = []
    for name in names:
        if name not in frame:
            filled = [str(column) for column in frame.columns if frame[column].notna().any()]
            raise UsageError(f"no column {name!r} in the points table", origin=origin, hint=f"columns with values: {', '.join(filled)}")
        values = [str(value) for value in as_text(frame[name]).dropna().unique()]
        start = _chosen(name, baseline.get(name), values)
        end = _chosen(name, target.get(name), values)
        rest = [value for value in values if value not in (start or ()) and value not in (end or ())]
        if start is None and end is None:
            if len(values) != 2:
                raise UsageError(
                    f"lever {name!r} has {len(values)} value{'s' if len(values) != 1 else ''} ({', '.join(values[:8])}); its levels must be stated",
                    origin=origin,
                    hint=f"--baseline {name}={values[0] if values else 'X'} --target {name}={values[-1] if values else 'Y'}",
                )
            start, end = _plain_order(values)
        elif start is None or end is None:
            if not rest:
                raise UsageError(f"lever {name!r} has no value left for its other level", origin=origin)
            if len(rest) > 1:
                raise UsageError(f"lever {name!r} has values {', '.join(rest[:8])} left; state both levels", origin=origin)
            start, end = start or (rest[0],), end or (rest[0],)
        if set(start) & set(end):
            raise UsageError(f"baseline and target of lever {name!r} share {', '.join(sorted(set(start) & set(end)))}")
        specs.append(LeverSpec(name, name, start, end, "unlocked" if name in unlocked else "forced", name))
    return specs


def _chosen(name: str, text: str | None, values: Sequence[str]) -> tuple[str, ...] | None:
    if text is None:
        return None
    lookup = {value.lower(): value for value in values}
    chosen = []
    for part in text.split(SEPARATOR):
        if part.strip().lower() not in lookup:
            raise UsageError(f"lever {name!r} has no value {part!r}", hint=f"values in the table: {', '.join(values[:12])}")
        chosen.append(lookup[part.strip().lower()])
    return tuple(chosen)


def _plain_order(values: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    first, second = values
    for start in ("false", "none", "baseline", "aggregated"):
        if second == start:
            first, second = second, first
    ages = seniority(first), seniority(second)
    if ages[0] is not None and ages[1] is not None and ages[0] > ages[1]:
        first, second = second, first
    try:
        if float(first) > float(second):
            first, second = second, first
    except ValueError:
        pass  # not numbers: the order found above stands
    return (first,), (second,)


def cell_numbers(frame: pd.DataFrame, specs: Sequence[LeverSpec]) -> NDArray[np.int64]:
    """Cell of each row (bit i set: lever i at target), shape (rows,); -1 where a lever has neither level."""
    cell = np.zeros(len(frame), dtype=np.int64)
    for position, spec in enumerate(specs):
        text = as_text(frame[spec.column])
        at_target = text.isin(spec.target).to_numpy()
        known = at_target | text.isin(spec.baseline).to_numpy()
        cell = np.where(known & (cell >= 0), cell | (at_target.astype(np.int64) << position), -1)
    return cell


def cell_levers(cell: int, specs: Sequence[LeverSpec]) -> list[str]:
    """Names of the levers at target in a cell."""
    return [spec.name for position, spec in enumerate(specs) if cell >> position & 1]


def cell_name(cell: int, specs: Sequence[LeverSpec]) -> str:
    """``baseline``, or the levers at target joined by ``+``."""
    return "+".join(cell_levers(cell, specs)) or "baseline"


def physical_conflict(cell: int, specs: Sequence[LeverSpec], frame: pd.DataFrame) -> str:
    """Why no GPU of the cell can compute its precision; empty when nothing is known against it."""
    levels: dict[str, Sequence[str]] = {}
    for position, spec in enumerate(specs):
        levels[spec.column] = spec.target if cell >> position & 1 else spec.baseline
    for column in ("precision", "hardware"):
        if column not in levels:
            levels[column] = [str(value) for value in frame[column].dropna().unique()]
    reasons = [infeasible_precision(p, h) for p in levels["precision"] for h in levels["hardware"]]
    return reasons[0] if reasons and all(reasons) else ""
