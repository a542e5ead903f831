"""Commands on points tables: attribute, shift."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.app import Json, Metric, Resamples, Seed, Where, app
from frontier.cli.given import choices, denominator, listed, read_table, residuals
from frontier.cli.show import draw_timeline, print_attribution, print_json, print_shift, print_timeline
from frontier.errors import UsageError


@app.command()
def attribute(
    points: Annotated[Path, typer.Argument(help="points table (CSV or Parquet) that holds the plan, a run's folder or a bundle (.zip)")],
    levers: Annotated[str, typer.Option("--levers", help="columns, comma-separated, in ladder order")],
    baseline: Annotated[str, typer.Option("--baseline", help="a=x,b=y; several values of a level as x|y")] = "",
    target: Annotated[str, typer.Option("--target", help="a=x2,b=y2")] = "",
    unlocked: Annotated[str, typer.Option("--unlocked", help="levers that keep their baseline settings at target")] = "",
    missing: Annotated[
        str,
        typer.Option(
            "--missing",
            help="error; restrict: count a missing cell as its largest available part; ladder: split the measured path; "
            "fraction: the plan was a half fraction",
        ),
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
    before: Annotated[Path, typer.Argument(help="points table before (CSV or Parquet), a run's folder or a bundle (.zip)")],
    after: Annotated[Path | None, typer.Argument(help="points table after; without it both snapshots are taken from the first table")] = None,
    where_before: Annotated[list[str] | None, typer.Option("--before", help="rows of the first snapshot", metavar="COLUMN=VALUE")] = None,
    where_after: Annotated[list[str] | None, typer.Option("--after", help="rows of the second snapshot", metavar="COLUMN=VALUE")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="walk all dates of every series in one table and account for each step")] = False,
    changelog: Annotated[
        Path | None, typer.Option("--changelog", help="dated entries with keys and text (CSV, YAML, JSON) to match the shift against")
    ] = None,
    per: Annotated[str, typer.Option("--per", help="gpu, megawatt or usd: what throughput is divided by")] = "gpu",
    tco: Annotated[str, typer.Option("--tco", help="table of power and price (conf/tco); BEFORE,AFTER: the two sides' own")] = "",
    figure: Annotated[Path | None, typer.Option("--figure", help="with --timeline: draw the series with the most steps (PNG, SVG or PDF)")] = None,
    metric: Metric = "total",
    where: Where = None,
    resamples: Annotated[int | None, typer.Option("--resamples", help="draws behind each interval (2000; with --timeline 500)")] = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Account for the shift between two snapshots, or for every step of a record: how far, by which cause, how surely."""
    from frontier.changelog import read_changelog

    entries = None if changelog is None else read_changelog(changelog)
    if timeline:
        if after is not None or where_before or where_after or per != "gpu":
            raise UsageError("--timeline walks the dates of one table, per GPU", hint="frontier shift POINTS --timeline")
        from frontier.timeline import timeline as walk

        document = walk(read_table(before, where), metric=metric, changelog=entries, resamples=resamples or 500, seed=seed)
        if figure is not None:
            draw_timeline(document, figure)
        if as_json:
            print_json(document)
        else:
            print_timeline(document)
        return
    if tco and per == "gpu":
        raise UsageError("--tco has nothing to divide by", hint="--per megawatt or --per usd")
    if figure is not None:
        raise UsageError("--figure draws a timeline", hint="frontier shift POINTS --timeline --figure FILE.png")
    if after is None and not (where_before and where_after):
        raise UsageError("a shift needs two snapshots", hint="BEFORE AFTER; or one table with --before date=... --after date=...; or --timeline")
    from frontier.shift import account, changes_between

    paths = (before, before if after is None else after)
    tables = [read_table(path, [*(where or []), *(own or [])]) for path, own in zip(paths, (where_before, where_after), strict=True)]
    names = tuple(" ".join([str(path), *(own or [])]) for path, own in zip(paths, (where_before, where_after), strict=True))
    document = account(
        *tables, metric=metric, resamples=resamples or 2000, seed=seed, names=(names[0], names[1]), residuals=residuals(*tables),
        per=None if per == "gpu" else denominator(per, tco),
    )  # fmt: skip
    if entries is not None:
        document["changelog"] = changes_between(document, tables[0], tables[1], entries)
    if as_json:
        print_json(document)
    else:
        print_shift(document)
