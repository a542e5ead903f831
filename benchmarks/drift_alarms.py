"""How often the check of drift marks a run whose machine did not drift, and how often one that did.

    python benchmarks/drift_alarms.py [--runs N] [--launch-cv CV ...]

Simulated runs in randomized blocks: 3 loads per launch, with an error of every launch and one of every point a fifth as large. A drift is a loss of
speed, and of throughput with it, that grows evenly over the run or comes at a random place in the middle half of it.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

from frontier.integrity import drifts
from frontier.records import normalize_points

DESIGNS = ((4, 3), (8, 3), (8, 2))  # variants, launches of each
LOSSES = (0.0, 0.05, 0.10)


def simulated(seed: int, variants: int, launches: int, cv: float, loss: float, form: str) -> pd.DataFrame:
    """The points of one run."""
    rng = np.random.default_rng([seed, variants, launches, round(1e4 * loss)])
    order = np.array([(v, r) for r in range(1, launches + 1) for v in rng.permutation(variants)])
    done = np.linspace(0.0, 1.0, len(order))
    lost = loss * (done if form == "trend" else done > rng.uniform(0.25, 0.75))
    loads = np.array([1.0, 4.0, 16.0])
    error = np.exp(rng.normal(0, cv, (len(order), 1)) + rng.normal(0, cv / 5, (len(order), 3)))
    speed = (20.0 + 5 * order[:, :1]) / (1 + loads / 8) * error * (1 - lost)[:, None]
    frame = pd.DataFrame(
        {
            "evidence": "simulated", "run_id": "run", "variant": [f"v{v}" for v in order[:, 0].repeat(3)], "replicate": order[:, 1].repeat(3),
            "concurrency": np.tile(loads, len(order)), "interactivity_tok_s_user": speed.ravel(), "total_tput_tok_s_gpu": (speed * loads).ravel(),
            "measured_at_s": (60.0 * np.arange(len(order))[:, None] + [0.5, 10.5, 20.5]).ravel(),
        }
    )  # fmt: skip
    return normalize_points(frame, origin="simulated")


def marked(runs: int, variants: int, launches: int, cv: float, loss: float, form: str) -> float:
    """Share of runs that are marked."""
    return sum(bool(drifts(simulated(seed, variants, launches, cv, loss, form))) for seed in range(1, runs + 1)) / runs


def main() -> int:
    """Run the benchmark; prints Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks/drift_alarms.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--launch-cv", type=float, nargs="*", default=[0.01, 0.02])
    chosen = parser.parse_args()
    columns = [(loss, form) for loss in LOSSES for form in (("trend", "step") if loss else ("none",))]
    heads = [f"{100 * loss:.0f} % {form}" if loss else "no drift" for loss, form in columns]
    sys.stdout.write(f"| variants x launches | launch CV | {' | '.join(heads)} |\n|---|--:|{'--:|' * len(heads)}\n")
    for variants, launches in DESIGNS:
        for cv in chosen.launch_cv:
            shares = [f"{100 * marked(chosen.runs, variants, launches, cv, loss, form):.1f} %" for loss, form in columns]
            sys.stdout.write(f"| {variants} x {launches} | {100 * cv:g} % | {' | '.join(shares)} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
