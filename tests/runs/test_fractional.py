"""Half fractions as plans and runs, and the order in which trials run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from frontier.config import compose
from frontier.engines.fake import FakeEngine
from frontier.errors import ConfigError
from frontier.plan import make_plan
from frontier.schema import Config
from frontier.session import Session

FORCED = ["design=fractional", "lever.precision.mode=forced", "lever.disaggregation.mode=forced"]
FOUR = [*FORCED, "lever=[hardware,precision,parallelism,disaggregation]", "lever.parallelism.mode=forced"]


def four(*overrides: str) -> Config:
    return compose("smoke", [*FOUR, "place.workers=1", *overrides])


def test_cells_of_three_and_of_four_levers() -> None:
    three = [variant.name for variant in make_plan(compose("smoke", FORCED)).main.variants]
    assert three == ["baseline", "hardware+precision", "hardware+disaggregation", "precision+disaggregation", "hardware+precision+disaggregation"]
    names = [variant.name for variant in make_plan(four()).main.variants]
    assert len(names) == 8
    assert (names[0], names[-1]) == ("baseline", "hardware+precision+parallelism+disaggregation")
    assert all((name.count("+") + 1) % 2 == 0 for name in names[1:])


def test_the_plan_states_the_aliasing() -> None:
    document = make_plan(four()).to_dict()
    text = " ".join(document["main"]["aliasing"])
    assert "8 of 16 cells, resolution IV, I = hardware:precision:parallelism:disaggregation" in text
    assert "hardware:precision with parallelism:disaggregation" in text
    assert make_plan(compose("smoke")).to_dict()["main"]["aliasing"] == []


def test_cells_that_the_half_shares_with_the_full_design_are_the_same_trials() -> None:
    half, full = (make_plan(four(f"design.kind={kind}")) for kind in ("fractional", "factorial"))
    assert {trial.digest for trial in half.trials} < {trial.digest for trial in full.trials}


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (["design=fractional"], "every lever forced, got mode unlocked for precision, disaggregation", "lever.precision.mode=forced lever.disagg"),
        (["design=fractional", "lever=[hardware,disaggregation]"], "at least 3 levers, got 2 (hardware, disaggregation)", "design=factorial"),
    ],
)
def test_what_a_half_cannot_answer_is_refused_with_the_way_out(overrides: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_plan(compose("smoke", overrides))
    assert message in str(refused.value)
    assert hint in str(refused.value)


def test_a_variant_that_the_engine_cannot_run_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "infeasible", lambda self, variant: "no room" if variant.name == "hardware+precision" else "")
    with pytest.raises(ConfigError, match=r"without them no lever's effect is identifiable \(hardware\+precision: no room\)"):
        make_plan(four())


def test_a_run_gives_the_effects_that_were_put_in(opened: Callable[[Config], Session]) -> None:
    effects = {"hardware": 2.0, "precision": 1.5, "parallelism": 1.0, "disaggregation": 1.25}
    words = [f"engine.effects.{lever}={effect}" for lever, effect in effects.items()]
    session = opened(four("engine.noise_cv=0.0", *words))
    session.measure()
    document = session.attribute()
    assert document["method"] == "half_fraction"
    found = {share["lever"]: share["ratio"] for share in document["shares"]}
    assert found == pytest.approx(effects)
    assert document["fraction"]["resolution"] == 4
    assert session.write_report().exists()


def test_a_failed_cell_leaves_shares_undefined_and_the_report_is_written(opened: Callable[[Config], Session]) -> None:
    session = opened(four("sweep.replicates=2", "engine.fail_cells=[hardware+precision]"))
    session.measure()
    document = session.attribute()
    assert all(share["ratio"] is None for share in document["shares"])
    assert document["total"]["ratio"] is not None
    assert "hardware+precision" in document["fraction"]["not_identifiable"]
    assert session.write_report().exists()


def order(cfg: Config) -> list[tuple[str, int]]:
    return [(trial.variant.name, trial.replicate) for trial in make_plan(cfg).trials]


def test_blocks_are_permutations_and_keep_every_digest(small: Callable[..., Config]) -> None:
    words = ["lever=[hardware,precision,disaggregation]", "sweep.replicates=4"]
    plain, blocks = (make_plan(small(*words, *more)) for more in ([], ["sweep.order=blocks"]))
    assert {trial.digest for trial in plain.trials} == {trial.digest for trial in blocks.trials}
    found = order(small(*words, "sweep.order=blocks"))
    names = {variant.name for variant in plain.main.variants}
    orders = []
    for block in range(4):
        part = found[8 * block : 8 * block + 8]
        assert {replicate for _, replicate in part} == {block + 1}
        assert {name for name, _ in part} == names
        orders.append([name for name, _ in part])
    assert len({tuple(names) for names in orders}) == 4
    assert found == order(small(*words, "sweep.order=blocks"))
    assert found != order(small(*words, "sweep.order=blocks", "sweep.order_seed=2"))


def test_every_variant_comes_at_every_place_of_a_block(small: Callable[..., Config]) -> None:
    # 400 blocks of 4 variants: each place is the baseline's in 100 of them, give or take four standard deviations (8.7).
    found = order(small("sweep.order=blocks", "sweep.replicates=400"))
    places = np.bincount([place % 4 for place, (name, _) in enumerate(found) if name == "baseline"], minlength=4)
    assert places.sum() == 400
    assert (abs(places - 100) < 35).all()
