"""What an engine that loads a server measures next: the sweep of the configuration, in the words of :mod:`frontier.drive`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from frontier.drive import AdaptiveDriver, EndOfLaunch, Observation, Stop, choose_concurrencies
from frontier.records import INTERACTIVITY, METRICS, Trial
from frontier.schema import Config

STARTED = 0  # the concurrency under which the start of a launch is noted


def concurrencies(cfg: Config) -> tuple[int, ...]:
    """The loads of a launch in order; for an adaptive sweep those it chooses from."""
    listed = tuple(cfg.sweep.concurrencies)
    return tuple(choose_concurrencies(max(listed))) if cfg.sweep.kind == "mlperf_endpoints" else listed


def planned_point_s(cfg: Config) -> float:
    """What a point takes when it is steady at once, seconds."""
    return cfg.sweep.settle_s + cfg.sweep.window_s


def chosen_trial(cfg: Config, remaining: Sequence[Trial], earlier: pd.DataFrame, spent_s: float) -> Trial | str:
    """The trial to run next, or why none of those that remain is needed."""
    if cfg.sweep.kind != "adaptive":
        return remaining[0]
    names = sorted({trial.variant.name for trial in remaining} | set(earlier.get("variant", pd.Series(dtype=str)).dropna()))
    chosen = driver(cfg, names).next_launch(observations(cfg, earlier), spent_s)
    if isinstance(chosen, Stop):
        return chosen.reason
    return min((trial for trial in remaining if trial.variant.name == chosen), key=lambda trial: trial.replicate)


def next_concurrency(cfg: Config, trial: Trial, earlier: pd.DataFrame, here: pd.DataFrame) -> int | EndOfLaunch:
    """The load to put on the server that is up; ``here`` are the points of this launch."""
    seen = pd.concat([frame for frame in (earlier, here) if len(frame)], ignore_index=True) if len(earlier) or len(here) else earlier
    names = sorted({trial.variant.name} | set(seen.get("variant", pd.Series(dtype=str)).dropna()))
    return driver(cfg, names).next_point(trial.variant.name, trial.replicate, observations(cfg, seen))


def driver(cfg: Config, names: Sequence[str]) -> AdaptiveDriver:
    """The adaptive sweep over the named variants."""
    sweep = cfg.sweep
    levers = list(cfg.lever)
    members = {name: set() if name == "baseline" else set(name.split("+")) for name in names}
    coalitions = {name: sum(1 << levers.index(lever) for lever in found) for name, found in members.items()}
    return AdaptiveDriver(
        variants=tuple(names),
        candidates=tuple(sweep.concurrencies),
        budget_s=sweep.budget_s,
        target=sweep.target_error,
        min_launches=min(sweep.min_replicates, sweep.replicates),
        max_launches=sweep.replicates,
        point_cost_s=planned_point_s(cfg),
        focus=sweep.focus,
        coalitions=coalitions if sweep.focus == "attribution" else None,
        seed=sweep.order_seed,
    )


def observations(cfg: Config, points: pd.DataFrame) -> list[Observation]:
    """Points and launches as the adaptive sweep sees them: one start per launch, one observation per point."""
    found: list[Observation] = []
    if points.empty:
        return found
    metric = METRICS[cfg.report.metric]
    for (variant, replicate), rows in points.groupby(["variant", points["replicate"].astype(int)], sort=True):
        launch = (str(variant), int(str(replicate)))
        found.append(Observation(*launch, STARTED, math.nan, math.nan, float(rows["launch_s"].max())))
        for x, y, concurrency, seconds in zip(rows[INTERACTIVITY], rows[metric], rows["concurrency"], rows["point_s"], strict=True):
            good = np.isfinite(x) and np.isfinite(y) and x > 0 and y > 0
            rates = (float(x), float(y)) if good else (math.nan, math.nan)
            found.append(Observation(*launch, int(concurrency), *rates, float(seconds)))
    return found
