"""How often the 95 % intervals of an attribution hold the truth: A/A runs, and runs with an effect that is known.

    python benchmarks/aa_coverage.py [--runs N] [--measured POINTS] [--launch-cv CV] [--point-cv CV] [--scenario NAME ...] [--workers N] [--json FILE]

One variant is measured as if it were every cell of a design: each lever's true share is 1x, and so is the whole. Points come from the closed form of
the fake engine (``frontier.engines.fake``), with an error of every launch and a smaller one of every point; each simulated run goes through
``frontier.attribute.attribute`` as a measured one does. The size of the errors is fitted to measured replicates (``--measured``; by default the A/A
tables in ``artifacts/published/pocket_cpu_quick``, if there are any) or given. Nothing here is measured: it is a test of the intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier.attribute import LeverSpec, attribute
from frontier.attribution import fraction_cells
from frontier.records import INTERACTIVITY, METRICS, normalize_points, read_points

MEASURED = Path(__file__).parents[1] / "artifacts" / "published" / "pocket_cpu_quick"
LAUNCH_CV, POINT_CV = 0.02, 0.004  # of the fake engine in conf/experiment/smoke.yaml; taken where nothing measured is at hand
BARE, ROOM = 120.0, 64.0  # interactivity of an empty server, tokens/s/user; requests at which it has halved
TOTAL = METRICS["total"]
LEVERS = ("engine_version", "kv_precision", "spec", "image")  # columns that stand for levers; what they hold is only a name here
UNLIKE = 0.73  # of the standard deviations of configurations in the public record, in logs (docs/noise.md)
EFFECTS = (1.02, 1.03, 1.05, 1.075, 1.10, 1.15, 1.20, 1.30)


@dataclass(frozen=True, eq=False)
class Scenario:
    """One kind of simulated run.

    Attributes
    ----------
    effects : sequence of float
        True factor of every lever on throughput at equal interactivity; 1 everywhere is A/A.
    launches : int
        Per cell.
    concurrencies : sequence of int
        Loads of the baseline; an effect moves them along, so that the same interactivities are visited.
    launch_cv, point_cv : float
        Coefficient of variation of the launch's error and of each point's own.
    kind : "speed" | "capacity"
        What the error multiplies: every user's speed and the throughput with it, as between launches of a real server, or the room of the closed
        form, as in the fake engine.
    uneven : sequence of float
        Factors on ``launch_cv``, cell by cell in turn; (1,) for equal noise.
    unlike : float
        Standard deviation of the log of a further factor on ``launch_cv`` that every cell of every run draws for itself.
    loud_points : bool
        Whether points err as much as launches do.
    half : bool
        Whether only the half fraction is run.
    """

    name: str
    effects: Sequence[float] = (1.0, 1.0)
    launches: int = 3
    concurrencies: Sequence[int] = (1, 4, 16, 64)
    launch_cv: float = LAUNCH_CV
    point_cv: float = POINT_CV
    kind: str = "speed"
    uneven: Sequence[float] = (1.0,)
    unlike: float = 0.0
    loud_points: bool = False
    half: bool = False
    truth: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what the intervals must hold."""
        truth = {f"lever {i + 1}": float(np.log(effect)) for i, effect in enumerate(self.effects)}
        object.__setattr__(self, "truth", {**truth, "whole": sum(truth.values())})


SCENARIOS = (
    Scenario("A/A, 2 levers, 3 launches"),
    Scenario("A/A, 2 launches", launches=2),
    Scenario("A/A, 5 launches", launches=5),
    Scenario("A/A, errors of capacity", kind="capacity"),
    Scenario("A/A, points as noisy as launches", loud_points=True),
    Scenario("A/A, cells differ in noise", unlike=UNLIKE),
    Scenario("A/A, cells differ in noise, 2 launches", unlike=UNLIKE, launches=2),
    Scenario("A/A, both ends 3 times noisier", uneven=(3.0, 1.0, 1.0, 3.0)),
    Scenario("A/A, 4 levers, 16 cells", effects=(1.0,) * 4),
    Scenario("A/A, 4 levers, half fraction", effects=(1.0,) * 4, half=True),
    Scenario("A/A, half fraction, 2 launches", effects=(1.0,) * 4, half=True, launches=2),
    Scenario("A/A, half fraction, cells differ in noise", effects=(1.0,) * 4, half=True, unlike=UNLIKE),
    Scenario("2.0x and 1.5x, 3 launches", effects=(2.0, 1.5)),
    Scenario("2.0x and 1.5x, 2 launches", effects=(2.0, 1.5), launches=2),
)


@lru_cache(maxsize=4)
def _template(scenario: Scenario) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table without its errors, the cell of each row, and the factor of each row's cell on throughput."""
    n = len(scenario.effects)
    load = np.array(scenario.concurrencies, dtype=float)
    parts, cells, gains = [], [], []
    for cell in fraction_cells(n) if scenario.half else range(1 << n):
        on = [bool(cell >> i & 1) for i in range(n)]
        gain = float(np.prod([effect for effect, at_target in zip(scenario.effects, on, strict=True) if at_target]))
        for replicate in range(1, scenario.launches + 1):
            part = pd.DataFrame({"evidence": "simulated", "replicate": replicate, "concurrency": load * gain, INTERACTIVITY: 1.0, TOTAL: 1.0})
            parts.append(part.assign(**{LEVERS[i]: "target" if at_target else "baseline" for i, at_target in enumerate(on)}))
            cells.append(cell)
            gains.append(gain)
    table = normalize_points(pd.concat(parts, ignore_index=True), origin="simulated")
    return table, np.array(cells), np.array(gains)


def simulated(scenario: Scenario, seed: int) -> pd.DataFrame:
    """The points table of one run."""
    rng = np.random.default_rng([seed, scenario.launches, len(scenario.effects)])
    table, cells, gains = _template(scenario)
    load = np.array(scenario.concurrencies, dtype=float)
    points_cv = scenario.launch_cv if scenario.loud_points else scenario.point_cv
    launch, point = (float(np.sqrt(np.log1p(cv**2))) for cv in (scenario.launch_cv, points_cv))
    own = np.exp(rng.normal(0, scenario.unlike, 1 << len(scenario.effects)))[cells] * np.array(scenario.uneven)[cells % len(scenario.uneven)]
    error = np.exp(rng.normal(0, launch * own)[:, None] + rng.normal(0, point, (len(cells), len(load))))
    # An effect multiplies room and loads alike, so that the interactivities visited stay the same (see the fake engine).
    speed = BARE / (1 + load / (ROOM * (error if scenario.kind == "capacity" else 1.0))) * (error if scenario.kind == "speed" else 1.0)
    return table.assign(**{INTERACTIVITY: speed.ravel(), TOTAL: (2 * load * gains[:, None] * speed).ravel()})


def one_run(scenario: Scenario, seed: int, resamples: int, grid_points: int) -> dict[str, tuple[float, float, float]]:
    """Estimate and interval (logs) of every share and of the whole, NaN where there is none."""
    specs = [LeverSpec(f"lever {i + 1}", LEVERS[i], ("baseline",), ("target",)) for i in range(len(scenario.effects))]
    document = attribute(simulated(scenario, seed), specs, resamples=resamples, seed=seed, grid_points=grid_points)
    entries = {share["lever"]: share for share in document["shares"]} | {"whole": document["total"]}
    return {name: (entry["log_ratio"], *np.log(entry["ci95"] or (np.nan, np.nan))) for name, entry in entries.items()}


def _batch(job: tuple[Scenario, Sequence[int], int, int]) -> list[dict[str, tuple[float, float, float]]]:
    scenario, seeds, resamples, grid_points = job
    return [one_run(scenario, seed, resamples, grid_points) for seed in seeds]


def coverage(scenario: Scenario, runs: int, *, resamples: int = 400, grid_points: int = 9, workers: int = 1, first_seed: int = 1) -> dict[str, Any]:
    """How often the intervals of ``runs`` simulated runs hold the truth.

    Returns
    -------
    dict
        ``covered``: name -> share of the runs, of the levers taken together as ``levers``; ``half_width``: median half width, relative; ``seen``:
        for A/A, effect -> share of the levers' intervals that would lie above 1 had the lever that effect. An effect multiplies throughput at every
        interactivity, so that share and interval move along and no run has to be made for it.
    """
    seeds = list(range(first_seed, first_seed + runs))
    jobs = [(scenario, seeds[i::workers], resamples, grid_points) for i in range(workers)]
    if workers == 1:
        found = _batch(jobs[0])
    else:
        with ProcessPoolExecutor(workers) as pool:
            found = [one for batch in pool.map(_batch, jobs) for one in batch]
    held = {name: np.array([one[name][1] <= truth <= one[name][2] for one in found]) for name, truth in scenario.truth.items()}
    width = {name: float(np.expm1(np.median([(one[name][2] - one[name][1]) / 2 for one in found]))) for name in scenario.truth}
    levers = [name for name in scenario.truth if name != "whole"]
    lows = np.array([one[name][1] - scenario.truth[name] for one in found for name in levers])
    return {
        "scenario": asdict(scenario),
        "runs": runs,
        "covered": {**{name: float(found.mean()) for name, found in held.items()}, "levers": float(np.mean([held[name].mean() for name in levers]))},
        "seen": {f"{effect:g}": float((lows + np.log(effect) > 0).mean()) for effect in EFFECTS},
        "half_width": {**width, "levers": float(np.mean([width[name] for name in levers]))},
    }


def fitted(points: pd.DataFrame) -> tuple[float, float]:
    """Launch and point noise (coefficients of variation) of measured replicates, from the logs of interactivity.

    Notes
    -----
    Per variant (of each ``run``, where there is such a column) a two-way layout, launches by k loads: the mean square between launches is k times the
    launch variance plus that of the points, the residual mean square that of the points (H. Scheffe, "The Analysis of Variance", 1959, 7.4). A
    negative estimate is zero.
    """
    between, within, loads = [], [], []
    for _, cell in points.groupby(["run", "variant"] if "run" in points else "variant", dropna=False):
        logs = np.log(cell.pivot_table(index="replicate", columns="concurrency", values=INTERACTIVITY).dropna(axis=1).to_numpy(dtype=float))
        if min(logs.shape) < 2:
            continue
        residual = logs - logs.mean(axis=0)
        launch = residual.mean(axis=1, keepdims=True)
        dof = logs.shape[0] - 1
        between.append((dof, logs.shape[1] * float((launch**2).sum()) / dof))
        within.append((dof * (logs.shape[1] - 1), float(((residual - launch) ** 2).sum()) / (dof * (logs.shape[1] - 1))))
        loads.append(logs.shape[1])
    if not between:
        raise SystemExit("no variant was launched twice at two loads or more: nothing to fit")
    launch_ms, point_ms = (float(np.average([ms for _, ms in part], weights=[dof for dof, _ in part])) for part in (between, within))
    return float(np.sqrt(max(0.0, launch_ms - point_ms) / np.mean(loads))), float(np.sqrt(point_ms))


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of docs/noise.md."""
    effects = list(rows[0]["seen"]) if rows else []
    lines = ["| runs | intervals of levers that hold the truth | of the whole | half width, lever | half width, whole |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        covered, width = row["covered"], row["half_width"]
        lines.append(
            f"| {row['scenario']['name']} | {100 * covered['levers']:.1f} % | {100 * covered['whole']:.1f} % | "
            f"{100 * width['levers']:.1f} % | {100 * width['whole']:.1f} % |"
        )
    lines += ["", f"| lever's effect told from nothing | {' | '.join(f'{effect}x' for effect in effects)} |", f"|---|{'--:|' * len(effects)}"]
    lines += [f"| {row['scenario']['name']} | {' | '.join(f'{100 * seen:.0f} %' for seen in row['seen'].values())} |" for row in rows]
    return "\n".join(lines) + "\n"


def noise(measured: Path | None, launch_cv: float | None, point_cv: float | None) -> tuple[float, float, str]:
    """Launch and point noise to simulate, and where they come from."""
    files = [measured] if measured is not None else sorted(MEASURED.glob("aa_*.parquet"))
    found = (LAUNCH_CV, POINT_CV)
    source = "assumed"
    if files:
        found = fitted(pd.concat([read_points(file).assign(run=file.stem) for file in files], ignore_index=True))
        source = f"fitted to {', '.join(file.name for file in files)}"
    given = (found[0] if launch_cv is None else launch_cv, found[1] if point_cv is None else point_cv)
    return *given, source if given == found else "given"


def main() -> int:
    """Run the benchmark; prints Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks/aa_coverage.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--measured", type=Path, help="points table with replicates, to fit the noise to")
    parser.add_argument("--launch-cv", type=float)
    parser.add_argument("--point-cv", type=float)
    parser.add_argument("--scenario", nargs="*", help="names, or parts of them")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    launch_cv, point_cv, source = noise(chosen.measured, chosen.launch_cv, chosen.point_cv)
    sys.stderr.write(f"launch CV {100 * launch_cv:.2f} %, point CV {100 * point_cv:.2f} % ({source}); {chosen.runs} runs per line\n")
    rows = []
    for scenario in SCENARIOS:
        if chosen.scenario and not any(part in scenario.name for part in chosen.scenario):
            continue
        sized = replace(scenario, launch_cv=launch_cv, point_cv=point_cv)
        start = time.perf_counter()
        rows.append(coverage(sized, chosen.runs, resamples=chosen.resamples, workers=chosen.workers))
        sys.stderr.write(f"{scenario.name}: {rows[-1]['covered']} {time.perf_counter() - start:.0f} s\n")
    sys.stdout.write(report(rows))
    if chosen.json is not None:
        document = {"launch_cv": launch_cv, "point_cv": point_cv, "source": source, "coverage": rows}
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
