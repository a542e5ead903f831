"""The adapters between levers and the predicted and published evidence."""

from __future__ import annotations

import pytest

from frontier.config import compose
from frontier.engines import get_engine
from frontier.engines.published import PublishedEngine
from frontier.errors import ConfigError
from frontier.places.local import label_points
from frontier.plan import make_plan
from frontier.records import Trial, Variant
from frontier.schema import Config

DEMO = "deepseek_r1_h200_to_gb200"


def variant(cfg: Config, levers: tuple[str, ...], *targets: str) -> Variant:
    levels = {lever: "target" if lever in targets else "baseline" for lever in levers}
    return Variant(levels, {lever: tuple(getattr(cfg.lever[lever], level)) for lever, level in levels.items()})


def test_a_predicted_variant_is_the_product_of_its_settings() -> None:
    cfg = compose(DEMO, [])
    (cell,) = get_engine(cfg).cells(variant(cfg, tuple(cfg.lever), "hardware", "mtp"))  # type: ignore[attr-defined]
    assert (cell.system, cell.precision, cell.search_space, cell.disaggregated) == ("gb200", "fp8_block", "tp_only", False)
    assert cell.draft_lens == (1, 2, 3)
    assert dict(cell.accepted_drafts) == {1: 0.92, 2: 1.58, 3: 1.82}
    (bare,) = get_engine(cfg).cells(variant(cfg, tuple(cfg.lever)))  # type: ignore[attr-defined]
    assert (bare.system, bare.draft_lens, dict(bare.accepted_drafts)) == ("h200_sxm", (0,), {})


def test_what_no_lever_sets_comes_from_the_configuration() -> None:
    cfg = compose(DEMO, ["lever=[hardware]", "engine@companion=none", "companion_levers=[]"])
    (cell,) = get_engine(cfg).cells(variant(cfg, ("hardware",)))  # type: ignore[attr-defined]
    assert (cell.precision, cell.search_space, cell.draft_lens, cell.disaggregated) == (cfg.model.precisions[0], "node", (0,), False)


def test_infeasible_settings_of_a_level_are_left_out_while_one_remains() -> None:
    cfg = compose("llama_70b_b200", [])
    both = variant(cfg, ("hardware", "precision"), "precision")
    assert list(both.settings["precision"]) == ["fp8", "nvfp4"]
    engine = get_engine(cfg)
    assert engine.infeasible(both) == ""
    assert {entry["precision"] for entry in engine.resolved(both)} == {"fp8"}


def test_accepted_drafts_are_part_of_the_digest() -> None:
    before = make_plan(compose(DEMO, []))
    after = make_plan(compose(DEMO, ["lever.mtp.accepted_drafts={1: 0.8, 2: 1.4, 3: 1.6}"]))
    moved = {
        one.variant.name for one, other in zip(before.main.trials, after.main.trials, strict=True) if one.digest != other.digest
    }
    assert moved == {trial.variant.name for trial in before.main.trials if "mtp" in trial.variant.name.split("+")}


def test_published_rows_are_those_of_the_variant_and_labelled() -> None:
    cfg = compose(DEMO, [])
    engine = get_engine(cfg, "companion")
    target = variant(cfg, ("hardware", "precision", "disaggregation"), "hardware", "precision", "disaggregation")
    result = engine.measure(Trial(target, 1, "d"))
    assert result.evaluated == len(result.points) == engine.estimated_points(target) > 0
    points = label_points(result.points, Trial(target, 1, "d"))
    assert set(points["hardware"]) == {"gb200"}
    assert set(points["precision"]) == {"fp4"}
    assert points["disagg"].all()
    assert set(points["evidence"]) == {"published"}
    assert set(points["model"]) == {cfg.model.name}
    assert set(points["published_model"]) <= {name.rpartition("/")[2] for name in cfg.model.published_ids} | set(cfg.model.published_ids)
    assert set(points["level_precision"]) == {"target"}


def test_a_lever_that_the_record_does_not_label_is_refused() -> None:
    cfg = compose(DEMO, [])
    with pytest.raises(ConfigError, match="does not label mtp; it tells apart hardware, precision, disaggregation"):
        PublishedEngine(cfg, cfg.companion, ("hardware", "mtp"))


def test_a_cell_that_the_record_lacks_says_so() -> None:
    cfg = compose(DEMO, [])
    levers = ("hardware", "precision", "disaggregation")
    result = get_engine(cfg, "companion").measure(Trial(variant(cfg, levers, "hardware"), 1, "d"))
    assert (len(result.points), result.evaluated, result.reason) == (0, 0, "the record holds no such rows")


def test_companion_trials_follow_the_main_ones() -> None:
    plan = make_plan(compose(DEMO, []))
    assert plan.companion is not None
    assert plan.companion.levers == ("hardware", "precision", "disaggregation")
    assert len(plan.main.trials) == 24
    assert len(plan.companion.trials) == 6
    assert plan.trials == plan.main.trials + plan.companion.trials
