"""CSV files in pieces: line numbers that hold, lines of the wrong width told apart instead of lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO

import numpy as np
import pandas as pd

from frontier.errors import PointsError
from frontier.evidence.importers.source import Source

Wide = tuple[int, str, str]  # line, text, rule


def csv_frames(
    source: Source, chunk: int, *, skip: int = 0, columns: Sequence[str] | None = None, wanted: frozenset[str] | None = None
) -> Iterator[tuple[pd.DataFrame, list[int], list[Wide]]]:
    """Pieces of a CSV file: rows with index 0, 1, ..., the line of each, and the lines with more cells than the header.

    Parameters
    ----------
    source : Source
    chunk : int
        Lines per piece.
    skip : int
        Lines before the header.
    columns : sequence of str, optional
        Names to use in place of the header's.
    wanted : set of str, optional
        Only these columns; the first of several with one name.

    Raises
    ------
    PointsError
        If the text breaks off or is no text, or two columns have one name and ``wanted`` is not given.
    """
    try:
        with source.open_text() as stream:
            for _ in range(skip):
                stream.readline()
            names = next(csv.reader([stream.readline()]), [])
            names = [name.strip() for name in (columns or names)]
            if wanted is None and len(set(names)) < len(names):
                twice = sorted({name for name in names if names.count(name) > 1})
                raise PointsError(f"columns occur twice: {', '.join(twice)}", origin=str(source.path), hint="keep one of each")
            use = [i for i, name in enumerate(names) if (wanted is None or name in wanted) and name not in names[:i]]
            line = skip + 2
            while piece := "".join(islice(stream, chunk)):
                # A cell with a line break goes on past the last line of the piece.
                while piece.count('"') % 2 and (more := stream.readline()):
                    piece += more
                frame, lines, wide = _read(piece, names, use, line)
                line += piece.count("\n") + (not piece.endswith("\n"))
                full = frame.notna().any(axis=1).to_numpy()
                yield frame[full].reset_index(drop=True), [number for number, keep in zip(lines, full, strict=True) if keep], wide
    except (UnicodeDecodeError, EOFError, pd.errors.ParserError, csv.Error) as cause:
        text = str(cause).strip().splitlines()[0]
        raise PointsError(f"{source.name} breaks off or is no CSV: {text}", origin=str(source.path), hint="fetch or write the file again") from cause


def _read(piece: str, names: list[str], use: list[int], line: int) -> tuple[pd.DataFrame, list[int], list[Wide]]:
    count = piece.count("\n") + (not piece.endswith("\n"))
    if _plain(piece, len(names), count):
        return _frame(io.StringIO(piece), names, use), np.arange(line, line + count).tolist(), []
    # pandas drops surplus cells in silence when only some columns are read, so such lines are told apart here.
    good, lines, wide = io.StringIO(), [], []
    reader = csv.reader(io.StringIO(piece), strict=True)
    writer = csv.writer(good, lineterminator="\n")
    start = 1
    for cells in reader:
        if len(cells) > len(names):
            wide.append((line + start - 1, ",".join(cells)[:80], f"a line must have {len(names)} cells, it has {len(cells)}"))
        else:
            writer.writerow(cells or [""])
            lines.append(line + start - 1)
        start = reader.line_num + 1
    good.seek(0)
    return (_frame(good, names, use) if lines else pd.DataFrame({names[i]: [] for i in use})), lines, wide


def _plain(piece: str, width: int, count: int) -> bool:
    """Whether every line is one row with no more cells than the header."""
    if '"' in piece:
        rows = [len(cells) for cells in csv.reader(io.StringIO(piece), strict=True)]
        return len(rows) == count and max(rows, default=0) <= width
    text = np.frombuffer(piece.encode(), dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    before = np.searchsorted(np.flatnonzero(text == ord(",")), np.append(ends, len(text)))
    commas = np.diff(before, prepend=0)
    return int(commas.max(initial=0)) < width


def _frame(stream: IO[str], names: list[str], use: list[int]) -> pd.DataFrame:
    frame = pd.read_csv(
        stream,
        header=None,
        names=list(range(len(names))),
        usecols=use,
        skip_blank_lines=False,  # line numbers would shift
        low_memory=False,
        index_col=False,
        on_bad_lines="error",
    )
    frame.columns = pd.Index([names[int(i)] for i in frame.columns])
    return frame
