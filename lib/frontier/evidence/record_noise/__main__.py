"""Fit the noise model to a record and write the package's file again, or show the shipped model's table (``--table``)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from frontier.errors import FrontierError
from frontier.evidence.record_noise.model import SHIPPED, RecordNoise
from frontier.evidence.record_noise.repeats import NIGHTS
from frontier.evidence.record_noise.table import noise_markdown
from frontier.records import read_points

ATTRIBUTION = "InferenceX, SemiAnalysis, Apache-2.0. Derived statistics: no measured value of the record is contained."


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m frontier.evidence.record_noise", description=__doc__)
    parser.add_argument("points", nargs="?", type=Path, help="a points table of the record (frontier import inferencex)")
    parser.add_argument("--nights", nargs=2, default=NIGHTS, metavar=("FIRST", "LAST"), help="nights without a change of image")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / SHIPPED, help="where the model goes")
    parser.add_argument("--table", action="store_true", help="write the table of docs/noise.md to standard output")
    chosen = parser.parse_args(arguments)
    if chosen.points is None and not chosen.table:
        parser.error("name a points table, or --table")
    try:
        if chosen.points is not None:
            model = RecordNoise.fit(read_points(chosen.points), (chosen.nights[0], chosen.nights[1]))
            _write(chosen.output, model)
            about = model.about
            sys.stderr.write(
                f"fitted on {about['runs']} runs of {about['configurations']} configurations in {about['series']} series; "
                f"{about['runs_left_out_as_stalled']} held-up runs left out; errors of one night correlated {model.night_share:.2f}; "
                f"widened {model.widening:.2f} times by {about['pairs_of_nights']} pairs of nights; wrote "
                f"{chosen.output.name}\n"
            )
        if chosen.table:
            sys.stdout.write(noise_markdown(None if chosen.points is None else model))
    except FrontierError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _write(path: Path, model: RecordNoise) -> None:
    document = {"attribution": ATTRIBUTION, "made_by": "python -m frontier.evidence.record_noise POINTS", **model.document()}
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
