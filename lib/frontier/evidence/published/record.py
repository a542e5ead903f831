"""The file ``silicon_sample.csv`` of aiconfigurator-core as a table of raw rows, its text field taken apart."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version as installed_version
from importlib.resources import files
from typing import Any

import pandas as pd

from frontier.errors import PointsError

WHEEL = "aiconfigurator-core"
FILE = "silicon_sample.csv"

# What the first part of the text field says about where a row came from. The three InferenceX exports code GPU counts in two ways.
DATABASE_DUMP = "database_dump"  # InferenceX database of 2026-04-27; GPU counts of expert-parallel rows multiplied
DATED_MULTIPLIED = "export_2026_04_06"  # InferenceX export; GPU counts of expert-parallel rows multiplied
DATED_PLAIN = "export_2026_03_25"  # InferenceX export; GPU counts as they are
GAP_INFERENCEX = "gap_inferencex"  # InferenceX rows again, rounded to 0.01 ms
GAP_OWN = "gap_own"  # NVIDIA's own runs, fixed request lengths
_SOURCES = {
    "db-dump/2026-04-27": DATABASE_DUMP,
    "source_file=2026-04-06.csv": DATED_MULTIPLIED,
    "source_file=2026-03-25.csv": DATED_PLAIN,
    "source_file=kimi-k2.5-gap-analysis.csv": GAP_INFERENCEX,
    "source_file=qwen3.5-397b-gap-analysis.csv": GAP_INFERENCEX,
}
_REQUIRED = ("id", "silicon_data_source", "backend", "model_path", "system", "mode", "isl", "osl", "silicon_ttft_ms", "silicon_tpot_ms")


def wheel_version() -> str:
    """Installed version of the wheel that carries the file."""
    return installed_version(WHEEL)


@lru_cache(maxsize=1)
def _read() -> pd.DataFrame:
    file = files("aiconfigurator_core") / "systems" / FILE
    if not file.is_file():
        raise PointsError(f"{WHEEL} {wheel_version()} carries no systems/{FILE}", hint=f"pip install {WHEEL}==0.12.0")
    with file.open(encoding="utf-8") as stream:
        frame = pd.read_csv(stream)
    missing = [name for name in _REQUIRED if name not in frame]
    if missing:
        raise PointsError(f"{FILE} lacks the columns {', '.join(missing)}", origin=f"{WHEEL} {wheel_version()}")
    return pd.concat([frame, _text_field(frame["silicon_data_source"])], axis=1)


def raw_rows() -> pd.DataFrame:
    """All rows of the file with its own column names, and what its text field says.

    Returns
    -------
    DataFrame, one row per row of the file, with the added columns ``kind`` (one of this module's constants), ``concurrency`` (float, NaN
    where the text has none), ``date`` (ISO), ``image`` and ``work_in_progress``.

    Raises
    ------
    PointsError
        If the installed wheel lacks the file or a column of it, or a row names a source that is not known.

    Notes
    -----
    The text field is a semicolon list: the source, then ``key=value`` parts; rows of the database dump end in a bare image name. A ``#``
    in an image stands for the ``/`` after the registry.
    """
    return _read().copy()


def _text_field(text: pd.Series[Any]) -> pd.DataFrame:
    head = text.str.split(";").str[0].str.strip()
    own = head.str.contains("aic-auto-gap-analysis/", regex=False)
    kind = head.map(_SOURCES).mask(own, GAP_OWN)
    if kind.isna().any():
        unknown = sorted(head[kind.isna()].unique())
        raise PointsError(f"unknown source in {FILE}: {', '.join(unknown)}", origin=f"{WHEEL} {wheel_version()}")
    bare = text.str.extract(r";\s*([^;=\s]+)$")[0].where(kind == DATABASE_DUMP)
    image = text.str.extract(r"image=([^;]+)")[0].fillna(bare).str.strip().str.replace("#", "/", regex=False)
    return pd.DataFrame(
        {
            "kind": kind,
            "concurrency": text.str.extract(r"silicon_concurrency=(\d+)")[0].astype(float),
            "date": text.str.extract(r"measured=(\d{4}-\d{2}-\d{2})")[0],
            "image": image,
            "work_in_progress": text.str.contains("wip=True", regex=False),
        }
    )
