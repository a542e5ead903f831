"""The configuration a run keeps: YAML there and back, and the digest that equal experiments share."""

from __future__ import annotations

import functools

import pytest

from frontier.config import compose, digest, experiments, from_yaml, to_yaml
from frontier.errors import ConfigError, ConfigErrors

_composed = functools.cache(compose)  # the object is read-only, so tests can share it


@pytest.mark.parametrize("name", experiments())
def test_yaml_there_and_back_is_the_same(name: str) -> None:
    cfg = _composed(name)
    back = from_yaml(to_yaml(cfg))
    assert back == cfg
    assert list(back.lever) == list(cfg.lever)
    assert digest(back) == digest(cfg)
    with pytest.raises(ConfigError, match="read-only"):
        back.name = "other"


def test_the_digest_ignores_where_and_how_it_is_shown() -> None:
    overrides = ["paths.artifacts_dir=elsewhere", "place.workers=7", "report.metric=output", "report.formats=[svg]"]
    assert digest(compose("smoke", overrides)) == digest(_composed("smoke"))


@pytest.mark.parametrize(
    "override",
    ["workload.isl_tokens=1025", "design.seed=2", "engine.noise_cv=0.03", "lever.precision.mode=forced", "systems.b200_sxm_x8.tdp_w=999"],
)
def test_the_digest_sees_everything_else(override: str) -> None:
    assert digest(compose("smoke", [override])) != digest(_composed("smoke"))


def test_the_digest_sees_the_order_of_the_levers() -> None:
    one, other = (compose("smoke", [f"lever=[{order}]"]) for order in ("hardware,precision", "precision,hardware"))
    assert digest(one) != digest(other)


def test_the_same_experiment_said_differently_has_the_same_digest() -> None:
    said = compose("smoke", ["workload.isl_tokens=1024", "lever=[hardware,precision,disaggregation]", "hardware=h200_sxm_x8"])
    assert digest(said) == digest(_composed("smoke"))
    assert len(digest(said)) == 64


def test_a_tampered_record_is_refused_with_all_problems() -> None:
    text = to_yaml(_composed("smoke")).replace("isl_tokens: 1024", "isl_tokens: many").replace("kv_precision: fp8", "kv_prec: fp8")
    with pytest.raises(ConfigErrors) as caught:
        from_yaml(text)
    assert [problem.message for problem in caught.value.problems] == [
        "workload.isl_tokens must be a whole number, got 'many'",
        "there is no key kv_prec",
    ]


def test_a_truncated_record_is_refused() -> None:
    text = to_yaml(_composed("smoke"))
    with pytest.raises(ConfigErrors, match="title has no value"):
        from_yaml(text.replace("title: Smoke test on the fake engine\n", ""))
    with pytest.raises(ConfigErrors, match="not YAML"):
        from_yaml("a: [1")
    with pytest.raises(ConfigErrors, match="must be a group of keys"):
        from_yaml("- 1")
