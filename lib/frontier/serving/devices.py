"""GPUs as a job holds them: a deployment counts from 0, and a job may have been given others (``CUDA_VISIBLE_DEVICES``, as Slurm sets it)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import takewhile

from frontier.errors import MachineError

DEVICES = "CUDA_VISIBLE_DEVICES"
IDS = ("GPU-", "MIG-")  # how names begin that are no index


def given_devices(environ: Mapping[str, str] | None = None) -> list[str] | None:
    """Names of the GPUs this process was given: indices, or ids such as ``GPU-...`` and ``MIG-...``; None where nothing restricts it."""
    text = (os.environ if environ is None else environ).get(DEVICES)
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def usable_devices(there: int | None, environ: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
    """Names of the GPUs that servers can be given, each once; None where neither a driver nor the environment tells.

    Parameters
    ----------
    there : int, optional
        What the driver sees; None where there is none to ask.

    Notes
    -----
    Like CUDA (programming guide, environment variables), only what stands before the first name of no GPU counts.

    Examples
    --------
    >>> usable_devices(4, {}), usable_devices(4, {"CUDA_VISIBLE_DEVICES": "2,3,7,1"}), usable_devices(None, {})
    (('0', '1', '2', '3'), ('2', '3'), None)
    """
    given = given_devices(environ)
    if given is None:
        return None if there is None else tuple(map(str, range(there)))
    known = takewhile(lambda name: name.startswith(IDS) or (name.isdigit() and (there is None or int(name) < there)), given)
    return tuple(dict.fromkeys(known))


def held_devices(wanted: str, environ: Mapping[str, str] | None = None) -> str:
    """The GPUs of a server: ``wanted`` counts from 0 within those that were given.

    Raises
    ------
    MachineError
        If fewer were given.

    Examples
    --------
    >>> held_devices("0,1", {"CUDA_VISIBLE_DEVICES": "4,6,7"})
    '4,6'
    >>> held_devices("0,1", {})
    '0,1'
    """
    given = given_devices(environ)
    if given is None:
        return wanted
    places = [int(place) for place in wanted.split(",")]
    if max(places) >= len(given):
        raise MachineError(
            f"the deployment needs {max(places) + 1} GPUs, {DEVICES} gives {len(given)}: {','.join(given) or 'none'}",
            hint="a job with more GPUs, or a smaller layout",
        )
    return ",".join(given[place] for place in places)


def nvml_indices(count: int, environ: Mapping[str, str] | None = None) -> tuple[int, ...]:
    """Which of NVML's GPUs, which no environment hides, the first ``count`` are; empty where they are named by id."""
    given = given_devices(environ)
    names = [str(at) for at in range(count)] if given is None else given[:count]
    return tuple(map(int, names)) if all(name.isdigit() for name in names) else ()


def check_devices(needed: int, there: int | None, environ: Mapping[str, str] | None = None) -> None:
    """Refuse a deployment that needs more GPUs than there are.

    Parameters
    ----------
    needed : int
        On this node.
    there : int, optional
        What the driver sees; None where there is none to ask.

    Raises
    ------
    MachineError
        With both counts.
    """
    held_devices(",".join(map(str, range(needed))), environ)
    if there is not None and there < needed:
        raise MachineError(f"the deployment needs {needed} GPUs on this node, the driver sees {there}", hint="hardware=OPTION, or a smaller layout")
