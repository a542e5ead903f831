"""Why a server ended, read from its log."""

from __future__ import annotations

import re

# First match wins; what engines and the operating system print, and what to say of it.
CAUSES = (
    (re.compile(r"Address already in use|address already in use|Errno 98"), "port", "its port was taken by another process"),
    (
        re.compile(
            r"OutOfMemoryError|out of memory|Cannot allocate memory|can't allocate memory|DefaultCPUAllocator|MemoryError|"
            r"No available memory for the cache blocks|larger than the available KV cache memory|not enough memory|"
            r"Free memory on device .* is less than",
            re.IGNORECASE,
        ),
        "memory", "out of memory",
    ),
    (
        re.compile(
            r"is not a local folder and is not a valid model|Repo id must be|Can't load the configuration|does not appear to have a file named|"
            r"Invalid repository ID or local directory|Unrecognized model in|No such file or directory: '[^']*config\.json|"
            r"Cannot find any model weights|couldn't connect to .* and couldn't find .* in the cached files|Cannot find the config file",
            re.IGNORECASE,
        ),
        "model", "the model directory is wrong or incomplete",
    ),
)  # fmt: skip
_ERROR = re.compile(r"\b([A-Z]\w*(?:Error|Exception|Interrupt))\b: ?(.*)")
_GENERIC = ("Engine core initialization failed", "Failed core proc", "See root cause above")


def cause(log: str) -> tuple[str, str, str]:
    """Kind of a failure (``port``, ``memory``, ``model`` or ``other``), words for it, and the log's line that says so; empty if none does.

    Examples
    --------
    >>> cause("INFO start\\nOSError: [Errno 98] Address already in use")
    ('port', 'its port was taken by another process', 'OSError: [Errno 98] Address already in use')
    """
    lines = log.splitlines()
    for pattern, kind, words in CAUSES:
        line = next((line for line in lines if pattern.search(line) and not _is_advice(line)), None)
        if line is not None:
            return kind, words, _bare(line)
    errors = [line for line in lines if _ERROR.search(line) and not _is_advice(line) and not any(text in line for text in _GENERIC)]
    return "other", "it ended", _bare(errors[0]) if errors else ""


def _is_advice(line: str) -> bool:
    """Engines warn of what might happen; a warning is no cause."""
    return bool(re.search(r"\bWARNING\b|\bINFO\b", line))


def _bare(line: str) -> str:
    """A log line without the engine's prefix of process, time and file."""
    match = _ERROR.search(line)
    return (f"{match[1]}: {match[2]}" if match else line.strip())[:400]
