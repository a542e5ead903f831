"""The comparison that ships with the package: reading it, and making it again."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.errors import PointsError
from frontier.evidence.published.record import WHEEL, wheel_version
from frontier.evidence.residuals.compare import COLUMNS, Comparison, compare

REMAKE = "python -m frontier.evidence.residuals --write"
DECIMALS = 4
_CURVE = ["model", "system", "precision", "mode", "layout", "isl_tokens", "osl_tokens"]
_SHIPPED_COLUMNS = [name for name in COLUMNS if name != "record_id"]


@lru_cache(maxsize=1)
def _shipped() -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = files("frontier.evidence.residuals")
    with (folder / "residuals.csv").open(encoding="utf-8") as stream:
        residuals = pd.read_csv(stream)
    about: dict[str, Any] = json.loads((folder / "residuals.json").read_text(encoding="utf-8"))
    if about["wheel_version"] != wheel_version():
        raise PointsError(
            f"the shipped residuals are for {WHEEL} {about['wheel_version']}, installed is {wheel_version()}",
            origin="frontier/evidence/residuals/residuals.json",
            hint=f"{REMAKE}, or install {WHEEL}=={about['wheel_version']}",
        )
    return residuals, about


def shipped_comparison() -> Comparison:
    """The comparison as shipped: all columns but the row ids; residuals rounded to 1e-4, measured values to 0.01.

    Raises
    ------
    PointsError
        If it was made with another version of the wheel than the installed one.
    """
    residuals, about = _shipped()
    return Comparison(residuals.copy(), dict(about["left_out"]))


def curve_residuals(residuals: pd.DataFrame) -> pd.DataFrame:
    """Means over the loads of each curve: one model, system, precision, mode, layout and pair of lengths.

    Parameters
    ----------
    residuals : DataFrame
        ``Comparison.residuals``.

    Returns
    -------
    DataFrame, one row per curve: its columns, ``n_points``, and the means of ``log_interactivity`` and ``log_tput``
    """
    grouped = residuals.groupby(_CURVE, sort=True)[["log_interactivity", "log_tput"]]
    return grouped.mean().assign(n_points=grouped.size()).reset_index()


def write_shipped(folder: Path) -> Comparison:
    """Run the whole comparison (about a minute) and write its two files.

    Parameters
    ----------
    folder : path
        Where ``residuals.csv`` and ``residuals.json`` go.
    """
    made = compare()
    table = made.residuals[_SHIPPED_COLUMNS].round(DECIMALS).round({name: 2 for name in _SHIPPED_COLUMNS if name.startswith("measured_")})
    about = {"wheel": WHEEL, "wheel_version": wheel_version(), "compared": len(table), "left_out": made.left_out}
    _replace(folder / "residuals.csv", table.to_csv(index=False, lineterminator="\n"))
    _replace(folder / "residuals.json", json.dumps(about, indent=1) + "\n")
    return made


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
