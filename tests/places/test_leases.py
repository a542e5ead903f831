"""Leases: one holder at a time, given back, and taken over from a holder that is gone, by one claimant only."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from frontier import leases
from frontier.errors import RunError
from frontier.leases import EXPIRES_S, HOLDER, LeaseHeldError, lease
from frontier.store import Store

HERE = os.readlink("/proc/self/ns/pid")


def abandoned(folder: Path, *, age_s: float, host: str, pid: int, processes: str = HERE) -> Path:
    """A lease as a holder leaves it that died."""
    held = folder / "run.lease"
    held.mkdir(parents=True)
    (held / HOLDER).write_text(json.dumps({"token": "dead", "host": host, "processes": processes, "pid": pid}))
    now = (held / HOLDER).stat().st_mtime
    os.utime(held / HOLDER, (now - age_s, now - age_s))
    return held


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    with lease(tmp_path, "run", wait_s=0.0):
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on {socket.gethostname()}"), lease(tmp_path, "run", wait_s=0.3):
            pass
        with lease(tmp_path, "other", wait_s=0.0):
            pass
    with lease(tmp_path, "run", wait_s=0.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_holder_of_another_machine_is_believed_until_it_expires(tmp_path: Path) -> None:
    abandoned(tmp_path, age_s=EXPIRES_S - 10, host="elsewhere", pid=1)
    with pytest.raises(LeaseHeldError, match="on elsewhere"), lease(tmp_path, "run", wait_s=0.3):
        pass


def test_an_expired_lease_is_taken_over(tmp_path: Path) -> None:
    abandoned(tmp_path, age_s=EXPIRES_S + 10, host="elsewhere", pid=1)
    with lease(tmp_path, "run", wait_s=0.0):
        assert json.loads((tmp_path / "run.lease" / HOLDER).read_text())["pid"] == os.getpid()
    assert [path.name for path in tmp_path.iterdir()] == [".expired-dead"]


def test_a_process_of_this_machine_that_ended_is_seen_at_once(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    abandoned(tmp_path, age_s=0.0, host=socket.gethostname(), pid=int(ended.stdout))
    with lease(tmp_path, "run", wait_s=0.0):
        pass


def test_a_process_number_of_a_container_says_nothing_here(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    abandoned(tmp_path, age_s=0.0, host=socket.gethostname(), pid=int(ended.stdout), processes="pid:[another]")
    with pytest.raises(LeaseHeldError), lease(tmp_path, "run", wait_s=0.3):
        pass


def test_a_late_claimant_cannot_take_the_next_holders_lease(tmp_path: Path) -> None:
    held = abandoned(tmp_path, age_s=EXPIRES_S + 10, host="elsewhere", pid=1)
    away = tmp_path / ".expired-dead"
    with lease(tmp_path, "run", wait_s=0.0), pytest.raises(OSError, match="not empty"):
        held.rename(away)  # what a claimant would do that looked before the first one moved it


def test_of_many_claimants_one_at_a_time_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "POLL_S", 0.001)
    abandoned(tmp_path, age_s=EXPIRES_S + 10, host="elsewhere", pid=1)
    inside, most, guard = 0, 0, threading.Lock()

    def claim() -> None:
        nonlocal inside, most
        with lease(tmp_path, "run", wait_s=60.0):
            with guard:
                inside += 1
                most = max(most, inside)
            with guard:
                inside -= 1

    claimants = [threading.Thread(target=claim) for _ in range(8)]
    for claimant in claimants:
        claimant.start()
    for claimant in claimants:
        claimant.join()
    assert most == 1


def test_a_shared_store_says_who_holds_it(tmp_path: Path) -> None:
    store = Store(tmp_path, shared=True)
    with (
        store.lock("run", wait_s=0.0),
        pytest.raises(RunError, match=f"another process is working on run .process {os.getpid()}"),
        store.lock("run", wait_s=0.2),
    ):
        pass
