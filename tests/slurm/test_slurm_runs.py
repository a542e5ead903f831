"""Runs on a real Slurm: an array, a node that goes down, a cancelled run, and what the commands say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from one_box_slurm import NODES, Cluster
from slurm_states import Submit, again, starts, states, trials

from frontier.errors import MachineError
from frontier.places import cancel_jobs, run_state
from frontier.places.jobs import Jobs
from frontier.runner import run_experiment
from frontier.session import Session, start_run

pytestmark = pytest.mark.slow


def test_a_node_set_down_in_the_middle(cluster: Cluster, submit: Submit) -> None:
    session = submit("engine.delay_s=5", "lever=[precision]", "place.per=block")
    cluster.wait_for("a start", lambda: "running" in states(session))
    node = next(trial.node for trial in trials(session) if trial.state == "running")
    cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        cluster.wait_for("the trials on the other node", lambda: states(session) == {"done"})
    finally:
        cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
    other = next(name for name in NODES if name != node)
    assert {json.loads(file.read_text())["placement"]["node"] for file in session.run.path.glob("trials/*/trial.json")} == {other}
    assert starts(session)[0][:2] == (node, 0)
    assert all(start[1] == 1 for start in starts(session)[1:]), "Slurm queued the same job again"
    assert len(Jobs(session.run.path).all()) == 1


@pytest.mark.usefixtures("overrunning")  # begins now
def test_the_smoke_experiment_as_an_array(cluster: Cluster, tmp_path: Path) -> None:
    words = ["place=slurm", "place.per=block", "place.cpus_per_task=1", "place.time_min=5", "place.notice_s=5"]
    first = run_experiment("smoke", words, artifacts_dir=tmp_path, progress=False)
    assert first.status == "submitted"
    assert len(Jobs(first.run.path).all()) == 1
    assert [len(job) for job in Jobs(first.run.path).read(1).arrays[0]["jobs"]] == [8, 8, 8], "a block is one replicate of all eight variants"
    cluster.wait_for("the end of the array", first.run.measured)
    second = run_experiment("smoke", words, artifacts_dir=tmp_path, progress=False)
    assert (second.status, second.run, len(Jobs(first.run.path).all())) == ("complete", first.run, 1)
    shares = {share["lever"]: share["ratio"] for share in json.loads((first.run.path / "attribution.json").read_text())["shares"]}
    assert shares == pytest.approx({"hardware": 2.0, "precision": 1.5, "disaggregation": 1.25}, rel=0.1)
    points = pd.read_parquet(first.run.path / "points.parquet")
    assert all(len(set(nodes)) == 1 for _, nodes in points.groupby("replicate")["node"]), "a block stays on one node"
    assert set(points["node"]) <= set(NODES)
    placement = json.loads(next(first.run.path.glob("trials/*/trial.json")).read_text())["placement"]
    assert placement["node"] in NODES
    assert placement["job"].startswith(Jobs(first.run.path).read(1).job_ids()[0])
    here = start_run("smoke", [], str(tmp_path / "here"))
    here.measure()
    here.attribute()
    mine = json.loads((here.run.path / "attribution.json").read_text())
    assert {share["lever"]: share["ratio"] for share in mine["shares"]} == pytest.approx(shares), "the same experiment on this machine"


def test_a_cancelled_run_leaves_others_alone(cluster: Cluster, submit: Submit, overrunning: Session) -> None:
    mine, other = submit("engine.delay_s=300"), submit("engine.delay_s=301", "design.resamples=150")
    cluster.wait_for("all four starts", lambda: states(mine) == states(other) == {"running"})
    assert {trial.node in NODES and trial.elapsed_s >= 0 and bool(trial.job) for trial in trials(mine)} == {True}
    ended = cancel_jobs(mine.run)
    assert sorted(ended) == sorted(trial.job for trial in trials(mine))
    cluster.wait_for("the end of the jobs", lambda: states(mine) == {"cancelled"})
    assert states(other) == {"running"}
    assert cancel_jobs(mine.run) == []
    again(mine)
    assert states(mine) <= {"waiting", "running"}, "the same command submits them again"
    assert [submission.number for submission in Jobs(mine.run.path).all()] == [1, 2]
    cancel_jobs(mine.run)
    cancel_jobs(other.run)
    cluster.wait_for("their end", lambda: states(mine) == states(other) == {"cancelled"})


def test_a_thousand_trials_are_one_array(cluster: Cluster, submit: Submit) -> None:
    session = submit("sweep.replicates=500", "place.sbatch={begin: now+2hours}", "design.resamples=100")
    (submission,) = Jobs(session.run.path).all()
    assert [len(array["jobs"]) for array in submission.arrays] == [1000]
    assert run_state(session.run).counts() == {"waiting": 1000}
    cluster.wait_for("Slurm's reason", lambda: {trial.reason for trial in trials(session)} == {"BeginTime"})
    assert len(cancel_jobs(session.run)) == 1000
    assert run_state(session.run).counts() == {"cancelled": 1000}


def test_what_slurm_refuses_is_said(submit: Submit) -> None:
    with pytest.raises(MachineError, match=r"Slurm refuses the jobs: .*partition"):
        submit("place.partition=nowhere", "engine.seed=7")


def test_the_commands_tell_of_jobs(cluster: Cluster, submit: Submit) -> None:
    session = submit("engine.delay_s=200", "engine.seed=9")
    artifacts = str(session.store.artifacts_dir)
    cluster.wait_for("both starts", lambda: states(session) == {"running"})
    told = frontier("status", session.run.run_id, "--artifacts", artifacts)
    assert all(trial.job in told and trial.node in told for trial in trials(session))
    document = json.loads(frontier("status", session.run.run_id, "--artifacts", artifacts, "--json"))
    assert [(one["state"], one["tries"]) for one in document["trials"]] == [("running", 1)] * 2
    assert frontier("cancel", session.run.run_id, "--artifacts", artifacts).startswith("2 jobs ended: ")
    cluster.wait_for("their end", lambda: states(session) == {"cancelled"})


def frontier(*words: str) -> str:
    command = [sys.executable, "-m", "frontier.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=dict(os.environ))
    return done.stdout
