"""Drift of the machine during a run: found where it was put in, seldom where there is none, and quiet without times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.findings import examine
from frontier.integrity import CHECKS, drift, drifts
from frontier.integrity.drift import MARGIN
from frontier.records import configuration_columns, normalize_points

LAUNCH_S = 60.0


def run(seed: int = 0, *, variants: int = 8, replicates: int = 3, cv: float = 0.01, blocks: bool = True, **faults: float) -> pd.DataFrame:
    """A run of variants at three loads; speed falls by ``trend`` over it, or by ``step`` from 60 % of it on."""
    rng = np.random.default_rng(seed)
    order = [(v, r) for r in range(1, replicates + 1) for v in rng.permutation(variants)]
    order = order if blocks else sorted(order)
    rows: list[dict[str, Any]] = []
    for place, (variant, replicate) in enumerate(order):
        done = place / (len(order) - 1)
        factor = np.exp(rng.normal(0, cv)) * (1 - faults.get("trend", 0.0) * done) * (1 - faults.get("step", 0.0) * (done > 0.6))
        if place == faults.get("bad_launch"):
            factor *= 0.6
        for i, load in enumerate((1, 4, 16)):
            speed = (20.0 + 5 * variant) / (1 + load / 8) * factor * np.exp(rng.normal(0, cv / 5))
            rows.append(
                {
                    "evidence": "measured", "run_id": "r", "model": "m", "engine": "vllm", "variant": f"v{variant}", "replicate": replicate,
                    "concurrency": load, "isl_tokens": 128, "osl_tokens": 64, "interactivity_tok_s_user": speed,
                    "total_tput_tok_s_gpu": speed * load * 3, "output_tput_tok_s_gpu": speed * load,
                    "measured_at_s": place * LAUNCH_S + 10.25 * i + 0.5,
                }
            )  # fmt: skip
    return normalize_points(pd.DataFrame(rows), origin="test")


def test_a_trend_without_noise_by_hand() -> None:
    # 10 % slower at the end than at the start, evenly; every launch is one of 24.
    (found,) = drifts(run(cv=0.0, trend=0.10))
    assert found.form == "trend"
    assert found.size == pytest.approx(-0.10, abs=0.005)
    assert found.launches == 24
    assert found.span_s == pytest.approx(23 * LAUNCH_S)
    assert drift(run(cv=0.0, trend=0.10)).all()


def test_a_step_is_found_where_it_is_and_marks_what_came_after() -> None:
    frame = run(cv=0.005, step=0.08)
    (found,) = drifts(frame)
    assert found.form == "step"
    assert found.size == pytest.approx(-0.08, abs=0.01)
    # Places 0 to 13 of 24 are within 60 % of the run (13 / 23 = 0.57), 14 is the first one after.
    assert 13 * LAUNCH_S < found.at_s < 15 * LAUNCH_S
    assert drift(frame).to_numpy().tolist() == (frame["measured_at_s"] > found.at_s).tolist()


def test_a_sentinel_alone_shows_a_step() -> None:
    frame = run(variants=1, replicates=16, cv=0.005, step=0.08)
    (found,) = drifts(frame)
    assert (found.form, found.launches) == ("step", 16)


@pytest.mark.parametrize("change", [0.0, 0.02])
def test_what_is_within_the_margin_marks_nothing(change: float) -> None:
    assert change < MARGIN
    assert not drift(run(cv=0.0005, trend=change)).any()
    assert not drift(run(cv=0.0005, step=change)).any()


def test_one_bad_launch_is_no_drift() -> None:
    assert not any(drift(run(seed, bad_launch=20.0)).any() for seed in range(10))


def test_variants_of_unlike_speed_in_plan_order_are_no_drift() -> None:
    # Variant by variant the run speeds up by 4 times; within variants nothing changes.
    assert not drift(run(blocks=False)).any()


def test_quiet_without_times_without_replicates_and_for_predictions() -> None:
    frame = run(cv=0.0, trend=0.2)
    assert not drift(frame.drop(columns="measured_at_s")).any()
    assert not drift(frame.assign(measured_at_s=np.nan)).any()
    assert not drift(frame[frame["replicate"] == 1]).any()
    assert not drift(frame.assign(evidence="predicted")).any()
    assert not drift(run(variants=2, replicates=2, cv=0.0, trend=0.2)).any()  # four launches cannot be told from chance


def test_runs_are_judged_one_by_one() -> None:
    frame = pd.concat([run(1).assign(run_id="still"), run(2, cv=0.005, trend=0.1).assign(run_id="moving")], ignore_index=True)
    mark = drift(frame)
    assert set(frame["run_id"][mark.to_numpy()]) == {"moving"}


def test_times_do_not_make_configurations() -> None:
    assert "measured_at_s" not in configuration_columns(run())


def test_the_finding_says_how_large_and_when() -> None:
    found = {finding.check: finding for finding in examine(run(cv=0.005, step=0.08))}["drift"]
    assert found.kind == "harness"
    assert "a step of -" in found.saw
    assert "in 24 launches (p = 0.001)" in found.saw
    assert "within 3 %" in CHECKS["drift"].rule


@pytest.mark.parametrize("cv", [0.02, 0.05])
def test_false_alarms(cv: float) -> None:
    """At most 5 % are meant; 60 runs with more than 8 alarms would be seen once in 500 times at that rate."""
    assert sum(bool(drifts(run(seed, cv=cv, variants=4))) for seed in range(60)) <= 8
