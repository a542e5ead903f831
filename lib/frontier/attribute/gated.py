"""Cells of a design whose output fails its quality gate: measured, and no part of any frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribute.levers import LeverSpec, cell_numbers
from frontier.integrity import accuracy_gate
from frontier.records import BELOW_GATE, below_gate, drawable

BELOW = "below_gate"  # status of such a cell in the document


def gated_cells(points: pd.DataFrame, specs: Sequence[LeverSpec], metric: str) -> dict[int, str]:
    """Why a cell carries no frontier though it was measured: cell number -> reason, for cells all of whose rows fail their gate.

    Parameters
    ----------
    points : DataFrame
        A normalized points table; ``quality``, ``quality_metric`` and, where it has one, ``quality_gate`` give the reason its numbers.
    specs : sequence of LeverSpec
    metric : "total" | "output"
    """
    failed = below_gate(points).to_numpy(dtype=bool)
    if not failed.any():
        return {}
    number_of = cell_numbers(points, specs)
    shown = drawable(points, metric).to_numpy(dtype=bool)
    out = {}
    for cell in np.unique(number_of[failed & shown]):
        here = shown & (number_of == cell)
        if cell >= 0 and failed[here].all():
            out[int(cell)] = _reason(points[here])
    return out


def gated_notes(status: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know of the cells that were measured and left out for their output's sake."""
    found = [f"{record['cell']} ({record['reason']})" for record in status if record["status"] == BELOW]
    if not found:
        return []
    whole = " The target is among them, so the whole shift is that of its largest part." if status[-1]["status"] == BELOW else ""
    counts = "such a cell counts as its largest part whose output holds"
    return [f"Measured, and no part of any frontier because the output does not hold ({counts}): {'; '.join(found)}.{whole}"]


def _reason(rows: pd.DataFrame) -> str:
    """The gate's words for one cell: its number and limit where that number fails, else that a flag says so."""
    failing = accuracy_gate(rows.assign(flags="")).to_numpy(dtype=bool) & rows["quality"].notna().to_numpy(dtype=bool)
    metrics = rows["quality_metric"][failing].dropna().unique()
    if not failing.any() or len(metrics) != 1:
        return f"flag {BELOW_GATE}"
    limits = pd.to_numeric(rows["quality_gate"], errors="coerce")[failing].dropna().unique().tolist() if "quality_gate" in rows else []
    quality = rows["quality"][failing]
    low, high = f"{quality.min():.4g}", f"{quality.max():.4g}"
    limit = f", gate {limits[0]:.4g}" if len(limits) == 1 else ""
    return f"{str(metrics[0]).replace('_', ' ')} {low if low == high else f'{low} to {high}'}{limit}"
