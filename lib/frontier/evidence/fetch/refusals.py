"""Answers that no repetition mends: what they are, and what to type."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from frontier.errors import RunError

AGAIN = "type the same command again: what is complete is kept, and it goes on from there"
BY_HAND = "or get the file on another machine and hand it over: docs/fetching.md, \"Behind a firewall\""
WHY = {
    401: "the server wants a login, which the public record does not: a proxy or another site answered",
    403: "the server or a proxy refuses this machine",
    404: "there is no such page: the base URL is wrong, or the site has changed",
}


def is_html(headers: Mapping[str, str], start: bytes) -> bool:
    """Whether a body is a web page, by its type or its first bytes."""
    return "html" in headers.get("Content-Type", "").lower() or start.lstrip()[:1] == b"<"


def html_error(url: str, response: requests.Response) -> RunError:
    """The error for a web page where data was asked for."""
    moved = f" (after a redirect to {response.url})" if response.url != url else ""
    return RunError(
        f"{url}\n  gave a web page instead of data{moved}: a login, a bot check, or the portal of this network",
        hint=f"open the URL in a browser; if it shows data there, a proxy stands between (HTTPS_PROXY); {BY_HAND}",
    )


def refusal(url: str, response: requests.Response) -> RunError:
    """The error for a status that no repetition mends."""
    start = next(response.iter_content(300), b"")
    said = "" if not start or is_html(response.headers, start) else f": {start.decode(errors='replace').strip()}"
    if response.headers.get("X-RateLimit-Remaining") == "0":
        used_up = "the hourly number of requests without a login is used up"
        return RunError(f"{url}\n  status {response.status_code}: {used_up}", hint=f"wait an hour; {AGAIN}")
    why = f" ({WHY[response.status_code]})" if response.status_code in WHY else ""
    return RunError(f"{url}\n  status {response.status_code} {response.reason}{said}{why}", hint=f"--url https://HOST; {BY_HAND}")
