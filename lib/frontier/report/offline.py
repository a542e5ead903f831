"""What ``trtllm-bench`` says of points that were measured through a server: a table and a sentence."""

from __future__ import annotations

import math

from frontier.errors import RunError
from frontier.report.document import Document, number, part, rows
from frontier.report.tables import Cell, Table, numeric_cell
from frontier.report.wording import NOT_DEFINED, factor, quantity

SCHEMA = "frontier.offline/1"
HEADS = (
    "Variant", "Concurrency", "Output tokens/s/GPU served", "Offline", "Served over offline", "Tokens/s/user served", "Offline",
    "Served over offline", "Offline over its", "Requests a step", "Steps with a prompt", "Note",
)  # fmt: skip


def checked_offline(document: Document | None) -> Document | None:
    """The run's document of offline calls; None where a run has none.

    Raises
    ------
    RunError
        If it has another schema.
    """
    if document is not None and document.get("schema") != SCHEMA:
        raise RunError(f"the report reads schema {SCHEMA}, got {document.get('schema')!r}", origin="offline.json")
    return document


def offline_table(document: Document | None) -> Table | None:
    """Every call: both throughputs and interactivities with their ratios, and what filled the engine's steps; None without a call."""
    body = []
    for row in rows(document or {}, "rows"):
        served, offline, steps = (part(row, key) for key in ("served", "offline", "steps"))
        concurrency = number(row.get("concurrency"))
        cells = [Cell(str(row.get("variant"))), numeric_cell(concurrency, f"{concurrency:g}")]
        for name in ("output_tput_tok_s_gpu", "interactivity_tok_s_user"):
            ratio = _ratio(served, offline, name)
            cells += [_cell(served, name), _cell(offline, name), numeric_cell(ratio, factor(ratio) if math.isfinite(ratio) else NOT_DEFINED)]
        notes = "; ".join([str(row["reason"])] if row.get("reason") else map(str, row.get("notes") or []))
        share = number(steps.get("context_share"))
        basis = Cell(str(row.get("basis") or ""))
        prompts = numeric_cell(share, f"{100 * share:.0f} %" if math.isfinite(share) else "")
        body.append([*cells, basis, _cell(steps, "mean_scheduled"), prompts, Cell(notes)])
    return Table(HEADS, body, numeric=frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10})) if body else None


def offline_sentence(document: Document | None) -> str:
    """How many calls there were, and how far the throughputs lie apart; empty without a document."""
    found = rows(document or {}, "rows")
    if not found:
        return ""
    ratios = [_ratio(part(row, "served"), part(row, "offline"), "output_tput_tok_s_gpu") for row in found]
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    spread = f" Served throughput is {factor(min(known))} to {factor(max(known))} of what the engine gives without a server." if known else ""
    without = f" {len(found) - len(known)} could not be compared; the table says why." if len(known) < len(found) else ""
    calls = "1 point was" if len(found) == 1 else f"{len(found)} points were"
    told = "It is told and changes no figure; a whole call holds its filling and draining."
    return f"{calls} also asked of trtllm-bench, with the same checkpoint, file and lengths. {told}{spread}{without}"


def _ratio(served: Document, offline: Document, name: str) -> float:
    first, second = number(served.get(name)), number(offline.get(name))
    return first / second if math.isfinite(first) and second > 0 else math.nan


def _cell(section: Document, name: str) -> Cell:
    value = number(section.get(name))
    return numeric_cell(value, quantity(value))
