"""The command that runs a finished run again and says whether it reproduces."""

# Imports of the library stand in the function: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_table

SAME = {
    "all": "points and attribution: the same to the last digit",
    "attribution": "attribution: the same to the last digit",
    "report": "page and figures: the same bytes",
}
EXIT_CODES = {"reproduced": 0, "differs": 1, "inconclusive": 5}


@app.command()
def rerun(
    run: Annotated[
        str, typer.Argument(help="a run's id, its experiment's name (the newest run), its folder, or a bundle (.zip)", metavar="RUN_OR_BUNDLE")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="keys that shall differ from the original's", metavar="[KEY=VALUE]...")] = None,
    runtime: Annotated[str, typer.Option("--runtime", help="podman, docker, apptainer, pyxis or host; by default as the original ran")] = "",
    image: Annotated[str, typer.Option("--image", help="image ID or name; by default the original's")] = "",
    only: Annotated[str, typer.Option("--only", help="all, or the attribution or the report alone, from the original's points")] = "all",
    margin: Annotated[float | None, typer.Option("--margin", help="ratios within it are equal (0.05; on another machine 0.1)")] = None,
    trust_notebooks: Annotated[
        bool, typer.Option("--trust-notebooks", help="execute the notebooks that came with the run; what differs from the kit's is shown")
    ] = False,
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress display")] = False,
    as_json: Json = False,
) -> None:
    """Execute a finished run again; exit 0 if it reproduces, 1 if it differs, 5 if that cannot be said."""
    from frontier.rerun import notebook_text
    from frontier.rerun import rerun as again

    if trust_notebooks:
        print(notebook_text(run, artifacts) or "the run's notebooks are this kit's", file=sys.stderr)
    done = again(
        run, artifacts=artifacts, runtime=runtime, image=image, only=only, margin=margin, overrides=overrides or [], trust_notebooks=trust_notebooks,
        progress=not quiet,
    )  # fmt: skip
    if as_json:
        print_json(done.document)
    else:
        _print(done.document)
        print(f"\nreport: {done.folder / 'rerun.html'}")
    raise typer.Exit(EXIT_CODES[done.document["verdict"]])


def _print(document: dict[str, Any]) -> None:
    import pandas as pd

    print(f"{document['original']['run_id']}: {document['verdict']} ({document['level']}, margin {document['margin']:.0%})")
    rows = [
        {
            "": entry["title"],
            "original": _ratio(entry["original"]["ratio"], entry["original"]["ci95"]),
            "rerun": _ratio(entry["rerun"]["ratio"], entry["rerun"]["ci95"]),
            "change": _ratio(entry["change"]["ratio"], entry["change"]["ci90"]),
            "verdict": entry["verdict"] + (f" (about {entry['launches_needed']} launches would settle it)" if entry["launches_needed"] else ""),
        }
        for entry in document["quantities"]
    ]
    print_table(pd.DataFrame(rows))
    if document["identical"] is not None:
        for line in document["identical"]["differences"] or [SAME[document["only"]]]:
            print(line)
    elif any(entry["change"]["ci90"] for entry in document["quantities"]):
        print("change: 90 % interval, two one-sided tests")
    for fact in document["environment"]:
        cause = f" - likely cause: {fact['why']}" if fact["likely_cause"] and document["verdict"] != "reproduced" else ""
        print(f"{fact['fact']}: {fact['original']} -> {fact['rerun']}{cause}")
    for note in document["notes"]:
        print(f"note: {note}")


def _ratio(ratio: float | None, bounds: list[float] | None) -> str:
    if ratio is None:
        return "undefined"
    return f"{ratio:.3g}x" + (f" [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else "")
