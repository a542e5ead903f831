"""A server with a good record of three dates, and a client that never waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from record_rows import AVAILABILITY, DATES, LATEST, available, page_path, row
from record_server import RecordServer, rows_reply, serving

from frontier.evidence.fetch import Client, Step


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordServer]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.set(AVAILABILITY, rows_reply([*map(available, DATES), available("2026-03-01", "llama70b"), available("2026-03-02", "brandnew1")]))
        server.set(LATEST, rows_reply([row(3, DATES[2])]))
        for number, day in enumerate(DATES, start=1):
            server.set(page_path(day), rows_reply([row(number, day)]))
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def steps() -> list[Step]:
    return []


@pytest.fixture
def client(waits: list[float], steps: list[Step]) -> Iterator[Client]:
    with Client(pause_s=0.25, backoff_s=0.0, attempts=3, sleep=waits.append, tell=steps.append) as made:
        yield made
