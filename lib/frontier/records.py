"""The points table (version 1) and the records a run leaves behind.

Every number of the kit is a row of this table. In memory undefined is NaN (or ``<NA>``); in files it is null or empty, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError, UsageError

EVIDENCE = ("measured", "published", "predicted", "simulated")
METRICS = {"total": "total_tput_tok_s_gpu", "output": "output_tput_tok_s_gpu"}
INTERACTIVITY = "interactivity_tok_s_user"
KEPT = "kept"  # what a trial that takes long has finished so far: points with their raw records, and logs of its launches
BELOW_GATE = "below_quality_gate"  # flag of rows whose output is not the model's any more: measured, shown, and left out of every frontier

_STR, _INT, _FLOAT, _BOOL = "string", "Int64", "float64", "boolean"

# column -> (group, dtype). Groups and names as in the points table's definition; the order is the order in files.
COLUMNS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("evidence", "source", "date", "run_id", "variant"), ("identity", _STR)),
    "replicate": ("identity", _INT),
    **dict.fromkeys(("model", "hardware", "engine", "engine_version", "image"), ("system", _STR)),
    **dict.fromkeys(("precision", "kv_precision"), ("levers", _STR)),
    **dict.fromkeys(("tp", "pp", "ep", "dp"), ("levers", _INT)),
    "attention_dp": ("levers", _BOOL),
    "spec": ("levers", _STR),
    "draft_len": ("levers", _INT),
    "disagg": ("levers", _BOOL),
    **dict.fromkeys(
        ("prefill_tp", "prefill_ep", "prefill_dp", "prefill_workers", "decode_tp", "decode_ep", "decode_dp", "decode_workers"),
        ("levers", _INT),
    ),
    **dict.fromkeys(("gpus", "prefill_gpus", "decode_gpus"), ("levers", _INT)),
    **dict.fromkeys(("isl_tokens", "osl_tokens", "concurrency", "request_rate_per_s"), ("load", _FLOAT)),
    **dict.fromkeys(("requests", "failed_requests", "window_s", "warmup_requests"), ("outcome", _FLOAT)),
    **dict.fromkeys(
        (
            *METRICS.values(),
            INTERACTIVITY,
            "median_ttft_s",
            "p90_ttft_s",
            "p99_ttft_s",
            "median_tpot_s",
            "p99_tpot_s",
            "median_itl_s",
            "median_e2el_s",
            "p99_e2el_s",
            "acceptance_length",
            "power_w_gpu",
            "joules_per_output_token",
            "quality",
        ),
        ("results", _FLOAT),
    ),
    "quality_metric": ("results", _STR),
    "little_ratio": ("integrity", _FLOAT),
    "flags": ("integrity", _STR),
    "valid": ("integrity", _BOOL),
}

_TRUE = {"true", "1", "1.0", "yes", "t"}
_FALSE = {"false", "0", "0.0", "no", "f"}
_FEW_ROWS = 200
# Extra columns with these endings tell rows apart but not configurations: they never separate replicates.
_NOT_CONFIGURATION = ("_id", "_url", "url", "_utc", "_at_s", "timestamp", "hostname", "node")
_NOT_IN_KEY = {"evidence", "source", "date", "run_id", "replicate", "quality_metric", "flags", "valid"}


def normalize_points(frame: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    """A points table with every known column in its type; unknown columns are kept after the known ones.

    Parameters
    ----------
    frame : DataFrame, one row per point
    origin : str
        Where the table came from, for messages.

    Raises
    ------
    PointsError
        If the table is empty, a value cannot be read as its column's type (the message names row and column), ``evidence`` is not one
        of the known kinds, or neither interactivity nor the median TPOT is there, or no throughput per GPU.
    """
    if frame.columns.duplicated().any():
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise PointsError(f"columns occur twice: {', '.join(map(str, twice))}", origin=origin, hint="keep one of each")
    if frame.empty:
        raise PointsError("the points table has no rows", origin=origin, hint="pass a table with at least one point")
    out: dict[str, pd.Series[Any]] = {}
    for name, (_, dtype) in COLUMNS.items():
        if name in frame:
            out[name] = _typed(frame[name], name, dtype, origin)
        else:
            out[name] = pd.Series(pd.NA if dtype != _FLOAT else np.nan, index=frame.index, dtype=dtype)
    if out[INTERACTIVITY].isna().all() and out["median_tpot_s"].notna().any():
        # The definition of interactivity is 1 / median TPOT, so the column can be restored without loss.
        out[INTERACTIVITY] = (1.0 / out["median_tpot_s"].where(out["median_tpot_s"] > 0)).rename(INTERACTIVITY)
    if out[INTERACTIVITY].isna().all():
        raise PointsError(
            f"no interactivity: column {INTERACTIVITY!r} (or 'median_tpot_s') is missing or empty",
            origin=origin,
            hint=f"columns found: {', '.join(map(str, frame.columns))}",
        )
    if all(out[column].isna().all() for column in METRICS.values()):
        raise PointsError(
            f"no throughput: one of {', '.join(METRICS.values())} is needed",
            origin=origin,
            hint=f"columns found: {', '.join(map(str, frame.columns))}",
        )
    strange = sorted(set(out["evidence"].dropna()) - set(EVIDENCE))
    if strange:
        raise PointsError(
            f"evidence must be one of {', '.join(EVIDENCE)}, got {', '.join(map(repr, strange))}", origin=origin
        )
    extras = {str(name): frame[name] for name in frame.columns if name not in COLUMNS}
    table = pd.DataFrame({**out, **extras}).reset_index(drop=True)
    table.attrs.clear()
    return table


def _typed(values: pd.Series[Any], name: str, dtype: str, origin: str) -> pd.Series[Any]:
    """The column in its type, or a PointsError that names the first bad value and its row."""
    if dtype == _STR:
        text = values.astype("string").str.strip()
        return text.mask(text == "", pd.NA).rename(name)
    if dtype == _BOOL:
        lowered = values.astype("string").str.strip().str.lower()
        known = lowered.isin(_TRUE | _FALSE) | lowered.isna() | (lowered == "")
        _refuse(values, known, name, "true or false", origin)
        flag = pd.Series(pd.NA, index=values.index, dtype=_BOOL)
        return flag.mask(lowered.isin(_TRUE), True).mask(lowered.isin(_FALSE), False).rename(name)
    text = values.astype("string").str.strip() if values.dtype == object or values.dtype == "string" else values
    blank = text.isna() | (text.astype("string") == "")
    number = pd.to_numeric(text.mask(blank), errors="coerce")
    _refuse(values, number.notna() | blank, name, "a number", origin)
    number = number.astype(float)
    if dtype == _INT:
        _refuse(values, number.isna() | (np.isfinite(number) & (number == np.floor(number))), name, "a whole number", origin)
        return number.astype("Int64").rename(name)
    return number.rename(name)


def _refuse(values: pd.Series[Any], good: pd.Series[Any], name: str, rule: str, origin: str) -> None:
    bad = values[~good.astype(bool)]
    if len(bad):
        row = int(np.flatnonzero((~good.astype(bool)).to_numpy())[0]) + 1
        more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
        first = bad.iloc[0]
        shown = first.item() if isinstance(first, np.generic) else first
        raise PointsError(f"{name} must be {rule}, got {shown!r} in row {row}{more}", origin=origin)


def read_points(path: str | Path) -> pd.DataFrame:
    """The points table in a CSV or Parquet file, normalized.

    Raises
    ------
    PointsError
        If the file is missing, of another type, unreadable, or not a points table.
    """
    file = Path(path)
    if not file.exists():
        raise PointsError(f"no such points file: {file}", hint="check the path; `frontier status` lists the runs")
    if file.is_dir():
        inside = file / "points.parquet"
        if not inside.exists():
            raise PointsError(f"{file} is a folder without points.parquet", hint="pass a points file or a run's folder")
        file = inside
    readers: dict[str, Callable[..., pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if file.suffix.lower() not in readers:
        raise PointsError(f"a points file ends in {' or '.join(readers)}, got {file.name!r}", hint="convert it, or `frontier import`")
    try:
        frame = readers[file.suffix.lower()](file)
    except (ValueError, OSError, UnicodeDecodeError) as cause:  # pandas and pyarrow parse errors derive from ValueError or OSError
        raise PointsError(f"cannot read {file.name}: {str(cause).splitlines()[0]}", origin=str(file)) from cause
    return normalize_points(frame, origin=str(file))


def write_points(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a points table as CSV or Parquet; null where undefined."""
    file = Path(path)
    plain = frame.copy()
    plain.attrs = {}
    if file.suffix.lower() == ".csv":
        plain.to_csv(file, index=False)
    elif file.suffix.lower() == ".parquet":
        plain.to_parquet(file, index=False)
    else:
        raise PointsError(f"a points file ends in .csv or .parquet, got {file.name!r}")


def configuration_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns that tell configurations apart: system, levers, load, variant, and extra columns that hold settings.

    An extra column holds settings unless its values are fractions (those are results), its name says that it only identifies rows (``..._id``,
    ``..._url``), or its values go with the replicate number (a seed, a start time).
    """
    known = [
        name
        for name, (group, _) in COLUMNS.items()
        if group in ("identity", "system", "levers", "load") and name not in _NOT_IN_KEY and name in frame
    ]
    extra = [str(name) for name in frame.columns if name not in COLUMNS and _holds_settings(frame[name])]
    return known + [name for name in extra if not _goes_with_replicate(frame, known, name)]


def row_codes(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """One number per combination of values, by first appearance, shape (rows,); undefined equals undefined.

    Whole numbers are equal however they were read. It takes a fraction of the time of a pandas group-by over all columns: a large table is coded
    column by column, a snapshot of a few rows is not worth pandas' fixed cost for each column.
    """
    if len(frame) <= _FEW_ROWS:
        numbers: dict[tuple[Any, ...], int] = {}
        lists = [cast(Any, frame[column]).to_numpy(dtype=object, na_value=None).tolist() for column in columns]  # the stubs know no None there
        rows = zip(*lists, strict=True) if lists else [()] * len(frame)
        return np.array([numbers.setdefault(row, len(numbers)) for row in rows], dtype=np.int64)
    code = np.zeros(len(frame), dtype=np.int64)
    for column in columns:
        numeric = COLUMNS.get(column, ("", ""))[1] in (_INT, _FLOAT)
        values = frame[column].to_numpy(dtype=float, na_value=np.nan) if numeric else frame[column].astype(object)
        found = np.asarray(pd.factorize(values)[0], dtype=np.int64)
        if (found != found[0]).any():
            code = joined_codes(code, found)
    return code


def joined_codes(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes of the pairs (a, b), again 0, 1, ... by first appearance; b may hold -1 for undefined."""
    return np.asarray(pd.factorize(a * (int(b.max()) + 2) + b + 1)[0], dtype=np.int64)


def _holds_settings(values: pd.Series[Any]) -> bool:
    if str(values.name).lower().endswith(_NOT_CONFIGURATION):
        return False
    if not pd.api.types.is_float_dtype(values):
        return True
    stated = values.dropna()  # whole numbers with gaps are read as floats
    return bool(len(stated) and (stated == np.floor(stated)).all())


def _goes_with_replicate(frame: pd.DataFrame, known: list[str], name: str) -> bool:
    """Whether each value of a column belongs to one replicate of a configuration that has several."""
    replicate = frame["replicate"]
    if replicate.isna().all():
        return False
    code = frame.groupby(known, dropna=False, sort=False).ngroup() if known else pd.Series(0, index=frame.index)
    table = pd.DataFrame({"key": code, "value": frame[name].astype("string").fillna(""), "replicate": replicate.fillna(-1)})
    several = table.groupby("key")["replicate"].transform("nunique") > 1
    if not several.any():
        return False
    return bool((table[several].groupby(["key", "value"])["replicate"].nunique() < 2).all())


def check_metric(metric: str) -> None:
    """Refuse anything but the throughput metrics ``total`` and ``output``.

    Raises
    ------
    UsageError
        Naming the value and the valid ones.
    """
    if metric not in METRICS:
        raise UsageError(f"metric must be {' or '.join(METRICS)}, got {metric!r}")


def evidence_of(frame: pd.DataFrame) -> str:
    """The kinds of evidence of a table's rows joined by ``+``, or ``unstated``."""
    return "+".join(sorted(set(frame["evidence"].dropna()))) or "unstated"


def usable(frame: pd.DataFrame, metric: str) -> pd.Series[bool]:
    """Which rows can carry a frontier: :func:`drawable`, and not below their quality gate. Bool series of shape (n_rows,)."""
    return drawable(frame, metric) & ~below_gate(frame)


def drawable(frame: pd.DataFrame, metric: str) -> pd.Series[bool]:
    """Which rows have a place in a figure: both coordinates finite and positive, and not marked invalid. Bool series of shape (n_rows,)."""
    good = ~(frame["valid"].fillna(True) == False)  # noqa: E712 - three-valued column
    for column in (INTERACTIVITY, METRICS[metric]):
        good &= np.isfinite(frame[column]) & (frame[column] > 0)
    return good.astype(bool)


def below_gate(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows carry the flag of a variant whose output fails its quality gate. Bool series of shape (n_rows,)."""
    flags = frame["flags"]
    if flags.isna().all():
        return pd.Series(False, index=frame.index)
    return flags.fillna("").str.contains(rf"(?:^|;)\s*{BELOW_GATE}\s*(?:;|$)").astype(bool)


@dataclass(frozen=True)
class Variant:
    """One assignment of lever levels.

    Parameters
    ----------
    levels : mapping lever -> "baseline" | "target", in ladder order
    settings : mapping lever -> the settings of that level
    infeasible : str
        Why the variant cannot exist; empty when it can.
    """

    levels: Mapping[str, str]
    settings: Mapping[str, Sequence[str]]
    infeasible: str = ""

    @property
    def name(self) -> str:
        """``baseline``, or the levers at target joined by ``+`` in ladder order."""
        return "+".join(lever for lever, level in self.levels.items() if level == "target") or "baseline"


@dataclass(frozen=True)
class Trial:
    """One variant, one replicate: what is executed, cached and never run twice.

    Parameters
    ----------
    digest : str
        SHA-256 (hex) of all that determines the result.
    """

    variant: Variant
    replicate: int
    digest: str


@dataclass
class Manifest:
    """What a finished run says of itself; written last, so its presence means complete."""

    schema: str
    name: str
    run_id: str
    status: str  # complete | incomplete (some trials failed)
    digest: str
    created_utc: str
    finished_utc: str
    trials: dict[str, str] = field(default_factory=dict)  # digest -> done | failed | infeasible
    files: dict[str, str] = field(default_factory=dict)  # path in the run -> sha256

    def to_dict(self) -> dict[str, Any]:
        """The manifest as plain JSON values."""
        return asdict(self)
