"""The raw record of a load: one row per request, with the time of every streamed chunk. Metrics are recomputed from it, requests never repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError

FloatArray = NDArray[np.float64]

PHASES = ("warmup", "measured")
# column -> dtype; `cell` numbers the load's measured parts from 0 (absent in a warm-up); `chunk_ns` holds one int64 array per request.
# Times are epoch nanoseconds by the client's clock.
COLUMNS: dict[str, str] = {
    "request": "Int64",
    "concurrency": "Int64",
    "phase": "string",
    "cell": "Int64",
    "start_ns": "Int64",
    "first_token_ns": "Int64",
    "end_ns": "Int64",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "chunks": "Int64",
    "chunk_ns": "object",
    "error": "string",
    "prompt_sha8": "string",
    "mark": "string",
}
_NEEDED = ("request", "concurrency", "phase", "start_ns")
# Requests of one client are started in their order to within scheduling noise; a start this far behind an earlier request's is a clock set back.
BACKWARDS_S = 0.5


def requests_table(rows: Iterable[Mapping[str, Any]], *, origin: str) -> pd.DataFrame:
    """A table of requests in its types, checked and marked.

    Parameters
    ----------
    rows : iterable of mappings with keys of ``COLUMNS``; ``request``, ``concurrency``, ``phase`` and ``start_ns`` are needed
    origin : str
        Where the rows came from, for messages.

    Returns
    -------
    DataFrame, one row per request in the order of ``request``; ``mark`` names what is wrong with a row's times, see `marked`

    Raises
    ------
    PointsError
        If a needed value is missing, a phase is unknown, or a value is of the wrong type; the message names the row.
    """
    # As objects: a column of epoch nanoseconds with gaps would become doubles, which hold them to 256 ns only.
    return marked(typed(pd.DataFrame(list(rows), dtype=object), origin=origin))


def typed(frame: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    """The columns of the record in their order and types; unknown columns are refused by name."""
    strange = sorted(set(map(str, frame.columns)) - set(COLUMNS))
    if strange:
        raise PointsError(f"unknown columns: {', '.join(strange)}", origin=origin, hint=f"columns of a request record: {', '.join(COLUMNS)}")
    for column in _NEEDED:
        if len(frame) and (column not in frame or frame[column].isna().any()):
            where = "everywhere" if column not in frame else f"in row {int(np.flatnonzero(frame[column].isna().to_numpy())[0])}"
            raise PointsError(f"a request needs {column}, it is missing {where}", origin=origin, hint=f"needed: {', '.join(_NEEDED)}")
    out: dict[str, pd.Series[Any]] = {}
    for name, dtype in COLUMNS.items():
        given = frame[name] if name in frame else pd.Series(pd.NA, index=frame.index, dtype="object")
        try:
            out[name] = _chunks(given) if dtype == "object" else given.astype(dtype)  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            raise PointsError(f"column {name} holds a value that is no {dtype}: {error}", origin=origin) from error
    table = pd.DataFrame(out)
    strange = sorted(set(table["phase"].dropna()) - set(PHASES))
    if strange:
        raise PointsError(f"phase must be one of {', '.join(PHASES)}, got {', '.join(map(repr, strange))}", origin=origin)
    for column in ("concurrency", "input_tokens", "output_tokens", "chunks"):
        low = 1 if column == "concurrency" else 0
        bad = (table[column] < low).fillna(False).to_numpy(dtype=bool)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise PointsError(f"{column} must be at least {low}, got {table[column].iloc[row]} in row {row}", origin=origin)
    return table.sort_values("request", kind="stable").reset_index(drop=True)


def _chunks(values: pd.Series[Any]) -> pd.Series[Any]:
    rows = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        rows[at] = np.asarray(value if isinstance(value, list | tuple | np.ndarray) else [], dtype=np.int64)
    return pd.Series(rows, index=values.index, dtype="object")


def marked(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``mark`` filled: requests whose clock cannot be right are marked, never dropped.

    Notes
    -----
    ``clock_backwards``: the request ends before its first token, has its first token before it was sent, has chunks out of order, or was sent more
    than 0.5 s before an earlier request. ``no_usage``: completed, but the server counted no tokens. Several marks stand with semicolons.
    """
    out = table.copy()
    start, first, end = (column_ns(table, name) for name in ("start_ns", "first_token_ns", "end_ns"))
    with np.errstate(invalid="ignore"):
        back = (first < start) | (end < start) | (end < first)
        if len(table):
            back |= start < np.maximum.accumulate(start) - BACKWARDS_S * 1e9
    back |= np.array([bool(np.any(np.diff(row) < 0)) for row in table["chunk_ns"]], dtype=bool) if len(table) else back
    silent = completed(table) & table["output_tokens"].isna().to_numpy()
    marks = [";".join(name for name, on in (("clock_backwards", b), ("no_usage", s)) if on) for b, s in zip(back, silent, strict=True)]
    kept = [";".join(dict.fromkeys(part for text in (old, new) for part in str(text or "").split(";") if part))
            for old, new in zip(table["mark"].fillna(""), marks, strict=True)]  # fmt: skip
    out["mark"] = pd.Series([text or pd.NA for text in kept], index=table.index, dtype="string")
    return out


def mark_jumps(table: pd.DataFrame, jumps_ns: Iterable[int]) -> pd.DataFrame:
    """The table with ``clock_jump`` in the mark of every request that a jump of the wall clock falls into; none is dropped.

    Parameters
    ----------
    table : DataFrame
    jumps_ns : iterable of int, epoch nanoseconds
        By the wall clock after the jump, see `frontier.telemetry.clock_jumps`.
    """
    out = table.copy()
    start = column_ns(table, "start_ns")
    end = np.fmax(column_ns(table, "end_ns"), start)
    hit = np.zeros(len(table), dtype=bool)
    for at in jumps_ns:
        hit |= (start <= at) & (end >= at)
    old = table["mark"].fillna("")
    out["mark"] = old.where(~hit, (old + ";clock_jump").str.strip(";")).replace("", pd.NA).astype("string")
    return out


def column_ns(table: pd.DataFrame, name: str) -> FloatArray:
    """A column of times: float, shape (n_requests,), epoch nanoseconds; NaN where there is none.

    A double holds epoch nanoseconds to 256 ns, far below what a client can tell.
    """
    return table[name].to_numpy(dtype=np.float64, na_value=np.nan)


def completed(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which requests completed: bool, shape (n_requests,). No error, a first token and an end."""
    return np.asarray(table["error"].isna() & table["first_token_ns"].notna() & table["end_ns"].notna(), dtype=bool)


def sound(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which requests completed with times that can be right: bool, shape (n_requests,)."""
    return completed(table) & ~table["mark"].fillna("").str.contains("clock").to_numpy(dtype=bool)


def write_requests(table: pd.DataFrame, path: Path) -> Path:
    """Write the record as Parquet (zstd), whole or not at all."""
    staged = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        typed(table, origin=str(path)).to_parquet(staged, index=False, compression="zstd")
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    return path


def read_requests(path: Path) -> pd.DataFrame:
    """Read a record that `write_requests` wrote.

    Raises
    ------
    PointsError
        If the file is missing, is no Parquet file, or is no record of requests.
    """
    if not path.is_file():
        raise PointsError(f"no record of requests: {path} is not there", hint="a trial's folder holds requests.parquet once it was measured")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise PointsError(f"not a Parquet file: {error}", origin=str(path)) from error
    return typed(frame, origin=str(path))
