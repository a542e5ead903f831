"""Attribution by a half fraction: whether a table holds one, and the part of the document that says what it can and cannot tell."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from frontier.attribute.document import Estimate
from frontier.attribute.levers import LeverSpec, cell_name
from frontier.attribution import (
    FEWEST,
    aliased_interactions,
    aliases,
    aliasing_text,
    fraction_cells,
    number,
    regular_half,
    remainder,
)
from frontier.errors import UsageError

NOT_RUN = "outside the half fraction"


def half_of(specs: Sequence[LeverSpec], cells: Collection[int], missing: str, explained: Collection[int]) -> list[int] | None:
    """The cells of the half fraction that a table is read as, or None for a full design.

    Parameters
    ----------
    cells : collection of int
        Cells that were measured.
    missing : str
        ``fraction`` says that the design was a half fraction; ``error`` leaves it to the table: it holds one if its cells are exactly those.
    explained : collection of int
        Cells without points of which it is known that they cannot exist; where that explains every gap the design was a full one.

    Raises
    ------
    UsageError
        If a half fraction is asked for with fewer than three levers, or with an unlocked one: the frontier of an unlocked lever takes the best of
        cells that a half fraction does not run.
    """
    unlocked = [spec.name for spec in specs if spec.mode == "unlocked"]
    if missing == "fraction":
        if unlocked:
            raise UsageError(
                f"a half fraction lacks the cells that unlocked levers choose from: {', '.join(unlocked)}",
                hint=" ".join(f"lever.{name}.mode=forced" for name in unlocked),
            )
        return fraction_cells(len(specs))
    if missing != "error" or len(specs) < FEWEST or unlocked:
        return None
    wanted = fraction_cells(len(specs))
    gaps = set(range(1 << len(specs))) - set(cells)
    return wanted if set(cells) == set(wanted) and not gaps <= set(explained) else None


def not_identifiable(specs: Sequence[LeverSpec], cells: Collection[int]) -> str:
    """Why no lever's effect can be told; empty when every cell of the regular half has points."""
    lost = [cell_name(cell, specs) for cell in regular_half(len(specs)) if cell not in cells]
    if not lost:
        return ""
    return (
        f"not identifiable: {len(lost)} of the {1 << (len(specs) - 1)} cells of the half fraction have no points ({', '.join(lost)}), "
        "and every effect is a contrast over all of them"
    )


def fraction_document(estimate: Estimate, specs: Sequence[LeverSpec], reason: str) -> dict[str, Any]:
    """What the half fraction is, what it confounds, what its shares leave over, and the interactions as far as they are known."""
    names = [spec.name for spec in specs]
    n = len(specs)
    pairs = aliased_interactions(estimate.values)
    drawn = aliased_interactions(estimate.sampled) if estimate.sampled is not None else {}
    partner = {alias.effect: alias for alias in aliases(n)}
    return {
        "cells": len(fraction_cells(n)),
        "of": 1 << n,
        "resolution": n,
        "aliasing": aliasing_text(names),
        "aliases": [
            {"effect": [names[i] for i in alias.effect], "with": [names[i] for i in alias.partner], "sign": alias.sign} for alias in aliases(n)
        ],
        "not_identifiable": reason,
        "remainder": estimate.entry(remainder),
        "interactions": [
            {
                "levers": [names[i] for i in pair],
                "aliased_with": [names[i] for i in partner[pair].partner],
                "sign": partner[pair].sign,
                "log_ratio": number(value),
                "ci95_log_ratio": estimate.bounds(drawn.get(pair)),
            }
            for pair, value in pairs.items()
        ],
    }


def with_reasons(entries: list[dict[str, Any]], reason: str) -> list[dict[str, Any]]:
    """Entries in which an undefined number says why."""
    return [{**entry, "reason": reason} if entry["log_ratio"] is None else entry for entry in entries]


def fraction_notes(estimate: Estimate, specs: Sequence[LeverSpec], reason: str) -> list[str]:
    """Sentences for the document's notes."""
    notes = aliasing_text([spec.name for spec in specs])
    if reason:
        notes.append(f"Shares are {reason}.")
    if not np.isfinite(estimate.values[-1]):
        ends = cell_name(len(estimate.values) - 1, specs)
        notes.append(f"The target cell has no points ({ends}): the whole is not known, and `shift` is that of its largest measured part.")
    rest = number(remainder(estimate.values))
    if rest is not None and len(specs) != 4:  # for four it is zero by construction
        bounds = estimate.entry(remainder)["ci95"]
        within = "" if bounds is None else f" [{bounds[0]:.3g}, {bounds[1]:.3g}]"
        notes.append(f"Remainder that no lever can be given: {np.exp(rest):.3g}x{within}.")
    return notes
