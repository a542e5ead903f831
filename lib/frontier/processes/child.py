"""The starter's side: start a command under a guard, look at it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import psutil

from frontier.errors import MachineError, RunError
from frontier.processes.trees import MARK, descendants, kill_marked, threads


@dataclass
class Child:
    """A running command under its guard; a context manager that stops it.

    Attributes
    ----------
    command : tuple of str
    pid : int
        Of the command itself; the guard's stands in ``guard.pid``.
    log : Path
        Standard output and error of the command and its descendants, appended.
    mark : str
        Value of the environment variable ``FRONTIER_CHILD`` in every process of the tree.
    """

    command: tuple[str, ...]
    pid: int
    log: Path
    mark: str
    guard: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        """Whether the command runs; a guard leaves as soon as its command has ended and nothing of it is left."""
        return self.guard.poll() is None

    @property
    def returncode(self) -> int | None:
        """None while it runs, else the command's exit code; 128 + n if signal n ended it; -n if signal n ended the guard."""
        return self.guard.poll()

    def pids(self) -> list[int]:
        """Ids of the whole tree, the command first, the guard not among them; empty once it ended."""
        found = {process.pid for process in descendants(self.guard.pid)} if self.alive else set()
        return sorted(found, key=lambda pid: (pid != self.pid, pid))

    def listens(self, port: int) -> bool:
        """Whether a process of the tree holds a TCP port; another that took it would answer there just as well."""
        for pid in self.pids():
            try:
                held = psutil.Process(pid).net_connections("tcp")
            except psutil.Error:
                continue  # it ended meanwhile
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held):
                return True
        return False

    def pin(self, cores: Sequence[int]) -> int:
        """Bind every thread of the tree to the given cores; threads bound more narrowly by themselves stay as they are.

        Returns
        -------
        int
            Threads of the tree. Threads started later inherit the binding of the thread that starts them.

        Raises
        ------
        MachineError
            Where cores cannot be bound (not Linux), or a core is not there.
        """
        wanted = check_cores(cores)
        seen: set[int] = set()
        for _ in range(10):  # a thread may start another between the listing and the binding; the second look catches it
            found = {thread for pid in self.pids() for thread in threads(pid)}
            if found <= seen:
                break
            for thread in found - seen:
                try:
                    if not os.sched_getaffinity(thread) <= wanted:
                        os.sched_setaffinity(thread, wanted)
                except ProcessLookupError:
                    continue
            seen |= found
        return len(seen)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Exit code once the command and all it started ended; None if that took longer than the limit."""
        try:
            return self.guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, wait_s: float = 10.0) -> int:
        """TERM to the whole tree, KILL to what is left after ``wait_s`` seconds; returns the exit code. Harmless when repeated."""
        _tell(self.guard, {"stop_s": wait_s})
        try:
            self.guard.wait(wait_s + 10.0)
        except subprocess.TimeoutExpired:
            self.guard.kill()
            self.guard.wait()
        for pipe in (self.guard.stdin, self.guard.stdout):
            _close(pipe)
        kill_marked(self.mark)  # only a guard that was killed itself leaves something to find
        return int(self.guard.returncode)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log, without trailing blanks; empty when there is none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 400 * lines))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.rstrip().splitlines()[-lines:])

    def __enter__(self) -> Child:
        """The child itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()


def start(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cores: Sequence[int] | None = None,
    cwd: Path | None = None,
) -> Child:
    """Start a command under a guard.

    Parameters
    ----------
    command : sequence of str or path
        Program and arguments; no shell.
    log : Path
        File that gets the output, appended; its folder is made.
    env : mapping, optional
        The whole environment, as for ``subprocess``; the starter's own by default.
    cores : sequence of int, optional
        Cores to bind it to from its first instruction on.
    cwd : Path, optional

    Raises
    ------
    MachineError
        If a core is not there, or this system cannot bind cores, or is Windows.
    RunError
        If the command cannot be started; the message has the system's reason.
    """
    if os.name != "posix":
        raise MachineError(f"processes are guarded on Linux and macOS only, this is {sys.platform}")
    bound = sorted(check_cores(cores)) if cores is not None else None
    log.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    words = tuple(os.fspath(word) for word in command)
    whole = {**(os.environ if env is None else env), MARK: mark}
    guard = subprocess.Popen(
        [sys.executable, "-m", "frontier.processes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)},
    )  # fmt: skip
    order = {"command": words, "env": whole, "log": str(log.absolute()), "cores": bound, "cwd": str(cwd.absolute()) if cwd else None}
    _tell(guard, order)
    first = guard.stdout.readline() if guard.stdout else b""
    answer: dict[str, Any] = json.loads(first) if first else {"error": f"the guard ended with code {guard.wait()}"}
    if "error" in answer:
        guard.wait()
        for pipe in (guard.stdin, guard.stdout):
            _close(pipe)
        raise RunError(f"cannot start {words[0]}: {answer['error']}", origin=" ".join(words))
    return Child(words, answer["pid"], log, mark, guard)


def check_cores(cores: Sequence[int]) -> set[int]:
    """The cores as a set, when this process may use every one of them.

    Raises
    ------
    MachineError
        If one is not among those of ``sched_getaffinity``, none is named, or the system has no such call.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise MachineError(f"this system ({sys.platform}) cannot bind processes to cores", hint="leave cores unset")
    here, wanted = os.sched_getaffinity(0), set(cores)
    if not wanted or not wanted <= here:
        raise MachineError(f"cores {sorted(wanted)} asked for, this process may use {sorted(here)}")
    return wanted


def _tell(guard: subprocess.Popen[bytes], message: Mapping[str, object]) -> None:
    try:
        if guard.stdin and not guard.stdin.closed:
            guard.stdin.write(json.dumps(message).encode() + b"\n")
            guard.stdin.flush()
    except BrokenPipeError:
        return


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe:
            pipe.close()
    except BrokenPipeError:
        return


def run_to_end(command: Sequence[str | Path], what: str, *, log: Path, timeout_s: float, env: Mapping[str, str] | None = None) -> None:
    """Run a command until it ends well.

    Parameters
    ----------
    command : sequence of str or Path
    what : str
        What it is, for messages.
    log : Path
        Gets what it prints.
    timeout_s : float, seconds
    env : mapping of str to str, optional
        Added to this process's environment.

    Raises
    ------
    RunError
        If it fails or takes longer; with the log's last lines.
    """
    with start(command, log=log, env=None if env is None else {**os.environ, **env}) as child:
        code = child.wait(timeout_s)
        tail = child.log_tail(8)
    if code is None:
        raise RunError(f"{what} did not end within {timeout_s:g} s; its log ends with:\n{tail}", origin=str(log))
    if code:
        raise RunError(f"{what} ended with code {code}; its log ends with:\n{tail}", origin=str(log))
