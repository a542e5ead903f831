"""Whether two measurements of one experiment agree: their shares side by side, and what an A/A run finds where nothing was changed.

    python benchmarks/measured_again.py [--experiment NAME] FIRST [SECOND] [--aa POINTS ...]

Two points tables of one experiment, each of a run of its own (`sweep.repetition`), are attributed anew and compared lever by lever: the ratio of the
two shares, with an interval from both (half widths of their logs in quadrature). Intervals of A/A runs (`design.baseline_only=true`) should hold 1x.
One table alone is attributed and shown. A/A tables are by default those kept with the experiment, ``artifacts/published/EXPERIMENT/aa_*.parquet``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from frontier.attribute import attribute_run
from frontier.config import compose
from frontier.records import read_points

RECORDS = Path(__file__).parents[1] / "artifacts" / "published"
Share = tuple[str, float, float, float]  # title, ratio, ends of its interval


def shares(points: Path, experiment: str, overrides: list[str]) -> list[Share]:
    """Every lever's share of a run and the whole, from its points table."""
    document = attribute_run(read_points(points), compose(experiment, overrides))
    entries: list[dict[str, Any]] = [*document["shares"], {"title": "all together", **document["total"]}]
    return [(str(entry["title"]), float(entry["ratio"]), *map(float, entry["ci95"] or (np.nan, np.nan))) for entry in entries]


def agreement(first: list[Share], second: list[Share]) -> list[tuple[str, float, float, float, bool]]:
    """Per share the ratio of the second to the first, its interval, and whether that holds 1."""
    found = []
    for (title, *before), (_, *after) in zip(first, second, strict=True):
        (one, low_one, high_one), (two, low_two, high_two) = np.log(before), np.log(after)
        ratio = two - one
        low = ratio - float(np.hypot(two - low_two, high_one - one))
        high = ratio + float(np.hypot(high_two - two, one - low_one))
        found.append((title, float(np.exp(ratio)), float(np.exp(low)), float(np.exp(high)), bool(low <= 0 <= high)))
    return found


def _interval(ratio: float, low: float, high: float) -> str:
    return f"{ratio:.3f}x [{low:.3f}, {high:.3f}]"


def report(first: list[Share], second: list[Share], nothing: dict[str, list[Share]]) -> str:
    """The tables of docs/live.md; ``second`` may be empty."""
    if not second:
        lines = ["| share | found |", "|---|---|", *(f"| {title} | {_interval(*found)} |" for title, *found in first)]
    else:
        lines = ["| share | first | again | again / first | agree |", "|---|---|---|---|---|"]
        for one, two, (title, *ratio, agrees) in zip(first, second, agreement(first, second), strict=True):
            lines.append(f"| {title} | {_interval(*one[1:])} | {_interval(*two[1:])} | {_interval(*ratio)} | {'yes' if agrees else 'no'} |")
    if nothing:
        lines += ["", "| A/A run | share | found | holds 1x |", "|---|---|---|---|"]
        for name, runs in nothing.items():
            lines += [f"| {name} | {title} | {_interval(*found)} | {'yes' if found[1] <= 1 <= found[2] else 'no'} |" for title, *found in runs]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the tables; 1 where two shares do not agree."""
    parser = argparse.ArgumentParser(prog="benchmarks/measured_again.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--experiment", default="pocket_cpu")
    parser.add_argument("--aa", nargs="*", type=Path, help="tables of A/A runs of the experiment")
    chosen = parser.parse_args()
    if len(chosen.tables) > 2:
        parser.error(f"one table is shown or two are compared, got {len(chosen.tables)}")
    first, second = ([*(shares(table, chosen.experiment, []) for table in chosen.tables), []])[:2]
    kept = sorted((RECORDS / chosen.experiment).glob("aa_*.parquet")) if chosen.aa is None else chosen.aa
    nothing = {table.stem: shares(table, chosen.experiment, ["design.baseline_only=true"]) for table in kept}
    sys.stdout.write(report(first, second, nothing))
    return 0 if not second or all(agrees for *_, agrees in agreement(first, second)) else 1


if __name__ == "__main__":
    sys.exit(main())
