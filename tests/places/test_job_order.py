"""What the jobs of a gated experiment wait for, and what they cost by variant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from frontier.config import compose
from frontier.errors import ConfigError
from frontier.places.arrays import Awaited, Need, arrays_of, awaited
from frontier.places.slurm import sbatch_parameters
from frontier.places.state import RunState, TrialState
from frontier.plan import make_plan
from frontier.quality import OUTPUT, Quality
from frontier.quality.texts import token_digest
from frontier.records import KEPT, Trial
from frontier.session import Session, start_run

RACK = "deepseek_r1_gb200_nvl72_staged"
GATED = ["model.checkpoints.nvfp4=/models/r1", "place=slurm", "lever=[mtp]", "sweep.replicates=2", "quality=api"]


def trials_of(words: list[str]) -> list[tuple[str, Trial]]:
    return [("main", trial) for trial in make_plan(compose(RACK, words)).main.trials]


def named(words: list[str], arrays: list[dict[str, Any]]) -> list[list[list[str]]]:
    """Variant and replicate of every trial, by array and job."""
    names = {trial.digest: f"{trial.variant.name} {trial.replicate}" for _, trial in trials_of(words)}
    return [[[names[digest] for digest in job] for job in array["jobs"]] for array in arrays]


@pytest.mark.parametrize(
    ("per", "lead", "rest"),
    [
        ("trial", ["baseline 1"], [["baseline 2"], ["mtp 1"], ["mtp 2"]]),
        ("build", ["baseline 1"], [["baseline 2"], ["mtp 1", "mtp 2"]]),
        ("block", ["baseline 1", "mtp 1"], [["baseline 2", "mtp 2"]]),
    ],
)
def test_the_baselines_first_launch_is_in_the_first_job(per: str, lead: list[str], rest: list[list[str]]) -> None:
    words = [*GATED, f"place.per={per}"]
    trials = trials_of(words)
    first = next(trial.digest for _, trial in trials if (trial.variant.name, trial.replicate) == ("baseline", 1))
    found = named(words, arrays_of(compose(RACK, words), trials, first, 1000))
    assert found[0] == [lead], "its own array, and in a block it goes before the others"
    assert sorted(sorted(job) for job in found[1]) == rest
    assert len(found) == 2


def test_without_a_first_launch_all_are_one_array() -> None:
    found = named(GATED, arrays_of(compose(RACK, GATED), trials_of(GATED), "", 1000))
    assert [len(array) for array in found] == [4]
    assert [len(array) for array in named(GATED, arrays_of(compose(RACK, GATED), trials_of(GATED), "", 3))] == [3, 1]


def test_a_deployment_over_nodes_keeps_the_kit_out_of_the_container() -> None:
    wide = [word for word in GATED if not word.startswith("lever=")]
    boxed = compose(RACK, [*wide, "runtime=podman", "runtime.image=kit"])
    with pytest.raises(ConfigError, match="variant baseline spans 2 nodes, and runtime=podman keeps the kit in a container on one of them"):
        arrays_of(boxed, [one for one in trials_of(wide) if one[1].variant.name == "baseline"], "", 1000)


@pytest.fixture
def gated(tmp_path: Path) -> Session:
    return start_run(RACK, GATED, str(tmp_path / "artifacts"))


def standing(session: Session, **states: str) -> RunState:
    """Every trial as planned, but for some, by variant and replicate; those have job 17_0."""
    found = []
    for trial in session.plan.main.trials:
        state = states.get(f"{trial.variant.name}_{trial.replicate}", "planned")
        job = "" if state == "planned" else "17_0"
        found.append(TrialState("main", trial.variant.name, trial.replicate, trial.digest, state, job))
    return RunState(tuple(found), None, "")


def ask(session: Session, **states: str) -> Awaited:
    state = standing(session, **states)
    free = {trial.digest for trial in state.of("planned", "lost", "cancelled")}
    return awaited(session.run, session.cfg, state, [("main", trial) for trial in session.plan.main.trials if trial.digest in free])


def digest_of(session: Session, variant: str, replicate: int) -> str:
    return next(trial.digest for trial in session.plan.main.trials if (trial.variant.name, trial.replicate) == (variant, replicate))


def test_the_first_launch_of_the_baseline_is_waited_for(gated: Session) -> None:
    first = next(trial.digest for trial in gated.plan.main.trials if trial.variant.name == "baseline")
    assert ask(gated) == Awaited(digest=first)


def test_a_job_that_has_the_baseline_already_is_waited_for(gated: Session) -> None:
    assert ask(gated, baseline_2="running", baseline_1="lost") == Awaited(job="17_0")


def test_a_baseline_that_failed_leaves_its_place_to_the_next(gated: Session) -> None:
    assert ask(gated, baseline_1="failed") == Awaited(digest=digest_of(gated, "baseline", 2))
    assert ask(gated, baseline_1="failed", baseline_2="failed") == Awaited(), "nothing is left that could be waited for"


def test_nothing_is_waited_for_where_the_reference_is_there(gated: Session) -> None:
    along = ((1, 2, 3, 4),)
    file = gated.run.trial_folder(digest_of(gated, "baseline", 1)) / KEPT / OUTPUT
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(Quality("documents", (20.0,), (10,), along, token_digest(along), (4,)).to_dict()))
    trial = next(trial for trial in gated.plan.main.trials if trial.digest == digest_of(gated, "baseline", 1))
    gated.run.begin_trial(trial.digest)
    gated.run.finish_trial(trial, {"status": "done", "reason": "", "evaluated": 1, "points": 0}, None)
    assert ask(gated, baseline_1="done") == Awaited()


def test_without_a_gate_nothing_is_waited_for(tmp_path: Path) -> None:
    words = [*(word for word in GATED if not word.startswith("quality")), "quality=none"]
    assert ask(start_run(RACK, words, str(tmp_path / "artifacts"))) == Awaited()


def test_the_dependency_stands_beside_one_of_the_sites_own() -> None:
    cfg = compose(RACK, [*GATED, "place.sbatch={dependency: singleton}"])
    assert sbatch_parameters(cfg.place, Need(1, 4), "name", "17")["additional_parameters"]["dependency"] == "singleton,afterany:17"
    assert sbatch_parameters(cfg.place, Need(1, 4), "name")["additional_parameters"]["dependency"] == "singleton"
    assert "dependency" not in sbatch_parameters(compose(RACK, GATED).place, Need(1, 4), "name")["additional_parameters"]


def test_the_plan_tells_the_gpu_hours_of_every_variant() -> None:
    plan = make_plan(compose(RACK, ["model.checkpoints.nvfp4=/models/r1", "sweep.replicates=2"]))
    table = plan.table().set_index("variant")
    assert table["gpu_hours"].sum() == pytest.approx(plan.gpu_hours)
    assert (table["gpu_hours"] > 0).all()
    # 8 GPUs on 2 nodes against 32 on 8: the wider deployment holds more for the same points.
    assert table.loc["parallelism", "gpu_hours"] > table.loc["baseline", "gpu_hours"]
    assert (make_plan(compose("smoke")).table()["gpu_hours"] == 0.0).all()
