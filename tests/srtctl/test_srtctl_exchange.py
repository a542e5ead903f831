"""A plan out as recipes of srt-slurm, its results back in, and their attribution: the effects that were put in come out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from srtctl_outputs import job_folder, result
from typer.testing import CliRunner

from frontier.cli.app import app
from frontier.config import compose
from frontier.plan import make_plan
from frontier.srtctl import write_recipes

RACK = "deepseek_r1_gb200_nvl72_staged"
EFFECTS = {"parallelism": 1.5, "mtp": 2.0, "disaggregation": 1.25}  # on throughput per GPU at the same time per token


def simulated(recipes: list[Path], outputs: Path) -> None:
    """Every recipe run once by a cluster on which each lever has its effect; jobs end in another order than they were written in."""
    for job, file in enumerate(reversed(recipes), start=100):
        recipe = yaml.safe_load(file.read_text())
        variant, roles = recipe["environment"]["FRONTIER_VARIANT"], recipe["roles"]
        held = {role: spec["workers"] * spec["gpus"] for role, spec in roles.items()}
        factor = 1.0
        for lever in variant.split("+"):
            factor *= EFFECTS.get(lever, 1.0)
        gpus = sum(held.values())
        name = "results_concurrency_{load}_gpus_{gpus}" + (f"_ctx_{held['prefill']}_gen_{held['decode']}" if "prefill" in held else "") + ".json"
        results = {load: result(load, gpus, factor) for load in recipe["benchmark"]["concurrencies"]}
        job_folder(outputs, job, recipe, results, name=name, gpus=gpus)


def test_effects_put_in_come_out_as_shares(tmp_path: Path) -> None:
    cfg = compose(RACK, ["sweep.concurrencies=[4,8,16]", "sweep.replicates=2"])
    plan = make_plan(cfg)
    recipes = write_recipes(plan, cfg, tmp_path / "recipes")
    assert len(recipes) == len(plan.main.trials) == 8
    simulated(recipes, tmp_path / "outputs")
    points = tmp_path / "points.parquet"
    run = CliRunner().invoke
    imported = run(app, ["import", "srtctl", str(tmp_path / "outputs"), "-o", str(points), "--json"])
    assert imported.exit_code == 0, imported.output
    document = json.loads(imported.stdout)
    assert (document["points"], document["refused"], document["flags"]) == (24, [], {})
    levers = ",".join(f"level_{name}" for name in EFFECTS)
    found = run(app, ["attribute", str(points), "--levers", levers, "--missing", "ladder", "--resamples", "200", "--json"])
    assert found.exit_code == 0, found.output
    attribution = json.loads(found.stdout)
    assert {share["lever"]: share["ratio"] for share in attribution["shares"]} == {
        f"level_{name}": pytest.approx(effect) for name, effect in EFFECTS.items()
    }
    assert attribution["total"]["ratio"] == pytest.approx(3.75)  # 1.5 x 2 x 1.25
    # Two launches of each variant: there is an interval, and nothing in it but the effects.
    assert attribution["total"]["ci95"] == [pytest.approx(3.75), pytest.approx(3.75)]


def test_a_launch_that_failed_is_listed_and_the_others_are_used(tmp_path: Path) -> None:
    cfg = compose(RACK, ["sweep.concurrencies=[4,8,16]", "sweep.replicates=2"])
    simulated(write_recipes(make_plan(cfg), cfg, tmp_path / "recipes"), tmp_path / "outputs")
    for file in (tmp_path / "outputs" / "103").rglob("results_*.json"):
        file.unlink()
    (tmp_path / "outputs" / "103" / "logs" / "sweep_103.log").write_text("22:00 ERROR Benchmark failed with exit code 1\n")
    imported = CliRunner().invoke(app, ["import", "srtctl", str(tmp_path / "outputs"), "-o", str(tmp_path / "points.csv"), "--json"])
    document = json.loads(imported.stdout)
    assert document["points"] == 21
    assert [row["value"] for row in document["refused"]] == ["4", "8", "16"]
    assert {row["rule"] for row in document["refused"]} == {"job 103 has no result: Benchmark failed with exit code 1 (sweep_103.log)"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export", "srtctl"], "--export srtctl needs a folder"),
        (["--export", "helm", "-o", "new"], "no export format 'helm'"),
        (["-o", "new"], "no format is named"),
        (["--export", "srtctl", "-o", "new", "--show-engine"], "--show-engine prints"),
    ],
)
def test_flags_of_an_export(words: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["plan", f"experiment={RACK}", *words])
    assert type(found.exception).__name__ == "UsageError"
    assert message in str(found.exception)
