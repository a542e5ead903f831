"""What a server can do wrong, and what the client makes of it."""

from __future__ import annotations

import gzip
import json

import pytest
from record_rows import AVAILABILITY, DATES, available
from record_server import RecordServer, Reply, rows_reply

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch import Client, Step

GOOD = [available(DATES[0])]
BODY = json.dumps(GOOD).encode()
CUT = rows_reply(GOOD, cut=40)
HTML = Reply(b"<!DOCTYPE html><title>Log in</title>", headers={"Content-Type": "text/html"})
BUSY = Reply(b"", 429, {"Retry-After": "0"})
BROKEN = Reply(b'{"error":"Internal server error"}', 500)


def asked(site: RecordServer, client: Client, *replies: Reply) -> object:
    site.set(AVAILABILITY, *replies)
    site.asked.clear()
    return client.json(site.url + AVAILABILITY).document


@pytest.mark.parametrize(
    ("replies", "requests"),
    [
        ((rows_reply(GOOD),), 1),
        ((BUSY, rows_reply(GOOD)), 2),
        ((BROKEN, BROKEN, rows_reply(GOOD)), 3),
        ((CUT, rows_reply(GOOD)), 2),
        ((CUT, BUSY, rows_reply(GOOD)), 3),
        ((Reply(BODY[:40]), rows_reply(GOOD)), 2),  # whole by Content-Length, yet the JSON is cut
        ((Reply(BODY[:40], announce=False), rows_reply(GOOD)), 2),  # ends with the connection, cut
        ((Reply(gzip.compress(BODY)[:30], headers={"Content-Encoding": "gzip"}), rows_reply(GOOD)), 2),
        ((Reply(gzip.compress(BODY), headers={"Content-Encoding": "gzip"}),), 1),
    ],
    ids=["good", "busy", "500 twice", "cut", "cut, busy", "cut JSON", "cut, no length", "cut gzip", "gzip"],
)
def test_repeated_until_whole(site: RecordServer, client: Client, replies: tuple[Reply, ...], requests: int) -> None:
    assert asked(site, client, *replies) == GOOD
    assert len(site.asked) == requests


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (CUT, f"in 3 attempts: the body broke off after 40 of {len(BODY)} bytes"),
        (Reply(BODY[:40]), "the JSON breaks off or is broken (40 bytes received, 40 announced"),
        (BUSY, "in 3 attempts: status 429 Too Many Requests"),
        (BROKEN, "in 3 attempts: status 500 Internal Server Error"),
    ],
    ids=["cut", "cut JSON", "busy", "500"],
)
def test_given_up_with_url_bytes_and_what_to_type(site: RecordServer, client: Client, reply: Reply, says: str) -> None:
    with pytest.raises(RunError) as error:
        asked(site, client, reply)
    text = str(error.value)
    assert text.startswith(site.url + AVAILABILITY)
    assert says in text
    assert "try   type the same command again" in text
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (HTML, "gave a web page instead of data: a login"),
        (Reply(b"\n<html>", headers={"Content-Type": "application/json"}), "gave a web page instead of data"),
        (Reply(b"<html>no</html>", 403), "status 403 Forbidden (the server or a proxy refuses this machine)"),
        (Reply(b'{"message":"Not Found"}', 404), 'status 404 Not Found: {"message":"Not Found"} (there is no such page'),
        (Reply(b"", 401), "status 401 Unauthorized (the server wants a login"),
        (Reply(b"{}", 403, {"X-RateLimit-Remaining": "0"}), "the hourly number of requests without a login is used up"),
        (Reply(b"", 418), "status 418"),
    ],
    ids=["portal", "portal that says JSON", "403", "404", "401", "rate limit", "418"],
)
def test_refused_at_once(site: RecordServer, client: Client, reply: Reply, says: str) -> None:
    with pytest.raises(RunError) as error:
        asked(site, client, reply, rows_reply(GOOD))
    assert says in str(error.value)
    assert len(site.asked) == 1


def test_a_redirect_to_a_portal_is_named(site: RecordServer, client: Client) -> None:
    site.set("/login", HTML)
    with pytest.raises(RunError, match=f"after a redirect to {site.url}/login"):
        asked(site, client, Reply(b"", 302, {"Location": "/login"}))


def test_waits_as_long_as_the_server_asks(site: RecordServer, client: Client, waits: list[float], steps: list[Step]) -> None:
    asked(site, client, Reply(b"", 503, {"Retry-After": "7"}), rows_reply(GOOD))
    assert waits == [7.0, 0.25]  # what it asked for, then the pause before the next request
    assert steps[-1].note == "status 503 Service Unavailable; next attempt in 7 s"


def test_leaves_a_server_alone_that_asks_for_hours(site: RecordServer, client: Client, waits: list[float]) -> None:
    with pytest.raises(RunError, match="asks to wait 7200 s, more than 600 s"):
        asked(site, client, Reply(b"", 429, {"Retry-After": "7200"}), rows_reply(GOOD))
    assert waits == []


def test_backs_off_exponentially(site: RecordServer, waits: list[float]) -> None:
    # urllib3: no wait after the first failure, then backoff * 2^(n - 1) after the n-th.
    with Client(pause_s=0.0, backoff_s=0.5, attempts=4, sleep=waits.append) as client, pytest.raises(RunError):
        asked(site, client, BROKEN)
    assert [wait for wait in waits if wait] == [1.0, 2.0]


def test_an_unreadable_retry_after_counts_as_none(site: RecordServer, client: Client) -> None:
    assert asked(site, client, Reply(b"", 503, {"Retry-After": "soon"}), rows_reply(GOOD)) == GOOD


def test_nobody_listens(client: Client) -> None:
    with pytest.raises(RunError, match=r"in 3 attempts: ConnectionError: .*Connection refused"):
        client.json("http://127.0.0.1:1/api")


@pytest.mark.parametrize("url", ["inferencex", "ftp://example.org/x", "http://"])
def test_no_url(client: Client, url: str) -> None:
    with pytest.raises(UsageError, match="cannot ask"):
        client.json(url)
