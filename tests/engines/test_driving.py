"""The sweep of a configuration as decisions: what is loaded next, and when it ends."""

from __future__ import annotations

import pandas as pd
import pytest

from frontier import config
from frontier.drive import EndOfLaunch
from frontier.engines.driving import chosen_trial, concurrencies, next_concurrency, observations
from frontier.records import Trial, Variant
from frontier.schema import Config


def _cfg(*overrides: str) -> Config:
    return config.compose("pocket_cpu_quick", list(overrides))


def _trials(names: list[str], replicates: int) -> list[Trial]:
    return [Trial(_variant(name), replicate, f"{name}-{replicate}") for replicate in range(1, replicates + 1) for name in names]


def _variant(name: str) -> Variant:
    levels = {lever: "target" if lever in name.split("+") else "baseline" for lever in ("precision", "mtp")}
    return Variant(levels, {})


def _points(variant: str, replicate: int, curve: dict[int, float], *, scale: float = 1.0) -> pd.DataFrame:
    rows = [
        {
            "variant": variant,
            "replicate": replicate,
            "concurrency": float(concurrency),
            "interactivity_tok_s_user": speed * scale,
            "total_tput_tok_s_gpu": concurrency * speed * scale,
            "point_s": 10.0,
            "launch_s": 30.0,
        }
        for concurrency, speed in curve.items()
    ]
    return pd.DataFrame(rows)


CURVE = {1: 100.0, 2: 90.0, 4: 70.0, 8: 45.0}


def test_a_grid_takes_trials_in_plan_order_and_all_its_loads() -> None:
    cfg = _cfg("sweep.concurrencies=[1,4,8]")
    trials = _trials(["baseline", "mtp"], 2)
    assert chosen_trial(cfg, trials, pd.DataFrame(), 1e9) is trials[0]  # a grid has no budget
    assert concurrencies(cfg) == (1, 4, 8)


def test_the_endpoints_profile_spreads_its_loads_over_the_regions() -> None:
    cfg = _cfg("sweep=mlperf_endpoints", "sweep.concurrencies=[1,256]")
    found = concurrencies(cfg)
    assert 7 <= len(found) <= 32
    assert (found[0], found[-1]) == (1, 256)
    assert list(found) == sorted(set(found))


def test_starts_and_points_become_observations() -> None:
    found = observations(_cfg(), _points("mtp", 2, {1: 100.0, 4: 70.0}))
    assert [(o.variant, o.launch, o.concurrency, o.seconds) for o in found] == [("mtp", 2, 0, 30.0), ("mtp", 2, 1, 10.0), ("mtp", 2, 4, 10.0)]
    assert found[2].tput_tok_s_gpu == pytest.approx(280.0)


def test_an_adaptive_sweep_first_gives_every_variant_its_least_launches() -> None:
    cfg = _cfg("sweep=adaptive", "sweep.concurrencies=[1,2,4,8]", "sweep.min_replicates=2", "sweep.replicates=4")
    trials = _trials(["baseline", "mtp"], 4)
    first = chosen_trial(cfg, trials, pd.DataFrame(), 0.0)
    assert isinstance(first, Trial)
    left = [trial for trial in trials if trial is not first]
    second = chosen_trial(cfg, left, _points(first.variant.name, 1, CURVE), 70.0)
    assert isinstance(second, Trial)
    assert {first.variant.name, second.variant.name} == {"baseline", "mtp"}
    assert (first.replicate, second.replicate) == (1, 1)


def test_an_adaptive_sweep_stops_when_it_is_certain_enough_and_when_the_budget_is_spent() -> None:
    cfg = _cfg("sweep=adaptive", "sweep.concurrencies=[1,2,4,8]", "sweep.min_replicates=2", "sweep.replicates=6", "sweep.target_error=0.2")
    seen = pd.concat([_points("baseline", 1, CURVE), _points("baseline", 2, CURVE, scale=1.001)], ignore_index=True)
    left = _trials(["baseline"], 6)[2:]
    found = chosen_trial(cfg, left, seen, 100.0)
    assert isinstance(found, str)
    assert "certain enough" in found
    strict = _cfg("sweep=adaptive", "sweep.concurrencies=[1,2,4,8]", "sweep.replicates=6", "sweep.target_error=0.0001", "sweep.budget_s=90")
    spent = chosen_trial(strict, left, seen, 80.0)
    assert isinstance(spent, str)
    assert "budget" in spent


def test_a_launch_ends_when_nothing_is_left_to_try() -> None:
    cfg = _cfg("sweep=adaptive", "sweep.concurrencies=[1,2,4,8]", "sweep.target_error=0.0001")
    trial = _trials(["baseline"], 1)[0]
    first = next_concurrency(cfg, trial, pd.DataFrame(), pd.DataFrame())
    assert first in (1, 2, 4, 8)
    assert isinstance(next_concurrency(cfg, trial, pd.DataFrame(), _points("baseline", 1, CURVE)), EndOfLaunch)
