"""Series of a record: one question each, with their snapshots, configurations and cells numbered once for the whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError
from frontier.findings import carrying
from frontier.records import INTERACTIVITY, METRICS, configuration_columns, usable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# One frontier is drawn per hardware, engine (speculative decoding apart), precision and date, as the public dashboard of InferenceX does.
SERIES = ("model", "hardware", "engine", "precision", "spec", "disagg", "isl_tokens", "osl_tokens")
LOAD = ("concurrency", "request_rate_per_s")
# What a record says of where and with which software a row ran: it may change while the configuration stays.
_NOT_SETTINGS = ("engine_version", "image", "site", "cluster", "platform", "runner", "node", "hostname", "variant")


@dataclass(frozen=True)
class Series:
    """One series.

    Attributes
    ----------
    name : dict
        Column -> value, for the columns of ``SERIES``; None where the record does not say.
    frame : DataFrame
        All its rows that state a date, in the order of dates, whether they can carry a frontier or not.
    dates : tuple of str
        Dates with at least one row that can, ascending, ISO.
    day, configuration, setting : int array, shape (cells,)
        Cells in the order of dates: place in ``dates``, number of the configuration, and of the configuration without its load.
    load : float array, shape (cells,)
        Concurrency, or the request rate where no concurrency is stated; NaN where neither is.
    log_x, log_y : float array, shape (cells,)
        Means over launches of log interactivity and log throughput per GPU.
    launches : int array, shape (cells,)
    scatter : float array, shape (2, 2)
        Pooled covariance of single launches within cells, interactivity first; NaN without repeated launches.
    rows : DataFrame
        The first row of each cell.
    """

    name: dict[str, Any]
    frame: pd.DataFrame
    dates: tuple[str, ...]
    day: IntArray
    configuration: IntArray
    setting: IntArray
    load: FloatArray
    log_x: FloatArray
    log_y: FloatArray
    launches: IntArray
    scatter: FloatArray
    rows: pd.DataFrame

    def snapshot(self, date: str) -> pd.DataFrame:
        """All rows of a date."""
        return self.frame[self.frame["date"] == date]

    def at(self, day: int) -> NDArray[np.bool_]:
        """Which cells are of a date."""
        return np.asarray(self.day == day)


def split_series(points: pd.DataFrame, metric: str, carries: NDArray[np.bool_] | None = None) -> tuple[list[Series], list[str]]:
    """The series of a normalized points table, and what had to be left out.

    Parameters
    ----------
    points : DataFrame
    metric : "total" | "output"
    carries : bool array, shape (len(points),), optional
        Rows that may carry a frontier, where the checks have run already.

    Raises
    ------
    PointsError
        If no row states a date and can carry a frontier.
    """
    dated = points["date"].notna().to_numpy()
    good = dated & usable(points, metric).to_numpy() & (carrying(points) if carries is None else carries)
    if not good.any():
        raise PointsError(
            f"no row of {len(points)} states a date and can carry a frontier ({int((~dated).sum())} have no date)",
            hint="a timeline needs the column date (ISO); `frontier doctor --points FILE` shows what is wrong with the rows",
        )
    notes = []
    if not dated.all():
        notes.append(f"{int((~dated).sum())} of {len(points)} rows state no date and stand in no series.")
    if (left := int((dated & ~good).sum())) > 0:
        notes.append(f"{left} of {len(points)} rows are broken, repeated or below their accuracy gate and carry no frontier.")
    frame = points[dated]
    number = frame.groupby([*SERIES, "evidence"], dropna=False, sort=True, observed=True).ngroup().to_numpy()
    cells = _cells(points[good], metric)
    cells["series"] = number[good[dated]][cells["row"]]
    whole = points[good]
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(int(number.max()) + 2))
    cells = cells.sort_values(["series", "date", "configuration"], kind="stable")
    found = []
    for _, group in cells.groupby("series", sort=True):
        code = int(group["series"].iloc[0])
        found.append(_series(frame.iloc[order[starts[code] : starts[code + 1]]], group, whole))
    return found, notes


def _cells(good: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per date and configuration: means, scatter and number of launches."""
    columns = [c for c in configuration_columns(good) if c not in _NOT_SETTINGS]
    columns = list(dict.fromkeys([*SERIES, "evidence", *columns]))
    setting = good.groupby([c for c in columns if c not in LOAD], dropna=False, sort=False, observed=True).ngroup().to_numpy()
    load = good["concurrency"].fillna(good["request_rate_per_s"]).to_numpy(dtype=float)
    date = np.asarray(pd.factorize(good["date"], sort=True)[0])
    rows = pd.DataFrame({"setting": setting, "load": load, "date": date, "row": np.arange(len(good))})
    rows["launch"] = good["replicate"].fillna(-1).to_numpy(dtype=np.int64)
    # Rows of unknown load are points of their own: nothing shows that two of them repeat one another.
    place = rows.groupby(["setting", "date", "launch"], sort=False).cumcount()
    rows["place"] = place.where(rows["load"].isna(), -1)
    rows["configuration"] = rows.groupby(["setting", "load", "place"], dropna=False, sort=True).ngroup()
    rows["x"], rows["y"] = np.log(good[INTERACTIVITY].to_numpy(float)), np.log(good[METRICS[metric]].to_numpy(float))
    rows["xx"], rows["xy"], rows["yy"] = rows["x"] ** 2, rows["x"] * rows["y"], rows["y"] ** 2
    groups = rows.groupby(["date", "configuration"], sort=False)
    cells = groups[["x", "y", "xx", "xy", "yy"]].sum()
    cells["launches"] = groups.size()
    first = groups[["row", "setting", "load"]].first()
    return cells.join(first).reset_index()


def _series(frame: pd.DataFrame, cells: pd.DataFrame, whole: pd.DataFrame) -> Series:
    rows = whole.iloc[cells["row"].to_numpy()]
    count = cells["launches"].to_numpy(dtype=float)
    days, day = np.unique(cells["date"].to_numpy(), return_inverse=True)
    dates = tuple(str(rows["date"].iloc[int(np.argmax(day == d))]) for d in range(len(days)))
    mean_x, mean_y = cells["x"].to_numpy() / count, cells["y"].to_numpy() / count
    dof = float((count - 1).sum())
    scatter = np.full((2, 2), np.nan)
    if dof > 0:
        squares = [cells[name].to_numpy() - count * a * b for name, a, b in (("xx", mean_x, mean_x), ("xy", mean_x, mean_y), ("yy", mean_y, mean_y))]
        xx, xy, yy = (float(values.sum()) / dof for values in squares)
        scatter = np.array([[xx, xy], [xy, yy]])
    first = frame.iloc[0]
    return Series(
        name={column: _plain(first[column]) for column in SERIES},
        frame=frame.sort_values("date", kind="stable"),
        dates=dates,
        day=day.astype(np.int64),
        configuration=np.asarray(pd.factorize(cells["configuration"])[0], dtype=np.int64),
        setting=np.asarray(pd.factorize(cells["setting"])[0], dtype=np.int64),
        load=cells["load"].to_numpy(dtype=float),
        log_x=mean_x,
        log_y=mean_y,
        launches=cells["launches"].to_numpy(dtype=np.int64),
        scatter=scatter,
        rows=rows,
    )


def _plain(value: Any) -> Any:
    """A cell as a JSON value; null where undefined or infinite."""
    if pd.isna(value) or value in (float("inf"), float("-inf")):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def series_title(name: dict[str, Any]) -> str:
    """A series in one line.

    >>> series_title({"model": "m", "hardware": "gb200", "spec": "mtp", "disagg": True, "isl_tokens": 1024, "osl_tokens": 8192})
    'm gb200 mtp disagg 1024/8192'
    """
    texts = [name.get(column) for column in ("model", "hardware", "engine", "precision")]
    texts.append(name.get("spec") if name.get("spec") != "none" else None)
    texts.append("disagg" if name.get("disagg") else None)
    if name.get("isl_tokens") is not None or name.get("osl_tokens") is not None:
        texts.append(f"{name.get('isl_tokens') or '?'}/{name.get('osl_tokens') or '?'}")
    return " ".join(str(text) for text in texts if text is not None)
