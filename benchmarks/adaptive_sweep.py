"""How much measuring time the adaptive sweep needs, beside the usual grid, for the same error of the frontier.

    python benchmarks/adaptive_sweep.py [--seeds N] [--cases N] [--launch-cv S] [--point-cv S] [--guess-launch-cv S] [--launch-s S]
                                        [--processes N] [-o JSON]

20 server configurations (model, system, variant) are loaded at concurrencies 1 to 512 (as far as their memory goes); their noise-free curves are
predictions from NVIDIA's operator database, read at every point of a dense grid: that is the truth. A launch of the server multiplies the speed
of all its points by one random factor (``--launch-cv``; interactivity and throughput move together, as Little's law demands in a closed loop),
and every point has two independent factors of its own (``--point-cv``), one per coordinate. Time: ``--launch-s`` for every launch; for a point
a warm-up of two mean request times and a window of ten (10 x concurrency requests), at least 60 s. The error is that of the hypervolume of the
interpolated frontier above (0, 0), relative to the truth; RMS over the noise seeds.

The grid measures all powers of two in every launch, equally often, and reads the frontier of the means. Its launches are raised until the RMS
error is at most 1 %; where the coarse grid's bias keeps it above, until it is within a tenth of the lowest it comes to. The adaptive sweep has to
come to the same error. ``same error``: mean time of the adaptive sweep at the loosest target of its stopping rule at which (and at all tighter
ones) its RMS error is at most the grid's, over the grid's time. ``own stop``: the same at a target of 1 %, with the RMS error it then has.
With ``--model-seeds`` the grid's data are also read by the sweep's model: how much of the saving is the reading alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from frontier.drive import AdaptiveDriver, EndOfLaunch, GridDriver, Observation, Stop, interpolated_hypervolume, powers_of_two
from frontier.errors import ConfigError
from frontier.evidence.predicted import predict_point

HIGHEST = 512
TARGET = 0.01
MOST_LAUNCHES = 80
USUAL = 3  # launches of the grid as it is mostly run
BEYOND = 0.75  # of the target: how far the sweep goes on after its own stop, so that the error can be followed
NEAR_FLOOR = 1.1  # of the lowest error that the grid comes to, where that is above the target
VARIANT = "v"


@dataclass(frozen=True)
class Case:
    """One server configuration under one workload."""

    name: str
    model: str
    system: str
    precision: str
    kv_precision: str
    tp: int
    isl_tokens: int = 1024
    osl_tokens: int = 1024
    moe_tp: int = 1
    moe_ep: int = 1
    draft_len: int = 0
    accepted_drafts: float = 0.0


LLAMA70, LLAMA8, R1 = "meta-llama/Meta-Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-8B", "deepseek-ai/DeepSeek-R1"
GPT, QWEN, QWEN32 = "openai/gpt-oss-120b", "Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-32B"
CASES = (
    Case("Llama-8B H100 bf16 TP1", LLAMA8, "h100_sxm", "bf16", "bf16", 1),
    Case("Llama-8B H100 fp8 TP1", LLAMA8, "h100_sxm", "fp8", "fp8", 1),
    Case("Llama-8B H200 fp8 TP2 8k/1k", LLAMA8, "h200_sxm", "fp8", "fp8", 2, 8192, 1024),
    Case("Llama-70B H200 bf16 TP8", LLAMA70, "h200_sxm", "bf16", "bf16", 8),
    Case("Llama-70B H200 fp8 TP4", LLAMA70, "h200_sxm", "fp8", "fp8", 4),
    Case("Llama-70B B200 bf16 TP4", LLAMA70, "b200_sxm", "bf16", "bf16", 4),
    Case("Llama-70B B200 fp8 TP4", LLAMA70, "b200_sxm", "fp8", "fp8", 4),
    Case("Llama-70B B200 nvfp4 TP2", LLAMA70, "b200_sxm", "nvfp4", "fp8", 2),
    Case("Llama-70B B200 nvfp4 TP8 8k/1k", LLAMA70, "b200_sxm", "nvfp4", "fp8", 8, 8192, 1024),
    Case("Qwen3-32B H200 fp8 TP2", QWEN32, "h200_sxm", "fp8", "fp8", 2),
    Case("Qwen3-32B H100 bf16 TP4 1k/256", QWEN32, "h100_sxm", "bf16", "bf16", 4, 1024, 256),
    Case("Qwen3-235B H200 fp8 TP8 EP8", QWEN, "h200_sxm", "fp8", "fp8", 8, moe_ep=8),
    Case("Qwen3-235B B200 nvfp4 TP4", QWEN, "b200_sxm", "nvfp4", "fp8", 4, moe_tp=4),
    Case("gpt-oss-120b H200 mxfp4 TP1", GPT, "h200_sxm", "w4a16_mxfp4", "bf16", 1),
    Case("gpt-oss-120b B200 mxfp4 TP1", GPT, "b200_sxm", "w4a8_mxfp4_mxfp8", "fp8", 1),
    Case("DeepSeek-R1 H200 fp8 TP8 EP8", R1, "h200_sxm", "fp8_block", "fp8", 8, moe_ep=8),
    Case("DeepSeek-R1 H200 fp8 TP8 EP8 MTP2", R1, "h200_sxm", "fp8_block", "fp8", 8, moe_ep=8, draft_len=2, accepted_drafts=1.2),
    Case("DeepSeek-R1 B200 nvfp4 TP8", R1, "b200_sxm", "nvfp4", "fp8", 8, moe_tp=8),
    Case("DeepSeek-R1 B200 nvfp4 TP8 MTP2", R1, "b200_sxm", "nvfp4", "fp8", 8, moe_tp=8, draft_len=2, accepted_drafts=1.2),
    Case("DeepSeek-R1 GB200 nvfp4 TP4", R1, "gb200", "nvfp4", "fp8", 4, moe_tp=4),
)


@dataclass(frozen=True, eq=False)
class Surface:
    """The noise-free curve of a case; arrays of shape (n,) over rising concurrencies."""

    concurrency: np.ndarray
    interactivity: np.ndarray
    throughput: np.ndarray
    e2el_s: np.ndarray

    @property
    def truth(self) -> float:
        """Hypervolume of the whole curve."""
        return interpolated_hypervolume(self.interactivity, self.throughput)

    def at(self, concurrency: int) -> int:
        """Position of a concurrency."""
        return int(np.searchsorted(self.concurrency, concurrency))


def dense_concurrencies() -> list[int]:
    """Every integer to 32, then 16 to the octave."""
    return sorted({*range(1, 33), *(round(2 ** (k / 16)) for k in range(5 * 16, 16 * int(math.log2(HIGHEST)) + 1))})


def candidates(highest: int) -> tuple[int, ...]:
    """Two concurrencies to the octave."""
    return tuple(sorted({*(round(2 ** (k / 2)) for k in range(int(2 * math.log2(highest)) + 1)), highest}))


@lru_cache(maxsize=64)
def surface(case: Case) -> Surface:
    """The predicted curve of a case, up to the concurrency that its memory holds."""
    rows = []
    for concurrency in sorted({*dense_concurrencies(), *candidates(HIGHEST), *powers_of_two(HIGHEST)}):
        point = predict_point(
            case.model, case.system, precision=case.precision, kv_precision=case.kv_precision, tp=case.tp, moe_tp=case.moe_tp, moe_ep=case.moe_ep,
            batch_size=concurrency, isl_tokens=case.isl_tokens, osl_tokens=case.osl_tokens,
            nextn=case.draft_len, accepted_drafts=case.accepted_drafts,
        )  # fmt: skip
        if not point.fits:
            break
        rows.append((concurrency, 1 / point.tpot_s, point.output_tput_tok_s_gpu, point.ttft_s + point.tpot_s * (case.osl_tokens - 1)))
    found = np.array(rows).T
    return Surface(found[0].astype(int), *found[1:])


@dataclass(frozen=True)
class Noise:
    """Relative noise and times of a simulated measurement."""

    launch_cv: float = 0.025
    point_cv: float = 0.01
    launch_s: float = 180.0
    guess_launch_cv: float = 0.025  # what the sweep is told at first

    def seconds(self, e2el_s: float) -> float:
        """Time of one point: warm-up and window."""
        return 2 * e2el_s + max(60.0, 10 * e2el_s)


class Server:
    """Launches and points of one case under one seed."""

    def __init__(self, true: Surface, noise: Noise, seed: int) -> None:
        self.true, self.noise, self.rng = true, noise, np.random.default_rng(seed)
        self.effect = 0.0

    def launch(self) -> None:
        """A new launch with its own speed."""
        self.effect = self.rng.normal(0.0, self.noise.launch_cv)

    def point(self, launch: int, concurrency: int) -> Observation:
        """One measured point of the launch that is up."""
        i = self.true.at(concurrency)
        own = self.rng.normal(0.0, self.noise.point_cv, size=2)
        x, y = np.exp(self.effect + own) * (self.true.interactivity[i], self.true.throughput[i])
        return Observation(VARIANT, launch, concurrency, float(x), float(y), self.noise.seconds(float(self.true.e2el_s[i])))


@dataclass(frozen=True)
class Step:
    """State after a launch: seconds spent, relative error of the estimate, the standard error that the sweep believes it has, points so far."""

    spent_s: float
    error: float
    believed: float
    points: int


def grid_errors(true: Surface, noise: Noise, seeds: int) -> tuple[np.ndarray, float]:
    """Relative errors of the usual reading after 1, 2, ... launches, shape (seeds, launches), and the seconds of one launch with its points."""
    at = [true.at(c) for c in grid_points(true)]
    rng = np.random.default_rng(7)
    shape = (seeds, MOST_LAUNCHES)
    speed = rng.normal(0.0, noise.launch_cv, size=(*shape, 1))
    x = np.exp(speed + rng.normal(0.0, noise.point_cv, size=(*shape, len(at)))) * true.interactivity[at]
    y = np.exp(speed + rng.normal(0.0, noise.point_cv, size=(*shape, len(at)))) * true.throughput[at]
    count = np.arange(1, MOST_LAUNCHES + 1)[None, :, None]
    x, y = np.cumsum(x, axis=1) / count, np.cumsum(y, axis=1) / count
    errors = np.array([[interpolated_hypervolume(x[s, k], y[s, k]) / true.truth - 1 for k in range(MOST_LAUNCHES)] for s in range(seeds)])
    return errors, noise.launch_s + sum(noise.seconds(float(true.e2el_s[i])) for i in at)


def grid_points(true: Surface) -> tuple[int, ...]:
    """Powers of two, and the highest concurrency that fits."""
    return powers_of_two(int(true.concurrency[-1]))


def adaptive_steps(true: Surface, noise: Noise, seed: int, beyond: float) -> list[Step]:
    """The adaptive sweep launch by launch, until its own error is below ``beyond`` of the target."""
    allowed = tuple(c for c in candidates(int(true.concurrency[-1])) if c in set(true.concurrency.tolist()))
    shared: dict[str, Any] = {"variants": (VARIANT,), "candidates": allowed, "budget_s": 1e9, "max_launches": 3 * MOST_LAUNCHES, "min_launches": 2}
    driver = AdaptiveDriver(**shared, target=TARGET * beyond, launch_cost_s=noise.launch_s, launch_cv=noise.guess_launch_cv)
    server = Server(true, noise, seed)
    seen: list[Observation] = []
    steps: list[Step] = []
    spent = 0.0
    while True:
        choice = driver.next_launch(seen, spent)
        if isinstance(choice, Stop):
            return steps
        launch = len(steps)
        server.launch()
        seen.append(Observation(VARIANT, launch, 0, math.nan, math.nan, noise.launch_s))
        spent += noise.launch_s
        while not isinstance(concurrency := driver.next_point(VARIANT, launch, seen), EndOfLaunch):
            seen.append(server.point(launch, concurrency))
            spent += seen[-1].seconds
        estimate = driver.estimates(seen)[VARIANT]
        steps.append(Step(spent, estimate.value / true.truth - 1, estimate.error, sum(o.measured for o in seen)))


def grid_read_by_model(true: Surface, noise: Noise, seeds: int, wanted: float, usual: int) -> int:
    """Launches after which the grid's data, read by the sweep's model, have the wanted RMS error."""
    points = grid_points(true)
    driver = AdaptiveDriver((VARIANT,), points, budget_s=1e9, max_launches=MOST_LAUNCHES)
    grid = GridDriver((VARIANT,), points, 1)
    low, high = 0, usual
    while high - low > 1:
        launches = (low + high) // 2
        errors = []
        for seed in range(seeds):
            server, seen = Server(true, noise, seed), list[Observation]()
            for launch in range(launches):
                server.launch()
                while not isinstance(c := grid.next_point(VARIANT, launch, [o for o in seen if o.launch == launch]), EndOfLaunch):
                    seen.append(server.point(launch, c))
            errors.append(driver.estimates(seen)[VARIANT].value / true.truth - 1)
        low, high = (low, launches) if rms(errors) <= wanted else (launches, high)
    return high


def rms(errors: Sequence[float] | np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


def stopped(runs: Sequence[list[Step]], target: float) -> list[Step]:
    """Where each run stops that is to be certain to a target: after two launches at least."""
    return [next((step for step in run[1:] if step.believed <= target), run[-1]) for run in runs]


def first_at(runs: Sequence[list[Step]], targets: np.ndarray, wanted: float) -> list[Step] | None:
    """The runs stopped at the loosest target at which, and at all tighter ones, their RMS error is at most ``wanted``; None without one."""
    found = None
    for target in targets[::-1]:
        steps = stopped(runs, float(target))
        if rms([step.error for step in steps]) > wanted:
            break
        found = steps
    return found


def seconds_of(steps: list[Step] | None) -> float:
    """Mean seconds spent."""
    return float(np.mean([step.spent_s for step in steps])) if steps else math.nan


def launches_of(runs: Sequence[list[Step]], steps: list[Step] | None) -> float:
    """Mean number of launches."""
    return float(np.mean([run.index(step) + 1 for run, step in zip(runs, steps, strict=True)])) if steps else math.nan


def judged(case: Case, noise: Noise, seeds: int, model_seeds: int = 0, beyond: float = BEYOND) -> dict[str, Any]:
    """Times and errors of both sweeps on one case."""
    true = surface(case)
    errors, round_s = grid_errors(true, noise, max(seeds, 200))
    by_launches = np.sqrt(np.mean(errors**2, axis=0))
    launches = int(np.flatnonzero(by_launches <= max(TARGET, NEAR_FLOOR * by_launches.min()))[0]) + 1
    wanted = float(by_launches[launches - 1])
    runs = [adaptive_steps(true, noise, seed, beyond) for seed in range(seeds)]
    targets = np.geomspace(0.08, TARGET * beyond, 60)
    same, three = first_at(runs, targets, wanted), float(by_launches[USUAL - 1])
    usual = first_at(runs, targets, three)
    stops = stopped(runs, TARGET)
    out: dict[str, Any] = {
        "case": case.name, "highest": int(true.concurrency[-1]), "grid_points": len(grid_points(true)), "grid_launches": launches,
        "grid_s": launches * round_s, "grid_error": wanted, "grid_bias": float(np.mean(errors[:, -1])),
        "same_error_ratio": seconds_of(same) / (launches * round_s), "same_error_launches": launches_of(runs, same),
        "usual_error": three, "usual_ratio": seconds_of(usual) / (USUAL * round_s),
        "own_stop_ratio": seconds_of(stops) / (launches * round_s),
        "own_stop_error": rms([step.error for step in stops]), "own_stop_points": float(np.mean([step.points for step in stops])),
        "own_stop_launches": launches_of(runs, stops),
    }  # fmt: skip
    if model_seeds:
        out["grid_model_launches"] = grid_read_by_model(true, noise, model_seeds, wanted, launches)
    return out


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The result as text."""
    head = f"{'case':36} {'grid':>4} {'launches':>8} {'hours':>6} {'error':>6} | {'same error':>10} {'launches':>8} | "
    head += f"{'own stop':>8} {'error':>6} {'launches':>8} {'points':>6}"
    lines = [head]
    for r in rows:
        same = f"{r['same_error_ratio']:10.1%} {r['same_error_launches']:8.1f}" if math.isfinite(r["same_error_ratio"]) else f"{'-':>10} {'-':>8}"
        lines.append(
            f"{r['case']:36} {r['grid_points']:4d} {r['grid_launches']:8d} {r['grid_s'] / 3600:6.1f} {r['grid_error']:6.2%} | {same} | "
            f"{r['own_stop_ratio']:8.1%} {r['own_stop_error']:6.2%} {r['own_stop_launches']:8.1f} {r['own_stop_points']:6.1f}"
        )
    return "\n".join(lines)


def typical(ratios: np.ndarray) -> float:
    """Median; a case that did not come to the error counts as one that takes for ever."""
    return float(np.median(np.where(np.isnan(ratios), np.inf, ratios)))


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and worst over the cases."""
    same = np.array([r["same_error_ratio"] for r in rows])
    own = np.array([r["own_stop_ratio"] for r in rows])
    out: dict[str, Any] = {
        "cases": len(rows), "not_reached": int(np.isnan(same).sum()),
        "same_error": {"median": typical(same), "worst": float(np.nanmax(same))},
        "own_stop": {"median": float(np.median(own)), "worst": float(np.max(own)),
                     "median_error": float(np.median([r["own_stop_error"] for r in rows])), "worst_error": max(r["own_stop_error"] for r in rows)},
    }  # fmt: skip
    usual = np.array([r["usual_ratio"] for r in rows])
    errors = [r["usual_error"] for r in rows]
    out["usual"] = {"median": typical(usual), "worst": float(np.nanmax(usual)), "median_error": float(np.median(errors))}
    if all("grid_model_launches" in r for r in rows):
        ratios = [r["grid_model_launches"] / r["grid_launches"] for r in rows]
        out["grid_same_reading"] = {"median": float(np.median(ratios)), "worst": max(ratios)}
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--cases", type=int, default=len(CASES), help="the first so many, evenly spaced")
    parser.add_argument("--launch-cv", type=float, default=Noise.launch_cv)
    parser.add_argument("--guess-launch-cv", type=float, default=Noise.guess_launch_cv, help="what the sweep is told at first")
    parser.add_argument("--point-cv", type=float, default=Noise.point_cv)
    parser.add_argument("--launch-s", type=float, default=Noise.launch_s)
    parser.add_argument("--model-seeds", type=int, default=0, help="also read the grid by the sweep's model, with so many seeds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args(arguments)
    chosen = [CASES[i] for i in np.linspace(0, len(CASES) - 1, args.cases).round().astype(int)]
    noise = Noise(args.launch_cv, args.point_cv, args.launch_s, args.guess_launch_cv)
    began = time.perf_counter()
    work = partial(judged, noise=noise, seeds=args.seeds, model_seeds=args.model_seeds)
    try:
        if args.processes > 1:
            # The matrices are small: threads of the linear algebra library would only get into each other's way.
            os.environ["OMP_NUM_THREADS"] = "1"
            with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
                rows = list(pool.map(work, chosen))
        else:
            rows = [work(case) for case in chosen]
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    result = summary(rows)
    print(table(rows))
    print(f"\n{args.seeds} seeds, launch CV {noise.launch_cv:.1%}, point CV {noise.point_cv:.1%}, launch {noise.launch_s:g} s;"
          f" the sweep's first guess of the launch CV: {noise.guess_launch_cv:.1%}")  # fmt: skip
    print(f"time ratio at equal error: median {result['same_error']['median']:.1%}, worst {result['same_error']['worst']:.1%}"
          f"; {result['not_reached']} of {result['cases']} cases did not come to the grid's error")  # fmt: skip
    usual = result["usual"]
    print(f"at the error of a grid of {USUAL} launches (median {usual['median_error']:.1%}): median {usual['median']:.1%},"
          f" worst {usual['worst']:.1%}")  # fmt: skip
    own = result["own_stop"]
    print(f"with its own stopping rule: median {own['median']:.1%}, worst {own['worst']:.1%}; RMS error median {own['median_error']:.2%},"
          f" worst {own['worst_error']:.2%}")  # fmt: skip
    if "grid_same_reading" in result:
        other = result["grid_same_reading"]
        print(f"the grid's data read by the same model: median {other['median']:.1%}, worst {other['worst']:.1%} of its launches")
    print(f"took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if args.output:
        document = {"noise": asdict(noise), "seeds": args.seeds, "target": TARGET, "cases": rows, "summary": result}
        args.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
