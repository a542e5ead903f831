"""Polite HTTP: one request at a time, a pause between two, a server's Retry-After kept, back-off, and errors that say what to type."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

from frontier import __version__
from frontier.errors import RunError, UsageError
from frontier.evidence.fetch.refusals import AGAIN, BY_HAND, html_error, is_html, refusal

T = TypeVar("T")
USER_AGENT = f"frontier-kit/{__version__} (reads the public record; one request at a time)"
RETRIED = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Step:
    """Where a fetch is: ``done`` of ``total`` pages or bytes of what ``name`` says, or a ``note``."""

    name: str
    done: int = 0
    total: int | None = None
    unit: str = "pages"
    note: str = ""


class Again(Exception):  # noqa: N818 - not an error yet: the attempt is repeated
    """An attempt that is worth repeating.

    Parameters
    ----------
    reason : str
    wait_s : float
        What the server asked for, seconds.
    gained : bool
        Whether the attempt brought new bytes that are kept; the count of attempts then starts anew.
    """

    def __init__(self, reason: str, wait_s: float = 0.0, *, gained: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.gained = gained


@dataclass(frozen=True)
class Answer:
    """A complete response.

    Attributes
    ----------
    url, final_url : str
        What was asked, and what answered after redirects.
    body : bytes
        Content as the server meant it: a transport compression is undone.
    document : object
        The parsed JSON.
    """

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    document: Any


@dataclass
class Client:
    """One session with a public server.

    Parameters
    ----------
    pause_s : float, seconds
        Between the end of a request and the next one.
    attempts : int
        For one file, at most.
    backoff_s : float, seconds
        Base of the exponential back-off.
    longest_wait_s : float, seconds
        A server that asks for more is left alone, with an error.
    timeout_s : pair of float, seconds
        To connect, and between two pieces of an answer.
    tell : callable
        Receives a `Step` now and then.
    sleep : callable
        Waits for so many seconds.

    Attributes
    ----------
    asked : int
        Requests that were sent.
    """

    pause_s: float = 1.0
    attempts: int = 5
    backoff_s: float = 1.0
    longest_wait_s: float = 600.0
    timeout_s: tuple[float, float] = (10.0, 60.0)
    tell: Callable[[Step], None] = lambda step: None
    sleep: Callable[[float], None] = time.sleep
    asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json, */*;q=0.5"})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.close()

    def repeated(self, url: str, once: Callable[[], T]) -> T:
        """What ``once`` gives, repeated while it raises `Again` and attempts are left.

        Raises
        ------
        RunError
            If they are used up, or the server asks for a longer wait than `longest_wait_s`.
        """
        policy = Retry(total=self.attempts - 1, backoff_factor=self.backoff_s)
        left = policy
        while True:
            try:
                return once()
            except Again as failure:
                if failure.gained:
                    left = policy
                try:
                    left = left.increment("GET", url, error=failure)
                except MaxRetryError:
                    count = f"{self.attempts} attempt{'s' if self.attempts != 1 else ''}"
                    what = f"{url}\n  gave no complete answer in {count}: {failure.reason}"
                    raise RunError(what, hint=f"{AGAIN};\n        {BY_HAND}") from failure
                wait = max(failure.wait_s, left.get_backoff_time())
                if wait > self.longest_wait_s:
                    raise RunError(
                        f"the server asks to wait {wait:.0f} s, more than {self.longest_wait_s:.0f} s: {failure.reason}", origin=url, hint=AGAIN
                    ) from failure
                self.tell(Step(url, note=f"{failure.reason}; next attempt" + (f" in {wait:.0f} s" if wait else "")))
                self.sleep(wait)

    @contextmanager
    def opened(self, url: str, accepted: tuple[int, ...] = (200,), headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """A response whose status is one of ``accepted``, its body not yet read.

        Raises
        ------
        Again
            If the server is busy or out of reach, or the body breaks off.
        RunError
            If it refuses.
        UsageError
            If the URL is none.
        """
        if self.asked:
            self.sleep(self.pause_s)
        self.asked += 1
        try:
            with self._session.get(url, headers=dict(headers or {}), timeout=self.timeout_s, stream=True) as response:
                if response.status_code in RETRIED:
                    raise Again(f"status {response.status_code} {response.reason}", _wait_asked(response))
                if response.status_code not in accepted:
                    raise refusal(url, response)
                yield response
        except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as cause:
            raise RunError(
                f"{url}\n  cannot be reached through this network: {cause}",
                hint=f"HTTPS_PROXY names the proxy, REQUESTS_CA_BUNDLE its certificate; {BY_HAND}",
            ) from cause
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError) as cause:
            raise Again(_short(cause)) from cause
        except requests.exceptions.ContentDecodingError as cause:
            raise Again(f"broken compression: {_short(cause)}") from cause
        except (requests.exceptions.RequestException, ValueError) as cause:
            raise UsageError(f"cannot ask {url}: {cause}", hint="--url https://HOST") from cause

    def json(self, url: str, accepted: tuple[int, ...] = (200,)) -> Answer:
        """The JSON document at a URL; a body that breaks off is asked for again.

        Raises
        ------
        RunError
            If the server refuses, sends HTML, or never sends a complete document.
        """
        return self.repeated(url, lambda: self._json(url, accepted))

    def _json(self, url: str, accepted: tuple[int, ...]) -> Answer:
        with self.opened(url, accepted) as response:
            body = bytearray()
            expected = response.headers.get("Content-Length", "an unknown number")
            try:
                for piece in response.iter_content(1 << 16):
                    body += piece
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as cause:
                raise Again(f"the body broke off after {response.raw.tell()} of {expected} bytes") from cause
            if is_html(response.headers, bytes(body[:200])):
                raise html_error(url, response)
            try:
                document = json.loads(body)
            except ValueError as cause:
                raise Again(f"the JSON breaks off or is broken ({len(body)} bytes received, {expected} announced: {cause})") from cause
            return Answer(url, response.url, response.status_code, response.headers, bytes(body), document)


def _wait_asked(response: requests.Response) -> float:
    """Seconds in Retry-After; 0 without one that can be read."""
    asked = response.headers.get("Retry-After")
    try:
        return Retry(retry_after_max=10**9).parse_retry_after(asked) if asked else 0.0
    except InvalidHeader:
        return 0.0


def _short(cause: Exception) -> str:
    """The innermost reason of a chain of connection errors."""
    text = str(getattr(cause.args[0], "reason", cause.args[0]) if cause.args else cause)
    return f"{type(cause).__name__}: {text.rsplit(': ', 1)[-1]}"
