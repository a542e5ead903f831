"""The configurations behind the frontier points of every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd

from frontier.errors import RunError
from frontier.records import INTERACTIVITY, METRICS
from frontier.report.document import Document, rows
from frontier.report.frontiers import step_points, step_title
from frontier.report.tables import Cell, Table, numeric_cell
from frontier.report.wording import METRIC_LONG, TIMES, place_text, quantity, upper_first

# column of the points table -> head in the report, in reading order
_COLUMNS = {
    "hardware": "System", "engine": "Engine", "engine_version": "Version", "precision": "Precision", "kv_precision": "KV precision",
    "gpus": "GPUs", "tp": "TP", "pp": "PP", "ep": "EP", "dp": "DP", "attention_dp": "Attention DP", "spec": "Speculation",
    "draft_len": "Draft length", "disagg": "Disaggregated", "prefill_workers": "Prefill workers", "prefill_tp": "Prefill TP",
    "prefill_ep": "Prefill EP", "prefill_dp": "Prefill DP", "decode_workers": "Decode workers", "decode_tp": "Decode TP",
    "decode_ep": "Decode EP", "decode_dp": "Decode DP", "concurrency": "Concurrency", "median_ttft_s": "Median TTFT, s",
    "isl_tokens": "ISL, tokens", "osl_tokens": "OSL, tokens", "flags": "Flags",
}  # fmt: skip


def step_rows(step: Document, points: pd.DataFrame) -> pd.DataFrame:
    """The rows of the points table behind a step's frontier, in the frontier's order.

    A point that is the mean of several launches names several rows; the first stands for them, they share the configuration.

    Raises
    ------
    RunError
        If a row position lies outside the points table.
    """
    positions: list[int] = []
    for row in step.get("rows") or []:
        first = row[0] if isinstance(row, Sequence) and not isinstance(row, str) and row else row
        if not isinstance(first, int) or not 0 <= first < len(points):
            raise RunError(
                f"step {step.get('step')!r} names row {first!r}, the points table has rows 0 to {len(points) - 1}",
                hint="frontier attribute writes attribution.json anew from the points",
            )
        positions.append(first)
    return points.iloc[positions]


def step_tables(document: Document, points: pd.DataFrame) -> list[tuple[str, Table]]:
    """For every step of the ladder its title and the table of its configurations; columns that never differ stand in the caption."""
    metric = METRICS[str(document["metric"])]
    found = [(step, step_rows(step, points)) for step in rows(document, "steps")]
    every = pd.concat([frame for _, frame in found]) if found else points.iloc[:0]
    varying, constant = _split_columns(every)
    caption = f"The same in all steps: {'; '.join(constant)}." if constant else ""
    banded = any(step.get("ci95_tput_tok_s_gpu") for step, _ in found)
    heads = ["Tokens/s/user", upper_first(METRIC_LONG[str(document["metric"])]), *(["95 % interval"] if banded else [])]
    numeric = frozenset({*range(len(heads)), *(i + len(heads) for i, name in enumerate(varying) if pd.api.types.is_numeric_dtype(every[name]))})
    heads += [_COLUMNS[name] for name in varying]
    tables = []
    for step, frame in found:
        body = []
        for _, row in frame.iterrows():
            x, y = _float(row[INTERACTIVITY]), _float(row[metric])
            band = [_band_cell(step, x)] if banded else []
            body.append([numeric_cell(x, quantity(x)), numeric_cell(y, quantity(y)), *band, *(_cell(row[name]) for name in varying)])
        tables.append((step_title(document, step), Table(tuple(heads), body, caption, numeric)))
    return tables


def _band_cell(step: Document, x: float) -> Cell:
    """The interval of the step's throughput at an interactivity, log-linear between the places where it was computed."""
    at = np.array(step.get("curve_interactivity_tok_s_user") or [], dtype=float)
    band = step.get("ci95_tput_tok_s_gpu")
    if not band or not len(at):
        return Cell("not defined")
    low, high = (float(np.exp(np.interp(x, at, np.log(np.array(side, dtype=float))))) for side in band)
    return Cell("not defined") if math.isnan(low + high) else Cell(f"{quantity(low)} to {quantity(high)}", low)


def _split_columns(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns that differ between the rows, and "name value" for those that do not; undefined ones are left out."""
    varying, constant = [], []
    for name, head in _COLUMNS.items():
        if name not in frame or frame[name].isna().all():
            continue
        values = frame[name].unique()
        if len(values) == 1:
            constant.append(f"{head} {_text(values[0])}")
        else:
            varying.append(name)
    return varying, constant


def step_details(document: Document, step: Document, points: pd.DataFrame) -> list[str]:
    """One line per drawn mark of a step: where it stands and what runs there.

    Where the step's points do not pair up with rows (a mean over unequal configurations), the line says where the mark stands only.
    """
    drawn = step_points(step)
    frame = step_rows(step, points)
    paired = len(frame) == len(step.get("interactivity_tok_s_user") or [])
    title = step_title(document, step)
    lines = []
    for place, x, y in drawn:
        head = f"{title}: {place_text(x)} tokens/s/user, {quantity(y)} tokens/s/GPU"
        lines.append(f"{head}; {_summary(frame.iloc[place])}" if paired else head)
    return lines


def _summary(row: pd.Series) -> str:
    """A configuration in one line."""
    parts = [_text(row[name]) for name in ("hardware", "precision") if _given(row.get(name))]
    if _given(row.get("disagg")) and bool(row["disagg"]):
        roles = [
            f"{_text(row[f'{role}_workers'])} {role} {TIMES} TP{_text(row[f'{role}_tp'])}"
            + (f" EP{_text(row[f'{role}_ep'])}" if _given(row[f"{role}_ep"]) else "")
            for role in ("prefill", "decode")
            if _given(row.get(f"{role}_workers")) and _given(row.get(f"{role}_tp"))
        ]
        parts.append("disaggregated" + (f" ({', '.join(roles)})" if roles else ""))
    else:
        sizes = [f"{name.upper()}{_text(row[name])}" for name in ("tp", "pp", "ep", "dp") if _given(row.get(name)) and row[name] != 1]
        parts.append(" ".join(sizes))
    if _given(row.get("spec")) and row["spec"] != "none":
        draft = f" {_text(row['draft_len'])}" if _given(row.get("draft_len")) else ""
        parts.append(f"{row['spec']}{draft}")
    for name, unit in (("gpus", "GPUs"), ("concurrency", "concurrent")):
        if _given(row.get(name)):
            parts.append(f"{_text(row[name])} {unit}")
    return ", ".join(text for text in parts if text)


def _given(value: object) -> bool:
    return value is not None and not bool(pd.isna(value))  # type: ignore[call-overload]  # a scalar of any column


def _float(value: object) -> float:
    return float(value) if isinstance(value, Real) and _given(value) else math.nan


def _text(value: object) -> str:
    if not _given(value):
        return "\N{EN DASH}"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, Real):
        return f"{value:.0f}" if float(value).is_integer() else quantity(float(value))
    return str(value).replace(";", ", ")  # flags are a list joined by semicolons, which no browser breaks


def _cell(value: object) -> Cell:
    if _given(value) and isinstance(value, Real) and not isinstance(value, bool):
        return Cell(_text(value), float(value))
    return Cell(_text(value))
