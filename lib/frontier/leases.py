"""Locks for a folder that several machines share: a claim that is renewed while its holder lives, and taken over once it is not.

A lock of the operating system (``flock``) is kept by the server of a network file system, and one that a dead node held may stay held. A lease is
a folder that appears by rename, which succeeds for one claimant only as long as the folder is there and not empty. Its holder touches a file
in it; a claimant that finds the file untouched for ``EXPIRES_S`` moves the folder away, to a name that only one claimant can take, and claims
anew. Ages are told by the file system's own clock, because the clocks of two machines need not agree.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RENEW_S = 5.0
EXPIRES_S = 60.0
POLL_S = 0.2
HOLDER = "holder.json"


class LeaseHeldError(Exception):
    """Somebody else holds the lease; the text says who."""


@contextmanager
def lease(folder: Path, name: str, *, wait_s: float) -> Iterator[None]:
    """Hold a lease by name.

    Parameters
    ----------
    folder : Path
        Where leases are kept; shared by all who want one.
    name : str
    wait_s : float, seconds
        How long to wait for another holder; an expired lease is taken over at once.

    Raises
    ------
    LeaseHeldError
        If another process still holds it after ``wait_s``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    staging = folder / f".claim-{token}"
    held = folder / f"{name}.lease"
    staging.mkdir()
    try:
        holder = {"token": token, "host": socket.gethostname(), "processes": _processes(), "pid": os.getpid()}
        (staging / HOLDER).write_text(json.dumps(holder), encoding="utf-8")
        deadline = time.monotonic() + wait_s
        while not _claim(staging, held):
            if _move_expired(staging, held):
                continue
            if time.monotonic() > deadline:
                raise LeaseHeldError(_holder_text(held))
            time.sleep(POLL_S)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(held / HOLDER, token, stop), daemon=True)
    renewer.start()
    try:
        yield
    finally:
        stop.set()
        renewer.join()
        if _token(held) == token:
            released = folder / f".released-{token}"
            held.rename(released)
            shutil.rmtree(released, ignore_errors=True)


def _claim(staging: Path, held: Path) -> bool:
    """Whether the staged folder could take the name: rename(2) replaces no folder that is not empty."""
    try:
        staging.rename(held)
    except OSError:
        return False
    return True


def _move_expired(staging: Path, held: Path) -> bool:
    """Move a lease away that nobody renews any more; whether it is gone.

    Its token names the target, so that no second claimant moves the next holder's.
    """
    token = _token(held)
    if not token or not _expired(staging, held):
        return False
    away = held.with_name(f".expired-{token}")
    try:
        held.rename(away)
    except OSError:
        return False  # another claimant was first
    # It stays as a mark: removed, its name would be free for a late claimant that still believes this lease to be held.
    return True


def _expired(staging: Path, held: Path) -> bool:
    try:
        holder = json.loads((held / HOLDER).read_text(encoding="utf-8"))
        here = (holder["host"], holder["processes"]) == (socket.gethostname(), _processes())
        if here and not _alive(int(holder["pid"])):
            return True
        os.utime(staging / HOLDER)
        return (staging / HOLDER).stat().st_mtime - (held / HOLDER).stat().st_mtime > EXPIRES_S
    except (OSError, ValueError, KeyError):
        return False  # released or taken over meanwhile


def _processes() -> str:
    """Which numbering of processes a number belongs to: a container may have its own under the host's name."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _renew(file: Path, token: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        try:
            if _token(file.parent) == token:
                os.utime(file)
        except OSError:
            continue  # the file system does not answer; the next round may


def _token(held: Path) -> str:
    try:
        return str(json.loads((held / HOLDER).read_text(encoding="utf-8"))["token"])
    except (OSError, ValueError, KeyError):
        return ""


def _holder_text(held: Path) -> str:
    try:
        holder = json.loads((held / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"
