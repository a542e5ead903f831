"""Waiting until servers answer: health, a first completion, and why one never did."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

from frontier.errors import RunError
from frontier.processes import Child
from frontier.serving.failures import cause
from frontier.serving.spec import HERE, DeploymentSpec, ServerSpec

POLL_S = 0.1
SAY_EVERY_S = 5.0
LOG_BYTES = 400_000
SAID = 160  # characters of a log's last line that are shown while waiting
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # servers are here; a proxy of the environment must not come between


class PortTakenError(RunError):
    """Try again with other ports."""


def wait_until_ready(
    spec: DeploymentSpec, children: Mapping[str, Child], urls: Mapping[str, str], until_s: float, say: Callable[[str], None]
) -> dict[str, str]:
    """Come back when every server answers and every front has completed a request; what the engine says of its versions.

    Parameters
    ----------
    spec : DeploymentSpec
    children, urls : mappings by the servers' names
    until_s : float, seconds of the monotonic clock
    say : callable
        Gets a line every few seconds while something is waited for.

    Raises
    ------
    PortTakenError
        If another process took a port, or answers on it.
    RunError
        If a server ends, is late, or its log says that it is not what was asked for.
    """
    waiting = [server.name for server in spec.processes]
    began_s = said_s = time.monotonic()
    while waiting:
        for name, child in children.items():
            if not child.alive:
                raise ended(name, child, starting=True)
        waiting = [name for name in waiting if not _healthy(urls[name])]
        now_s = time.monotonic()
        if waiting and now_s > until_s:
            raise _late(waiting[0], children[waiting[0]], now_s - began_s)
        if waiting and now_s - said_s >= SAY_EVERY_S:
            said_s = now_s
            last = children[waiting[0]].log_tail(1).strip()[:SAID]
            say(f"waiting for {', '.join(waiting)}: {now_s - began_s:.0f} s" + (f"; {waiting[0]}: {last}" if last else ""))
        if waiting:
            time.sleep(POLL_S)
    for name, child in children.items():
        if urls[name].startswith(f"http://{HERE}:") and not child.listens(int(urls[name].rsplit(":", 1)[1])):
            raise PortTakenError(f"{name} does not hold the port that answers for it: {urls[name]}", origin=str(child.log))
    for name in spec.fronts:
        _first_answer(spec, name, children, urls[name], until_s)
    for server in spec.processes:
        _check_log(server, children[server.name])
    return _versions(urls[spec.servers[0].name])


def _check_log(server: ServerSpec, child: Child) -> None:
    log = child.log.read_text(encoding="utf-8", errors="replace") if server.forbidden else ""
    for text, meaning in server.forbidden.items():
        line = next((line for line in log.splitlines() if text in line), None)
        if line is not None:
            raise RunError(f"{server.name} is not what was asked for: {meaning}\n{line}", origin=str(child.log))


def _first_answer(spec: DeploymentSpec, name: str, children: Mapping[str, Child], url: str, until_s: float) -> None:
    """One real completion; health alone does not show that the model runs."""
    body = {"model": spec.served_name, "prompt": [3, 1, 4, 1, 5, 9, 2, 6], "max_tokens": 2, "ignore_eos": True, "temperature": 0}
    request = urllib.request.Request(
        f"{url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )  # fmt: skip
    left_s = until_s - time.monotonic()
    try:
        with _OPENER.open(request, timeout=max(1.0, left_s)) as answer:
            text = json.loads(answer.read())
        if text["usage"]["completion_tokens"] < 1:
            raise RunError(f"{name} answered a request with no tokens", origin=str(children[name].log))
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace")[:500]
        error.close()
        raise RunError(f"{name} refuses its first request with status {error.code}: {said}", origin=str(children[name].log)) from error
    except OSError as error:
        for other, child in children.items():
            if child.wait(1.0) is not None:
                raise ended(other, child, starting=True) from error
        raise _late(name, children[name], left_s) from error


def _versions(url: str) -> dict[str, str]:
    try:
        return {"engine": str(json.loads(get(f"{url}/version", 5.0))["version"])}
    except (OSError, json.JSONDecodeError, KeyError):
        return {}


def _healthy(url: str) -> bool:
    try:
        get(f"{url}/health", 2.0)
    except OSError:
        return False
    return True


def get(url: str, timeout_s: float) -> str:
    """Text of a server's answer; raises OSError where there is none."""
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            text: bytes = answer.read()
    except urllib.error.HTTPError as error:
        error.close()  # an answer with a bad status is an open socket
        raise
    return text.decode("utf-8", "replace")


def ended(name: str, child: Child, *, starting: bool = False) -> RunError:
    """Why a server ended, by its log and exit code."""
    log = child.log.read_bytes()[-LOG_BYTES:].decode("utf-8", "replace") if child.log.exists() else ""
    kind, words, line = cause(log)
    code = child.returncode or 0
    if kind == "other" and code in (128 + signal.SIGKILL, -signal.SIGKILL):
        words = "it was killed (SIGKILL), by hand or by the system when memory ran out"
    text = f"{name} ended {'while it started' if starting else 'in the middle'}, exit code {code}: {words}"
    error = PortTakenError if kind == "port" and starting else RunError
    return error("\n".join(part for part in (text, line, "the log ends with:", child.log_tail(8)) if part), origin=str(child.log))


def _late(name: str, child: Child, waited_s: float) -> RunError:
    return RunError(f"{name} was not ready after {waited_s:.0f} s; its log ends with:\n{child.log_tail(8)}", origin=str(child.log))
