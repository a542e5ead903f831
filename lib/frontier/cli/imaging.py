"""The command `frontier images`: bases by digest, builds, archives."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_rows

if TYPE_CHECKING:
    from frontier.images import Carried

images = typer.Typer(no_args_is_help=True, help="Container images: bases by digest, builds that come out the same twice, archives.")
app.add_typer(images, name="images")

Name = Annotated[str, typer.Argument(help="a folder of containers/", metavar="NAME")]
Names = Annotated[list[str] | None, typer.Argument(help="folders of containers/; by default all", metavar="[NAME]...")]
Runtime = Annotated[str, typer.Option("--runtime", help="podman or docker")]


@images.command("lock")
def lock(names: Names = None, as_json: Json = False) -> None:
    """Ask the registries which images the bases' tags mean now, and write their digests into containers/images.lock.yaml."""
    from frontier.images import ask_registry, read_lock, write_lock

    found = read_lock(_root())
    changed = []
    for name in names or list(found.bases):
        before = found.base(name)
        after = ask_registry(before)
        found = found.with_base(name, after)
        changed.append({"name": name, "before": before.image_id, **dataclasses.asdict(after)})
    write_lock(found)
    if as_json:
        print_json({"schema": "frontier.images-locked/1", "bases": changed})
    for row in () if as_json else changed:
        state = "as before" if row["before"] == row["image_id"] else f"was {row['before'] or 'not locked'}"
        print_rows(row["name"], [("base", row["reference"]), ("image", f"{row['image_id']} ({state})"), ("manifest", row["manifest_digest"])])


@images.command("verify")
def verify(names: Names = None, runtime: Runtime = "podman", as_json: Json = False) -> None:
    """Compare the images that are here with the lock and with their builds' records; exits with 1 if one differs, 2 if not locked, 3 if missing."""
    from frontier.images import exit_code
    from frontier.images import verify as compare

    findings = compare(_root(), names or (), runtime)
    if as_json:
        print_json({"schema": "frontier.images-verified/1", "images": [dataclasses.asdict(each) for each in findings]})
    else:
        for each in findings:
            ids = f"  {each.found}, expected {each.expected}" if each.state == "differs" else ""
            print(f"{each.name:<14}{each.what:<7}{each.state:<10}{each.reference}{ids}")
    raise typer.Exit(exit_code(findings))


@images.command("build")
def build(
    name: Name,
    runtime: Runtime = "podman",
    base: Annotated[str, typer.Option("--base", help="locked: what the lock names; bootstrap: made from Debian's packages")] = "locked",
    fresh_base: Annotated[bool, typer.Option("--fresh-base", help="make a bootstrapped base again even if it is there")] = False,
    wheels: Annotated[Path | None, typer.Option("--wheels", help="folder with a wheel for every pin; the build then has no network")] = None,
    twice: Annotated[bool, typer.Option("--twice", help="build a second time; exits with 1 if the images differ")] = False,
    dirty: Annotated[bool, typer.Option("--dirty", help="accept a clone that differs from its commit; the image says so")] = False,
    arguments: Annotated[list[str] | None, typer.Option("--argument", help="of the Containerfile; repeatable", metavar="NAME=VALUE")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="certificates that the build trusts; by default this machine's")] = None,
    pip_config: Annotated[Path | None, typer.Option("--pip-config", help="pip's settings while building; not in the image")] = None,
    as_json: Json = False,
) -> None:
    """Build an image from the clone's commit and print its ID, size and time; the record goes to artifacts/images/NAME.json."""
    from frontier.errors import UsageError
    from frontier.images import Wish
    from frontier.images import build as make

    broken = [text for text in arguments or () if "=" not in text]
    if broken:
        raise UsageError(f"--argument must be NAME=VALUE, got {broken[0]!r}", hint="--argument VARIANT=cpu")
    given = tuple((text.split("=", 1)[0], text.split("=", 1)[1]) for text in arguments or ())
    wish = Wish(runtime, base, fresh_base, wheels, twice, dirty, given, ca, pip_config)
    record = make(name, _root(), wish, lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print_json(record)
    else:
        _print_build(record)
    if record["twice"] and not record["twice"]["same"]:
        raise typer.Exit(1)


@images.command("save")
def save(
    name: Annotated[str, typer.Argument(help="a folder of containers/ that was built here, or an image's ID or name", metavar="NAME")],
    file: Annotated[Path, typer.Option("-o", "--output", help="archive to write")],
    runtime: Runtime = "podman",
    form: Annotated[str, typer.Option("--form", help="oci, or docker for machines with docker")] = "oci",
    as_json: Json = False,
) -> None:
    """Write an image to an archive, for machines without a network; a record of both digests stands beside it."""
    from frontier.images import save as write

    _print_carried(write(name, file, _root(), runtime=runtime, form=form), as_json)


@images.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="archive that `frontier images save` wrote", metavar="FILE")],
    runtime: Runtime = "podman",
    as_json: Json = False,
) -> None:
    """Read an archive into the local store and check that the image's ID survived."""
    from frontier.images import load as read

    _print_carried(read(file, runtime=runtime), as_json)


@images.command("note")
def note(
    file: Annotated[Path, typer.Argument(help="SIF or squashfs file", metavar="FILE")],
    archive: Annotated[Path, typer.Option("--from", help="archive that the file was made from")],
    as_json: Json = False,
) -> None:
    """State which image a SIF or squashfs file was made from, so that runs in it can name their image."""
    from frontier.images import note as state

    _print_carried(state(file, archive), as_json)


def _root() -> Path:
    """The clone that holds containers/."""
    from frontier.config import conf_dir

    return conf_dir().parent


def _print_build(record: dict[str, Any]) -> None:
    rows = [
        ("image", record["image_id"]),
        ("name", record["reference"]),
        ("size", f"{record['size_bytes'] / 1e6:.0f} MB"),
        ("made in", f"{record['seconds']:.0f} s, its base in {record['base']['seconds']:.0f} s"),
        ("commit", record["kit_commit"]),
        ("base", f"{record['base']['kind']}, {record['base']['image_id']}"),
    ]
    if record["twice"]:
        again = record["twice"]
        rows.append(("again", f"the same image in {again['seconds']:.0f} s" if again["same"] else f"another image, {again['image_id']}"))
        rows += [("differs", f"layer {each['number']}: {each['created_by']}") for each in again["differing_layers"]]
    print_rows(f"image {record['name']}", rows)


def _print_carried(carried: Carried, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "schema": "frontier.image-archive/1", "image_id": carried.image_id, "file": str(carried.file),
                "archive_digest": carried.archive_digest, "size_bytes": carried.size_bytes,
            }
        )  # fmt: skip
    else:
        size = f"{carried.size_bytes / 1e6:.0f} MB"
        print_rows(str(carried.file), [("image", carried.image_id), ("archive", f"{carried.archive_digest}, {size} (transport only)")])
