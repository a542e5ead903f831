"""Commands on points tables: attribute, shift."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.app import Json, Metric, Resamples, Seed, Where, app
from frontier.cli.given import choices, listed, read_table, residuals
from frontier.cli.show import print_attribution, print_json, print_shift


@app.command()
def attribute(
    points: Annotated[Path, typer.Argument(help="points table (CSV or Parquet) that holds the plan, or a run's folder")],
    levers: Annotated[str, typer.Option("--levers", help="columns, comma-separated, in ladder order")],
    baseline: Annotated[str, typer.Option("--baseline", help="a=x,b=y; several values of a level as x|y")] = "",
    target: Annotated[str, typer.Option("--target", help="a=x2,b=y2")] = "",
    unlocked: Annotated[str, typer.Option("--unlocked", help="levers that keep their baseline settings at target")] = "",
    missing: Annotated[
        str, typer.Option("--missing", help="error; restrict: count a missing cell as its largest available part; ladder: split the measured path")
    ] = "error",
    metric: Metric = "total",
    where: Where = None,
    resamples: Resamples = 2000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Split the shift between two corners of a designed points table into its levers' shares."""
    from frontier.attribute import attribute as split
    from frontier.attribute import parse_levers

    table = read_table(points, where)
    specs = parse_levers(
        table, listed(levers), choices(baseline, "--baseline"), choices(target, "--target"), listed(unlocked), origin=str(points)
    )
    document = split(
        table, specs, metric=metric, missing=missing, resamples=resamples, seed=seed, origin=str(points), residuals=residuals(table)
    )
    if as_json:
        print_json(document)
    else:
        print_attribution(document)


@app.command()
def shift(
    before: Annotated[Path, typer.Argument(help="points table before (CSV or Parquet), or a run's folder")],
    after: Annotated[Path, typer.Argument(help="points table after")],
    metric: Metric = "total",
    where: Where = None,
    resamples: Resamples = 2000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Account for the shift between two snapshots: how far, by which cause, how surely."""
    from frontier.shift import account

    tables = [read_table(path, where) for path in (before, after)]
    document = account(
        *tables, metric=metric, resamples=resamples, seed=seed, names=(str(before), str(after)), residuals=residuals(*tables)
    )
    if as_json:
        print_json(document)
    else:
        print_shift(document)
