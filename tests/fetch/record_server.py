"""A server on this machine that replays answers of the record: good, cut, busy, refusing, stalled, with and without range requests."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. ``cut``: bytes after which the connection closes; ``stall``: bytes after which it waits until the server ends."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    ranges: bool = False
    announce: bool = True


def rows_reply(rows: object, **options: Any) -> Reply:
    return Reply(json.dumps(rows).encode(), headers={"Content-Type": "application/json; charset=utf-8"}, **options)


class RecordServer:
    """Answers by path with query; a list of answers is used up to its last one, which stays."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.stalled = threading.Event()
        self.ended = threading.Event()
        self.url = ""

    def set(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def next(self, path: str) -> Reply:
        queue = self.replies.get(path)
        if queue is None:
            return Reply(b'{"error":"not found"}', 404)
        return queue.pop(0) if len(queue) > 1 else queue[0]


@contextmanager
def serving() -> Iterator[RecordServer]:
    site = RecordServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            site.asked.append(self.path)
            site.headers.append(dict(self.headers))
            reply = site.next(self.path)
            body, status, headers = reply.body, reply.status, dict(reply.headers)
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if wanted and reply.ranges and self.headers.get("If-Range") == headers.get("ETag"):
                start = int(wanted[1])
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                body, status = body[start:], 206
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if reply.announce:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            end = next((count for count in (reply.cut, reply.stall) if count is not None), len(body))
            self.wfile.write(body[:end])
            self.wfile.flush()
            if reply.stall is not None:
                site.stalled.set()
                site.ended.wait(60)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
