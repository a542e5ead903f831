"""The command fetch: the public record itself, from the site or from its weekly dump."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for an HTTP library.
from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json
from frontier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontier.evidence.fetch import Step

SOURCES = ("inferencex",)
OUT = Path("artifacts/inferencex")


@app.command()
def fetch(
    source: Annotated[str, typer.Argument(help="inferencex", metavar="SOURCE")],
    model: Annotated[str, typer.Option("--model", help="as the site names it, such as DeepSeek-R1-0528; a wrong name lists those there are")] = "",
    since: Annotated[str, typer.Option("--since", help="rows of this date and later, YYYY-MM-DD")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the files; what lies there complete is kept")] = OUT,
    dump: Annotated[bool, typer.Option("--dump", help="the database dump instead of the site's pages; large")] = False,
    dump_date: Annotated[str, typer.Option("--dump-date", help="the dump of this date; without it the newest one")] = "",
    refresh: Annotated[bool, typer.Option("--refresh", help="ask for every page again: the site corrects old rows now and then")] = False,
    pause: Annotated[float, typer.Option("--pause", min=0.0, help="seconds between two requests")] = 1.0,
    url: Annotated[str, typer.Option("--url", help="another base than the site's own, such as a mirror's")] = "",
    as_json: Json = False,
) -> None:
    """Get the public record: rows of one model from the site, or its database dump. The same command continues a fetch that stopped."""
    if source not in SOURCES:
        raise UsageError(f"there is no source {source!r} to fetch", hint=f"frontier fetch with one of: {', '.join(SOURCES)}")
    if not dump and not model:
        raise UsageError("fetch needs --model, or --dump for everything", hint="frontier fetch inferencex --model DeepSeek-R1-0528")
    if dump_date and not dump:
        raise UsageError("--dump-date goes with --dump", hint=f"frontier fetch inferencex --dump --dump-date {dump_date}")
    if refresh and dump:
        raise UsageError("--refresh goes with the site's pages: a dump never changes", hint="remove --refresh")
    from frontier.evidence.fetch import RELEASES, SITE, Client, fetch_dump, fetch_pages

    with _display() as tell, Client(pause_s=pause, tell=tell) as client:
        if dump:
            document = fetch_dump(out, client, base=url or RELEASES, dump_date=dump_date or None, model=model or None, since=since or None)
        else:
            document = fetch_pages(model, out, client, base=url or SITE, since=since or None, refresh=refresh)
    if as_json:
        print_json(document)
    else:
        _print_summary(document, out)


def _print_summary(document: dict[str, Any], out: Path) -> None:
    """What was fetched, and what to type next."""
    for file in document["files"]:
        print(f"{(out / file).as_posix()}  sha256 {document['sha256'][file][:16]}")
    if document["kind"] == "pages":
        print(f"{document['rows']} rows of {document['model']}, {document['first_date']} to {document['last_date']}")
        kept = f", {document['pages_kept']} pages were there already" if document["pages_kept"] else ""
        print(f"{document['requests']} requests{kept}; {document['repeated_rows']} repeated and {document['earlier_rows']} earlier rows left out")
    else:
        print(f"dump of {document['dump_date']} ({document['kind'].removeprefix('dump:')})")
        if document["left_out"] is not None:
            left = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in document["left_out"].items())
            print(f"{document['rows']} rows; left out: {left}")
    for line in document.get("next", []):
        print(f"next  {line}")
    if document["files"]:
        print(f"next  frontier import {document['source']} {' '.join((out / file).as_posix() for file in document['files'])} -o points.parquet")


@contextmanager
def _display() -> Iterator[Callable[[Step], None]]:
    """Progress on stderr: a bar on a terminal, else a line for every page and for every twentieth of a large file."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fetch", total=None, unit="")

        def tell(step: Step) -> None:
            if step.note:
                bar.console.print(f"{step.name}: {step.note}", highlight=False, markup=False)
                return
            scale = 1e6 if step.unit == "bytes" else 1
            total = None if step.total is None else round(step.total / scale)
            bar.update(task, description=step.name, completed=round(step.done / scale), total=total, unit="MB" if scale > 1 else step.unit)

        yield tell


def _lines() -> Callable[[Step], None]:
    """Progress for a log."""
    shown: dict[str, int] = {}

    def tell(step: Step) -> None:
        if step.note:
            print(f"{step.name}: {step.note}", file=sys.stderr)
        elif step.unit == "bytes" and step.total:
            twentieth = 20 * step.done // step.total
            if shown.get(step.name) != twentieth:
                shown[step.name] = twentieth
                print(f"{step.name}: {step.done / 1e6:.1f} of {step.total / 1e6:.1f} MB", file=sys.stderr)
        else:
            print(step.name + ("" if step.total is None else f" ({step.done} of {step.total})"), file=sys.stderr)

    return tell
