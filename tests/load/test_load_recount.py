from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from frontier.errors import RunError
from frontier.load import recount


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that answers what it is told; its address, and what it says."""
    said: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said["asked"] = (json.loads(self.rfile.read(int(self.headers["Content-Length"]))), self.headers.get("Authorization"))
            body = json.dumps(said["answer"]).encode()
            self.send_response(said.get("status", 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", said
        listening.shutdown()
        thread.join()


def answer(text: str, counted: int) -> dict[str, Any]:
    return {"usage": {"completion_tokens": counted}, "choices": [{"text": text}]}


def test_a_server_that_counts_tokens_is_told_from_one_that_counts_chunks(server: tuple[str, dict[str, Any]], tokenizer_folder: Path) -> None:
    url, said = server
    said["answer"] = answer("bal bel bil bol bul bal bel bil", 8)
    whole = recount(url, "m", [1, 2, 3], 8, tokenizer_folder, key="k")
    said["answer"] = answer("bal bel bil bol bul bal bel bil", 2)
    assert recount(url, "m", [1, 2, 3], 8, tokenizer_folder) == pytest.approx(4 * whole)
    assert said["asked"][0]["prompt"] == [1, 2, 3]


def test_the_key_is_sent_where_there_is_one(server: tuple[str, dict[str, Any]], tokenizer_folder: Path) -> None:
    url, said = server
    said["answer"] = answer("bal", 1)
    recount(url, "m", [1], 1, tokenizer_folder, key="k")
    assert said["asked"][1] == "Bearer k"
    said["answer"] = answer("", 1)
    assert math.isnan(recount(url, "m", [1], 1, tokenizer_folder))
    assert said["asked"][1] is None


@pytest.mark.parametrize(("status", "body", "says"), [(500, {"error": "no"}, "status 500"), (200, {"choices": []}, "cannot be counted")])
def test_an_answer_that_cannot_be_counted(
    server: tuple[str, dict[str, Any]], tokenizer_folder: Path, status: int, body: dict[str, Any], says: str
) -> None:
    url, said = server
    said |= {"status": status, "answer": body}
    with pytest.raises(RunError, match=says):
        recount(url, "m", [1], 1, tokenizer_folder)


def test_no_server() -> None:
    with pytest.raises(RunError, match="cannot be counted"):
        recount("http://127.0.0.1:9", "m", [1], 1, Path())
