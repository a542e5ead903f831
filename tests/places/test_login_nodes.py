"""The commands from one login node or another, while Slurm answers and while it does not; and on runs that no cluster has."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from slurm_standin import SILENT, SlurmStandin

from frontier.cli import main
from frontier.errors import MachineError, RunError
from frontier.places.jobs import Jobs
from frontier.runner import RunResult, run_experiment
from frontier.session import start_run

WORDS = ["lever=[hardware]", "sweep.replicates=2", "place=slurm"]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmStandin:
    return SlurmStandin(tmp_path / "slurm", monkeypatch)


def run(folder: Path) -> RunResult:
    return run_experiment("smoke", WORDS, artifacts_dir=folder / "artifacts", progress=False)


def frontier(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([*words, "--artifacts", str(folder / "artifacts")])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def all_waiting(slurm: SlurmStandin, result: RunResult) -> None:
    name = Jobs(result.run.path).read(1).name
    slurm.says(*(f"17_{at}|PENDING|Priority||0:00|{name}" for at in range(4)))


def test_another_login_node_sees_what_the_first_submitted(slurm: SlurmStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "login1")
    first = run(tmp_path)
    assert (first.status, slurm.submitted()) == ("submitted", 1)
    all_waiting(slurm, first)
    monkeypatch.setattr(socket, "gethostname", lambda: "login2")
    second = run(tmp_path)
    assert (second.status, second.run, slurm.submitted()) == ("submitted", first.run, 1)
    slurm.says()  # all jobs are gone, and none left a record
    run(tmp_path)
    assert slurm.submitted() == 2
    assert [submission.number for submission in Jobs(first.run.path).all()] == [1, 2]


def test_two_login_nodes_do_not_submit_at_once(slurm: SlurmStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = start_run("smoke", WORDS, str(tmp_path / "artifacts"))
    monkeypatch.setattr(socket, "gethostname", lambda: "login1")
    with session.store.lock(session.run.run_id, wait_s=0.0):
        monkeypatch.setattr(socket, "gethostname", lambda: "login2")
        with pytest.raises(RunError, match=r"another process is working on .* .process .* on login1"):
            run(tmp_path)
    assert slurm.submitted() == 0
    assert run(tmp_path).status == "submitted"


def test_status_tells_what_the_disk_holds_while_slurm_is_silent(
    slurm: SlurmStandin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path)
    all_waiting(slurm, result)
    assert frontier(capsys, tmp_path, "status", result.run.run_id)[2] == ""
    slurm.becomes("squeue", SILENT)
    code, out, err = frontier(capsys, tmp_path, "status", result.run.run_id)
    assert (code, err) == (0, "Slurm: squeue: slurm_load_jobs error: Unable to contact slurm controller\n")
    assert "4  Slurm does not answer" in out
    document = json.loads(frontier(capsys, tmp_path, "status", result.run.run_id, "--json")[1])
    assert document["note"].endswith("Unable to contact slurm controller")
    with pytest.raises(MachineError, match="Unable to contact slurm controller"):
        run(tmp_path)
    assert slurm.submitted() == 1, "what Slurm does not tell is not taken for lost"


def test_what_slurm_does_not_answer_is_cancelled_all_the_same(
    slurm: SlurmStandin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path)
    slurm.becomes("squeue", SILENT)
    code, _, err = frontier(capsys, tmp_path, "cancel", result.run.run_id)
    assert code == 3
    assert "the same command later" in err
    assert Jobs(result.run.path).read(1).cancelled, "a job that starts meanwhile ends at once"


def test_a_run_that_no_cluster_has_cannot_be_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = start_run("smoke", WORDS[:2], str(tmp_path / "artifacts"))
    code, out, err = frontier(capsys, tmp_path, "cancel", session.run.run_id)
    assert (code, out) == (2, "")
    first = f"UsageError: run {session.run.run_id} has no jobs on a cluster"
    assert err.splitlines() == [first, "  try   a run on this machine is ended with Ctrl-C, where it was started"]


def test_the_doctor_tells_of_slurm(slurm: SlurmStandin, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "'gpu*|2|gpu:h200:8' 'gpu*|1|gpu:h200:4' 'cpu|5|(null)'"
    slurm.becomes("sinfo", f'#!/bin/sh\nif [ "$1" = --version ]; then echo "slurm-wlm 22.05.8"; else printf "%s\\n" {lines}; fi\n')
    words = ["doctor", "--tools", str(tmp_path)]
    with pytest.raises(SystemExit):
        main(words)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("slurm", "partition"))]
    assert told[0].startswith("slurm      22.05.8, submitit ")
    assert told[1:] == ["partition  gpu (default): 2 nodes of gpu:h200:8, 1 nodes of gpu:h200:4", "partition  cpu: 5 nodes"]
    slurm.becomes("sinfo", SILENT)
    with pytest.raises(SystemExit):
        main([*words, "--json"])
    assert json.loads(capsys.readouterr().out)["slurm"] == {"reason": "sinfo: slurm_load_jobs error: Unable to contact slurm controller"}
