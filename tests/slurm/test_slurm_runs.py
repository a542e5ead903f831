"""Runs on a real Slurm: an array, a time limit, a node that goes down, a cancelled run, a preempted trial, and a deployment over two nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import one_box_slurm as box
import pandas as pd
import pytest
from one_box_slurm import NODES, Cluster
from slurm_states import states, trials

from frontier.errors import MachineError
from frontier.places import cancel_jobs, hand_over, run_state
from frontier.places.jobs import Jobs
from frontier.plan import cache_folder
from frontier.runner import run_experiment
from frontier.session import Session, start_run

pytestmark = pytest.mark.slow
Submit = Callable[..., Session]
RACK = "deepseek_r1_gb200_nvl72_staged"
ENGINES = Path(__file__).parents[1] / "engines"
# Small jobs that begin at once; a trial of the fake engine takes as long as it is told.
PLACE = ["place=slurm", "place.cpus_per_task=1", "place.time_min=5", "place.notice_s=5", "sweep.replicates=1", "lever=[hardware]"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started once for all tests here, stopped at the end."""
    reason = box.install()
    if reason:
        pytest.skip(f"no Slurm on this machine: {reason}")
    started = box.start(tmp_path_factory.mktemp("cluster"))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(started.conf)
    try:
        yield started
    finally:
        box.stop(started)
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


@pytest.fixture(scope="module")
def submit(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Callable[..., Session]:
    """Hand a small run of the fake engine to the cluster; overrides win over ``PLACE``."""

    def hand(*overrides: str, folder: Path | None = None, experiment: str = "smoke") -> Session:
        given = {word.split("=", 1)[0] for word in overrides}
        words = [*(word for word in PLACE if word.split("=", 1)[0] not in given), *overrides]
        session = start_run(experiment, words, str(folder or tmp_path_factory.mktemp("artifacts")))
        hand_over(session.run, session.cfg, session.pending(), cache_folder(session.cfg))
        return session

    return hand


def again(session: Session) -> None:
    """What `frontier run` does first when it is called again."""
    hand_over(session.run, session.cfg, session.pending(), cache_folder(session.cfg))


def starts(session: Session) -> list[tuple[str, int, str]]:
    """Node, restart and end of every start, in order."""
    return [(start.node, start.restart, start.how) for submission in Jobs(session.run.path).all() for start in submission.starts()]


@pytest.fixture(scope="module")
def overrunning(submit: Submit) -> Session:
    """A job whose first trial lasts longer than it may, submitted while other tests run, because Slurm counts limits in minutes."""
    words = ["engine.delay_s=600", "place.time_min=1", "place.notice_s=0", "place.max_tries=1", "place.per=block"]
    return submit(*words, "place.partition=high", f"place.nodelist={NODES[1]}")


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
    here = run_experiment("smoke", [], artifacts_dir=tmp_path / "here", progress=False)
    mine = json.loads((here.run.path / "attribution.json").read_text())
    assert {share["lever"]: share["ratio"] for share in mine["shares"]} == pytest.approx(shares), "the same experiment on this machine"


def test_a_node_set_down_in_the_middle(cluster: Cluster, submit: Submit) -> None:
    session = submit("engine.delay_s=8", "lever=[precision]", "place.per=block")
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


def test_a_preempted_trial_is_queued_again(cluster: Cluster, submit: Submit) -> None:
    session = submit("engine.delay_s=12", "place.per=block", "place.partition=low", "lever=[disaggregation]", f"place.nodelist={NODES[0]}")
    cluster.wait_for("a start", lambda: "running" in states(session))
    urgent = ["--partition=high", f"--nodelist={NODES[0]}", "--exclusive", "--output=/dev/null", "--wrap=sleep 2"]
    job = cluster.ask("sbatch", "--parsable", *urgent).strip()
    cluster.wait_for("the urgent job", lambda: cluster.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip() == "COMPLETED")
    cluster.wait_for("the trials", lambda: states(session) == {"done"})
    (_, restart, how), *later = starts(session)
    assert (restart, how) == (0, "told to end: its time was nearly over, or another job took the place")
    assert later
    assert all(restart == 1 and how == "record" for _, restart, how in later)


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


def test_a_job_killed_by_its_time_limit(cluster: Cluster, overrunning: Session) -> None:
    cluster.wait_for("the limit", lambda: states(overrunning) == {"lost"}, limit_s=150)
    first, second = trials(overrunning)
    assert (first.tries, second.tries) == (1, 0)
    assert first.reason.startswith("killed by its time limit (on 127.0.0.")
    again(overrunning)
    record = overrunning.run.trial_record(first.digest)
    assert record is not None
    assert (record["status"], record["reason"]) == ("failed", "started 1 times, and no start came to an end (place.max_tries)")
    assert trials(overrunning)[1].state in ("waiting", "running"), "the one that was never started is submitted again"
    cancel_jobs(overrunning.run)


def test_a_deployment_over_two_nodes(cluster: Cluster, submit: Submit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.append(str(ENGINES))
    try:
        from standin_trtllm_tools import standin_trtllm_tools, write_environment
    finally:
        sys.path.remove(str(ENGINES))
    tools = standin_trtllm_tools(tmp_path / "tools", loads="[2]")
    python = write_environment(tmp_path / "newer" / "bin", "1.3.0rc20")
    for name in ("srun", "scontrol"):  # Slurm's own are here
        (python.parent / name).unlink()
    # What MPI makes of a worker's ranks: the first one serves, at its node's address, and the others live as long.
    launch = python.parent / "trtllm-llmapi-launch"
    launch.write_text(
        '#!/bin/sh\nif [ "$SLURM_PROCID" != 0 ]; then exec sleep 600; fi\n'
        'echo "launched in $SLURM_NTASKS tasks on $SLURMD_NODENAME"\nfor word do shift; [ "$word" = 0.0.0.0 ] && word=$SLURMD_NODENAME\n'
        'set -- "$@" "$word"; done\nexec "$@"\n'
    )
    words = [
        *(word for word in tools if not word.startswith(("engine.server_python", "model.checkpoints.nvfp4"))),
        f"engine.server_python={python}", f"model.checkpoints.nvfp4={tmp_path / 'tools' / 'nvfp4'}", "lever=[disaggregation]",
        "engine.launcher=['srun','--mpi=none','--overlap']", "engine.layout=dep8", "engine.context_workers=1", "engine.context_layout=dep4",
        "engine.generation_layout=dep4", "place.exclusive=true", "place.cpus_per_task=0", f"paths.cache_dir={tmp_path / 'cache'}",
    ]  # fmt: skip
    session = submit(*words, experiment=RACK)
    array = Jobs(session.run.path).read(1).arrays
    assert [(one["nodes"], one["gpus_per_node"], len(one["jobs"])) for one in array] == [(2, 4, 2)]
    cluster.wait_for("both trials", session.run.measured, limit_s=180)
    records = {record["variant"]: record for record in map(session.run.trial_record, session.run.trial_digests()) if record}
    assert {name: record["status"] for name, record in records.items()} == {"baseline": "done", "disaggregation": "done"}, records
    assert records["disaggregation"]["placement"]["nodes"] == list(NODES)
    split = next(
        file for file in session.run.path.glob("trials/*/kept/launch-*/deployment.json") if "prefill0" in json.loads(file.read_text())["commands"]
    )
    logs = {name: (split.parent / f"{name}.log").read_text() for name in ("prefill0", "decode0")}
    assert f"launched in 4 tasks on {NODES[0]}" in logs["prefill0"]
    assert f"launched in 4 tasks on {NODES[1]}" in logs["decode0"]
    cluster.wait_for("no step left", lambda: not cluster.ask("squeue", "-h", "-s", f"--name={Jobs(session.run.path).read(1).name}").strip())
    beside = [word for word in PLACE if word.split("=")[0] not in {one.split("=")[0] for one in words}]
    collected = run_experiment(RACK, [*beside, *words], artifacts_dir=session.store.artifacts_dir, progress=False)
    assert (collected.status, collected.run) == ("complete", session.run)
    assert (session.run.path / "report.html").exists()
