"""From the settings of a variant to servers, and what is refused at plan time."""

from __future__ import annotations

import pytest

from frontier import config
from frontier.engines import get_engine
from frontier.engines.vllm import VllmEngine
from frontier.errors import ConfigError, ConfigErrors
from frontier.plan import make_plan


def _engine(*overrides: str, experiment: str = "pocket_cpu") -> VllmEngine:
    engine = get_engine(config.compose(experiment, list(overrides)))
    assert isinstance(engine, VllmEngine)
    return engine


def test_the_half_fraction_of_four_levers_runs_on_two_cores() -> None:
    plan = make_plan(config.compose("pocket_cpu"))
    assert next(variant.name for variant in plan.main.variants) == "baseline"
    assert len(plan.main.variants) == 8
    assert len(plan.main.trials) == 24
    assert not any(variant.infeasible for variant in plan.main.variants)
    assert plan.main.aliasing
    assert "24 launches" in plan.gpu_hours_note
    assert plan.gpu_hours == 0.0  # no GPU is held on the CPU


def test_every_replicate_is_a_block_with_every_variant_once() -> None:
    trials = make_plan(config.compose("pocket_cpu")).main.trials
    for block in range(3):
        part = trials[8 * block : 8 * block + 8]
        assert {trial.replicate for trial in part} == {block + 1}
        assert len({trial.variant.name for trial in part}) == 8
    orders = [[trial.variant.name for trial in trials[8 * block : 8 * block + 8]] for block in range(3)]
    assert orders[0] != orders[1]


@pytest.mark.parametrize(
    ("levers", "cores", "servers"),
    [
        (set(), 1, 1),
        ({"parallelism"}, 2, 1),
        ({"disaggregation"}, 2, 2),
        ({"parallelism", "disaggregation"}, 2, 2),  # four ranks on two cores: prefill and decode share them in time
    ],
)
def test_devices_held_are_all_cores_that_servers_compute_on(levers: set[str], cores: int, servers: int) -> None:
    engine = _engine("design=factorial")
    plan = make_plan(engine.cfg)
    name = "+".join(lever for lever in engine.cfg.lever if lever in levers) or "baseline"
    variant = next(variant for variant in plan.main.variants if variant.name == name)
    ((settings, batch),) = engine.deployments(variant)
    spec = engine.spec(settings, batch, "m")
    assert (spec.devices, len(spec.servers)) == (cores, servers)
    assert engine.labels(settings, batch)["disagg"] is ("disaggregation" in levers)


def test_what_the_platform_cannot_do_is_infeasible_with_the_reason() -> None:
    plan = make_plan(config.compose("pocket_cpu_quick", ["engine.synthetic_acceptance=[0.8,0.5]"]))
    reasons = {variant.name: variant.infeasible for variant in plan.main.variants}
    assert "synthetic acceptance needs a GPU" in reasons["mtp"]
    assert reasons["baseline"] == ""


def test_fp8_on_the_cpu_is_refused_when_composed() -> None:
    with pytest.raises(ConfigErrors, match="fp8"):
        config.compose("pocket_cpu_quick", ["lever.precision.target=[fp8]"])


def test_the_batch_lever_is_the_server_s_number_of_sequences() -> None:
    engine = _engine("lever.batch.target=['128']", experiment="pocket_gpu")
    plan = make_plan(engine.cfg)
    found = {variant.name: engine.deployments(variant)[0][1] for variant in plan.main.variants if not variant.infeasible}
    assert found["baseline"] == 16
    assert {found[name] for name in found if "batch" in name.split("+")} == {128}


def test_a_null_design_runs_every_variant_at_baseline() -> None:
    plan = make_plan(config.compose("pocket_cpu_quick", ["design.baseline_only=true"]))
    assert len(plan.main.variants) == 4
    assert {tuple(variant.settings["mtp"]) for variant in plan.main.variants} == {("0",)}
    assert len({trial.digest for trial in plan.main.trials}) == len(plan.main.trials)


def test_another_repetition_is_another_measurement() -> None:
    one, two = (make_plan(config.compose("pocket_cpu_quick", [f"sweep.repetition={n}"])) for n in (1, 2))
    assert not {trial.digest for trial in one.main.trials} & {trial.digest for trial in two.main.trials}


def test_more_launches_keep_those_that_are_there() -> None:
    few, many = (make_plan(config.compose("pocket_cpu_quick", [f"sweep.replicates={n}"])) for n in (2, 3))
    assert {trial.digest for trial in few.main.trials} < {trial.digest for trial in many.main.trials}


def test_a_lever_that_the_engine_does_not_vary_is_refused() -> None:
    with pytest.raises(ConfigError, match="engine=vllm does not vary kv_precision: it varies precision, parallelism"):
        _engine("lever=[kv_precision]", "lever.kv_precision.baseline=[bf16]", "lever.kv_precision.target=[fp8]")


def test_an_adaptive_sweep_follows_one_server_setting() -> None:
    changed = ["sweep=adaptive", "lever.parallelism.mode=unlocked", "lever.parallelism.target=[tp1,tp2]", "design=factorial"]
    plan = make_plan(config.compose("pocket_cpu", changed))
    several = [variant.infeasible for variant in plan.main.variants if "parallelism" in variant.name]
    assert all("follows one server setting per variant, this has 2" in reason for reason in several)
    assert not next(variant for variant in plan.main.variants if variant.name == "baseline").infeasible


def test_a_parallelism_that_is_no_name_is_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"lever\.parallelism\.target must hold degrees of parallelism, got '2 way'"):
        config.compose("pocket_cpu", ["lever.parallelism.target=['2 way']"])
