"""Live runs with stand-ins: what goes wrong is recorded, the rest goes on, and nothing is lost, doubled or left behind."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from standin_tools import standin_tools

from frontier.session import Session, start_run

EXPERIMENT = "pocket_cpu_quick"
ONCE = Path(__file__).parent / "measure_once.py"
CELLS = 4 * 2 * 2  # variants, launches, concurrencies


def _left_behind(marks: Path) -> list[psutil.Process]:
    """Processes whose command line names a folder of the test."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(marks) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _wait_until_gone(marks: Path, limit_s: float = 20.0) -> list[psutil.Process]:
    deadline = time.monotonic() + limit_s
    while (left := _left_behind(marks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _check_whole(points: pd.DataFrame) -> None:
    keys = points[["variant", "replicate", "concurrency"]]
    assert len(points) == CELLS
    assert not keys.duplicated().any()
    assert (points["evidence"] == "measured").all()
    assert points["little_ratio"].between(0.8, 1.1).all()


def _session(folder: Path, overrides: list[str]) -> Session:
    return start_run(EXPERIMENT, overrides, str(folder / "artifacts"))


@pytest.mark.slow
def test_a_live_run_gives_points_raw_requests_and_an_attribution(tmp_path: Path) -> None:
    overrides = standin_tools(tmp_path / "tools", step_ms=4.0, mtp=0.5, loads="[1,8]")
    run = _session(tmp_path, overrides)
    _check_whole(run.measure())
    for trial in run.plan.main.trials:
        kept = run.run.trial_folder(trial.digest) / "kept"
        raw = pd.read_parquet(kept / "requests-0-00008.parquet")
        assert (raw["end_ns"] > raw["start_ns"]).all()
        assert (kept / "launch-0-1" / "deployment.json").is_file()
    # With drafts a step takes half as long; the loads are far below the stand-in's limits, so every request gets its tokens twice as fast.
    assert run.attribute()["schema"] == "frontier.attribution/1"
    speed = run.measure().groupby("variant")["interactivity_tok_s_user"].max()
    assert speed["precision+mtp"] > 1.5 * speed["baseline"]
    assert _wait_until_gone(tmp_path) == []


@pytest.mark.slow
def test_killed_at_thirty_random_moments_it_continues_and_leaves_nothing_behind(tmp_path: Path) -> None:
    overrides = standin_tools(tmp_path / "tools")
    draw = random.Random(20261121)
    finished = False
    for _ in range(30):
        command = [sys.executable, str(ONCE), EXPERIMENT, str(tmp_path / "artifacts"), *overrides]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(draw.uniform(1.0, 12.0))
            finished = True
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert _wait_until_gone(tmp_path) == [], "something was left behind"
        if finished:
            break
    run = _session(tmp_path, overrides)
    _check_whole(run.measure())
    assert _wait_until_gone(tmp_path) == []


@pytest.mark.slow
def test_a_server_that_runs_out_of_memory_fails_its_trials_alone(tmp_path: Path) -> None:
    overrides = standin_tools(tmp_path / "tools", extra={"--speculative-config": ["--fail-start", "cpu_oom"]})
    run = _session(tmp_path, overrides)
    points = run.measure()
    table = run.trials().set_index(["variant", "replicate"])
    assert set(table.loc[table["status"] == "failed"].index.get_level_values("variant")) == {"mtp", "precision+mtp"}
    assert "memory" in table.loc[("mtp", 1), "reason"]
    assert set(points["variant"]) == {"baseline", "precision"}


@pytest.mark.slow
def test_a_server_that_dies_under_load_keeps_the_points_before_and_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    # Of the two loads the first needs few requests; the server dies in the second.
    slow = standin_tools(tmp_path / "tools", step_ms=8.0, extra={"--speculative-config": ["--crash-after", "40"]}, loads="[1,16]")
    run = _session(tmp_path, slow)
    run.measure()
    table = run.trials().set_index(["variant", "replicate"])
    record = run.run.trial_record(next(t.digest for t in run.plan.main.trials if t.variant.name == "mtp"))
    assert record is not None
    assert record["status"] == "failed"
    assert "died" in record["reason"] or "ended" in record["reason"], record["reason"]
    assert (table.loc["baseline", "status"] == "done").all()


@pytest.mark.slow
def test_a_client_that_is_killed_fails_one_trial_and_the_rest_goes_on(tmp_path: Path) -> None:
    overrides = standin_tools(tmp_path / "tools")
    process = subprocess.Popen([sys.executable, str(ONCE), EXPERIMENT, str(tmp_path / "artifacts"), *overrides])
    killed = 0
    while process.poll() is None:
        for found in _left_behind(tmp_path):
            if not killed and any("standin_client" in word for word in found.cmdline()):
                found.kill()
                killed += 1
        time.sleep(0.05)
    assert killed == 1
    run = _session(tmp_path, overrides)
    table = run.trials()
    assert (table["status"] == "failed").sum() == 1
    assert (table["status"] == "done").sum() == 7
    reason = table.loc[table["status"] == "failed", "reason"].iloc[0]
    assert "client" in reason, reason
    error = next(run.run.path.glob("trials/*/trial.json"))
    assert json.loads(error.read_text())["schema"] == "frontier.trial/1"
