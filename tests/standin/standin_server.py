"""A stand-in for an OpenAI-compatible serving engine, with faults on demand; standard library only, 127.0.0.1 only.

    python tests/standin/standin_server.py --port 0 --port-file F --ttft-ms 20 --tpot-ms 5

It answers ``/health``, ``/version``, ``/v1/models``, ``/metrics`` (names as vLLM writes them), ``/v1/completions`` and
``/v1/chat/completions``, streamed or whole. Tokens leave on a fixed schedule: the first after ``ttft`` (plus the prompt's share), the
others every ``tpot`` (plus the running requests' share), counted from the moment a slot is free. Tokens are words; the words depend on the
prompt, the position and the seed only, so the same prompt gives the same text from every stand-in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error", 503: "Service Unavailable"}
# What engines really print when they give up; a launcher must find the reason in it.
LAST_WORDS = {
    "oom": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB",
    "cpu_oom": "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    "kv": "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
    "model": "OSError: /nowhere/model is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    "port": "OSError: [Errno 98] Address already in use",
    "other": "RuntimeError: something no launcher has a name for",
}


@dataclass
class Counters:
    """What ``/metrics`` shows."""

    prompt_tokens: int = 0
    generation_tokens: int = 0
    requests: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    drafts: int = 0
    draft_tokens: int = 0
    handed_over: int = 0
    accepted: list[int] = field(default_factory=list)


class HttpError(Exception):
    """A refusal with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def words(prompt_key: int, seed: int, count: int) -> list[str]:
    """The answer's tokens: " w" and a number, one per token, fixed by prompt and seed."""
    draw = random.Random(prompt_key * 1_000_003 + seed)
    return [f" w{draw.randrange(1000)}" for _ in range(count)]


def prompt_of(body: dict[str, Any]) -> tuple[int, int]:
    """Number of prompt tokens and a key of the prompt; text counts by words, a list of integers by itself."""
    if "messages" in body:
        text = " ".join(str(message.get("content", "")) for message in body["messages"])
        return max(1, len(text.split())), zlib.crc32(text.encode())
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], list | str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return max(1, len(prompt.split())), zlib.crc32(prompt.encode())
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return len(prompt), zlib.crc32(json.dumps(prompt).encode())
    raise HttpError(400, "prompt must be a text, a list of token ids, or a list with one of them")


class Server:
    """The stand-in; parameters are the command line's."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.counters = Counters(accepted=[0] * options.draft_len)
        self.slots = asyncio.Semaphore(options.slots)
        self.jitter = random.Random(options.seed)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one kept-alive connection, one after another."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                method, path, _ = lines[0].split(" ", 2)
                fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
                payload = await reader.readexactly(int(fields.get("content-length", "0")))
                await self.answer(method, path.partition("?")[0], payload, writer)
                if fields.get("connection", "").lower() == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def answer(self, method: str, path: str, payload: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            if method == "GET":
                kind, text = self.page(path)
                await send(writer, 200, text.encode(), kind)
            elif path in ("/v1/completions", "/v1/chat/completions"):
                await self.complete(json.loads(payload), path.endswith("chat/completions"), writer)
            else:
                raise HttpError(405, f"{method} {path}")
        except json.JSONDecodeError as error:
            await send(writer, 400, problem(400, f"the body is no JSON: {error}"))
        except HttpError as error:
            self.counters.failed += 1
            await send(writer, error.status, problem(error.status, str(error)))

    def page(self, path: str) -> tuple[str, str]:
        options = self.options
        if path == "/health":
            return "text/plain", ""
        if path == "/version":
            return "application/json", json.dumps({"version": options.version})
        if path == "/v1/models":
            card = {"id": options.model, "object": "model", "created": 0, "owned_by": "standin", "max_model_len": options.max_model_len}
            return "application/json", json.dumps({"object": "list", "data": [card]})
        if path == "/metrics":
            return "text/plain; version=0.0.4", self.metrics()
        raise HttpError(404, path)

    def metrics(self) -> str:
        counters, label = self.counters, f'engine="0",model_name="{self.options.model}"'
        rows = [
            ("counter", "vllm:prompt_tokens_total", counters.prompt_tokens),
            ("counter", "vllm:generation_tokens_total", counters.generation_tokens),
            ("counter", "vllm:num_preemptions_total", 0),
            ("counter", "vllm:prefix_cache_queries_total", counters.prompt_tokens),
            ("counter", "vllm:prefix_cache_hits_total", 0),
            ("counter", "vllm:external_prefix_cache_hits_total", counters.handed_over),
            ("gauge", "vllm:num_requests_running", counters.running),
            ("gauge", "vllm:num_requests_waiting", counters.waiting),
        ]
        if self.options.draft_len:
            rows += [
                ("counter", "vllm:spec_decode_num_drafts_total", counters.drafts),
                ("counter", "vllm:spec_decode_num_draft_tokens_total", counters.draft_tokens),
                ("counter", "vllm:spec_decode_num_accepted_tokens_total", sum(counters.accepted)),
            ]
        lines = [f"# TYPE {name} {kind}\n{name}{{{label}}} {float(value)}" for kind, name, value in rows]
        lines.append(f'vllm:request_success_total{{{label},finished_reason="length"}} {float(counters.requests)}')
        per_position = "vllm:spec_decode_num_accepted_tokens_per_pos_total"
        lines += [f'{per_position}{{{label},position="{at}"}} {float(count)}' for at, count in enumerate(counters.accepted)]
        return "\n".join(lines) + "\n"

    async def complete(self, body: dict[str, Any], chat: bool, writer: asyncio.StreamWriter) -> None:
        options, counters = self.options, self.counters
        if body.get("model", options.model) != options.model:
            raise HttpError(404, f"The model `{body['model']}` does not exist.")
        if any(body.get(key) for key in ("logprobs", "prompt_logprobs", "echo", "tools")):
            raise HttpError(400, "the stand-in has no log-probabilities, echo or tools")
        prompt_tokens, key = prompt_of(body)
        count = int(body.get("max_tokens") or body.get("max_completion_tokens") or 16)
        if prompt_tokens + count > options.max_model_len:
            raise HttpError(400, f"This model's maximum context length is {options.max_model_len} tokens, asked for {prompt_tokens + count}")
        finish = "length"
        if options.eos_after and not body.get("ignore_eos") and options.eos_after < count:
            count, finish = options.eos_after, "stop"
        counters.requests += 1
        number = counters.requests
        if options.fail_every and number % options.fail_every == 0:
            raise HttpError(500, f"request {number} fails by order")
        crash = options.crash_after is not None and number > options.crash_after
        hang = options.hang_after is not None and number > options.hang_after
        counters.waiting += 1
        await self.slots.acquire()
        counters.waiting -= 1
        counters.running += 1
        counters.prompt_tokens += prompt_tokens
        try:
            stream = bool(body.get("stream"))
            usage = {"prompt_tokens": prompt_tokens, "completion_tokens": count, "total_tokens": prompt_tokens + count}
            kind = ("chat.completion.chunk" if stream else "chat.completion") if chat else "text_completion"
            head = {"id": f"cmpl-{number}", "object": kind, "created": int(time.time()), "model": options.model}
            if stream:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
            whole, sent = "", 0
            self.hand_over(body, prompt_tokens)
            async for group in self.chunks(prompt_tokens, words(key, options.seed, count)):
                sent += len(group)
                whole += "".join(group)
                if crash and sent * 2 >= count:
                    sys.stderr.write("RuntimeError: Engine core initialization failed. The stand-in dies by order.\n")
                    sys.stderr.flush()
                    os._exit(options.crash_code)
                if hang:
                    await asyncio.sleep(3600)
                if stream:
                    done = finish if sent == count else None
                    await event(writer, head | {"choices": [choice("".join(group), done, chat, streamed=True)]})
            if not stream:
                await send(writer, 200, json.dumps(head | {"choices": [choice(whole, finish, chat, streamed=False)], "usage": usage}).encode())
                return
            if (body.get("stream_options") or {}).get("include_usage"):
                await event(writer, head | {"choices": [], "usage": usage})
            writer.write(chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            await writer.drain()
        finally:
            counters.running -= 1
            self.slots.release()

    def hand_over(self, body: dict[str, Any], prompt_tokens: int) -> None:
        """What a KV connector does to the file system: one file per request, written on one side and read on the other."""
        key = (body.get("kv_transfer_params") or {}).get("handover_id")
        if self.options.handover == "none" or key is None:
            return
        file = Path(self.options.handover_folder, key, "rank0", "layer.safetensors")
        if self.options.handover == "prefill":
            file.parent.mkdir(parents=True)
            file.write_bytes(bytes(prompt_tokens))
        elif file.exists():
            self.counters.handed_over += len(file.read_bytes())

    async def chunks(self, prompt_tokens: int, tokens: list[str]) -> AsyncIterator[list[str]]:
        """Groups of tokens on schedule; with drafts a group is the step's own token and the accepted drafts."""
        options, counters = self.options, self.counters
        due = time.monotonic() + self.spread(options.ttft_ms + options.ttft_per_token_us * prompt_tokens / 1e3)
        at = 0
        while at < len(tokens):
            delay = due - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            size = options.tokens_per_chunk
            if options.draft_len and at:
                size = 1 + self.accept(len(tokens) - at - 1)
            group = tokens[at : at + size]
            at += len(group)
            counters.generation_tokens += len(group)
            yield group
            due += self.spread(options.tpot_ms + options.tpot_per_running_ms * (counters.running - 1)) * (options.tokens_per_chunk)

    def accept(self, room: int) -> int:
        counters, options = self.counters, self.options
        counters.drafts += 1
        counters.draft_tokens += options.draft_len
        taken = 0
        while taken < min(options.draft_len, room) and self.jitter.random() < options.acceptance:
            counters.accepted[taken] += 1
            taken += 1
        return taken

    def spread(self, mean_ms: float) -> float:
        """A time in seconds around the mean, uniform within the jitter's share."""
        return mean_ms / 1e3 * (1 + self.options.jitter * (2 * self.jitter.random() - 1))


def choice(text: str, finish: str | None, chat: bool, *, streamed: bool) -> dict[str, Any]:
    if not chat:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    said = {"role": "assistant", "content": text}
    return {"index": 0, ("delta" if streamed else "message"): said, "finish_reason": finish}


def problem(status: int, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": REASONS[status], "code": status}}).encode()


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def event(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(chunked(b"data: " + json.dumps(document).encode() + b"\n\n"))
    await writer.drain()


async def send(writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json") -> None:
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def loopback(address: str) -> str:
    """An address that nobody else can reach."""
    if not address.startswith("127.0.0."):
        raise argparse.ArgumentTypeError(f"{address} is not an address of the loopback")
    return address


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--host", type=loopback, default="127.0.0.1")
    add("--port", type=int, default=0, help="0: any free port")
    add("--port-file", type=Path, help="file that gets the port once the server listens")
    add("--model", "--served-model-name", default="m", help="the served name")
    add("--max-model-len", type=int, default=4096)
    add("--ttft-ms", type=float, default=20.0)
    add("--ttft-per-token-us", type=float, default=0.0, help="more time to the first token, per prompt token")
    add("--tpot-ms", type=float, default=5.0)
    add("--tpot-per-running-ms", type=float, default=0.0, help="more time per token, per other running request")
    add("--jitter", type=float, default=0.0, help="times are uniform within this share of their mean")
    add("--slots", type=int, default=64, help="requests served at once; the others wait")
    add("--tokens-per-chunk", type=int, default=1)
    add("--draft-len", type=int, default=0, help="speculative decoding: tokens drafted per step")
    add("--acceptance", type=float, default=0.5, help="chance of each draft after an accepted one")
    add("--eos-after", type=int, default=0, help="answers without ignore_eos stop after this many tokens; 0: never")
    add("--seed", type=int, default=0)
    add("--version", default="standin-1", help="what it says of itself")
    add("--start-delay-s", type=float, default=0.0, help="nothing listens before")
    add("--fail-start", choices=["none", *LAST_WORDS], default="none", help="print what an engine prints then, and exit 1")
    add("--ignore-term", action="store_true")
    add("--crash-after", type=int, help="die in the middle of the request after this many")
    add("--crash-code", type=int, default=1)
    add("--hang-after", type=int, help="requests after this many never end")
    add("--handover", choices=["none", "prefill", "decode"], default="none", help="leave a file per request that has a handover_id, or look for it")
    add("--handover-folder", type=Path, help="where the files lie, one folder per request")
    add("--fail-every", type=int, default=0, help="every n-th request gets status 500")
    return parser.parse_args(given)


async def serve(options: argparse.Namespace) -> None:
    server = Server(options)
    listener = await asyncio.start_server(server.connection, options.host, options.port, limit=2**24)
    port = listener.sockets[0].getsockname()[1]
    if options.port_file:
        half = options.port_file.with_name(options.port_file.name + ".half")
        half.write_text(f"{port}\n", encoding="utf-8")
        half.replace(options.port_file)
    sys.stderr.write(f"INFO: stand-in listens on http://{options.host}:{port}\n")
    sys.stderr.flush()
    async with listener:
        await listener.serve_forever()


def main(given: list[str] | None = None) -> int:
    """Run until stopped; TERM and INT end it at once unless ordered otherwise."""
    options = arguments(given)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_term else lambda *_: os._exit(0))
    if options.fail_start != "none":
        sys.stderr.write('INFO: stand-in starts\nTraceback (most recent call last):\n  File "engine.py", line 1, in start\n')
        sys.stderr.write(LAST_WORDS[options.fail_start] + "\n")
        return 1
    time.sleep(options.start_delay_s)
    try:
        asyncio.run(serve(options))
    except OSError as error:
        sys.stderr.write(f"OSError: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
