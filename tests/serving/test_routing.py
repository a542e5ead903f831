"""The router in front of stand-ins; it runs with the engine's Python, because the kit has no aiohttp."""

from __future__ import annotations

import dataclasses
import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from standin_deployments import standin_server

from frontier.serving import VllmKnobs, VllmLevers, deployment, launch
from frontier.serving.running import Running
from frontier.serving.spec import HANDOVER, DeploymentSpec


def post(url: str, **body: Any) -> list[bytes]:
    data = json.dumps({"model": "m", "prompt": [1, 2, 3], "max_tokens": 4, "ignore_eos": True, "stream": True, **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(url + "/v1/completions", data), timeout=20) as answer:
        return [line for line in answer.read().splitlines() if line.startswith(b"data: {")]


def status(error: urllib.error.HTTPError) -> int:
    error.close()
    return error.code


def text(lines: list[bytes]) -> str:
    return "".join(json.loads(line[6:])["choices"][0]["text"] for line in lines)


def behind(levers: VllmLevers, *options: str) -> DeploymentSpec:
    """The deployment of some levers with stand-ins in the servers' places; further options go to the last of them."""
    spec = deployment(levers, VllmKnobs("cpu", "m", served_name="m", route_replicas=True))
    servers = []
    for server in spec.servers:
        more = ("--handover", server.role, "--handover-folder", HANDOVER) if levers.disaggregated else ()
        servers.append(standin_server(server.name, *more, *(options if server is spec.servers[-1] else ())))
    router = dataclasses.replace(spec.router, cores=()) if spec.router else None
    return dataclasses.replace(spec, servers=tuple(servers), router=router)


def metrics(server: Running) -> dict[str, dict[str, float]]:
    return server.scrape_each()


def test_replicas_take_turns(tmp_path: Path, vllm_python: Path) -> None:
    with launch(behind(VllmLevers(dp=2)), tmp_path, vllm_python, ready_timeout_s=60) as server:
        assert len(server.urls) == 1
        for number in range(5):
            assert len(post(server.url, prompt=[number])) == 4
        found = metrics(server)
        assert [found[name]["requests_finished"] for name in ("server0", "server1")] == [3, 3]  # the readiness request among them
        assert found["router"]["router_requests"] == 6


def test_prefill_then_decode(tmp_path: Path, vllm_python: Path) -> None:
    spec = behind(VllmLevers(disaggregated=True))
    with launch(spec, tmp_path, vllm_python, ready_timeout_s=60) as server:
        direct = f"http://127.0.0.1:{server.ports['decode']}"
        assert text(post(server.url)) == text(post(direct))
        found = metrics(server)
        assert found["prefill"]["generation_tokens"] == 2  # one per request, thrown away
        assert found["prefill"]["prompt_tokens"] == 8 + 3
        assert found["decode"]["handed_over_tokens"] == 8 + 3
        assert found["router"]["router_handed_over"] == 2
        assert found["router"]["router_bytes"] == 8 + 3
        assert found["router"]["router_prefill_s"] > 0
        handover = Path(server.commands["router"][server.commands["router"].index("--folder") + 1])
        end_s = time.monotonic() + 20
        while any(handover.iterdir()) and time.monotonic() < end_s:
            time.sleep(0.02)
        assert not any(handover.iterdir())  # nothing grows

        for body, expected in ((b"{", 400), (json.dumps({"model": "other", "prompt": "a"}).encode(), 404)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(server.url + "/v1/completions", body), timeout=20)
            assert status(caught.value) == expected
        with urllib.request.urlopen(server.url + "/v1/models", timeout=20) as answer:
            assert json.loads(answer.read())["data"][0]["id"] == "m"
    assert not handover.exists()


def test_a_decode_server_that_dies_breaks_the_stream_and_then_is_gone(tmp_path: Path, vllm_python: Path) -> None:
    spec = behind(VllmLevers(disaggregated=True), "--crash-after", "1")
    with launch(spec, tmp_path, vllm_python, ready_timeout_s=60) as server:
        with pytest.raises((OSError, http.client.HTTPException)):
            post(server.url)
        server.children["decode"].wait(20)
        assert not server.alive()
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(server.url)
        assert status(caught.value) == 502
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(server.url + "/health", timeout=20)
        assert status(caught.value) == 503
