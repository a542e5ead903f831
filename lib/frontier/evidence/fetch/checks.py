"""What the user gave and what the site answered, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch.web import Answer

# Source: SemiAnalysisAI/InferenceX-app, packages/app/src/lib/api/api-documentation.ts (API_BASE_URL);
# all routes are GET, without login and without paging.
SITE = "https://inferencex.semianalysis.com"
API = "/api/v1"
# Keys of a row that the importer cannot do without. Source: the same repository, packages/db/src/queries/benchmarks.ts (BenchmarkRow).
ROW_KEYS = (
    *("hardware", "framework", "model", "precision", "spec_method", "disagg", "isl", "osl", "conc", "metrics", "date"),
    *("prefill_tp", "prefill_ep", "prefill_dp_attention", "prefill_num_workers", "num_prefill_gpu"),
    *("decode_tp", "decode_ep", "decode_dp_attention", "decode_num_workers", "num_decode_gpu"),
)
AVAILABILITY_KEYS = ("model", "date")


def base_of(url: str) -> str:
    """The base of a site's URL, without the API's path.

    Raises
    ------
    UsageError
        If it is no http or https URL.
    """
    base = url.rstrip("/").removesuffix(API)
    if not re.match(r"https?://[^/\s]+", base):
        raise UsageError(f"--url must be an http or https address, got {url!r}", hint=f"--url {SITE}")
    return base


def checked_date(text: str, option: str) -> str:
    """An ISO date.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as cause:
        raise UsageError(f"{option} must be a date YYYY-MM-DD, got {text!r}", hint=f"{option} 2026-02-01") from cause


def checked_rows(answer: Answer, keys: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of an answer: a list of objects that hold ``keys``.

    Raises
    ------
    RunError
        If the site's schema is another one; the message names what is missing and what is there.
    """
    document = answer.document
    if not isinstance(document, list):
        found = f"an object with the keys {', '.join(list(document)[:8])}" if isinstance(document, dict) else f"a {type(document).__name__}"
        raise _changed(answer, f"gave {found} instead of a list of rows")
    for number, row in enumerate(document):
        missing = [key for key in keys if key not in row] if isinstance(row, dict) else list(keys)
        if missing:
            there = ", ".join(sorted(row)[:30]) if isinstance(row, dict) else repr(row)[:60]
            raise _changed(answer, f"row {number} lacks {', '.join(missing)}; it has: {there}")
        if not isinstance(row.get("metrics", {}), dict):
            raise _changed(answer, f"row {number}: metrics is {row['metrics']!r}, not an object")
        if not re.match(r"\d{4}-\d{2}-\d{2}", str(row["date"])):
            raise _changed(answer, f"row {number}: date is {row['date']!r}, not YYYY-MM-DD")
    return document


def _changed(answer: Answer, what: str) -> RunError:
    return RunError(
        f"{answer.url}\n  {what}: the site's schema has changed, or another site answered",
        hint="a newer version of this kit; nothing was written, earlier files are as they were",
    )
