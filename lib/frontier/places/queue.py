"""Slurm's own commands: what it says of jobs, and how they are ended. The one place that reads its output."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from frontier.errors import MachineError

ANSWER_S = 60.0
# States after which nothing of a job will run unless it is submitted again; everything else is under way or waiting.
ENDED = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT")
)
WAITING = frozenset(("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"))
_FORMAT = "%i|%T|%r|%N|%M|%j"
DEFAULT_ARRAY = 1001  # Slurm's own default of MaxArraySize


@dataclass(frozen=True)
class Queued:
    """What Slurm says of one job.

    Parameters
    ----------
    job : str
        ``17``, or ``17_3`` for an element of an array.
    state, reason, nodes : as Slurm has them
    elapsed_s : float, seconds
    name : str
    """

    job: str
    state: str
    reason: str
    nodes: str
    elapsed_s: float
    name: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.state in ENDED

    @property
    def waiting(self) -> bool:
        """Whether it waits for its turn."""
        return self.state in WAITING


def queued(ids: Collection[str], names: Collection[str]) -> dict[str, Queued]:
    """What Slurm says of jobs by their ids; elements of arrays one by one. Jobs that it has forgotten, or that have another name, are left out.

    Parameters
    ----------
    ids : ids of jobs, or of whole arrays
    names : names that the jobs may have; Slurm begins to count anew some day, and an old id is then somebody else's job

    Raises
    ------
    MachineError
        If Slurm does not answer.
    """
    if not ids:
        return {}
    return _read(f"--jobs={','.join(sorted(ids))}", names)


def queued_by_name(names: Collection[str]) -> dict[str, Queued]:
    """The same for jobs of given names, where their ids are not known."""
    if not names:
        return {}
    return _read(f"--name={','.join(sorted(names))}", names)


def end_jobs(ids: Sequence[str]) -> None:
    """End jobs; those that have ended are left alone.

    Raises
    ------
    MachineError
        If Slurm does not answer or refuses.
    """
    if ids:
        ask("scancel", "--quiet", *ids)


def largest_array() -> int:
    """How many jobs an array may have here."""
    for line in ask("scontrol", "show", "config").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize":
            return int(value)
    return DEFAULT_ARRAY


def cluster() -> dict[str, Any]:
    """What Slurm is here, as plain JSON values: ``version`` and ``partitions``, each with its nodes and their GRES.

    Raises
    ------
    MachineError
        If it is not here, or does not answer.
    """
    version = ask("sinfo", "--version").split()[-1]
    partitions: dict[str, dict[str, Any]] = {}
    for line in ask("sinfo", "--noheader", "--format=%P|%D|%G").splitlines():
        name, nodes, gres = line.strip().split("|", 2)
        one = {"nodes": int(nodes), "gres": "" if gres == "(null)" else gres}
        partitions.setdefault(name.rstrip("*"), {"default": name.endswith("*"), "groups": []})["groups"].append(one)
    return {"version": version, "partitions": partitions}


def ask(*command: str) -> str:
    """What a command of Slurm's prints.

    Raises
    ------
    MachineError
        If it is not there, fails, or says nothing for a minute.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except FileNotFoundError:
        raise MachineError(f"{command[0]} is not on the path", origin="place.kind", hint="a login node of the cluster, or place=local") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"Slurm does not answer {command[0]} within {ANSWER_S:.0f} s", hint="the same command later; nothing is lost") from None
    if done.returncode != 0 and "Invalid job id" not in done.stderr:
        said = done.stderr.strip().splitlines()
        raise MachineError(f"{command[0]}: {said[-1] if said else f'exit code {done.returncode}'}", hint="the same command later; nothing is lost")
    return done.stdout


def _read(which: str, names: Collection[str]) -> dict[str, Queued]:
    out = {}
    for line in ask("squeue", "--noheader", "--array", "--states=all", which, f"--format={_FORMAT}").splitlines():
        job, state, reason, nodes, elapsed, name = line.strip().split("|", 5)
        if name in names:
            out[job] = Queued(job, state, "" if reason == "None" else reason, nodes, seconds_of(elapsed), name)
    return out


def seconds_of(text: str) -> float:
    """Seconds of Slurm's ``[days-][hours:]minutes:seconds``.

    >>> seconds_of("1-02:03:04"), seconds_of("5:06"), seconds_of("INVALID")
    (93784.0, 306.0, 0.0)
    """
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (days and not days.isdigit()):
        return 0.0
    total = 0
    for part in parts:
        total = 60 * total + int(part)
    return float(total + 86400 * int(days or 0))
