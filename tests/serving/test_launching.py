"""Launching deployments of stand-in servers: readiness, every way to fail, and nothing left afterwards."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from standin_deployments import standin_server, standins

from frontier.errors import RunError
from frontier.serving import ServerSpec, launch, readiness, running

PYTHON = Path("/unused")


def post(url: str, **body: Any) -> Any:
    data = json.dumps({"model": "m", "prompt": [1, 2, 3], "max_tokens": 4, "ignore_eos": True, **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(url + "/v1/completions", data), timeout=20) as answer:
        return json.loads(answer.read())


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


def test_two_replicas_answer_count_and_end(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    spec = standins(standin_server("server0", "--draft-len", "2", cores=(core,)), standin_server("server1", "--ignore-term", cores=(core,)))
    said: list[str] = []
    with launch(spec, tmp_path, PYTHON, ready_timeout_s=60, on_wait=said.append, stop_wait_s=0.2) as server:
        assert len(server.urls) == 2
        assert server.url == server.urls[0]
        assert server.alive()
        server.check()
        pids = [pid for tree in server.pids().values() for pid in tree]
        assert [len(tree) for tree in server.pids().values()] == [1, 1]
        assert all(os.sched_getaffinity(pid) == {core} for pid in pids)
        before = server.scrape()
        assert before["prompt_tokens"] == 2 * 8  # the readiness request of each
        assert post(server.urls[1])["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        after = server.scrape()
        assert after["generation_tokens"] - before["generation_tokens"] == 4
        assert server.scrape_each()["server0"]["generation_tokens"] == before["generation_tokens"] / 2
        assert server.versions == {"engine": "standin-1"}
        assert server.ready_s > 0
    assert gone(pids)
    record = json.loads((tmp_path / "deployment.json").read_text())
    assert record["commands"]["server0"][3] == str(server.ports["server0"])
    assert (tmp_path / "server1.log").exists()


@pytest.mark.parametrize(
    ("fault", "words", "line"),
    [
        ("oom", "out of memory", "OutOfMemoryError: CUDA out of memory"),
        ("cpu_oom", "out of memory", "DefaultCPUAllocator: can't allocate memory"),
        ("kv", "out of memory", "No available memory for the cache blocks"),
        ("model", "the model directory is wrong", "/nowhere/model is not a local folder"),
        ("other", "it ended", "something no launcher has a name for"),
    ],
)
def test_a_server_that_fails_to_start_says_why(tmp_path: Path, fault: str, words: str, line: str) -> None:
    spec = standins(standin_server("prefill"), standin_server("decode", "--fail-start", fault))
    with pytest.raises(RunError) as caught, launch(spec, tmp_path, PYTHON, ready_timeout_s=60):
        pytest.fail("it is not ready")
    assert f"decode ended while it started, exit code 1: {words}" in caught.value.message
    assert line in caught.value.message
    assert caught.value.origin == str(tmp_path / "decode.log")
    me = psutil.Process()
    assert not [child for child in me.children(recursive=True) if "standin_server" in " ".join(child.cmdline())]


def test_a_port_taken_in_between_leads_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose, said = running._free_ports, []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answers = [{"server": taken.getsockname()[1]}]
        # Health of the socket above never comes, so the server's own end decides.
        monkeypatch.setattr(running, "_free_ports", lambda names: answers.pop() if answers else choose(names))
        monkeypatch.setattr(readiness, "_healthy", lambda url: not url.endswith(f":{taken.getsockname()[1]}") and _health(url))
        with launch(standins(standin_server()), tmp_path, PYTHON, ready_timeout_s=60, on_wait=said.append) as server:
            assert server.ports["server"] != taken.getsockname()[1]
    assert any("a port was taken" in line for line in said)


def test_a_neighbour_that_answers_on_the_port_is_not_taken_for_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose, said = running._free_ports, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Neighbour) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        answers = [{"server": other.server_address[1]}]
        monkeypatch.setattr(running, "_free_ports", lambda names: answers.pop() if answers else choose(names))
        slow = standin_server("server", "--start-delay-s", "2")
        with launch(standins(slow), tmp_path, PYTHON, ready_timeout_s=60, on_wait=said.append) as server:
            assert server.ports["server"] != other.server_address[1]
        other.shutdown()
    assert any("does not hold the port that answers for it" in line for line in said)


class Neighbour(BaseHTTPRequestHandler):
    """Healthy, and somebody else's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def _health(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return True
    except OSError:
        return False


def test_a_port_that_is_always_taken_ends_after_a_few_tries(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="4 times a port was taken"),
        launch(standins(standin_server("server", "--fail-start", "port")), tmp_path, PYTHON, ready_timeout_s=60),
    ):
        pytest.fail("it is not ready")


def test_a_server_that_never_listens_is_late(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="server was not ready after"),
        launch(standins(standin_server("server", "--start-delay-s", "600")), tmp_path, PYTHON, ready_timeout_s=1.0),
    ):
        pytest.fail("it is not ready")


def test_while_it_starts_the_last_line_of_its_log_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SAY_EVERY_S", 0.2)
    script = "import sys, time; print('loading weights: 12 of 96'); sys.stdout.flush(); time.sleep(60)"
    slow = ServerSpec("server", (sys.executable, "-c", script))
    said: list[str] = []
    with pytest.raises(RunError, match="was not ready after"), launch(standins(slow), tmp_path, PYTHON, ready_timeout_s=2.0, on_wait=said.append):
        pytest.fail("it is not ready")
    assert said[-1].startswith("waiting for server: ")
    assert said[-1].endswith("; server: loading weights: 12 of 96")


def test_health_alone_is_not_ready(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="refuses its first request with status 500"),
        launch(standins(standin_server("server", "--fail-every", "1")), tmp_path, PYTHON, ready_timeout_s=60),
    ):
        pytest.fail("it is not ready")


def test_a_server_that_dies_at_its_first_request(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="server ended while it started, exit code 9"),
        launch(standins(standin_server("server", "--crash-after", "0", "--crash-code", "9")), tmp_path, PYTHON, ready_timeout_s=60),
    ):
        pytest.fail("it is not ready")


def test_a_server_that_dies_in_the_middle_is_noticed(tmp_path: Path) -> None:
    spec = standins(standin_server("server", "--crash-after", "1"))
    with launch(spec, tmp_path, PYTHON, ready_timeout_s=60) as server:
        with pytest.raises(OSError):  # noqa: PT011 - one of several ways a connection breaks
            post(server.url)
        end_s = time.monotonic() + 20
        while server.alive() and time.monotonic() < end_s:
            time.sleep(0.01)
        assert not server.alive()
        with pytest.raises(RunError, match="server ended in the middle, exit code 1"):
            server.check()
        with pytest.raises(RunError, match="server ended in the middle"):
            server.scrape()


def test_a_ready_server_whose_log_says_it_is_another_one_is_refused(tmp_path: Path) -> None:
    server = dataclasses.replace(standin_server(), forbidden={"stand-in listens": "it is a stand-in"})
    with pytest.raises(RunError, match="not what was asked for: it is a stand-in"), launch(standins(server), tmp_path, PYTHON, ready_timeout_s=60):
        pytest.fail("it is not ready")


def test_a_server_killed_by_the_system_is_named_so(tmp_path: Path) -> None:
    with launch(standins(standin_server()), tmp_path, PYTHON, ready_timeout_s=60) as server:
        child = server.children["server"]
        os.kill(child.pid, 9)
        assert child.wait(20) == 137
        with pytest.raises(RunError, match="it was killed"):
            server.check()


def _fail_inside(folder: Path, pids: list[int]) -> None:
    with launch(standins(standin_server()), folder, PYTHON, ready_timeout_s=60) as server:
        pids += server.pids()["server"]
        raise ZeroDivisionError


def test_an_error_inside_the_block_stops_everything(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        _fail_inside(tmp_path, pids)
    assert pids
    assert gone(pids)
