"""What the nodes of a job say of themselves: one step asks them all, and where that fails the record says why."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from frontier.places.placement import placement


def srun(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let ``srun`` be a shell script."""
    file = folder / "srun"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_one_node_is_not_asked_by_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    srun(tmp_path, monkeypatch, f"touch {tmp_path}/asked")
    facts = placement("n1", ["n1"], "17_3", serials=False)
    assert facts == {
        "node": "n1", "nodes": ["n1"], "job": "17_3", "kernel": platform.release(), "cores": len(os.sched_getaffinity(0)), "gpus": facts["gpus"],
    }  # fmt: skip
    assert not (tmp_path / "asked").exists()


def test_every_node_of_a_job_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"index": 0, "name": "H200", "driver": "580.1"}
    lines = [json.dumps({"node": node, "kernel": "6.1", "cores": 8, "gpus": [{**card, "index": at}]}) for at, node in enumerate(("n2", "n1"))]
    said = "\n".join(["srun: a site's banner", *lines])
    srun(tmp_path, monkeypatch, f"echo \"$@\" > {tmp_path}/asked; cat <<'END'\n{said}\nEND")
    facts = placement("n1", ["n1", "n2"], "17", serials=True)
    assert list(facts["by_node"]) == ["n1", "n2"]
    assert facts["by_node"]["n2"] == {"kernel": "6.1", "cores": 8, "gpus": [card]}
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:9] == ["--overlap", "--mpi=none", "--cpu-bind=none", "--nodes", "2", "--ntasks", "2", "--ntasks-per-node", "1"]
    assert asked[-3:] == ["-m", "frontier.places.placement", "--serials"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'srun: error: Unable to create step' >&2; exit 1", "srun: error: Unable to create step"),
        ("""echo '{"node": "n1", "kernel": "6.1", "cores": 8, "gpus": []}'""", "srun: exit code 0, no word from n2"),
    ],
)
def test_nodes_that_do_not_answer_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str) -> None:
    srun(tmp_path, monkeypatch, script)
    facts = placement("n1", ["n1", "n2"], "17", serials=False)
    assert facts["by_node_unknown"] == why
    assert "by_node" not in facts


def test_without_srun_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "srun" in placement("n1", ["n1", "n2"], "17", serials=False)["by_node_unknown"]
