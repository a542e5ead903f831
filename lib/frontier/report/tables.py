"""Tables of the report as plain cells: text to show, the exact value behind it, and how to sort."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontier.report.claim import shift_at
from frontier.report.document import Document, Estimate, estimate, lever_title, number, part, rows
from frontier.report.wording import (
    MINUS,
    NOT_DEFINED,
    factor,
    interval_text,
    listed,
    on_path,
    percent,
    place_text,
    quantity,
    settings_text,
    upper_first,
    verdict,
)


@dataclass(frozen=True)
class Cell:
    """One table cell; ``value`` is the exact number behind the text, where there is one."""

    text: str
    value: float | None = None
    bar: float | None = None  # length of a bar behind the number, -1 to 1


@dataclass(frozen=True)
class Table:
    """Heads and rows; ``numeric`` names the columns set right-aligned, ``strong`` the rows set in bold."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    numeric: frozenset[int] = field(default_factory=frozenset)
    strong: frozenset[int] = field(default_factory=frozenset)


def numeric_cell(value: float, text: str) -> Cell:
    """A cell with the exact value behind its text; the value is left out where undefined."""
    return Cell(text, value if math.isfinite(value) else None)


def ratio_cells(found: Estimate) -> list[Cell]:
    """A factor and its interval, as two cells."""
    return [numeric_cell(found.value, factor(found.value)), Cell(interval_text(found) if found.defined else NOT_DEFINED)]


def verdict_table(document: Document, config: Document) -> Table:
    """Every lever's share of the shift, with what the interval lets one say."""
    levers = {str(lever.get("name")): lever for lever in rows(document, "levers")}
    body: list[list[Cell]] = []
    for share in rows(document, "shares"):
        name = str(share.get("lever"))
        lever = levers.get(name, {})
        levels = f"{settings_text(config, lever, 'baseline')} → {settings_text(config, lever, 'target')}"
        mode = str(lever.get("mode") or "")
        found, fraction = estimate(share), number(share.get("fraction"))
        body.append(
            [
                Cell(lever_title(document, name)),
                Cell(f"{levels} ({mode})" if mode else levels),
                *ratio_cells(found),
                Cell(percent(fraction), fraction if math.isfinite(fraction) else None, _bar(fraction)),
                Cell(verdict(found, document)),
            ]
        )
    total = estimate(document.get("total"))
    whole = Cell(percent(1.0) if total.defined else NOT_DEFINED)
    body.append([Cell("Whole shift"), Cell("all levers at target"), *ratio_cells(total), whole, Cell(verdict(total, document))])
    heads = ("Change", "From → to", "Factor", "95 % interval", "Share of log ratio", "What the interval says")
    return Table(heads, body, numeric=frozenset({2, 3, 4}), strong=frozenset({len(body) - 1}))


def _bar(fraction: float) -> float | None:
    return max(-1.0, min(1.0, fraction)) if math.isfinite(fraction) else None


def order_table(document: Document) -> Table | None:
    """The same shift split in other ways: by Shapley value, in the ladder's order, and by leaving each lever out.

    None for an observed path and for a half fraction, which can be split in one way only.
    """
    if on_path(document) or document.get("method") == "half_fraction":
        return None
    ways = [{str(row.get("lever")): estimate(row) for row in rows(document, key)} for key in ("shares", "ladder", "leave_one_out")]
    names = [str(lever.get("name")) for lever in rows(document, "levers")]
    body = []
    for name in names:
        found = [way.get(name, Estimate(math.nan)) for way in ways]
        body.append([Cell(lever_title(document, name)), *(cell for one in found for cell in ratio_cells(one))])
    heads = ("Change", "Shapley", "95 % interval", "Added in ladder order", "95 % interval", "Lost when left out", "95 % interval")
    return Table(heads, body, numeric=frozenset(range(1, 7)))


def companion_coalitions(document: Document) -> Table | None:
    """Sets of levers whose cells both kinds of evidence hold, the rest at baseline: the questions that both answer; None without any.

    A coalition whose own cell is missing or infeasible on a side has a value there by a rule only, so it is left out.
    """
    companion = part(document, "companion")
    ours = {frozenset(map(str, row.get("levers") or [])): number(row.get("log_ratio")) for row in rows(document, "coalitions")}
    absent = _absent_cells(document) | _absent_cells(companion)
    body = []
    for row in rows(companion, "coalitions"):
        levers = [str(name) for name in row.get("levers") or []]
        here, there = ours.get(frozenset(levers), math.nan), number(row.get("log_ratio"))
        if not levers or frozenset(levers) in absent or not (math.isfinite(here) and math.isfinite(there)):
            continue
        title = " + ".join(lever_title(document, name) for name in levers)
        ratios = [math.exp(here), math.exp(there), math.exp(here - there)]
        body.append([Cell(title), *(numeric_cell(ratio, factor(ratio)) for ratio in ratios)])
    if not body:
        return None
    kinds = str(document["evidence"]).capitalize(), str(companion.get("evidence")).capitalize()
    heads = ("Levers at target, the rest at baseline", *kinds, f"{kinds[0]} / {kinds[1].lower()}")
    return Table(heads, body, numeric=frozenset({1, 2, 3}))


def _absent_cells(document: Document) -> set[frozenset[str]]:
    """Sets of levers whose cell is listed without points."""
    return {frozenset(map(str, row.get("levers") or [])) for row in rows(document, "cells") if row.get("status") != "done"}


def companion_shares(document: Document) -> Table | None:
    """Both kinds of evidence side by side, share by share; None without a companion that has shares."""
    companion = part(document, "companion")
    theirs = {str(row.get("lever")): estimate(row) for row in rows(companion, "shares")}
    if not theirs:
        return None
    ours = {str(row.get("lever")): estimate(row) for row in rows(document, "shares")}
    body = []
    for name in dict.fromkeys([*ours, *theirs]):
        title = lever_title(document if name in ours else companion, name)
        body.append([Cell(title), *_or_absent(ours.get(name)), *_or_absent(theirs.get(name))])
    body.append([Cell("Whole shift"), *ratio_cells(estimate(document.get("total"))), *ratio_cells(estimate(companion.get("total")))])
    kinds = str(document["evidence"]).capitalize(), str(companion.get("evidence")).capitalize()
    heads = ("Change", kinds[0], "95 % interval", kinds[1], "95 % interval")
    return Table(heads, body, numeric=frozenset({1, 2, 3, 4}), strong=frozenset({len(body) - 1}))


def _or_absent(found: Estimate | None) -> list[Cell]:
    return ratio_cells(found) if found is not None else [Cell("not a lever here"), Cell("")]


def normalization_table(document: Document) -> Table | None:
    """The shift under every denominator; None when none is known."""
    body = [
        [
            Cell(f"per {row.get('per')}"),
            *ratio_cells(estimate(row)),
            Cell(str(row.get("unit") or row.get("baseline_unit") or NOT_DEFINED)),
            *(numeric_cell(value, quantity(value)) for value in (number(row.get(f"denominator_{side}")) for side in ("before", "after"))),
        ]
        for row in rows(document, "normalizations")
    ]
    heads = ("Denominator", "Factor", "95 % interval", "Unit", "One GPU before", "One GPU after")
    return Table(heads, body, numeric=frozenset({1, 2, 4, 5})) if body else None


def normalization_sources(document: Document) -> list[str]:
    """Where the power, price and package numbers come from, each source once, with the denominators it gives."""
    sources: dict[str, list[str]] = {}
    for row in rows(document, "normalizations"):
        if row.get("table"):
            sources.setdefault(str(row["table"]), []).append(f"per {row.get('per')}")
    return [f"{upper_first(listed(names))}: {source.rstrip('.')}." for source, names in sources.items()]


def ratio_table(document: Document, quoted: Sequence[float]) -> Table | None:
    """Before, after and ratio at the interactivities the configuration quotes, else at up to nine points of the curve; None without a ratio.

    What is quoted between two points of the curve is log-linear between them.
    """
    curve = [row for row in rows(part(document, "shift"), "by_interactivity") if math.isfinite(number(row.get("ratio")))]
    if not curve:
        return None
    places = [number(row.get("interactivity_tok_s_user")) for row in curve]
    if not quoted:
        most = min(9, len(curve))
        quoted = [places[i] for i in sorted({round(i * (len(curve) - 1) / max(most - 1, 1)) for i in range(most)})]
    found = [shift_at(document, place) for place in sorted(set(quoted))]
    body = [
        [
            numeric_cell(one.interactivity_tok_s_user, place_text(one.interactivity_tok_s_user)),
            *(numeric_cell(value, quantity(value)) for value in (one.before, one.after)),
            *ratio_cells(one.ratio),
        ]
        for one in found
        if one.ratio.defined
    ]
    heads = ("Tokens/s/user", "Before, tokens/s/GPU", "After, tokens/s/GPU", "Factor", "95 % interval")
    return Table(heads, body, numeric=frozenset(range(5))) if body else None


def cells_table(document: Document) -> Table | None:
    """Every cell of the design with what became of it."""
    body = []
    for row in rows(document, "cells"):
        points, evaluated = number(row.get("points")), number(row.get("evaluated"))
        body.append(
            [
                Cell(str(row.get("cell"))),
                Cell(str(row.get("status")).replace("_", " ")),
                numeric_cell(points, quantity(points)),
                numeric_cell(evaluated, quantity(evaluated)),
                Cell(str(row.get("reason") or "")),
            ]
        )
    heads = ("Cell: levers at target", "Status", "Points", "Configurations evaluated", "Reason")
    return Table(heads, body, numeric=frozenset({2, 3})) if body else None


def model_error_table(model_error: Document | None) -> Table | None:
    """Quantiles of the model's log residuals by system, precision and mode, as percentages."""
    found = rows(model_error or {}, "rows")
    if not found:
        return None
    names = [name for name in ("system", "precision", "mode", "backend", "metric", "pool") if any(row.get(name) is not None for row in found)]
    body = []
    for row in found:
        counts = [number(row.get(key)) for key in ("n_points", "n_curves")]
        quantiles = [number(row.get(key)) for key in ("q05", "q25", "median", "q75", "q95")]
        body.append(
            [
                *(Cell(str(row.get(name) if row.get(name) is not None else NOT_DEFINED)) for name in names),
                *(numeric_cell(value, quantity(value)) for value in counts),
                *(numeric_cell(value, signed_percent(value)) for value in quantiles),
            ]
        )
    heads = (*(name.capitalize() for name in names), "Points", "Curves", "5 %", "25 %", "Median", "75 %", "95 %")
    return Table(heads, body, numeric=frozenset(range(len(names), len(heads))))


def signed_percent(log_residual: float) -> str:
    """A log residual as a percentage with its sign.

    >>> signed_percent(0.0953101798), signed_percent(-0.105360516).replace(MINUS, "-")
    ('+10 %', '-10 %')
    """
    if not math.isfinite(log_residual):
        return NOT_DEFINED
    value = round(100 * math.expm1(log_residual))
    return f"{value:+d} %".replace("-", MINUS) if value else "0 %"


def flat_table(*groups: tuple[str, Document | None]) -> Table | None:
    """Nested mappings as rows of name and value, names joined by dots; long lists are counted."""
    body = [[Cell(name), Cell(value)] for title, group in groups for name, value in _flat(group or {}, title)]
    return Table(("What", "Value"), body) if body else None


def _flat(value: object, name: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in _flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list):
        plain = all(not isinstance(item, (Mapping, list)) for item in value)
        return [(name, (", ".join(map(str, value)) or "none") if plain and len(value) <= 12 else f"{len(value)} entries")]
    return [(name, NOT_DEFINED if value is None or value == "" else str(value))]
