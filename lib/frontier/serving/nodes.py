"""Nodes of a Slurm job, for deployments that one node cannot hold. Not run on hardware: proven with stand-ins for Slurm's commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from frontier.errors import MachineError

NODELIST = "SLURM_JOB_NODELIST"


def node_names(needed: int, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Host names of the first nodes of the job that this process is in.

    Parameters
    ----------
    needed : int
        How many nodes the deployment spans.

    Raises
    ------
    MachineError
        Outside a job, or in one with fewer nodes.
    """
    text = (os.environ if environ is None else environ).get(NODELIST, "")
    if not text:
        hint = f"run inside a job: salloc --nodes {needed} --exclusive, then the same command"
        raise MachineError(f"the deployment spans {needed} nodes, and there is no Slurm job here ({NODELIST} is not set)", hint=hint)
    command = ["scontrol", "show", "hostnames", text]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise MachineError(f"Slurm does not name the nodes of {text}: {error}", hint="scontrol must be on the path of a job's first node") from error
    names = tuple(done.stdout.split())
    if len(names) < needed:
        raise MachineError(f"the deployment spans {needed} nodes, the job has {len(names)}: {', '.join(names)}", hint=f"salloc --nodes {needed}")
    return names[:needed]
