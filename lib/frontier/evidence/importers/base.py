"""What every importer gives, and the table of formats.

A format is a module of this folder with

``parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]``
    the rows of one file as columns of the points table, in batches (one batch is fine for a small file);
``recognises(source: Source) -> bool``
    whether a file looks like this format (by ``source.head``): used to say what a wrong file is.

``parse`` raises PointsError when the file as a whole is not of the format (see :func:`unlike`), and refuses single rows through
``Batch.refused``. Everything that is the same for all formats happens here, after it: the ``source`` of each row, ``--set`` values filled in or
contradicted, types, and the refusal of rows that cannot be points.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.errors import PointsError, UsageError
from frontier.evidence.importers.given import fill_in, typed_given
from frontier.evidence.importers.row_types import typed_rows
from frontier.evidence.importers.source import Source, sources
from frontier.records import COLUMNS, INTERACTIVITY, METRICS

REFUSED_COLUMNS = ("file", "line", "column", "value", "rule")


def refusals(rows: Iterable[tuple[str, int | None, str, Any, str]] = ()) -> pd.DataFrame:
    """Refused rows as a table: (file, line, column, value, rule) each; the value is kept as text."""
    table = pd.DataFrame(list(rows), columns=list(REFUSED_COLUMNS))
    table["line"] = table["line"].astype("Int64")
    for name in ("file", "column", "value", "rule"):
        table[name] = table[name].map(lambda value: "" if value is None else str(value)).astype("string")
    return table


@dataclass(frozen=True)
class Batch:
    """Rows of one file, still in whatever types the file gave.

    Parameters
    ----------
    rows : DataFrame, one row per point
        Columns of the points table (times in seconds, figures per GPU already divided). ``source`` is made from ``lines`` where it is not
        stated; ``evidence`` is ``published`` if there is no such column.
    lines : sequence of int
        Where each row stands in the file, same length: line numbers from 1, or indices from 0 in a JSON array.
    mark : ":" for line numbers, "#" for indices of a JSON array, "" for a file that is one row
    refused : DataFrame
        Rows that are not among ``rows`` (see :func:`refusals`).
    notes : tuple of str
        What the reader should know about the file as a whole.
    """

    rows: pd.DataFrame
    lines: Sequence[int]
    mark: str = ":"
    refused: pd.DataFrame = field(default_factory=refusals)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """A points table made from files of another format.

    Attributes
    ----------
    points : DataFrame
        Normalized (see :func:`frontier.records.normalize_points`).
    refused : DataFrame, columns file, line, column, value, rule
        What was not imported, and why.
    notes : tuple of str
        What the reader should know about the files as a whole.
    """

    points: pd.DataFrame
    refused: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importer:
    """A format: its name, what it reads, and the module that reads it.

    The module is loaded on first use.
    """

    name: str
    reads: str
    module: str

    @property
    def available(self) -> bool:
        """Whether the module exists."""
        return importlib.util.find_spec(self.module) is not None

    def recognises(self, source: Source) -> bool:
        """Whether a file looks like this format."""
        return self.available and bool(importlib.import_module(self.module).recognises(source))

    def parse(self, source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
        """The rows of one file, in batches."""
        if not self.available:
            raise UsageError(f"format {self.name} is not part of this version", hint=f"formats: {', '.join(sorted(FORMATS))}")
        yield from importlib.import_module(self.module).parse(source, given)


def _importer(name: str, reads: str) -> Importer:
    return Importer(name, reads, f"frontier.evidence.importers.{name.replace('-', '_')}")


FORMATS: dict[str, Importer] = {
    importer.name: importer
    for importer in (
        _importer("inferencex", "rows of the InferenceX record: API or dump JSON, flat CSV, the dashboard's CSV export"),
        _importer("trtllm-bench", "the JSON report or the console output of trtllm-bench"),
        _importer("trtllm-serve", "the result JSON of TensorRT-LLM's benchmark_serving"),
        _importer("vllm-bench", "the result JSON of vllm bench serve"),
        _importer("sglang-bench", "the JSONL of sglang.bench_serving"),
        _importer("aiperf", "profile_export_aiperf.json or profile_export.jsonl of aiperf"),
        _importer("srtctl", "the results of srt-slurm's jobs beside their recipes or lockfiles; folders are searched"),
        _importer("mlperf", "a summary CSV of MLPerf Inference results"),
        _importer("points", "a points table, CSV or Parquet"),
    )
}


def importer(name: str) -> Importer:
    """The format of that name.

    Raises
    ------
    UsageError
        Listing all formats.
    """
    if name not in FORMATS:
        raise UsageError(f"no import format {name!r}", hint=f"formats: {', '.join(sorted(FORMATS))}")
    return FORMATS[name]


def unlike(source: Source, name: str, why: str) -> PointsError:
    """The error for a file that is not of the named format; says which format it looks like, if one."""
    alike = [other for other, found in FORMATS.items() if other != name and found.recognises(source)]
    hint = f"it looks like {alike[0]}: frontier import {alike[0]} {source.name}" if alike else f"{name} reads {FORMATS[name].reads}"
    return PointsError(f"{source.name} is not a file of format {name}: {why}", origin=str(source.path), hint=hint)


def import_batches(name: str, files: Sequence[str | Path], *, given: Mapping[str, str] | None = None) -> Iterator[Imported]:
    """The points of some files, batch by batch; the points of one batch are normalized.

    Parameters
    ----------
    name : str
        A key of :data:`FORMATS`.
    files : sequence of paths
        Gzip is unpacked.
    given : mapping column -> value, as text
        System facts that the files do not hold; filled in where empty, and refused where a file says otherwise.

    Raises
    ------
    UsageError
        If the format or a column of ``given`` is unknown.
    PointsError
        If the only file is not of the format. With several files such a file is listed among the refused.
    """
    chosen = importer(name)
    facts = typed_given(given or {})
    everything = sources(files)
    for source in everything:
        try:
            for batch in chosen.parse(source, facts):
                yield _finished(source, batch, facts)
        except PointsError as error:
            if len(everything) == 1:
                raise
            whole = refusals([(source.name, None, "", "", error.message if not error.hint else f"{error.message}; {error.hint}")])
            yield Imported(_nothing(), whole)


def import_points(name: str, files: Sequence[str | Path], *, given: Mapping[str, str] | None = None) -> Imported:
    """The points of some files as one table (see :func:`import_batches`)."""
    parts = list(import_batches(name, files, given=given))
    full = [part.points for part in parts if len(part.points)]
    refused = pd.concat([part.refused for part in parts], ignore_index=True) if parts else refusals()
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    if not full:
        return Imported(_nothing(), refused, notes)
    order = [*COLUMNS, *dict.fromkeys(column for part in full for column in part.columns if column not in COLUMNS)]
    return Imported(pd.concat(full, ignore_index=True).reindex(columns=order), refused, notes)


def _nothing() -> pd.DataFrame:
    return typed_rows(pd.DataFrame(columns=list(COLUMNS)), "", pd.Series(dtype="Int64"))[0]


def _finished(source: Source, batch: Batch, given: Mapping[str, Any]) -> Imported:
    """A batch with sources, given facts and types; rows that fail are refused."""
    rows = batch.rows.reset_index(drop=True)
    lines = pd.Series(list(batch.lines), dtype="Int64")
    if len(lines) != len(rows):
        raise PointsError(f"{source.name}: {len(rows)} rows but {len(lines)} line numbers", hint="this is a defect of the importer")
    place = (source.name + batch.mark + lines.astype("string")) if batch.mark else pd.Series(source.name, index=rows.index, dtype="string")
    # A points table may say where its rows come from itself.
    rows["source"] = rows["source"].astype("string").fillna(place) if "source" in rows else place
    if "evidence" not in rows:
        rows["evidence"] = "published"
    points, refused = typed_rows(rows, source.name, lines)
    points, contradicted = fill_in(points, given, source.name, lines)
    points, undefined = _without_undefined(points, source.name, lines)
    listed = [table for table in (batch.refused, refusals(refused), refusals(contradicted), refusals(undefined)) if len(table)]
    everything = pd.concat(listed, ignore_index=True) if listed else refusals()
    return Imported(points.reset_index(drop=True), everything, batch.notes)


def _without_undefined(points: pd.DataFrame, file: str, lines: pd.Series[Any]) -> tuple[pd.DataFrame, list[tuple[str, int | None, str, Any, str]]]:
    """Points without the rows that have neither a rate per user nor one per GPU: nothing was measured there."""
    empty = points[INTERACTIVITY].isna() & points[list(METRICS.values())].isna().all(axis=1)
    if not empty.any():
        return points, []
    rule = "a point needs interactivity or a throughput per GPU; the row has none"
    return points[~empty], [(file, int(line), INTERACTIVITY, "", rule) for line in lines[points.index[empty]]]
