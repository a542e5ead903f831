"""What a registry says of an image, asked through skopeo."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import replace
from typing import Any

from frontier.errors import MachineError
from frontier.images.lock import Base

ANSWER_S = 120.0
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def ask_registry(base: Base) -> Base:
    """The base with the digests that its registry has now for its tag and platform.

    Raises
    ------
    MachineError
        If skopeo or the registry is out of reach, has no image for the platform, or answers with something else than what it names.
    """
    raw = _raw(base.reference)
    document = json.loads(raw)
    if document.get("mediaType") in INDEXES or "manifests" in document:
        digest = _of_platform(document, base)
        raw = _raw(f"{base.repository}@{digest}")
        document = json.loads(raw)
        if _sha256(raw) != digest:
            raise MachineError(f"the registry names {digest} and hands over {_sha256(raw)}", origin=base.reference)
    return replace(base, image_id=str(document["config"]["digest"]), manifest_digest=_sha256(raw))


def _of_platform(index: dict[str, Any], base: Base) -> str:
    system, machine = base.platform.split("/")
    found = {f"{each['platform']['os']}/{each['platform']['architecture']}": str(each["digest"]) for each in index["manifests"] if "platform" in each}
    if f"{system}/{machine}" not in found:
        raise MachineError(f"no image for {base.platform}", origin=base.reference, hint=f"one of: {', '.join(sorted(found))}")
    return found[f"{system}/{machine}"]


def _raw(reference: str) -> bytes:
    command = ["skopeo", "inspect", "--raw", f"docker://{reference}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_S, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise MachineError("skopeo is not on the path", hint="apt-get install skopeo") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"the registry does not answer within {ANSWER_S:.0f} s", origin=reference) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        wrapped = re.search(r'msg="((?:[^"\\]|\\.)*)"', said)  # skopeo writes log lines
        reason = wrapped[1].replace('\\"', "'") if wrapped else said or "no reason given"
        raise MachineError(f"the registry cannot be asked: {reason}", origin=reference)
    return done.stdout


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
