"""The guard's side: a small process that outlives nothing it started."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from frontier.processes.trees import MARK, descendants, marked, send, shared_memory

POLL_S = 0.25
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def _prctl(option: int, value: int) -> None:
    """Ask the kernel; without effect where there is no such call."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _reap() -> dict[int, int]:
    """Exit codes of the children that ended, orphans taken over among them."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        code = os.waitstatus_to_exitcode(status)
        ended[pid] = code if code >= 0 else 128 - code


def _end_all(mark: str, grace_s: float, ended: dict[int, int]) -> None:
    """TERM to all descendants if there is a grace, then KILL until none is left."""

    def left() -> list[psutil.Process]:
        ended.update(_reap())
        tree = descendants(os.getpid())
        return tree if sys.platform == "linux" else [*tree, *(process for process in marked(mark) if process not in tree)]

    segments = shared_memory(process.pid for process in left())
    until_s = time.monotonic() + grace_s
    if grace_s > 0:
        send(left(), signal.SIGTERM)
        while time.monotonic() < until_s and left():
            time.sleep(0.02)
    while processes := left():
        send(processes, signal.SIGKILL)
        time.sleep(0.01)
    if segments := {path for path in segments if os.path.exists(path)}:
        for path in segments - shared_memory(psutil.pids()):
            Path(path).unlink(missing_ok=True)


def guard() -> int:
    """The guard: start what the first line of standard input says, end it when told or when the input closes."""
    starter = os.getppid()
    told_to_end = False

    def on_term(number: int, frame: object) -> None:
        nonlocal told_to_end
        told_to_end = True

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    source = sys.stdin.buffer
    order = json.loads(source.readline())
    os.set_blocking(source.fileno(), False)

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if order["cores"] is not None:
            os.sched_setaffinity(0, order["cores"])

    try:
        with open(order["log"], "ab") as log:
            # The guard has one thread, so code between fork and exec is safe.
            command = subprocess.Popen(
                order["command"], env=order["env"], cwd=order["cwd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=prepare,
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        _report({"error": str(error)})
        return 127
    _report({"pid": command.pid})
    ended: dict[int, int] = {}
    grace_s: float | None = None
    while grace_s is None:
        ready, _, _ = select.select([source, wake_read], [], [], POLL_S)
        if wake_read in ready:
            os.read(wake_read, 4096)
        if source in ready:
            # A line while the starter lives; nothing, at the end of the file, when it is gone.
            line = source.readline()
            grace_s = float(json.loads(line)["stop_s"]) if line else 0.0
        ended.update(_reap())
        # A forked copy of the starter can hold the pipe open: the starter's end shows in the parent's id, too.
        if command.pid in ended or told_to_end or os.getppid() != starter:
            grace_s = 0.0
    command.returncode = 0  # reaped above; keeps Popen from asking again
    _end_all(order["env"][MARK], grace_s, ended)
    return ended.get(command.pid, 128 + signal.SIGKILL)


def _report(message: Mapping[str, object]) -> None:
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        return
