"""The stand-in keeps its promises: schedule, counts, repeatability."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).with_name("standin_server.py")
SPEC = importlib.util.spec_from_file_location("standin_server", PATH)
if SPEC is None or SPEC.loader is None:
    raise ImportError(str(PATH))
standin = importlib.util.module_from_spec(SPEC)
sys.modules["standin_server"] = standin  # its dataclasses look themselves up there
SPEC.loader.exec_module(standin)


async def exchange(options: list[str], path: str, body: dict[str, object] | None) -> tuple[bytes, standin.Server]:
    server = standin.Server(standin.arguments(["--ttft-ms", "0", "--tpot-ms", "0", *options]))
    listener = await asyncio.start_server(server.connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    writer.write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    answer = await reader.read()
    writer.close()
    listener.close()
    await writer.wait_closed()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    await asyncio.sleep(0)  # the transport closes its socket one turn later
    return answer, server


def ask(options: list[str], path: str = "/v1/completions", **body: object) -> tuple[bytes, standin.Server]:
    return asyncio.run(exchange(options, path, {"model": "m", "max_tokens": 6, "ignore_eos": True, **body}))


def events(answer: bytes) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: {")]


def text(answer: bytes) -> str:
    return "".join(choice["text"] for event in events(answer) for choice in event["choices"])


def test_stream_and_whole_say_the_same() -> None:
    stream, server = ask([], prompt=[5, 6, 7], stream=True, stream_options={"include_usage": True})
    assert len(events(stream)) == 7  # six tokens, one usage
    assert events(stream)[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}
    assert stream.endswith(b"0\r\n\r\n")
    assert (server.counters.prompt_tokens, server.counters.generation_tokens, server.counters.running) == (3, 6, 0)
    whole, _ = ask([], prompt=[5, 6, 7])
    assert json.loads(whole.split(b"\r\n\r\n", 1)[1])["choices"][0]["text"] == text(stream)
    other, _ = ask([], prompt=[5, 6, 8], stream=True)
    assert text(other) != text(stream)
    assert len(text(other).split()) == 6


def test_drafts_come_in_groups_and_are_counted() -> None:
    stream, server = ask(["--draft-len", "2", "--acceptance", "1"], prompt="one two", max_tokens=7, stream=True)
    assert [len(event["choices"][0]["text"].split()) for event in events(stream)] == [1, 3, 3]
    assert (server.counters.drafts, server.counters.draft_tokens, server.counters.accepted) == (2, 4, [2, 2])


def test_end_of_text_unless_ignored() -> None:
    stopped, _ = ask(["--eos-after", "2"], prompt="a", ignore_eos=False, stream=True)
    assert len(text(stopped).split()) == 2
    assert events(stopped)[-1]["choices"][0]["finish_reason"] == "stop"
    assert len(text(ask(["--eos-after", "2"], prompt="a", stream=True)[0]).split()) == 6


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prompt": []}, 400),
        ({"prompt": "a", "model": "other"}, 404),
        ({"prompt": "a", "logprobs": 1}, 400),
        ({"prompt": "a", "max_tokens": 9999}, 400),
    ],
)
def test_refusals_have_a_status(body: dict[str, object], status: int) -> None:
    assert ask([], **body)[0].startswith(f"HTTP/1.1 {status} ".encode())


def test_pages() -> None:
    for path in ("/health", "/v1/models", "/metrics", "/version"):
        assert asyncio.run(exchange([], path, None))[0].startswith(b"HTTP/1.1 200 ")
    assert asyncio.run(exchange([], "/nowhere", None))[0].startswith(b"HTTP/1.1 404 ")
