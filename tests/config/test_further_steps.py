"""A lever that comes after another: a third level of the same thing, in a ladder."""

from __future__ import annotations

import pytest

from frontier.config import compose
from frontier.errors import ConfigErrors
from frontier.plan import make_plan

LADDER = ["lever=[hardware,precision,precision_2]", "design=ladder", "lever.precision.baseline=[bf16]", "lever.precision.target=[fp8]",
          "lever.precision_2.baseline=[fp8]", "lever.precision_2.target=[nvfp4]", "engine@companion=none", "companion_levers=[]"]  # fmt: skip


def test_the_further_step_takes_the_place_of_the_lever_before_it() -> None:
    plan = make_plan(compose("llama_70b_b200", [*LADDER, "lever.precision.mode=forced"]))
    found = {variant.name: variant.settings["precision"] for variant in plan.main.variants}
    assert found == {
        "baseline": ("bf16",), "hardware": ("bf16",), "hardware+precision": ("fp8",), "hardware+precision+precision_2": ("nvfp4",),
    }  # fmt: skip
    assert all("precision_2" not in variant.settings for variant in plan.main.variants), "engines know the precision and not its steps"


def test_the_staged_ablation_of_llama_takes_both_steps() -> None:
    plan = make_plan(compose("llama_3_3_70b_b200_staged"))
    assert [variant.settings["precision"][0] for variant in plan.main.variants] == ["bf16", "fp8", *["nvfp4"] * 4]
    assert not any(variant.infeasible for variant in plan.main.variants)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["design=factorial"], "only a ladder can hold it"),
        (["lever.precision_2.baseline=[bf16]"], r"must be where lever.precision ends \(fp8\), got bf16"),
        (["lever=[hardware,precision_2]"], "a further step of precision, which must come before it"),
        (["lever=[precision_2,precision]"], "a further step of precision, which must come before it"),
        (["lever.precision_2.target=[int8]"], "lever.precision_2.target: .* has no int8 checkpoint"),
    ],
)
def test_a_step_without_the_one_before_it_is_refused(changed: list[str], says: str) -> None:
    named = {word.split("=")[0] for word in changed}
    with pytest.raises(ConfigErrors, match=says):
        compose("llama_70b_b200", [*(word for word in LADDER if word.split("=")[0] not in named), *changed])
