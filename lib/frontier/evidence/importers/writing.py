"""Imports of any size into one file: pieces on disk first, then one table with one schema."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from frontier.errors import PointsError, UsageError
from frontier.evidence.importers.base import import_batches, refusals
from frontier.records import COLUMNS, INTERACTIVITY, METRICS

_ENDINGS = (".parquet", ".csv")
_NULL, _TEXT = pa.null(), pa.string()


@dataclass(frozen=True)
class Written:
    """What an import left behind.

    Attributes
    ----------
    points : int
        Rows written; 0: no file was written or changed.
    refused : DataFrame, columns file, line, column, value, rule
    flags : mapping flag -> rows that carry it
    notes : tuple of str
    """

    points: int
    refused: pd.DataFrame
    flags: Mapping[str, int]
    notes: tuple[str, ...]


def import_to_file(name: str, files: Sequence[str | Path], output: str | Path, *, given: Mapping[str, str] | None = None) -> Written:
    """Import files into a points table on disk; memory holds one batch at a time.

    The table is written under a temporary name and renamed when it is whole.

    Parameters
    ----------
    name, files, given
        As for :func:`frontier.evidence.importers.import_batches`.
    output : path that ends in .parquet or .csv

    Raises
    ------
    UsageError
        If the output has another ending, its folder is missing, or it is one of the files.
    PointsError
        As ``import_batches``; or if no row has an interactivity, or none a throughput per GPU.
    """
    target = Path(output)
    _check_output(target, files)
    refused: list[pd.DataFrame] = []
    notes: dict[str, None] = {}
    flags: Counter[str] = Counter()
    measured: set[str] = set()
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        pieces: list[Path] = []
        count = 0
        for part in import_batches(name, files, given=given):
            refused.append(part.refused)
            notes.update(dict.fromkeys(part.notes))
            if part.points.empty:
                continue
            count += len(part.points)
            flags.update(_flag_counts(part.points["flags"]))
            measured |= {column for column in (INTERACTIVITY, *METRICS.values()) if part.points[column].notna().any()}
            piece = Path(folder) / f"{len(pieces)}.parquet"
            pq.write_table(pa.Table.from_pandas(part.points, preserve_index=False), piece)
            pieces.append(piece)
        if count:
            _check_measured(measured, target)
            _join(pieces, target, Path(folder) / "whole")
    listed = [table for table in refused if len(table)]
    return Written(count, pd.concat(listed, ignore_index=True) if listed else refusals(), dict(flags), tuple(notes))


def _check_output(target: Path, files: Sequence[str | Path]) -> None:
    if target.suffix.lower() not in _ENDINGS:
        raise UsageError(f"the output must end in {' or '.join(_ENDINGS)}, got {target.name!r}", hint="-o points.parquet")
    if not target.parent.is_dir():
        raise UsageError(f"no such folder: {target.parent}", hint=f"mkdir -p {target.parent}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint=f"-o {target / 'points.parquet'}")
    if target.exists() and any(Path(file).exists() and target.samefile(file) for file in files):
        raise UsageError(f"{target} is one of the files to import", hint="name another output")


def _check_measured(measured: set[str], target: Path) -> None:
    lacks = [rule for rule, some in (("interactivity", {INTERACTIVITY}), ("throughput per GPU", set(METRICS.values()))) if not measured & some]
    if lacks:
        raise PointsError(f"no row has {' or '.join(lacks)}; {target.name} was not written", hint="a points table needs both")


def _flag_counts(flags: pd.Series[Any]) -> dict[str, int]:
    # Few rows differ in their flags: count equal texts first.
    out: Counter[str] = Counter()
    for text, rows in flags.dropna().value_counts().items():
        for flag in str(text).split(";"):
            out[flag] += int(rows)
    return dict(out)


def _join(pieces: Sequence[Path], target: Path, temporary: Path) -> None:
    """All pieces under one schema, renamed to the target when complete."""
    schemas = [pq.read_schema(piece) for piece in pieces]
    schema = schemas[0] if all(other.equals(schemas[0]) for other in schemas) else _common(schemas)
    if target.suffix.lower() == ".parquet":
        with pq.ParquetWriter(temporary, schema) as writer:
            for table in _tables(pieces, schema):
                writer.write_table(table)
    else:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            for number, table in enumerate(_tables(pieces, schema)):
                table.to_pandas().to_csv(stream, index=False, header=number == 0)
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(target)


def _tables(pieces: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    for piece in pieces:
        table = pq.read_table(piece)
        columns = [table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type) for field in schema]
        yield pa.Table.from_arrays(columns, schema=schema)


def _common(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Known columns first; an extra column whose type differs between pieces becomes a number if it can, else text."""
    types: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            types.setdefault(field.name, []).append(field.type)
    order = [*(name for name in COLUMNS if name in types), *(name for name in types if name not in COLUMNS)]
    return pa.schema([(name, _one_type(types[name])) for name in order])


def _one_type(types: Sequence[pa.DataType]) -> pa.DataType:
    stated = list(dict.fromkeys(kind for kind in types if kind != _NULL))
    if len(stated) < 2:
        return stated[0] if stated else _TEXT
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in stated)
    return pa.float64() if numbers else _TEXT
