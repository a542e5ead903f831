"""Servers in jobs of a real Slurm, with stand-ins for TensorRT-LLM: over two nodes, behind the baseline's launch, and preempted in the middle."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

import pandas as pd
import pytest
from one_box_slurm import NODES, Cluster
from slurm_states import Submit, starts, states, trials

from frontier.places.jobs import Jobs

pytestmark = pytest.mark.slow
STAGED, RACK = "deepseek_r1_b200_staged", "deepseek_r1_gb200_nvl72_staged"
ENGINES = Path(__file__).parents[1] / "engines"
sys.path.append(str(ENGINES))
try:
    from standin_trtllm_tools import standin_trtllm_tools, write_environment
finally:
    sys.path.remove(str(ENGINES))
# Points that are kept one by one, as points of a minute are: shorter ones share a call of the client.
ONE_BY_ONE = """import sys
if "frontier.places" in sys.orig_argv:
    import frontier.engines.measuring
    frontier.engines.measuring.ONE_CALL_S = 0.0
"""


@pytest.fixture
def served(tmp_path: Path) -> list[str]:
    """A baseline and one variant on one node, without GPUs."""
    tools = standin_trtllm_tools(tmp_path / "tools", loads="[1,2,3]")
    return [*tools, "lever=[mtp]", "place.gpus_per_node=0", f"paths.cache_dir={tmp_path / 'cache'}"]


def test_the_others_wait_for_the_launch_that_they_are_judged_by(cluster: Cluster, submit: Submit, served: list[str]) -> None:
    session = submit(*served, "quality=api", experiment=STAGED)
    submission = Jobs(session.run.path).read(1)
    by_digest = {trial.digest: trial for trial in trials(session)}
    assert [[by_digest[digest].variant for job in array["jobs"] for digest in job] for array in submission.arrays] == [["baseline"], ["mtp"]]
    lead, other = submission.job_ids()[0], submission.job_ids()[1]
    cluster.wait_for("the baseline", lambda: "running" in states(session))
    assert {trial.job: (trial.state, trial.reason) for trial in trials(session)}[other] == ("waiting", "Dependency")
    cluster.ask("scontrol", "requeue", lead)
    assert {trial.job: trial.reason for trial in trials(session)}[other] == "Dependency"
    cluster.wait_for("both", session.run.measured)
    begun = list(submission.starts())
    assert [start.job for start in begun] == [lead, lead, other]
    assert begun[1].ended_s is not None
    assert begun[2].started_s >= begun[1].ended_s
    assert cluster.ask("squeue", "-h", "-t", "all", "-j", other, "-o", "%T").strip() in ("RUNNING", "COMPLETING", "COMPLETED")
    records = {record["variant"]: record for record in map(session.run.trial_record, session.run.trial_digests()) if record}
    assert records["baseline"]["status"] == "failed", "the stand-in tells no probabilities"
    assert records["mtp"]["status"] == "done"


def test_a_preempted_sweep_goes_on_after_its_last_point(cluster: Cluster, submit: Submit, served: list[str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ONE_BY_ONE)
    words = [f"place.setup=['export PYTHONPATH={tmp_path}']", "place.per=block", "place.partition=low", f"place.nodelist={NODES[0]}"]
    session = submit(*served, *words, experiment=STAGED)
    run = session.run.path
    cluster.wait_for("a point", lambda: list(run.glob("trials/*/kept/point-*.parquet")))
    (first,) = run.glob("trials/*/kept/point-*.parquet")
    written = first.stat().st_mtime_ns
    cluster.ask("sbatch", "--partition=high", f"--nodelist={NODES[0]}", "--exclusive", "--output=/dev/null", "--wrap=true")
    cluster.wait_for("all trials", session.run.measured, limit_s=180)
    assert starts(session)[0][1:] == (0, "told to end: its time was nearly over, or another job took the place")
    assert {restart for _, restart, _ in starts(session)[1:]} == {1}
    preempted = first.parent
    points = {int(file.stem[-5:]): pd.read_parquet(file).iloc[0] for file in preempted.glob("point-*.parquet")}
    assert sorted(points) == [1, 2, 3]
    assert first.stat().st_mtime_ns == written
    launches = {at: row["launch_id"].rsplit("-", 1)[1] for at, row in points.items()}
    assert launches.pop(int(first.stem[-5:])) == "1"
    assert set(launches.values()) == {"2"}, "what was under way is measured again, on a new launch"
    assert {record["status"] for record in map(session.run.trial_record, session.run.trial_digests()) if record} == {"done"}


def test_a_deployment_over_two_nodes(cluster: Cluster, submit: Submit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    placement = records["disaggregation"]["placement"]
    assert placement["nodes"] == list(NODES)
    assert placement["by_node"] == {node: {"kernel": platform.release(), "cores": len(os.sched_getaffinity(0)), "gpus": []} for node in NODES}
    split = next(
        file for file in session.run.path.glob("trials/*/kept/launch-*/deployment.json") if "prefill0" in json.loads(file.read_text())["commands"]
    )
    logs = {name: (split.parent / f"{name}.log").read_text() for name in ("prefill0", "decode0")}
    assert f"launched in 4 tasks on {NODES[0]}" in logs["prefill0"]
    assert f"launched in 4 tasks on {NODES[1]}" in logs["decode0"]
    cluster.wait_for("no step left", lambda: not cluster.ask("squeue", "-h", "-s", f"--name={Jobs(session.run.path).read(1).name}").strip())
    session.measure()  # nothing is left to measure: it collects
    session.attribute()
    assert session.write_report().exists()
