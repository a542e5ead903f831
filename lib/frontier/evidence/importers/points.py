"""Points tables of the kit itself or of others who write its columns: good rows are taken, bad ones refused and listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from frontier.errors import PointsError
from frontier.evidence.importers.base import Batch, refusals, unlike
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.tables import csv_frames
from frontier.records import INTERACTIVITY, METRICS

__all__ = ["parse", "recognises"]

_PARQUET = "PAR1"
CHUNK = 50_000
# What a table must hold to be one of points; other known columns may be missing.
_NEEDED = ((INTERACTIVITY, "median_tpot_s"), tuple(METRICS.values()))


def recognises(source: Source) -> bool:
    """Whether a file is Parquet, or CSV with the columns that a points table needs."""
    if source.head.startswith(_PARQUET):
        return True
    first = source.head.split("\n", 1)[0].strip()
    names = set(first.replace('"', "").split(","))
    return all(names & set(some) for some in _NEEDED)


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """The rows of a CSV or Parquet file; columns that the points table does not know are kept."""
    if not recognises(source):
        raise unlike(source, "points", f"one of {' and one of '.join(', '.join(some) for some in _NEEDED)} must be among its columns")
    for frame, lines, refused in _parquet(source) if source.head.startswith(_PARQUET) else csv_frames(source, CHUNK):
        for some in _NEEDED:
            if not set(some) & set(frame.columns):
                raise PointsError(
                    f"{source.name} has no column {' or '.join(some)}",
                    origin=str(source.path),
                    hint=f"columns found: {', '.join(map(str, frame.columns))}",
                )
        strange = [name for name in frame.columns if not str(name).strip()]
        rows = frame.drop(columns=strange)
        if "evidence" not in rows:
            rows["evidence"] = pd.NA  # a table of points says itself what it is, or nobody does
        yield Batch(rows, lines, refused=refusals((source.name, line, "", value, rule) for line, value, rule in refused))


def _parquet(source: Source) -> Iterator[tuple[pd.DataFrame, list[int], list[tuple[int, str, str]]]]:
    try:
        file = pq.ParquetFile(source.path)
        start = 1
        for batch in file.iter_batches(batch_size=CHUNK):
            frame = batch.to_pandas()
            yield frame.reset_index(drop=True), np.arange(start, start + len(frame)).tolist(), []
            start += len(frame)
    except (pa.ArrowException, OSError) as cause:
        raise PointsError(f"cannot read {source.name}: {str(cause).splitlines()[0]}", origin=str(source.path), hint="write the file again") from cause
