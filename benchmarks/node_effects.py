"""How often 95 % intervals hold the truth where launches ran on nodes that differ, by how they were placed.

    python benchmarks/node_effects.py [--runs N] [--resamples N] [--design NAME ...] [--workers N] [--json FILE]

Runs in which no lever does anything, made as in ``aa_coverage.py``, with an effect of every node on top: of its speed, which moves throughput and
interactivity, or of its throughput alone. Each run draws nodes, placement and errors anew. Nothing here is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from aa_coverage import LEVERS, TOTAL, Scenario, simulated
from numpy.typing import NDArray

from frontier.attribute import LeverSpec, attribute
from frontier.records import INTERACTIVITY

NODE_CV, LAUNCH_CV, POINT_CV = 0.05, 0.02, 0.004
CONFOUNDED = "confounded"  # in the note of such a run
Place = Callable[[np.random.Generator, NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]  # of cells and launches, both from 0, the nodes


@dataclass(frozen=True)
class Design:
    """One way to place launches.

    Attributes
    ----------
    levers, launches : int
        Of 2^levers cells, each launched so often.
    place : callable
    node_cv : float
        Coefficient of variation of the nodes' effects.
    named : bool
        Whether points name their node.
    speed : bool
        Whether a node's effect is one of speed; else of throughput alone.
    """

    name: str
    levers: int
    launches: int
    place: Place
    node_cv: float = NODE_CV
    named: bool = True
    speed: bool = True


def _blocks(nodes: int) -> Place:
    return lambda rng, cell, launch: launch % nodes


def _random(nodes: int) -> Place:
    return lambda rng, cell, launch: rng.integers(nodes, size=len(cell))


def _moved(rng: np.random.Generator, cell: NDArray[np.int64], launch: NDArray[np.int64]) -> NDArray[np.int64]:
    """Blocks on nodes 0, 1 and 0; node 1 is lost in the middle of its block, whose other half goes to node 0."""
    late = np.isin(cell, rng.permutation(cell.max() + 1)[: (cell.max() + 1) // 2])
    return np.where((launch == 1) & ~late, 1, 0)


DESIGNS = (
    Design("blocks over 2 nodes, 4 launches", 2, 4, _blocks(2)),
    Design("the same, points that do not name their node", 2, 4, _blocks(2), named=False),
    Design("the same, nodes that do not differ", 2, 4, _blocks(2), node_cv=0.0),
    Design("the same, nodes that do not differ, not named", 2, 4, _blocks(2), node_cv=0.0, named=False),
    Design("random over 2 nodes, 3 launches", 2, 3, _random(2)),
    Design("random over 3 nodes, 8 variants, 3 launches", 3, 3, _random(3)),
    Design("random over 3 nodes, points that do not name their node", 3, 3, _random(3), named=False),
    Design("random over 3 nodes that differ in throughput alone", 3, 3, _random(3), speed=False),
    Design("random over 3 nodes, nodes that do not differ", 3, 3, _random(3), node_cv=0.0),
    Design("random over 8 nodes, 8 variants, 3 launches", 3, 3, _random(8)),
    Design("a block that moved, 8 variants, 3 launches", 3, 3, _moved),
    Design("a node for every launch, 8 variants, 3 launches", 3, 3, lambda rng, cell, launch: rng.permutation(len(cell))),
    Design("lever 1 on other nodes: 2 against 2, 4 launches", 2, 4, lambda rng, cell, launch: 2 * (cell % 2) + launch % 2),
    Design("lever 1 on other nodes: 4 against 4, 4 launches", 2, 4, lambda rng, cell, launch: 4 * (cell % 2) + launch % 4),
    Design("baseline on one node, target on another, 4 launches", 1, 4, lambda rng, cell, launch: cell),
)


def points(design: Design, seed: int) -> pd.DataFrame:
    """The points table of one run."""
    rng = np.random.default_rng([seed, design.levers, design.launches])
    scenario = Scenario(design.name, (1.0,) * design.levers, launches=design.launches, launch_cv=LAUNCH_CV, point_cv=POINT_CV)
    table = simulated(scenario, seed)
    cell, launch = (part.ravel() for part in np.indices((1 << design.levers, design.launches)))
    node = np.repeat(design.place(rng, cell, launch), len(scenario.concurrencies))
    effect = np.exp(rng.normal(0, design.node_cv, int(node.max()) + 1))[node]
    moved = {column: table[column] * effect for column in (INTERACTIVITY, TOTAL) if design.speed or column == TOTAL}
    return table.assign(**moved, **({"node": [f"node{number}" for number in node]} if design.named else {}))


def one_run(design: Design, seed: int, resamples: int, grid_points: int) -> tuple[dict[str, tuple[float, float]], bool]:
    """Intervals (logs) of every share and of the whole, and whether nodes are said to be confounded with levers."""
    specs = [LeverSpec(f"lever {i + 1}", LEVERS[i], ("baseline",), ("target",)) for i in range(design.levers)]
    document = attribute(points(design, seed), specs, resamples=resamples, seed=seed, grid_points=grid_points)
    entries = {share["lever"]: share for share in document["shares"]} | {"whole": document["total"]}
    found = {name: tuple(np.log(entry["ci95"] or (np.nan, np.nan))) for name, entry in entries.items()}
    return found, any(CONFOUNDED in note for note in document["notes"])


def _batch(job: tuple[int, Sequence[int], int, int]) -> list[tuple[dict[str, tuple[float, float]], bool]]:
    number, seeds, resamples, grid_points = job
    return [one_run(DESIGNS[number], seed, resamples, grid_points) for seed in seeds]


def coverage(number: int, runs: int, *, resamples: int = 400, grid_points: int = 9, workers: int = 1) -> dict[str, Any]:
    """How often the intervals of ``DESIGNS[number]`` hold 1x, how wide they are (median), and how often nodes are called confounded."""
    jobs = [(number, range(1 + i, 1 + runs, workers), resamples, grid_points) for i in range(workers)]
    if workers == 1:
        found = _batch(jobs[0])
    else:
        with ProcessPoolExecutor(workers) as pool:
            found = [one for batch in pool.map(_batch, jobs) for one in batch]
    names = list(found[0][0])
    held = {name: float(np.mean([low <= 0 <= high for low, high in (one[name] for one, _ in found)])) for name in names}
    width = {name: float(np.expm1(np.median([(one[name][1] - one[name][0]) / 2 for one, _ in found]))) for name in names}
    levers = [name for name in names if name != "whole"]
    return {
        "design": DESIGNS[number].name,
        "runs": runs,
        "covered": {**held, "levers": float(np.mean([held[name] for name in levers]))},
        "half_width": {**width, "levers": float(np.mean([width[name] for name in levers]))},
        "confounded": float(np.mean([flag for _, flag in found])),
    }


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of docs/noise.md."""
    lines = ["| placement | intervals of levers that hold the truth | of the whole | half width, lever | half width, whole | called confounded |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for row in rows:
        values = [row[key][name] for key in ("covered", "half_width") for name in ("levers", "whole")]
        lines.append(f"| {row['design']} | {' | '.join(f'{100 * value:.1f} %' for value in values)} | {100 * row['confounded']:.0f} % |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmark; prints Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks/node_effects.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--design", nargs="*", help="names, or parts of them")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    rows = []
    for number, design in enumerate(DESIGNS):
        if chosen.design and not any(part in design.name for part in chosen.design):
            continue
        start = time.perf_counter()
        rows.append(coverage(number, chosen.runs, resamples=chosen.resamples, workers=chosen.workers))
        sys.stderr.write(f"{design.name}: {rows[-1]['covered']} {time.perf_counter() - start:.0f} s\n")
    sys.stdout.write(report(rows))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
