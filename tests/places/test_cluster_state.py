"""What is on disk and what Slurm says become the state of every trial; Slurm's commands are stand-ins that print a few lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from slurm_standin import SILENT, SlurmStandin

from frontier.config import compose
from frontier.errors import ConfigErrors, MachineError, UsageError
from frontier.places import cancel_jobs, run_state
from frontier.places.arrays import jobs_of, need_of
from frontier.places.jobs import Jobs
from frontier.places.slurm import sbatch_parameters
from frontier.plan import check_budget, make_plan
from frontier.records import Trial, Variant
from frontier.session import Session, start_run

SMALL = ["lever=[hardware]", "sweep.replicates=3", "place=slurm"]
NEVER_ENDED = "*** JOB 17 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A run of six trials, of which nothing has been submitted."""
    return start_run("smoke", SMALL, str(tmp_path / "artifacts"))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmStandin:
    return SlurmStandin(tmp_path / "slurm", monkeypatch)


def submitted(session: Session, job: str | None = "17") -> Any:
    """A submission with one trial per job."""
    digests = session.run.trial_digests()
    array = {"nodes": 1, "gpus_per_node": 0, "jobs": [[digest] for digest in digests]}
    submission = Jobs(session.run.path).create([array], {"max_tries": 3}, "cache", {"kind": "host"})
    if job:
        submission.note_job(0, job)
    return submission


def test_every_state_a_trial_can_be_in(session: Session, slurm: SlurmStandin) -> None:
    assert run_state(session.run).counts() == {"planned": 6}
    submission = submitted(session)
    digests, name = session.run.trial_digests(), submission.name
    done = session.plan.main.trials[0]
    session.run.begin_trial(done.digest)
    session.run.finish_trial(done, {"status": "done", "reason": "", "evaluated": 1, "points": 1}, None)
    submission.note_end(submission.note_start(digests[0], "17_0", 0, "n1"), "record")
    submission.note_start(digests[1], "17_1", 1, "n2")
    submission.note_start(digests[3], "17_3", 0, "n1")
    submission.log.mkdir()
    (submission.log / "17_3_0_log.out").write_text(f"loading\nslurmstepd-n1: error: {NEVER_ENDED}\n")
    slurm.says(
        f"17_1|RUNNING|None|n2|1:05|{name}", f"17_2|PENDING|Resources||0:00|{name}", f"17_3|TIMEOUT|TimeLimit|n1|1:00|{name}",
        f"17_4|RUNNING|None|n1|0:02|{name}", "17_5|RUNNING|None|n9|9:99|somebody-else",
    )  # fmt: skip
    found = run_state(session.run)
    assert [trial.state for trial in found.trials] == ["done", "running", "waiting", "lost", "waiting", "lost"]
    running, lost = found.trials[1], found.trials[3]
    assert (running.job, running.node, running.elapsed_s, running.tries) == ("17_1", "n2", 65.0, 1)
    assert found.trials[2].reason == "Resources"
    assert (lost.reason, lost.tail[0]) == ("killed by its time limit (on n1)", "loading")
    assert found.trials[5].reason == "its job is gone", "an id that Slurm gave away again is another's job"
    assert found.left_s is not None
    assert found.left_s >= 0.0


def test_a_submission_whose_maker_died_is_found_by_its_name(session: Session, slurm: SlurmStandin) -> None:
    name = submitted(session, job=None).name
    slurm.says(*(f"23_{at}|PENDING|Priority||0:00|{name}" for at in range(6)))
    assert {trial.state for trial in run_state(session.run).trials} == {"waiting"}
    assert [trial.job for trial in run_state(session.run).trials] == [f"23_{at}" for at in range(6)]
    slurm.says()
    assert {trial.state for trial in run_state(session.run).trials} == {"lost"}


def test_without_slurm_the_disk_tells_what_it_can(session: Session, slurm: SlurmStandin) -> None:
    submitted(session)
    slurm.becomes("squeue", SILENT)
    with pytest.raises(MachineError, match="Unable to contact slurm controller"):
        run_state(session.run)
    told = run_state(session.run, asking=False)
    assert told.counts() == {"waiting": 6}
    assert "Unable to contact" in told.note


def test_cancelling_ends_the_runs_own_jobs_only(session: Session, slurm: SlurmStandin) -> None:
    name = submitted(session).name
    slurm.says(f"17_0|RUNNING|None|n1|0:10|{name}", f"17_1|COMPLETED|None|n1|0:10|{name}", "18_0|RUNNING|None|n1|0:10|frontier-other-0001")
    assert cancel_jobs(session.run) == ["17_0"]
    assert slurm.cancelled() == "--quiet 17"
    slurm.says(f"17_0|CANCELLED|None|n1|0:10|{name}")
    assert {trial.state for trial in run_state(session.run).trials} == {"cancelled"}


def test_two_submissions_of_one_number_cannot_be(session: Session) -> None:
    first = submitted(session)
    assert first.number == 1
    staging = session.run.path / "jobs" / ".making-0001"
    staging.mkdir()
    (staging / "submission.json").write_text("{}")
    with pytest.raises(OSError, match="not empty"):
        staging.rename(first.folder)
    assert submitted(session, job=None).number == 2


@pytest.mark.parametrize(("per", "sizes"), [("trial", [1] * 6), ("build", [3, 3]), ("block", [2, 2, 2])])
def test_what_one_job_runs(per: str, sizes: list[int], tmp_path: Path) -> None:
    cfg = compose("smoke", [*SMALL, f"place.per={per}", "sweep.order=blocks"])
    trials = [("main", trial) for trial in make_plan(cfg).main.trials]
    ((_, jobs),) = jobs_of(cfg, trials).items()
    assert [len(job) for job in jobs] == sizes
    assert sorted(digest for job in jobs for digest in job) == sorted(trial.digest for _, trial in trials)
    by_digest = {trial.digest: trial for _, trial in trials}
    if per == "block":
        assert all(len({by_digest[digest].replicate for digest in job}) == 1 for job in jobs)
        assert all({by_digest[digest].variant.name for digest in job} == {"baseline", "hardware"} for job in jobs)


def test_nodes_and_gpus_follow_from_the_deployment() -> None:
    rack = ["model.checkpoints.nvfp4=/models/r1", "place=slurm"]
    cfg = compose("deepseek_r1_gb200_nvl72_staged", rack)
    trials = {trial.variant.name: trial for trial in make_plan(cfg).main.trials}
    assert (need_of(cfg, "main", trials["baseline"]).nodes, need_of(cfg, "main", trials["baseline"]).gpus_per_node) == (2, 4)
    assert need_of(cfg, "main", trials["parallelism+mtp+disaggregation"]).nodes == 8
    fixed = compose("deepseek_r1_gb200_nvl72_staged", [*rack, "place.nodes=9", "place.gres=gpu:4"])
    assert (need_of(fixed, "main", trials["baseline"]).nodes, need_of(fixed, "main", trials["baseline"]).gpus_per_node) == (9, 0)


def test_options_reach_sbatch_under_slurms_names() -> None:
    words = [*SMALL, "place.partition=p", "place.account=a", "place.qos=q", "place.constraint='h100&ib'", "place.exclusive=true", "place.mem_gib=1.5"]
    cfg = compose("smoke", [*words, "place.sbatch={mail-type: END}", "place.notice_s=30", "place.setup=[module load x]"])
    trial = Trial(Variant({"hardware": "baseline"}, {"hardware": ["h200_sxm_x8"]}), 1, "0" * 64)
    found = sbatch_parameters(cfg.place, need_of(cfg, "main", trial), "name")
    wanted = {"partition": "p", "account": "a", "qos": "q", "constraint": "h100&ib", "exclusive": True, "mem": "1536M", "nodes": 1, "time": 60}
    assert {key: found[key] for key in wanted} == wanted
    assert found["additional_parameters"] == {"mail-type": "END", "requeue": True, "signal": "B:USR2@30"}
    assert found["setup"] == ["module load x"]
    assert "gres" not in found


def test_a_plan_above_its_budget_is_refused_unless_it_is_meant() -> None:
    cfg = compose("deepseek_r1_gb200_nvl72_staged", ["model.checkpoints.nvfp4=/models/r1", "place=slurm", "place.budget_gpu_hours=10"])
    plan = make_plan(cfg)
    assert plan.gpu_hours > 10
    with pytest.raises(UsageError, match=r"takes \d+\.\d GPU-hours, the budget is 10"):
        check_budget(cfg, plan, confirmed=False)
    check_budget(cfg, plan, confirmed=True)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("place.sbatch={output: x}", "place.sbatch must leave what the kit sets itself, got output"),
        ("place.sbatch={--mail: x}", "without dashes before them"),
        ("place.notice_s=3600", "as long as the job or longer"),
        ("place.per=node", "place.per must be one of trial, build, block"),
        ("place.partition='a b'", "without blanks"),
    ],
)
def test_what_a_place_cannot_be(word: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        compose("smoke", [*SMALL, word])
    assert said in str(caught.value)


def test_a_measurement_belongs_to_the_kind_of_node_that_was_asked_for() -> None:
    words = ["model.checkpoints.nvfp4=/models/r1", "lever=[mtp]"]
    digests = {
        name: make_plan(compose("deepseek_r1_gb200_nvl72_staged", [*words, *more])).trials[0].digest
        for name, more in {
            "here": [], "p": ["place=slurm", "place.partition=p"], "q": ["place=slurm", "place.partition=q"],
            "longer": ["place=slurm", "place.partition=p", "place.time_min=90"],
        }.items()
    }  # fmt: skip
    assert digests["p"] == digests["longer"]
    assert len({digests["here"], digests["p"], digests["q"]}) == 3


def test_a_computation_is_the_same_wherever_it_runs() -> None:
    assert make_plan(compose("smoke", SMALL)).identity == make_plan(compose("smoke", [*SMALL[:2]])).identity


def test_the_submission_is_plain_json(session: Session) -> None:
    document = json.loads((submitted(session).folder / "submission.json").read_text())
    assert document["schema"] == "frontier.submission/1"
    assert document["name"] == f"frontier-{session.run.run_id}-0001"
