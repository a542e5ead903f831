"""`frontier doctor --points`: what the integrity checks see in a points table."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from frontier.cli.app import Json, Metric, Where, app
from frontier.cli.given import read_table
from frontier.cli.show import print_json, print_rows


@app.command()
def doctor(
    points: Annotated[Path | None, typer.Option("--points", help="points table (CSV or Parquet), or a run's folder")] = None,
    metric: Metric = "total",
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Check a points table: which rows cannot be what they say, why, and what that is worth on the frontier."""
    from frontier.errors import UsageError
    from frontier.findings import doctor as look

    if points is None:
        raise UsageError("doctor checks a points table, and none was named; it does not check this machine yet", hint="frontier doctor --points FILE")
    document = look(read_table(points, where), metric, origin=str(points))
    if as_json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    """A ``frontier.doctor/1`` document for people."""
    print(
        f"{document['points']} {document['evidence']} points in {document['series_count']} series: {document['marked']} marked, "
        f"{document['carrying']} may carry a frontier"
    )
    marked = [check for check in document["checks"] if check["points"]]
    for check in marked:
        print(f"{check['check']} ({check['kind']}): {check['points']} points")
        print(f"  rule  {check['rule']}")
        print(f"  saw   {check['saw']}")
    quiet = [check["check"] for check in document["checks"] if not check["points"]]
    print(f"nothing found by: {', '.join(quiet)}" if quiet else "every check found something")
    lines = [(_name(series), _effects(finding)) for series in document["series"] for finding in series["findings"]]
    if lines:
        print_rows(f"per series, {document['metric']} tokens/s/GPU at equal interactivity, as given over", lines)
    for note in document["notes"]:
        print(f"note: {note}")


def _name(series: dict[str, Any]) -> str:
    lengths = [series[column] for column in ("isl_tokens", "osl_tokens")]
    parts = [series[column] for column in ("model", "hardware", "engine", "precision", "spec")]
    parts += ["disaggregated" if series["disagg"] else None, None if None in lengths else f"{lengths[0]:g}/{lengths[1]:g}", series["date"]]
    return " ".join(str(part) for part in parts if part is not None) or "all rows"


def _effects(finding: dict[str, Any]) -> str:
    without, mended = finding["effect_without"], finding["effect_corrected"]
    text = f"{finding['check']}, {finding['points']} points"
    text += "" if without is None else f", without them {without:.4g}x"
    return text + ("" if mended is None else f", corrected {mended:.4g}x")
