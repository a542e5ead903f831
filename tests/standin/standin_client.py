"""A stand-in for the load generator: reads aiperf's configuration file, keeps so many requests in flight per phase, writes aiperf's export.

Standard library only, 127.0.0.1 only; it starts in a tenth of a second, where aiperf takes ten. Prompts are not sent: the server it talks to
counts words.

    python tests/standin/standin_client.py -m aiperf profile --config client.json
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VERSIONS = {"python": "3", "aiperf": "0.0.standin"}


async def one(url: str, model: str, words: int, output: int) -> tuple[int, list[int], int | None]:
    """Start, times of the chunks and end of one streamed completion, all by ``perf_counter_ns``; no end if it failed."""
    parts = urlsplit(url)
    began, chunks = time.perf_counter_ns(), []
    body = {
        "model": model, "prompt": " ".join(["word"] * words), "max_tokens": output, "ignore_eos": True, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    payload = json.dumps(body).encode()
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(payload)}\r\n\r\n".encode() + payload
        )  # fmt: skip
        await writer.drain()
        whole = False
        while line := await reader.readline():
            if line.startswith(b"data: {") and b'"text"' in line and b'"choices": []' not in line:
                chunks.append(time.perf_counter_ns())
            whole = whole or b"[DONE]" in line
        writer.close()
        return began, chunks, time.perf_counter_ns() if whole and chunks else None
    except OSError:
        return began, chunks, None


def line_of(phase: str, number: int, start_ns: int, timed: tuple[int, list[int], int | None], words: int, output: int) -> dict[str, Any]:
    """The request as aiperf 0.13 writes it."""
    began, chunks, end = timed
    found: dict[str, Any] = {"metadata": {"phase_name": phase, "request_start_ns": start_ns, "conversation_id": f"session_{number:06d}"}}
    if end is None:
        return {**found, "metrics": {}, "error": {"type": "ConnectionError", "message": "the server closed the connection"}}
    gaps = [(b - a) / 1e6 for a, b in itertools.pairwise(chunks)]
    values = {
        "time_to_first_token": (chunks[0] - began) / 1e6, "request_latency": (chunks[-1] - began) / 1e6, "inter_chunk_latency": gaps,
        "usage_prompt_tokens": words, "usage_completion_tokens": output,
    }  # fmt: skip
    return {**found, "metrics": {name: {"value": value} for name, value in values.items()}, "error": None}


async def phase(entry: dict[str, Any], setup: dict[str, Any], export: Path) -> None:
    """Closed loop of one phase."""
    words, output = setup["words"], setup["output"]
    deadline = time.perf_counter() + float(entry.get("duration") or 0.2)

    async def loop(urls: list[str]) -> None:
        while time.perf_counter() < deadline:
            setup["count"] += 1
            number, start_ns = setup["count"], time.time_ns()
            timed = await one(urls[number % len(urls)], setup["model"], words, output)
            with export.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line_of(entry["name"], number, start_ns, timed, words, output)) + "\n")
            if timed[2] is None:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(loop(setup["urls"]) for _ in range(int(entry["concurrency"]))))


def main() -> None:
    """Run the configuration that the arguments name, or answer what versions there are."""
    if "-c" in sys.argv:
        print(json.dumps(VERSIONS))
        return
    config = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text(encoding="utf-8"))["benchmark"]
    folder = Path(config["artifacts"]["dir"])
    first = json.loads(Path(config["dataset"]["path"]).read_text(encoding="utf-8").splitlines()[0])
    setup = {
        "urls": config["endpoint"]["urls"], "model": config["model"], "count": 0, "words": 16,
        "output": int(first.get("output_length") or first.get("max_tokens") or 8),
    }  # fmt: skip
    for entry in config["phases"]:
        asyncio.run(phase(entry, setup, folder / "profile_export.jsonl"))


if __name__ == "__main__":
    main()
