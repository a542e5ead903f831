"""The command that makes points tables from files of other tools and public records."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_rows
from frontier.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from frontier.evidence.importers import Written

SHOWN = 20  # refused rows in the table on stderr; --refused and --json give all


@app.command("import")
def import_(
    name: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="inferencex, trtllm-bench, trtllm-serve, vllm-bench, sglang-bench, aiperf, srtctl, mlperf or points"),
    ],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="files of that format (srtctl: folders of jobs); gzip is unpacked")],
    output: Annotated[Path, typer.Option("-o", "--output", help="points table to write (.parquet or .csv)")],
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="a system fact that the files do not hold; may be repeated")
    ] = None,
    refused: Annotated[Path | None, typer.Option("--refused", help="write the refused rows to this CSV file")] = None,
    as_json: Json = False,
) -> None:
    """Make a points table from the files of another tool or of a public record."""
    from frontier.evidence.importers import import_to_file

    if refused is not None and refused.suffix.lower() != ".csv":
        raise UsageError(f"--refused writes CSV, got {refused.name!r}", hint="--refused refused.csv")
    if name == "srtctl":
        from frontier.evidence.importers.srtctl import result_files

        files = result_files(files)
    written = import_to_file(name, files, output, given=_pairs(given or []))
    if refused is not None:
        written.refused.to_csv(refused, index=False)
    if as_json:
        print_json(_document(name, files, output, written))
    else:
        _print_refused(written.refused, refused)
        for note in written.notes:
            print(f"note: {note}", file=sys.stderr)
        if written.points:
            pairs = [("points", f"{written.points:,}"), ("refused", f"{len(written.refused):,}")]
            print_rows(str(output), [*pairs, *((flag, f"{rows:,}") for flag, rows in sorted(written.flags.items()))])
    if not written.points:
        if not as_json:
            print(f"no row was imported; {output} was not written", file=sys.stderr)
        raise typer.Exit(2)


def _pairs(texts: list[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals or not column.strip() or not value.strip():
            raise UsageError(f"--set takes COLUMN=VALUE, got {text!r}", hint="--set gpus=8")
        if out.setdefault(column.strip(), value.strip()) != value.strip():
            raise UsageError(f"--set {column.strip()} is given twice: {out[column.strip()]} and {value.strip()}", hint="give it once")
    return out


def _document(name: str, files: list[Path], output: Path, written: Written) -> dict[str, Any]:
    rows = written.refused.astype(object).where(written.refused.notna(), None).to_dict("records")
    return {
        "schema": "frontier.import/1",
        "format": name,
        "files": [str(file) for file in files],
        "output": str(output) if written.points else None,
        "points": written.points,
        "refused": rows,
        "flags": dict(sorted(written.flags.items())),
        "notes": list(written.notes),
    }


def _print_refused(refused: pd.DataFrame, path: Path | None) -> None:
    """The first refused rows and how many there are, on stderr."""
    if refused.empty:
        return
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(refused):,} refused", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in refused.columns:
        table.add_column(str(column), overflow="fold")
    for row in refused.head(SHOWN).itertuples(index=False):
        table.add_row(*("" if pd.isna(cell) else str(cell)[:80] if i == 3 else str(cell) for i, cell in enumerate(row)))
    Console(stderr=True, width=None if sys.stderr.isatty() else 200, markup=False, highlight=False).print(table)
    if len(refused) > SHOWN:
        where = f"all in {path}" if path is not None else "--refused FILE.csv writes all"
        print(f"... and {len(refused) - SHOWN:,} more; {where}", file=sys.stderr)
