"""Compare the images that are here with the lock and with the records of their builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontier.images.build import read_record
from frontier.images.commands import check_builder
from frontier.images.lock import read_lock
from frontier.runtimes import get_runtime

# The worst state of all decides the exit code, in this order.
EXIT_CODES = {"differs": 1, "unlocked": 2, "missing": 3, "same": 0}


@dataclass(frozen=True)
class Finding:
    """One image against what is written about it.

    Attributes
    ----------
    name, what : str
        The image, and whether its base or what was built is meant.
    state : str
        ``same``, ``differs``, ``missing`` (not in the local store, or never built here) or ``unlocked`` (nothing to compare with).
    expected, found : str or None
        Image IDs.
    reference : str
    """

    name: str
    what: str
    state: str
    expected: str | None
    found: str | None
    reference: str


def verify(root: Path, names: Sequence[str] = (), runtime: str = "podman") -> list[Finding]:
    """What is the same, what differs, what is missing: for each image its base and its build.

    Parameters
    ----------
    root : Path
        The clone.
    names : sequence of str
        By default all images of the lock.
    runtime : str
        podman or docker.

    Raises
    ------
    ConfigError
        If there is no such image.
    """
    check_builder(runtime)
    lock = read_lock(root)
    adapter = get_runtime(runtime)

    def here(reference: str) -> str | None:
        if adapter.ask("image", "inspect", "--format", "{{.Id}}", reference).returncode != 0:
            return None
        return adapter.image_id(reference)

    findings = []
    for name in names or tuple(lock.bases):
        base, record = lock.base(name), read_record(root, name)
        if record is not None and record["base"]["kind"] == "bootstrap":
            reference, expected = record["base"]["reference"], record["base"]["image_id"]
        else:
            reference, expected = f"{base.repository}@{base.manifest_digest}" if base.locked else base.reference, base.image_id
        found = here(reference) if expected else None
        findings.append(Finding(name, "base", _state(expected, found) if expected else "unlocked", expected, found, reference))
        if record is None:
            findings.append(Finding(name, "image", "missing", None, None, "never built here"))
        else:
            found = here(record["reference"])
            findings.append(Finding(name, "image", _state(record["image_id"], found), record["image_id"], found, record["reference"]))
    return findings


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if all are the same, else the code of the worst state: 1 differs, 2 unlocked, 3 missing."""
    states = {finding.state for finding in findings}
    return next((code for state, code in EXIT_CODES.items() if state in states), 0)


def _state(expected: str, found: str | None) -> str:
    if found is None:
        return "missing"
    return "same" if found == expected else "differs"
