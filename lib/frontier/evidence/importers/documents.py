"""Reading the tools' files: documents one after the other, numbers, and the rows that are refused on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from frontier.errors import PointsError
from frontier.evidence.importers.base import Batch, refusals, unlike
from frontier.evidence.importers.source import Source

GPUS_RULE = "the number of GPUs is not stated, and without it there is no figure per GPU; give it: --set gpus=8"


class RefusedRow(PointsError):  # noqa: N818 - the outcome of one row, listed with the others and not shown as an error
    """A row that cannot be a point: which column, its value, and the rule."""

    def __init__(self, column: str, value: Any, rule: str) -> None:
        super().__init__(rule, origin=column)
        self.column, self.value, self.rule = column, value, rule


def documents(source: Source) -> Iterator[tuple[int, Any]]:
    """Line number and content of every JSON document of a file, one or several (appended, one per line or not).

    A broken document is given as a PointsError and ends the file: what follows it cannot be told apart from its rest, except in JSONL,
    where the next line that begins a document is taken up again.

    Raises
    ------
    PointsError
        If the first document is broken, or the file is no text.
    """
    text = source.text()
    decoder = json.JSONDecoder()
    position, first = 0, True
    while True:
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        if position >= len(text):
            if first:
                raise PointsError(f"{source.name} is empty", origin=str(source.path), hint="name the file that the tool wrote")
            return
        line = text.count("\n", 0, position) + 1
        try:
            found, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as cause:
            # A JSON reader stops at the end of a cut-off text, or at the string that is never closed.
            what = "is cut off" if cause.pos >= len(text.rstrip()) or cause.msg.startswith("Unterminated string") else "is not JSON"
            broken = PointsError(
                f"{source.name} {what}: {cause.msg} in line {cause.lineno}, column {cause.colno}",
                origin=str(source.path),
                hint="write or fetch the file again" if what == "is cut off" else "check that the file is of the named format",
            )
            after = text.find("\n{", position)
            if first and after < 0:
                raise broken from cause
            yield line, broken
            if after < 0:
                return
            position, first = after + 1, False
            continue
        yield line, found
        first = False


def objects(source: Source, name: str, keys: Sequence[str]) -> list[tuple[int, Any]]:
    """The documents of a file (see :func:`documents`) that are objects with all of these keys; others are given as errors.

    Raises
    ------
    PointsError
        If the file does not begin with an object, or its first whole object lacks a key: it is not of the named format.
    """
    if not source.head.lstrip().startswith("{"):
        raise unlike(source, name, "it does not begin with a JSON object")
    found = list(documents(source))
    first = next((item for _, item in found if isinstance(item, Mapping)), None)
    if first is not None:
        missing = [key for key in keys if key not in first]
        if missing:
            raise unlike(source, name, f"{'keys' if len(missing) > 1 else 'key'} {', '.join(missing)} missing")
    checked: list[tuple[int, Any]] = []
    for line, item in found:
        good = isinstance(item, PointsError) or (isinstance(item, Mapping) and all(key in item for key in keys))
        checked.append((line, item if good else PointsError(f"not a result of {name}: {', '.join(keys)} are needed")))
    return checked


def number(document: Mapping[str, Any], key: str) -> float:
    """A finite number of a document; NaN where it is missing, null, ``inf`` or no number."""
    value = document.get(key)
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def needed(document: Mapping[str, Any], key: str) -> float:
    """A finite number above zero of a document, or its row is refused."""
    found = number(document, key)
    if not found > 0:
        raise RefusedRow(key, document.get(key), f"{key} must be a number above 0")
    return found


def milliseconds(document: Mapping[str, Any], key: str) -> float:
    """Seconds of a time that the file gives in milliseconds; NaN where it is missing or 0.

    The tools write 0 for the times of a response that was not streamed.
    """
    found = number(document, key)
    return found / 1000.0 if found > 0 else math.nan


def gpu_count(row: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    """The GPUs of a row: what the file states, else what ``--set gpus`` states."""
    for value in (row.get("gpus"), given.get("gpus")):
        if value is not None and not pd.isna(value):
            try:
                count = float(value)
            except (TypeError, ValueError):
                count = math.nan
            if not (count >= 1 and count == math.floor(count)):
                raise RefusedRow("gpus", value, "gpus must be a whole number of GPUs, at least 1")
            return int(count)
    raise RefusedRow("gpus", "", GPUS_RULE)


def iso_date(text: Any) -> str | None:
    """``2025-05-30`` of ``20250530-203806`` or of an ISO time; None of anything else."""
    written = str(text or "")
    digits = written[:8]
    if len(digits) == 8 and digits.isdigit():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return written[:10] if len(written) >= 10 and written[4] == "-" and written[7] == "-" else None


def batch_of(
    source: Source, items: Iterable[tuple[int, Any]], make: Callable[[Any], Mapping[str, Any]], *, mark: str, notes: tuple[str, ...] = ()
) -> Batch:
    """The rows that ``make`` gives for the items of a file, and the refused ones.

    Parameters
    ----------
    items : (line, item) pairs; an item that is an exception is refused
    make : function of an item to a row, which may raise RefusedRow
    """
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    refused: list[tuple[str, int | None, str, Any, str]] = []
    for line, item in items:
        if isinstance(item, PointsError):
            refused.append((source.name, line, "", "", item.message))
            continue
        try:
            rows.append(make(item))
            lines.append(line)
        except RefusedRow as refusal:
            refused.append((source.name, line, refusal.column, refusal.value, refusal.rule))
    return Batch(pd.DataFrame(rows), lines, mark=mark, refused=refusals(refused), notes=notes)
