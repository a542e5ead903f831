"""Every option and every experiment composes; what the loader fills in; the object is read-only."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

import pytest
import yaml

from frontier.catalog import ARCHITECTURES, PRECISION_FORMS, infeasible_precision
from frontier.config import choices, compose, conf_dir, experiments, validate
from frontier.config.files import OPTION_GROUPS
from frontier.config.vocabulary import LEVERS, SEARCH_SPACES
from frontier.errors import ConfigError
from frontier.evidence.predicted import spaces
from frontier.schema import Config

_composed = functools.cache(compose)  # the object is read-only, so tests can share it

# What an option needs beside it to make sense; everything else composes on top of `smoke` as it is.
_BESIDE = {
    "model": ["lever=[hardware]"],
    "hardware": ["lever=[disaggregation]"],
    "model/pocket": ["lever=[hardware]", "kv_precision=bf16"],
    "engine/trtllm": ["model=deepseek_r1", "lever=[disaggregation]"],
    "engine/endpoint": ["engine.url=http://127.0.0.1:8000", "lever=[disaggregation]"],
    "engine/vllm": ["model=pocket", "kv_precision=bf16", "lever=[disaggregation]"],
    "lever/mtp": ["model=deepseek_r1", "lever.mtp.accepted_drafts={1: 0.9, 2: 1.5, 3: 1.8}"],
    "lever/batch": ["lever.batch.baseline=['16']", "lever.batch.target=['64']"],
    "lever/precision_2": ["design=ladder", "hardware=b200_sxm_x8", "lever.precision_2.baseline=[fp8]", "lever.precision_2.target=[nvfp4]",
                          "lever.precision.baseline=[bf16]", "lever.precision.target=[fp8]"],
    "lever/kv_precision": ["lever.kv_precision.target=[fp8]", "lever.kv_precision.baseline=[bf16]"],
    "lever/moe_backend": ["lever.moe_backend.baseline=[TRTLLM]", "lever.moe_backend.target=[CUTLASS]"],
    "lever/version": ["lever.version.baseline=[1.2.0]", "lever.version.target=[1.3.0]"],
}  # fmt: skip
_OPTIONS = [(group, option) for group in OPTION_GROUPS if group != "experiment" for option in choices(group)]


@pytest.mark.parametrize(("group", "option"), _OPTIONS)
def test_every_option_composes(group: str, option: str) -> None:
    if (group, option) == ("engine", "none"):  # none is a companion, never the engine
        assert compose("smoke", ["engine@companion=none"]).companion.kind == "none"
        return
    beside = _BESIDE.get(f"{group}/{option}", _BESIDE.get(group, []))
    levers = ["precision", option] if option == "precision_2" else [option]  # a further step needs the one before it
    chosen = f"lever=[{','.join(levers)}]" if group == "lever" else f"{group}={option}"
    cfg = compose("smoke", [chosen, *beside])
    if group in ("model", "hardware", "workload"):
        assert getattr(cfg, group).name
    if group == "lever":
        assert list(cfg.lever) == levers


@pytest.mark.parametrize("name", experiments())
def test_every_experiment_composes_and_says_what_it_examines(name: str) -> None:
    cfg = _composed(name)
    assert cfg.name == name
    assert cfg.claim.statement
    assert cfg.claim.source
    assert cfg.gpu_hours
    assert validate(cfg) == []


@pytest.mark.parametrize("name", experiments())
def test_the_fake_engine_takes_any_experiment(name: str) -> None:
    cfg = compose(name, ["engine=fake"])
    assert cfg.engine.kind == "fake"
    assert set(cfg.lever) <= set(cfg.engine.effects)


@pytest.mark.parametrize("name", experiments())
def test_an_experiment_file_starts_with_its_package_and_names_claim_source_hardware_and_cost(name: str) -> None:
    lines = (conf_dir() / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"  # Hydra ignores it below another comment
    assert [line.split(":")[0] for line in lines[1:5]] == ["# Claim", "# Source", "# Hardware", "# GPU-hours"]


@pytest.mark.parametrize("name", choices("hardware"))
def test_systems_agree_with_the_catalog(name: str) -> None:
    system = compose("smoke", [f"hardware={name}", "lever=[disaggregation]"]).hardware
    assert system.name == name
    assert system.architecture == ARCHITECTURES[system.hardware]
    feasible = {form for form in PRECISION_FORMS if not infeasible_precision(form, system.hardware)}
    if system.hardware == "cpu":  # what its engines compute, of all that no architecture forbids
        assert set(system.precisions) <= feasible
        return
    assert set(system.precisions) == feasible
    assert system.max_gpus <= (system.system_gpus or 0)
    assert system.cost_table.startswith("2026-07-31: ")


def test_words_of_the_configuration_are_those_of_the_parts_that_use_them() -> None:
    assert set(SEARCH_SPACES) <= set(spaces.SEARCH_SPACES)
    assert set(choices("lever")) == set(LEVERS)


def test_power_and_price_are_those_of_the_named_table() -> None:
    # InferenceX registry, era from 2026-07-31: all-in kW per GPU, USD per GPU-hour of a hyperscaler.
    table = {
        "h100_sxm_x8": (700, 1.37, 1.17),
        "h200_sxm_x8": (700, 1.37, 1.22),
        "b200_sxm_x8": (1000, 1.71, 1.73),
        "b300_sxm_x8": (1200, 1.90, 2.26),
        "gb200_nvl72": (1200, 1.87, 1.86),
        "gb300_nvl72": (1400, 2.12, 2.31),
    }
    for name, expected in table.items():
        data = yaml.safe_load((conf_dir() / "hardware" / f"{name}.yaml").read_text())
        assert (data["tdp_w"], data["all_in_kw_per_gpu"], data["usd_per_gpu_hr"]) == expected


def test_systems_hold_every_system_the_hardware_lever_names() -> None:
    cfg = compose("smoke", ["lever.hardware.target=[b200_sxm_x8,gb300_nvl72]"])
    assert list(cfg.systems) == ["h200_sxm_x8", "b200_sxm_x8", "gb300_nvl72"]
    assert cfg.systems["gb300_nvl72"].domain_gpus == 72
    assert cfg.systems["h200_sxm_x8"] == cfg.hardware


def test_a_system_can_be_changed_on_the_command_line() -> None:
    cfg = compose("smoke", ["hardware.max_gpus=16", "systems.b200_sxm_x8.max_gpus=32"])
    assert (cfg.systems["h200_sxm_x8"].max_gpus, cfg.systems["b200_sxm_x8"].max_gpus) == (16, 32)


def test_the_hardware_lever_starts_at_the_experiments_hardware() -> None:
    assert compose("smoke", ["hardware=h100_sxm_x8"]).lever["hardware"].baseline == ["h100_sxm_x8"]


def test_levers_keep_the_order_of_their_selection() -> None:
    assert list(_composed("smoke").lever) == ["hardware", "precision", "disaggregation"]
    assert list(compose("smoke", ["lever=[disaggregation,hardware]"]).lever) == ["disaggregation", "hardware"]
    assert list(compose("smoke", ["lever=precision"]).lever) == ["precision"]


def test_an_experiment_may_stand_among_the_overrides() -> None:
    assert compose(None, ["experiment=smoke"]) == _composed("smoke")


def test_numbers_given_for_texts_become_texts() -> None:
    overrides = ["lever.mtp.target=[1,3]", "lever.mtp.accepted_drafts.3=2"]
    lever = compose("deepseek_r1_h200_to_gb200", overrides).lever["mtp"]
    assert lever.target == ["1", "3"]
    assert lever.accepted_drafts[3] == 2.0


def test_nvfp4_on_hopper_is_no_error_where_only_some_cells_are_infeasible() -> None:
    cfg = compose("deepseek_r1_h200_to_gb200")
    assert cfg.lever["precision"].target == ["nvfp4"]
    assert cfg.lever["precision"].mode == "unlocked"


def test_a_composed_configuration_is_read_only() -> None:
    cfg = _composed("smoke")
    for part, key in ((cfg, "name"), (cfg.workload, "isl_tokens"), (cfg.lever["precision"], "mode"), (cfg.systems["b200_sxm_x8"], "tdp_w")):
        with pytest.raises(ConfigError, match=f"read-only: {key} cannot be set"):
            setattr(part, key, 1)


def test_a_configuration_survives_the_way_to_a_worker_process() -> None:
    cfg = _composed("smoke")
    copy = pickle.loads(pickle.dumps(cfg))
    assert copy == cfg
    with pytest.raises(ConfigError, match="read-only"):
        copy.name = "other"


def test_the_configuration_folder_is_the_nearest_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("defaults: []\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert conf_dir() == tmp_path / "conf"


def test_outside_a_clone_the_packages_own_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (conf_dir() / "experiment" / "smoke.yaml").is_file()
    assert isinstance(_composed("smoke"), Config)


def test_unknown_groups_have_no_choices() -> None:
    with pytest.raises(ConfigError, match="no configuration group 'modell'"):
        choices("modell")


def test_composing_leaves_no_trace_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = conf_dir()
    monkeypatch.chdir(tmp_path)
    compose("smoke", conf_dir=conf)
    with pytest.raises(ConfigError):
        compose("smoke", ["nonsense=1", "workload.isl_tokens=0"], conf_dir=conf)
    assert list(tmp_path.iterdir()) == []
