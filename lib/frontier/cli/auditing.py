"""The command on claims: audit."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.app import Json, Resamples, Seed, app
from frontier.cli.given import listed, read_table
from frontier.cli.show import print_json, print_table
from frontier.errors import UsageError


@app.command()
def audit(
    claims: Annotated[list[str] | None, typer.Argument(help="claims of conf/claim; without one, all", metavar="[CLAIM]...")] = None,
    points: Annotated[
        list[Path] | None, typer.Option("--points", help="points table, run's folder or bundle that outranks the shipped evidence; repeatable")
    ] = None,
    tco: Annotated[str, typer.Option("--tco", help="table of conf/tco; without it, the one in force on the claim's date")] = "",
    evidence: Annotated[str, typer.Option("--evidence", help="kinds to use: points,published,predicted")] = "points,published,predicted",
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the audits and of the runs behind predictions")] = Path("artifacts"),
    pages: Annotated[bool, typer.Option("--pages/--no-pages", help="write overview, cards and figures")] = True,
    show: Annotated[bool, typer.Option("--list", help="list the claims and the tables of power and price, and leave")] = False,
    resamples: Resamples = 1000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Hold published claims against the evidence at hand: verdict, interval, parts, and what the claim leaves unsaid."""
    if show:
        _list(as_json)
        return
    import pandas as pd

    from frontier.claims import Auditor, evidence_folder, keep_audit
    from frontier.report.audit import overview_rows

    kinds = listed(evidence)
    if not kinds:
        raise UsageError("--evidence names no kind", hint="--evidence published")
    if points and "points" not in kinds:
        raise UsageError("--points is given, but --evidence leaves points out", hint=f"--evidence points,{evidence}")
    folder = artifacts.resolve()
    tables = [(path.name, read_table(path, None)) for path in points or []]
    auditor = Auditor(
        points=tables, kinds=kinds, tco=tco, artifacts_dir=evidence_folder(folder), resamples=resamples, seed=seed,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    document = auditor.audit(claims or [])
    written = keep_audit(document, folder) if pages else None
    if as_json:
        print_json(document)
    else:
        rows = pd.DataFrame(overview_rows(document))
        rows["verdict"] += rows["holds"].map(lambda where: f" ({where})" if where else "")
        print_table(rows[["claim", "claimed", "found", "verdict", "evidence"]])
    if written is not None:
        print(f"overview: {written / 'overview.html'}", file=sys.stderr if as_json else sys.stdout)


def _list(as_json: bool) -> None:
    """The claims and the tables there are."""
    import pandas as pd

    from frontier.claims import claim_names, load_claim, load_tco, tco_names

    claims = [{"claim": name, "date": (claim := load_claim(name)).date, "title": claim.title} for name in claim_names()]
    tables = [{"table": name, "version": (table := load_tco(name)).version, "title": table.title} for name in tco_names()]
    if as_json:
        print_json({"schema": "frontier.claims/1", "claims": claims, "tables": tables})
        return
    print_table(pd.DataFrame(claims))
    print()
    print_table(pd.DataFrame(tables))
