"""What commands are given: lists, pairs and points tables from the command line."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from frontier.evidence.residuals import ResidualModel
    from frontier.shift import Per


def listed(text: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def choices(text: str, option: str) -> dict[str, str]:
    """The pairs of a list ``a=x,b=y``; UsageError for anything else."""
    out = {}
    for pair in listed(text):
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} takes lever=value pairs, got {pair!r}", hint=f"{option} precision=fp8,tp=8")
        out[name.strip()] = value.strip()
    return out


def read_table(path: Path, where: Sequence[str] | None) -> pd.DataFrame:
    """The points table of a file, a run's folder, a bundle or a published data set, cut down to the rows that ``where`` keeps.

    A bundle (a file whose name ends in .zip) is verified first; nothing of it is executed.
    """
    from frontier.attribute.levers import as_text

    table = _points(path)
    for pair in where or []:
        column, equals, value = pair.partition("=")
        if not equals or column not in table:
            raise UsageError(f"--where takes COLUMN=VALUE with a column of the table, got {pair!r}", hint=f"columns: {', '.join(map(str, table))}")
        text = as_text(table[column])
        if not (text == value).any():
            raise UsageError(
                f"no row of {path} has {column}={value}", hint=f"values there are: {', '.join(sorted(map(str, text.dropna().unique()))[:12])}"
            )
        table = table[(text == value).fillna(False).astype(bool)].reset_index(drop=True)
    return table


def _points(path: Path) -> pd.DataFrame:
    from frontier.evidence.published import DATASETS, published_points
    from frontier.records import read_points

    if str(path) in DATASETS and not path.exists():
        return published_points(str(path))
    if path.suffix.lower() == ".zip" and path.is_file():
        from frontier.bundle import read_points_of

        return read_points_of(path)
    return read_points(path)


def residuals(*tables: pd.DataFrame) -> ResidualModel | None:
    """The prediction model's error, when a table holds predicted points."""
    if not any((table["evidence"] == "predicted").any() for table in tables):
        return None
    from frontier.evidence.residuals import ResidualModel

    return ResidualModel()


def denominator(per: str, tables: str) -> Per:
    """What ``--per`` and ``--tco`` name; without a table the one now in force for both sides."""
    from frontier.claims.denominators import needs
    from frontier.claims.load import load_tco, tco_names
    from frontier.shift import Per

    in_force = [name for name in tco_names() if (table := load_tco(name)).valid_from and not table.valid_until and not table.what_if]
    names = listed(tables) or in_force[-1:]
    if len(names) not in (1, 2):
        raise UsageError(f"--tco takes one table or BEFORE,AFTER, got {tables!r}", hint=f"one of: {', '.join(tco_names())}")
    found = [needs(per, load_tco(name)) for name in (names[0], names[-1])]
    return Per(per, {"megawatt": "tokens/s/MW", "usd": "tokens/USD"}[per], *found)
