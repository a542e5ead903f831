"""Designs, feasibility and digests of a plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.config import compose
from frontier.engines import get_engine
from frontier.plan import Plan, make_plan
from frontier.schema import Config


def names(*overrides: str) -> list[str]:
    return [variant.name for variant in make_plan(compose("smoke", list(overrides))).main.variants]


def test_factorial_is_every_combination_baseline_first_all_last() -> None:
    found = names()
    assert len(found) == len(set(found)) == 8
    assert found[0] == "baseline"
    assert found[1] == "hardware"
    assert found[-1] == "hardware+precision+disaggregation"


def test_ladder_adds_one_lever_at_a_time() -> None:
    assert names("design=ladder") == ["baseline", "hardware", "hardware+precision", "hardware+precision+disaggregation"]


def test_infeasible_variants_carry_a_reason_and_no_trial() -> None:
    plan = make_plan(compose("deepseek_r1_h200_to_gb200", ["engine=fake", "engine@companion=none", "sweep.replicates=2"]))
    reasons = {variant.name: variant.infeasible for variant in plan.main.variants}
    assert len(reasons) == 32
    # NVFP4 at target without the hardware at target: 2^3 settings of the other levers.
    assert sum(bool(reason) for reason in reasons.values()) == 8
    assert reasons["precision"] == "nvfp4 needs blackwell, h200_sxm is hopper"
    assert len(plan.trials) == 24 * 2
    assert not any(trial.variant.infeasible for trial in plan.trials)


def test_replicates_of_a_deterministic_engine_would_feign_certainty(small: Callable[..., Config]) -> None:
    assert len(make_plan(small("sweep.replicates=3")).trials) == 12
    assert len(make_plan(small("sweep.replicates=3", "engine.noise_cv=0.0")).trials) == 4


def test_digests_tell_trials_apart_and_are_stable(small: Callable[..., Config]) -> None:
    one, again = make_plan(small("sweep.replicates=3")), make_plan(small("sweep.replicates=3"))
    assert [trial.digest for trial in one.trials] == [trial.digest for trial in again.trials]
    assert len({trial.digest for trial in one.trials}) == len(one.trials)
    assert one.identity == again.identity


@pytest.mark.parametrize("override", ["engine.seed=7", "workload=isl8k_osl1k", "engine.base_tput_tok_s_gpu=900.0", "sweep.concurrencies=[1,2]"])
def test_what_determines_a_result_changes_every_digest(small: Callable[..., Config], override: str) -> None:
    before = {trial.digest for trial in make_plan(small()).trials}
    after = {trial.digest for trial in make_plan(small(override)).trials}
    assert not before & after


def test_more_resamples_keep_the_trials_but_make_another_run(small: Callable[..., Config]) -> None:
    before, after = make_plan(small()), make_plan(small("design.resamples=777"))
    assert [trial.digest for trial in before.trials] == [trial.digest for trial in after.trials]
    assert before.identity != after.identity


def test_paths_and_place_change_nothing_and_the_report_only_the_run(small: Callable[..., Config]) -> None:
    plan = make_plan(small())
    assert make_plan(small("paths.artifacts_dir=elsewhere", "place.workers=1")).identity == plan.identity
    other = make_plan(small("report.metric=output"))
    assert other.digest == plan.digest
    assert other.identity != plan.identity


def test_the_estimate_counts_points_and_no_gpu_hours(small: Callable[..., Config]) -> None:
    plan = make_plan(small("sweep.replicates=3", "sweep.concurrencies=[1,2,4,8]"))
    table = plan.table()
    assert table["points"].tolist() == [12, 12, 12, 12]
    assert plan.gpu_hours == 0.0
    assert "holds no GPU" in plan.gpu_hours_note
    document = json.loads(json.dumps(plan.to_dict()))
    assert document["main"]["points_estimate"] == 48


def test_jobs_hold_the_gpus_of_their_largest_launch_until_the_last_one_ends() -> None:
    def plan(*words: str) -> Plan:
        return make_plan(compose("llama_3_3_70b_b200_staged", ["sweep.replicates=2", "place=slurm", "place.time_min=100", *words]))

    alone = plan()
    assert alone.gpu_hours == pytest.approx(alone.table()["gpu_hours"].sum())
    engine, cfg = get_engine(compose("llama_3_3_70b_b200_staged")), compose("llama_3_3_70b_b200_staged")
    costs = [engine.cost(variant) for variant in alone.main.variants]
    assert len({cost.gpus for cost in costs}) > 1, "else nothing is held in vain"
    block = plan("place.per=block")
    assert block.gpu_hours == pytest.approx(2 * max(cost.gpus for cost in costs) * sum(cost.seconds for cost in costs) / 3600)
    nodes = plan("place.per=block", "place.exclusive=true")
    assert nodes.gpu_hours == pytest.approx(2 * cfg.hardware.gpus_per_node * sum(cost.seconds for cost in costs) / 3600)
    assert "in 12 jobs" in alone.gpu_hours_note
    assert "would be queued again" not in alone.gpu_hours_note
    assert "in 2 jobs" in block.gpu_hours_note
    assert "longer than its limit (place.time_min=100)" in block.gpu_hours_note


def test_planning_creates_nothing(small: Callable[..., Config], tmp_path: Path) -> None:
    make_plan(small(f"paths.artifacts_dir={tmp_path / 'artifacts'}"))
    assert list(tmp_path.iterdir()) == []
