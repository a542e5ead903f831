"""One list of rows out of several pages, each row once.

The site's answer for a date also holds points that a later run only extended: the same row then stands in the pages of several dates, with
other ``curve_*`` values (SemiAnalysisAI/InferenceX-app, docs/data-pipeline.md). A row is known by its ``id``, or by its content without
``curve_*`` where the site gives none; of two versions the one fetched last counts, because the site corrects rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.errors import RunError
from frontier.evidence.fetch.kept import SourceRecord, write_durably


@dataclass(frozen=True)
class Union:
    """What a list of rows holds.

    Attributes
    ----------
    rows : int
    repeated : int
        Rows of the pages that were there already, and are left out.
    earlier : int
        Rows of the pages before the first date asked for, left out.
    first_date, last_date : str
        ISO.
    sha256 : str
    """

    rows: int
    repeated: int
    earlier: int
    first_date: str
    last_date: str
    sha256: str


def identity(row: dict[str, Any]) -> str:
    """What tells a row from another one."""
    if row.get("id") is not None:
        return f"id {row['id']}"
    own = {key: value for key, value in row.items() if not key.startswith("curve_")}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def write_union(out: Path, pages: Sequence[tuple[Path, SourceRecord]], since: str | None) -> Union:
    """Write all rows of the pages that are not older than ``since``, each once; pages are read one at a time.

    Raises
    ------
    RunError
        If no row is left; nothing is written then.
    """
    chosen: dict[str, tuple[int, int]] = {}
    counts = {"repeated": 0, "earlier": 0}
    dates: dict[str, str] = {}
    # Pages fetched last come last, so that their version of a row stays; at equal times the order given counts.
    for page, (file, _) in sorted(enumerate(pages), key=lambda item: item[1][1].fetched_utc):
        for number, row in enumerate(_read(file)):
            day = str(row["date"])[:10]
            if since is not None and day < since:
                counts["earlier"] += 1
                continue
            name = identity(row)
            counts["repeated"] += name in chosen
            chosen[name] = (page, number)
            dates[name] = day
    if not chosen:
        asked = f" since {since}" if since else ""
        raise RunError(f"none of {len(pages)} pages holds a row{asked}", origin=str(out.parent), hint="another --model, or an earlier --since")
    places = set(chosen.values())

    def pieces() -> Iterator[bytes]:
        before = b"[\n"
        for page, (file, _) in enumerate(pages):
            for number, row in enumerate(_read(file)):
                if (page, number) in places:
                    yield before + json.dumps(row, ensure_ascii=False).encode()
                    before = b",\n"
        yield b"\n]\n"

    sha256 = write_durably(out, pieces())
    return Union(len(chosen), counts["repeated"], counts["earlier"], min(dates.values()), max(dates.values()), sha256)


def _read(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_bytes())
    return rows
