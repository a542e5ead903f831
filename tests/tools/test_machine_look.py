"""What the machine is, and what can run on it."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from frontier.cli import main
from frontier.tools import Machine, look
from frontier.tools.machine import Gpu, unfit

SMALL = Machine("Linux", "cpu", 2, 2, 8.0, 6.0, 50.0, (), 0.02, 1e-4, 1e-9)
CARD = Gpu(0, "NVIDIA H100 80GB HBM3", 79.6, (9, 0), "570.1")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the pinned build is for Linux")


def test_the_look(tmp_path: Path) -> None:
    machine = look(tmp_path / "not" / "there", watch_s=0.05)
    assert 1 <= machine.cores_usable <= machine.cores_total
    assert 0 < machine.memory_free_gib < machine.memory_gib
    assert 0 <= machine.busy_share <= 1
    assert json.loads(json.dumps(machine.to_dict()))["disk_free_gib"] == machine.disk_free_gib


def test_what_disturbs() -> None:
    assert SMALL.warnings() == []
    found = dataclasses.replace(SMALL, busy_share=0.4, cores_usable=1, sleep_excess_s=0.005).warnings()
    assert [line.split()[0] for line in found] == ["other", "one", "a"]
    assert "40%" in found[0]
    assert "6.0 ms" in found[2]


@linux
def test_what_can_run() -> None:
    assert unfit("fake", SMALL, installed=False) == ""
    assert unfit("vllm", SMALL, installed=True) == ""
    assert "not installed" in unfit("vllm", SMALL, installed=False)
    assert "needs 4 GiB of free memory, there are 3.0" in unfit("vllm", dataclasses.replace(SMALL, memory_free_gib=3.0), installed=True)
    assert "NVIDIA GPU" in unfit("trtllm", SMALL, installed=False)
    assert unfit("trtllm", dataclasses.replace(SMALL, gpus=(CARD,)), installed=False) == ""


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(words)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_the_command_looks_at_this_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "doctor", "--tools", str(tmp_path), "--json")
    document = json.loads(out)
    assert (code, err, document["schema"]) == (0, "", "frontier.machine/1")
    assert document["tools"] == {"vllm": None, "aiperf": None, "lm-eval": None, "modelopt": None}
    assert document["engines"]["fake"] == {"can_run": True, "reason": ""}
    assert not document["engines"]["vllm"]["can_run"]
    code, out, err = run(capsys, "doctor", "--tools", str(tmp_path))
    assert code == 0
    assert "engine     vllm: " in out


def test_asked_for_an_engine_that_cannot_run_it_leaves_with_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "doctor", "--tools", str(tmp_path), "--for", "vllm")
    assert code == 3
    assert "MachineError: vllm cannot run here" in err
    assert run(capsys, "doctor", "--tools", str(tmp_path), "--for", "fake")[0] == 0
    code, _, err = run(capsys, "doctor", "--for", "abacus")
    assert code == 2
    assert "fake" in err
    assert "vllm" in err


def test_wrong_questions(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "doctor", "--install", "abacus")
    assert code == 2
    assert "one of: vllm, aiperf, lm-eval" in err
    assert run(capsys, "doctor", "--install", "vllm", "--for", "vllm")[0] == 2
