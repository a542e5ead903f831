# mypy: ignore-errors
"""A small router in front of serving engines: round robin over replicas, or prefill on one server and decode on another.

Runs with the engine's Python (it has aiohttp; the kit has not): ``python -I frontier_router.py --port P --policy handover --prefill URL --decode URL
--folder DIR``. Answers stream through unchanged. With hand-over, a request first goes to the prefill server with one token to make, whose
connector leaves the KV cache under ``DIR/<id>``; then to the decode server, whose connector loads it. The first token that the client sees
comes from the decode server, so its time contains the prefill, the hand-over and the decode server's first step. The folder goes once
the first token is out. ``/metrics`` counts what was handed over, and how long the parts took.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import sys
import time
import uuid
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

GENERATE = ("/v1/completions", "/v1/chat/completions")
ABORTED_KEEP_S = 30.0  # a request whose client left may still be about to be loaded; a missing file would end the decode server


class Router:
    """One router; options are the command line's."""

    def __init__(self, options):
        self.options = options
        self.turns = itertools.cycle(options.replica or [options.decode])
        self.counts = dict.fromkeys(("requests", "failed", "handed_over", "not_handed_over", "bytes", "prefill_seconds", "decode_first_seconds"), 0.0)
        self.session = None
        self.later = set()

    async def open(self, app):
        """Hold one session of connections as long as the router runs."""
        self.session = ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None), auto_decompress=False)
        yield
        await self.session.close()

    def servers(self):
        """Every server behind the router."""
        options = self.options
        return list(options.replica) if options.policy == "round_robin" else [options.prefill, options.decode]

    async def health(self, request):
        """200 when every server behind says so."""
        try:
            for url in self.servers():
                async with self.session.get(url + "/health") as answer:
                    if answer.status != 200:
                        return web.Response(status=503, text=f"{url} answers {answer.status}")
        except ClientError as error:
            return web.Response(status=503, text=str(error))
        return web.Response()

    async def forward(self, request):
        """Anything but generation goes to the first server; tokenizers and model names are the same everywhere."""
        async with self.session.request(request.method, self.servers()[0] + request.path_qs, data=await request.read()) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    async def metrics(self, request):
        """Counters of the router itself."""
        rows = [f"frontier_router:{name}_total {value}" for name, value in self.counts.items()]
        return web.Response(text="\n".join(rows) + "\n")

    async def generate(self, request):
        """One request that makes tokens."""
        self.counts["requests"] += 1
        try:
            body = await request.json()
        except json.JSONDecodeError as error:
            return web.json_response({"error": {"message": f"the body is no JSON: {error}", "code": 400}}, status=400)
        try:
            if self.options.policy == "round_robin":
                return await self.stream(request, next(self.turns), body, None)
            return await self.hand_over(request, body)
        except ClientError as error:
            self.counts["failed"] += 1
            return web.json_response({"error": {"message": f"a server behind the router is gone: {error}", "code": 502}}, status=502)

    async def hand_over(self, request, body):
        """Prefill on one server, decode on the other."""
        key = uuid.uuid4().hex
        folder = Path(self.options.folder, key)
        start = time.perf_counter()
        first = {name: value for name, value in body.items() if name not in ("stream", "stream_options", "min_tokens", "max_completion_tokens")}
        first |= {"max_tokens": 1, "stream": False, "kv_transfer_params": {"handover_id": key}}
        loaded = asyncio.Event()
        try:
            async with self.session.post(self.options.prefill + request.path, json=first) as answer:
                text = await answer.read()
                if answer.status != 200:
                    self.counts["failed"] += 1
                    return web.Response(status=answer.status, body=text, content_type=answer.content_type)
            self.counts["prefill_seconds"] += time.perf_counter() - start
            files = list(folder.glob("rank*/*")) if folder.is_dir() else []
            self.counts["handed_over" if files else "not_handed_over"] += 1
            self.counts["bytes"] += sum(file.stat().st_size for file in files)
            second = body | {"kv_transfer_params": {"handover_id": key}}
            return await self.stream(request, self.options.decode, second, loaded)
        finally:
            task = asyncio.create_task(remove(folder, 0.0 if loaded.is_set() else ABORTED_KEEP_S))
            self.later.add(task)
            task.add_done_callback(self.later.discard)

    async def stream(self, request, url, body, loaded):
        """Pass an answer through as it comes; tell ``loaded`` when its first piece is here."""
        start = time.perf_counter()
        async with self.session.post(url + request.path, json=body) as answer:
            if answer.status != 200:
                self.counts["failed"] += 1
            reply = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers.get("Content-Type", "application/json")})
            await reply.prepare(request)
            first = True
            try:
                async for chunk in answer.content.iter_any():
                    if first:
                        self.counts["decode_first_seconds"] += time.perf_counter() - start
                        first = False
                        if loaded is not None:
                            loaded.set()
                    await reply.write(chunk)
            except ClientError:
                # The head is sent, so no status can say it: the connection breaks, as the engine's own would.
                self.counts["failed"] += 1
                if request.transport is not None:
                    request.transport.abort()
                return reply
            await reply.write_eof()
            return reply


async def remove(folder, delay_s):
    """Delete a request's folder, now or later."""
    await asyncio.sleep(delay_s)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def main():
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="router of a deployment", allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--policy", choices=["round_robin", "handover"], required=True)
    parser.add_argument("--replica", action="append", default=[])
    parser.add_argument("--prefill")
    parser.add_argument("--decode")
    parser.add_argument("--folder")
    options = parser.parse_args()
    needed = ["replica"] if options.policy == "round_robin" else ["prefill", "decode", "folder"]
    missing = [name for name in needed if not getattr(options, name)]
    if missing:
        parser.error(f"--policy {options.policy} needs {', '.join('--' + name for name in missing)}")
    router = Router(options)
    app = web.Application(client_max_size=2**28)
    app.cleanup_ctx.append(router.open)
    app.router.add_get("/health", router.health)
    app.router.add_get("/metrics", router.metrics)
    for path in GENERATE:
        app.router.add_post(path, router.generate)
    app.router.add_route("*", "/{rest:.*}", router.forward)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
