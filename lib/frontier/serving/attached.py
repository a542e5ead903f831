"""A server that somebody else runs: what it says of itself, and whether that agrees with what was declared."""

from __future__ import annotations

import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from frontier.errors import MachineError, RunError
from frontier.serving.running import Running
from frontier.serving.spec import DeploymentSpec

TIMEOUT_S = 15.0
# What servers call the degrees that the points table has columns for: SGLang's /get_server_info, and NIM's and Dynamo's metadata where they show it.
REPORTED = {
    "tp": ("tp_size", "tensor_parallel_size"),
    "pp": ("pp_size", "pipeline_parallel_size"),
    "ep": ("ep_size", "moe_expert_parallel_size"),
    "attention_dp": ("enable_dp_attention", "enable_attention_dp"),
    "draft_len": ("speculative_num_steps", "num_speculative_tokens"),
}


@dataclass(frozen=True)
class Reported:
    """What a server says of itself.

    Attributes
    ----------
    models : tuple of str
        Names it answers to.
    max_tokens : float
        Longest sequence; NaN where it does not say.
    version : str
        Of the engine; empty where it does not say.
    facts : mapping
        Of ``REPORTED``, what it says.
    counters : bool
        Whether ``/metrics`` is there.
    """

    models: tuple[str, ...]
    max_tokens: float
    version: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    counters: bool = False


def key_of(variable: str) -> str:
    """The key in an environment variable; empty without one. It goes into requests and nowhere else.

    Raises
    ------
    MachineError
        If the variable is named and not set.
    """
    if not variable:
        return ""
    try:
        return os.environ[variable]
    except KeyError:
        raise MachineError(f"the environment variable {variable} is not set", hint=f"export {variable}=KEY, or engine.key_env=") from None


def ask(url: str, key: str = "") -> Reported:
    """Ask a server for its models, limits and version.

    Parameters
    ----------
    url : str
        Root of the server, with or without ``/v1``.
    key : str
        Sent as a bearer token where it is not empty.

    Raises
    ------
    RunError
        If it does not answer, refuses the key, or lists no model.
    """
    root = root_of(url)
    try:
        listed = json.loads(_get(f"{root}/v1/models", key))
        cards = [card for card in listed["data"] if isinstance(card.get("id"), str)]
    except urllib.error.HTTPError as error:
        error.close()
        words = "refuses the key" if error.code in (401, 403) else f"answers with status {error.code}"
        raise RunError(f"{root} {words} when it is asked for its models", origin=f"{root}/v1/models", hint="engine.url, engine.key_env") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"no OpenAI-compatible server at {root}: {error}", origin=f"{root}/v1/models", hint="engine.url") from error
    if not cards:
        raise RunError(f"{root} lists no model", origin=f"{root}/v1/models")
    lengths = [float(card["max_model_len"]) for card in cards if isinstance(card.get("max_model_len"), int | float)]
    info = _json(f"{root}/get_server_info", key) or {}
    version = str((_json(f"{root}/version", key) or {}).get("version") or info.get("version") or "")
    facts = {name: info[theirs] for name, words in REPORTED.items() for theirs in words if info.get(theirs) is not None}
    return Reported(tuple(card["id"] for card in cards), min(lengths, default=math.nan), version, facts, _there(f"{root}/metrics", key))


def contradictions(declared: Mapping[str, Any], reported: Reported) -> list[str]:
    """Where a server says something else than was declared; empty where it says nothing.

    Parameters
    ----------
    declared : mapping
        Columns of the points table.
    reported : Reported
    """
    found = []
    for name, theirs in reported.facts.items():
        ours = declared.get(name)
        if ours is not None and ours != theirs:
            found.append(f"{name} is declared as {ours}, the server says {theirs}")
    return found


@contextmanager
def attached(url: str, name: str, gpus: int, reported: Reported) -> Iterator[Running]:
    """A server as a measurement sees one, for the length of a ``with`` block. Nothing is started, and nothing is ended."""
    spec = DeploymentSpec((), None, gpus, "remote", name)
    yield Running(spec, {}, {}, math.nan, {"engine": reported.version} if reported.version else {}, addresses=(root_of(url),))


def root_of(url: str) -> str:
    """Without ``/v1`` and a slash at the end.

    >>> root_of("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000'
    """
    return url.rstrip("/").removesuffix("/v1")


def _get(url: str, key: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        text: bytes = answer.read()
    return text.decode("utf-8", "replace")


def _json(url: str, key: str) -> dict[str, Any] | None:
    """A page's object; None where there is no such page."""
    try:
        found = json.loads(_get(url, key))
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _there(url: str, key: str) -> bool:
    try:
        return bool(_get(url, key))
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
