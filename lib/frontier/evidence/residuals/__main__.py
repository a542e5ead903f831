"""Make the shipped comparison again (``--write``), or show its table as Markdown (``--table``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frontier.evidence.residuals.shipped import write_shipped
from frontier.evidence.residuals.table import model_error_markdown


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m frontier.evidence.residuals", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="compare all published points with predictions and write the package's files")
    action.add_argument("--table", action="store_true", help="write the table of docs/model_error.md to standard output")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        made = write_shipped(Path(__file__).parent)
        sys.stderr.write(f"compared {len(made.residuals)} points, left out {sum(made.left_out.values())}\n")
    else:
        sys.stdout.write(model_error_markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
