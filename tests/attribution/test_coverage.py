"""The benchmark of coverage in a reduced form: intervals of A/A runs hold nothing, those of known effects the effect."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from frontier.config import compose
from frontier.engines import get_engine
from frontier.plan import make_plan
from frontier.records import INTERACTIVITY

FILE = Path(__file__).parents[2] / "benchmarks" / "aa_coverage.py"
RUNS = 100


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("aa_coverage", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["aa_coverage"] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["A/A, 2 levers, 3 launches", "A/A, cells differ in noise"])
def test_intervals_of_nothing_hold_nothing(bench: ModuleType, name: str) -> None:
    """Two levers of 100 runs each are 200 intervals, correlated a little: at a true 95 % less than 90 % comes once in some hundred times."""
    scenario = next(one for one in bench.SCENARIOS if one.name == name)
    found = bench.coverage(scenario, RUNS, resamples=200)
    assert found["covered"]["levers"] >= 0.90
    assert found["covered"]["whole"] >= 0.87


def test_intervals_are_not_so_wide_that_they_hold_anything(bench: ModuleType) -> None:
    # Noise of capacity of 2 %, three launches: the standard error of a share is 0.02 / sqrt(3) = 1.2 % and t(8) is 2.3, so about 2.7 % either way.
    scenario = replace(bench.SCENARIOS[0], kind="capacity")
    width = bench.coverage(scenario, 40, resamples=200)["half_width"]["levers"]
    assert 0.02 < width < 0.045


def test_the_simulated_points_are_those_of_the_fake_engine(bench: ModuleType) -> None:
    cfg = compose("smoke", ["engine.noise_cv=0.0", "lever=[hardware]", "engine.effects={hardware: 2.0}", "sweep.concurrencies=[1,4,16,64]"])
    theirs = pd.concat([get_engine(cfg).measure(trial).points for trial in make_plan(cfg).trials], ignore_index=True)
    quiet = replace(bench.SCENARIOS[0], effects=(2.0,), launch_cv=0.0, point_cv=0.0, launches=1)
    ours = bench.simulated(quiet, 1)
    for table in (ours, theirs):
        gain = table["total_tput_tok_s_gpu"].to_numpy()[4:] / table["total_tput_tok_s_gpu"].to_numpy()[:4]
        np.testing.assert_allclose(gain, 2.0)
        np.testing.assert_allclose(table[INTERACTIVITY][:4], table[INTERACTIVITY][4:])
        # A straight line: throughput falls with interactivity at one rate.
        assert np.ptp(np.diff(table["total_tput_tok_s_gpu"][:4]) / np.diff(table[INTERACTIVITY][:4])) == pytest.approx(0, abs=1e-6)


def test_noise_is_fitted_to_replicates(bench: ModuleType) -> None:
    scenario = replace(bench.SCENARIOS[0], launches=40, launch_cv=0.03, point_cv=0.01, concurrencies=(1, 2, 4, 8, 16, 32))
    points = bench.simulated(scenario, 5)
    points = points.assign(variant=points["engine_version"] + points["kv_precision"])
    launch, point = bench.fitted(points)
    assert launch == pytest.approx(0.03, rel=0.15)
    assert point == pytest.approx(0.01, rel=0.1)
