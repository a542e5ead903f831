"""Guarded processes: nothing of a tree outlives its starter, its guard or a stop, whatever it does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import shared_memory
from pathlib import Path

import psutil
import pytest

from frontier.errors import MachineError, RunError
from frontier.processes import MARK, start

linux = pytest.mark.skipif(sys.platform != "linux", reason="child subreapers and core binding are Linux calls")

# Starts a daemon (forked twice, session of its own, environment cleared), which ignores TERM; so does the process itself. Both write their ids.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
folder = sys.argv[1]
def note(name):
    with open(f"{folder}/{name}.half", "w") as file: file.write(str(os.getpid()))
    os.rename(f"{folder}/{name}.half", f"{folder}/{name}")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-c", "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
                  "open(sys.argv[1] + '/daemon.half', 'w').write(str(os.getpid())); os.rename(sys.argv[1] + '/daemon.half', sys.argv[1] + '/daemon');"
                  "time.sleep(600)", folder], {})
    os._exit(0)
os.wait()
note("main")
time.sleep(600)
"""
NAMES = ("main", "daemon")


def until(true: Callable[[], bool], limit_s: float = 20.0) -> bool:
    """Whether it became true within a generous limit; no assertion depends on how long it took."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if true():
            return True
        time.sleep(0.02)
    return true()


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path) -> Iterator[None]:
    """Kill what a failing test leaves; its ids stand in the test's folder."""
    yield
    for name in (*NAMES, "guard"):
        text = (tmp_path / name).read_text() if (tmp_path / name).exists() else ""
        with contextlib.suppress(psutil.Error, ValueError):
            left = psutil.Process(int(text))
            if str(tmp_path) in " ".join(left.cmdline()):
                left.kill()


def ids(folder: Path, names: tuple[str, ...] = NAMES) -> list[psutil.Process]:
    assert until(lambda: all((folder / name).exists() for name in names)), list(folder.iterdir())
    return [psutil.Process(int((folder / name).read_text())) for name in names]


def gone(processes: list[psutil.Process]) -> bool:
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


@linux
def test_stop_takes_a_daemon_that_cleared_its_environment_and_ignores_term(tmp_path: Path) -> None:
    child = start([sys.executable, "-c", STUBBORN, str(tmp_path)], log=tmp_path / "log")
    tree = ids(tmp_path)
    assert {process.pid for process in tree} <= set(child.pids())
    assert child.pids()[0] == child.pid
    assert child.alive
    assert child.stop(wait_s=0.2) == 128 + signal.SIGKILL
    assert gone(tree)
    assert not child.alive
    assert child.pids() == []
    assert child.stop() == 128 + signal.SIGKILL  # harmless when repeated


def test_stop_asks_before_it_kills(tmp_path: Path) -> None:
    ready = f"open({str(tmp_path / 'main')!r}, 'w').write('1')"
    code = f"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {ready}; time.sleep(600)"
    child = start([sys.executable, "-c", code], log=tmp_path / "log")
    assert until((tmp_path / "main").exists)
    assert child.stop(wait_s=20) == 7


@linux
def test_a_command_that_ends_takes_its_daemon_along(tmp_path: Path) -> None:
    child = start([sys.executable, "-c", STUBBORN.replace("time.sleep(600)\n", "sys.exit(3)\n"), str(tmp_path)], log=tmp_path / "log")
    tree = ids(tmp_path, ("daemon",)) if until((tmp_path / "daemon").exists, 1) else []
    assert child.wait(20) == 3
    assert gone(tree)
    child.stop()


STARTER = """
import signal, sys, time
from pathlib import Path
from frontier.processes import start
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and what they start, ignore it
child = start([sys.executable, "-c", sys.argv[2], sys.argv[1]], log=Path(sys.argv[1], "log"))
Path(sys.argv[1], "guard.half").write_text(str(child.guard.pid))
Path(sys.argv[1], "guard.half").rename(Path(sys.argv[1], "guard"))
{then}
time.sleep(600)
"""


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_starter_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with (tmp_path / "err").open("wb") as err:
        starter = subprocess.Popen([sys.executable, "-c", STARTER.format(then=""), str(tmp_path), STUBBORN], stderr=err)
    tree = ids(tmp_path, (*NAMES, "guard"))
    starter.send_signal(number)
    starter.wait()
    assert until(lambda: gone(tree)), [process.cmdline() for process in tree if process.is_running()]


@linux
def test_a_fork_of_the_starter_that_keeps_the_pipe_does_not_keep_the_tree(tmp_path: Path) -> None:
    then = "import os\nif os.fork() == 0: Path(sys.argv[1], 'fork').write_text(str(os.getpid()))"
    starter = subprocess.Popen([sys.executable, "-W", "ignore", "-c", STARTER.format(then=then), str(tmp_path), STUBBORN])
    tree = ids(tmp_path, (*NAMES, "guard"))
    assert until(lambda: (tmp_path / "fork").exists() and (tmp_path / "fork").read_text() != "")
    fork = psutil.Process(int((tmp_path / "fork").read_text()))
    starter.kill()
    starter.wait()
    try:
        assert until(lambda: gone(tree))
        assert fork.is_running()
    finally:
        fork.kill()


@linux
def test_a_killed_guard_takes_the_command_along_and_stop_finds_the_rest(tmp_path: Path) -> None:
    kind = STUBBORN.replace("folder], {})", "folder], os.environ)")  # the mark stays
    child = start([sys.executable, "-c", kind, str(tmp_path)], log=tmp_path / "log")
    main, daemon = ids(tmp_path)
    assert daemon.environ()[MARK] == child.mark
    child.guard.kill()
    assert until(lambda: gone([main]))
    assert not child.alive
    assert child.stop() == -signal.SIGKILL
    assert until(lambda: gone([daemon]))


SHARER = """
import sys, time
from multiprocessing import shared_memory
shared_memory.SharedMemory(sys.argv[2])
memory = shared_memory.SharedMemory(create=True, size=4096)
open(sys.argv[1] + "/half", "w").write(memory.name)
import os; os.rename(sys.argv[1] + "/half", sys.argv[1] + "/name")
time.sleep(600)
"""


@linux
def test_shared_memory_of_the_killed_is_freed_and_that_of_others_is_not(tmp_path: Path) -> None:
    ours = shared_memory.SharedMemory(create=True, size=4096)
    try:
        child = start([sys.executable, "-c", SHARER, str(tmp_path), ours.name], log=tmp_path / "log")
        assert until((tmp_path / "name").exists), child.log_tail()
        theirs = Path("/dev/shm", (tmp_path / "name").read_text())
        assert theirs.exists()
        # The process that would free it at exit, Python's tracker, is killed with the rest.
        child.stop(wait_s=0)
        assert not theirs.exists()
        assert Path("/dev/shm", ours.name).exists()
    finally:
        ours.close()
        ours.unlink()


@linux
def test_pin_binds_every_thread_and_leaves_narrower_ones(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core here")
    code = f"""
import os, threading, time
def narrow():
    os.sched_setaffinity(0, {{{cores[1]}}}); ready.set(); time.sleep(600)
ready = threading.Event()
threading.Thread(target=narrow).start(); ready.wait()
threading.Thread(target=time.sleep, args=(600,)).start()
open({str(tmp_path / "main")!r}, "w").write(str(os.getpid()))
time.sleep(600)
"""
    with start([sys.executable, "-c", code], log=tmp_path / "log") as child:
        assert until(lambda: (tmp_path / "main").exists() and (tmp_path / "main").read_text() != "")

        def masks() -> list[list[int]]:
            return sorted(sorted(os.sched_getaffinity(thread.id)) for thread in psutil.Process(child.pid).threads())

        assert masks() == sorted([cores, [cores[1]], cores])
        assert child.pin(cores) == 3
        assert masks() == sorted([cores, [cores[1]], cores])
        assert child.pin(cores[:1]) == 3
        assert masks() == [[cores[0]]] * 3
        with pytest.raises(MachineError, match="4096"):
            child.pin([4096])


@linux
def test_cores_hold_from_the_first_instruction(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    child = start([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"], log=tmp_path / "log", cores=[core])
    assert child.wait(20) == 0
    child.stop()
    assert child.log_tail() == f"{{{core}}}"


def test_environment_folder_and_log(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    code = "import os, sys; print(sorted(os.environ.get(k, '-') for k in ('A', 'HOME'))); sys.stderr.write(os.getcwd())"
    for _ in range(2):
        child = start([sys.executable, "-c", code], log=tmp_path / "new" / "log", env={"A": "ä"}, cwd=tmp_path / "there")
        assert child.wait(20) == 0
        child.stop()
    lines = (tmp_path / "new" / "log").read_text().splitlines()
    assert sum(str(tmp_path / "there") in line for line in lines) == 2  # the second run is appended
    assert "HOME" not in child.log_tail(1)
    assert child.log_tail(1).endswith(str(tmp_path / "there"))


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        start(["/nowhere/program", "--x"], log=tmp_path / "log")
    with pytest.raises(RunError, match="nowhere"):
        start([sys.executable, "-V"], log=tmp_path / "log", cwd=Path("/nowhere"))
    with pytest.raises(MachineError, match="cores"):
        start([sys.executable, "-V"], log=tmp_path / "log", cores=[])


def test_log_tail_without_a_log(tmp_path: Path) -> None:
    child = start([sys.executable, "-V"], log=tmp_path / "log")
    child.wait(20)
    child.stop()
    (tmp_path / "log").unlink()
    assert child.log_tail() == ""
