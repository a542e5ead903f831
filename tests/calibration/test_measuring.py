"""What is timed, and how; real torch where it is installed, small and without a look at the clock's values."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from frontier.calibration import calibrate, collectives, open_machine
from frontier.calibration.collectives import RANK, run_ranks
from frontier.calibration.devices import Device, core_counts
from frontier.calibration.document import KINDS
from frontier.calibration.memory import measure_memory
from frontier.calibration.products import PRECISIONS, measure_products, shapes
from frontier.calibration.spread import QUICK, Effort, repeat, spread
from frontier.errors import MachineError, RunError

TINY = Effort(repeats=3, repetition_s=0.0, limit_s=0.0, quick=True)


def test_rates_are_work_over_time() -> None:
    found = spread(10.0, [1.0, 2.0, 5.0])  # rates 10, 5, 2
    assert (found.median, found.best, found.n) == (5.0, 10.0, 3)
    assert (found.q1, found.q3) == (3.5, 7.5)
    with pytest.raises(RunError, match="more than zero seconds"):
        spread(1.0, [0.0])


def test_short_work_is_repeated_within_a_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    calls = []

    def work() -> None:
        calls.append(now[0])
        now[0] += 0.001

    times = repeat(work, Effort(repeats=4, repetition_s=0.01, limit_s=100.0, quick=False))
    assert times == pytest.approx([0.001] * 4)
    assert len(calls) == 2 + 4 * 10  # one to warm up, one to see how long it takes, then ten per repetition


def test_slow_work_stops_at_the_limit_but_not_before_three(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def work() -> None:
        now[0] += 10.0

    assert len(repeat(work, Effort(repeats=9, repetition_s=0.01, limit_s=1.0, quick=False))) == 3


def test_counts_of_cores() -> None:
    assert core_counts(1) == [1]
    assert core_counts(2) == [1, 2]
    assert core_counts(12) == [1, 4, 8, 12]


def test_without_torch_the_error_has_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.import_module

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return real(name, *rest, **named)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MachineError, match="needs torch") as caught:
        calibrate(quick=True)
    assert caught.value.hint == "pip install 'frontier-kit[torch]'"
    assert caught.value.exit_code == 3
    # The notebook shows the message in every cell and goes on.
    machine = open_machine(tmp_path, quick=True)
    assert "pip install 'frontier-kit[torch]'" in str(machine.identity())
    assert machine.rates("memory").empty
    assert "needs torch" in machine.absent()[0]
    assert "needs torch" in machine.since_before()[0]
    assert machine.bounds(machine.shapes("x"), isl_tokens=1, osl_tokens=2).curves == {}


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="the calibration's extra is not installed")


def test_bytes_and_operations_are_counted_by_formula(torch: Any) -> None:
    absent: dict[str, str] = {}
    device = Device(torch, "cpu", 1)
    memory = {(one.name, one.size_bytes): one for one in measure_memory(device, TINY)}
    size = 4 * 2**20
    assert memory["read", size].work == memory["copy", size].work == size
    assert memory["triad", size].work == 4 * 3 * (size // 12)
    products = {(one.name, one.rows, one.inner): one for one in measure_products(device, TINY, absent)}
    assert products["bf16", 64, 1024].work == 2 * 64 * 1024 * 1024
    assert products["bf16", 64, 1024].size_bytes == 2 * 1024 * 1024
    assert {name for name, _, _ in products} | {key.split()[1] for key in absent} == set(PRECISIONS["cpu"])
    assert [rows for rows, inner, _ in shapes("cpu", quick=False) if rows != inner] == [1, 2, 4, 8, 16, 32, 64]


def test_threads_are_given_back(torch: Any) -> None:
    before = torch.get_num_threads()
    with Device(torch, "cpu", 1).held():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_precision_that_the_processor_lacks_is_absent_with_its_reason(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise RuntimeError("no int8 here\nand more")

    monkeypatch.setattr(torch, "_int_mm", refuse)
    absent: dict[str, str] = {}
    found = list(measure_products(Device(torch, "cpu", 1), TINY, absent))
    assert {one.name for one in found} == {"fp32", "bf16"}
    assert absent["matmul int8 1x1024x1024 on cpu"] == "no int8 here"


def test_the_whole_quick_form(torch: Any) -> None:
    told: list[str] = []
    calibration = calibrate(quick=True, links=False, tell=told.append)
    kinds = {one.kind for one in calibration.measurements}
    assert {"matmul", "memory"} <= kinds <= set(KINDS)
    assert all(0 < one.q1 <= one.median <= one.q3 <= one.best and one.n >= 3 for one in calibration.measurements)
    assert len({one.key for one in calibration.measurements}) == len(calibration.measurements)
    assert calibration.absent["all-reduce"] == "not asked for"
    assert calibration.conditions["quick"] is True
    assert calibration.machine["cores"] >= 1
    assert "copies between devices" in told


def test_ranks_reduce_and_end(torch: Any) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    found = run_ranks("gloo", 2, [4096], QUICK.repeats)
    assert len(found[4096]) == QUICK.repeats
    assert all(value > 0 for value in found[4096])
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_failing_rank_is_an_error_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectives, "RANK", tmp_path / "no_such_script.py")
    with pytest.raises(RunError, match=r"the all-reduce over gloo failed: .*No such file"):
        run_ranks("gloo", 2, [4096], 3)


def test_a_rank_does_not_outlive_its_parent(torch: Any, tmp_path: Path) -> None:
    # A parent that starts one rank of two, which then waits for its peer, and is killed without a chance to clean up.
    source = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-P', {str(RANK)!r}, 'gloo', '0', '2', {str(tmp_path / 's')!r}, {str(tmp_path / 'r')!r},"
        " '3', '4'], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs([child], timeout=60)
    assert not alive
    assert gone
