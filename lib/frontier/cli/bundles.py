"""The command `frontier bundle`: a run in one file that others can check and read."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_rows

if TYPE_CHECKING:
    from frontier.bundle import Bundle


class DefaultMake(TyperGroup):
    """A group whose first word may also be a run: `frontier bundle RUN` is `frontier bundle make RUN`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word, or ``make`` with all words."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["make", *args])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options come before the run too, as in `frontier bundle -o FILE.zip RUN`."""
        helps = set(ctx.help_option_names)
        return super().parse_args(ctx, ["make", *args] if args and args[0].startswith("-") and args[0] not in helps else args)


bundle = typer.Typer(
    cls=DefaultMake, no_args_is_help=True, help="A run in one file: `frontier bundle RUN -o FILE.zip` makes it; others verify and open it."
)
app.add_typer(bundle, name="bundle")

File = Annotated[Path, typer.Argument(help="a bundle, FILE.zip", metavar="FILE")]


@bundle.command("make")
def make(
    run: Annotated[Path, typer.Argument(help="a run's id, its experiment's name (the newest run), or its folder", metavar="RUN")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the file to write; by default <run id>.zip")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="also the raw records of the requests and the logs")] = False,
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
    as_json: Json = False,
) -> None:
    """Write a finished run as a bundle (an RO-Crate in a zip file) and print what is in it."""
    from frontier.bundle import write_bundle
    from frontier.store import Store

    folder = run if run.is_dir() else Store(artifacts).named(str(run)).path
    file = output or Path(f"{folder.resolve().name}.zip")
    _print(write_bundle(folder, file, raw=raw), file, as_json)


@bundle.command("verify")
def verify(file: File, as_json: Json = False) -> None:
    """Check every file of a bundle against its hashes, and that nothing in it can act; nothing is unpacked or executed."""
    from frontier.bundle import verify_bundle
    from frontier.bundle.names import shown
    from frontier.errors import FrontierError

    try:
        found = verify_bundle(file)
    except FrontierError as error:
        if as_json:
            print_json({"schema": "frontier.bundle/1", "verified": False, "file": file.name, "problem": shown(error.message, 1000)})
        raise
    _print(found, file, as_json)


@bundle.command("open")
def unpack(
    file: File,
    folder: Annotated[Path, typer.Option("--folder", help="where opened bundles stand")] = Path("artifacts/bundles"),
    as_json: Json = False,
) -> None:
    """Verify a bundle, unpack it, draw its report anew, and print the folder; nothing of it is executed."""
    from frontier.bundle import open_bundle

    opened = open_bundle(file, folder)
    if as_json:
        print_json({"schema": "frontier.opened/1", "path": str(opened), "report": str(opened / "report.html")})
    else:
        print(opened)


def _print(found: Bundle, file: Path, as_json: bool) -> None:
    if as_json:
        print_json({**found.to_dict(), "path": str(file)})
        return
    from frontier.bundle.names import shown

    kit, container = found.kit, found.container
    commit = str(kit.get("commit") or "unknown")[:12]
    rows = [
        ("run", f"{found.run_id} ({found.status})"),
        ("title", found.title),
        ("evidence", found.evidence),
        ("kit", f"{kit.get('version')}, commit {commit}{' with changes' if kit.get('dirty') else ''}"),
        ("container", f"{container.get('runtime')}, {container.get('image_id') or container.get('image')}" if container else "none, run on the host"),
        ("raw records", "in it" if found.raw else "not in it"),
        ("size", f"{found.size_bytes / 1e6:.2f} MB, {found.members} files, {found.unpacked_bytes / 1e6:.2f} MB unpacked"),
        ("SHA-256", found.sha256),
    ]
    # Line breaks in a foreign text must not look like lines of ours.
    print_rows(f"{file}: every file is what the bundle says", [(name, shown(text)) for name, text in rows])
