"""A completions server with a model one can compute by hand: after token t, token t + 1 (mod V) has probability p, the others share the rest."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

VOCABULARY = 10


class Model:
    """p of the next token in the row; ``swapped`` tokens are followed by t + 2 instead; faults are switched on by name."""

    def __init__(self, p: float = 0.55, swapped: tuple[int, ...] = (), fault: str = "") -> None:
        self.p, self.swapped, self.fault = p, swapped, fault
        self.asked: list[dict[str, Any]] = []
        self.release = threading.Event()

    def best(self, token: int) -> int:
        return (token + (2 if token in self.swapped else 1)) % VOCABULARY

    def logprob(self, before: int, token: int) -> float:
        return math.log(self.p if token == self.best(before) else (1 - self.p) / (VOCABULARY - 1))

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append(body)
        prompt = body["prompt"]
        if self.fault == "hang":
            self.release.wait(20)
        if self.fault == "refuse":
            return 400, {"error": {"message": "This model's maximum context length is 4 tokens."}}
        if self.fault == "html":
            return 200, "<html>"
        if body.get("model") != "toy":
            return 404, {"error": {"message": "The model does not exist."}}
        choice: dict[str, Any] = {"index": 0, "prompt_logprobs": None, "token_ids": None}
        if "prompt_logprobs" in body and self.fault != "no_logprobs":
            choice["prompt_logprobs"] = self.prompt_logprobs(prompt)
        if body.get("return_token_ids") and self.fault != "no_ids":
            ids = [prompt[-1]]
            for _ in range(body["max_tokens"] - (self.fault == "short")):
                ids.append(self.best(ids[-1]))
            choice["token_ids"] = ids[1:]
        return 200, {"choices": [choice]}

    def prompt_logprobs(self, prompt: list[int]) -> list[Any]:
        found: list[Any] = [None]
        for before, token in pairwise(prompt):
            entry = {str(k): {"logprob": self.logprob(before, k), "rank": 1} for k in (token, self.best(before))}
            found.append(entry)
        if self.fault == "stale":  # what uncomputed memory holds: ids of no prompt, numbers that are no logarithms
            found[1] = {"93824": {"logprob": 4.5e-41}}
        if self.fault == "nan":
            found[1] = {str(prompt[1]): {"logprob": None}}
        if self.fault == "fewer":
            found.pop()
        return found


@contextmanager
def served(model: Model) -> Iterator[str]:
    """The model's address for as long as it is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = model.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        model.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
