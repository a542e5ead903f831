"""Rows of one model from the InferenceX site: one page per date, kept as they came, and one file of all rows for ``frontier import``.

    FOLDER/inferencex_<model>.json            all rows once, a list; what `frontier import inferencex` reads
    FOLDER/source/availability.json           what the site holds: model, lengths, system, date
    FOLDER/source/<model>/latest.json         the newest run of every configuration
    FOLDER/source/<model>/<date>.json         the runs of one date
    FOLDER/source/<model>/fetch.json          what was fetched; written last
    <each file below source>.source.json      its URL, date, status, SHA-256

Routes and parameters: SemiAnalysisAI/InferenceX-app, packages/app/src/app/api/v1/{availability,benchmarks}/route.ts. The dated route is used,
not `benchmarks/history`: the history leaves out images and means (packages/db/src/queries/benchmarks.ts, getAllBenchmarksForHistory).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch.checks import API, AVAILABILITY_KEYS, ROW_KEYS, SITE, base_of, checked_date, checked_rows
from frontier.evidence.fetch.kept import SourceRecord, only_fetch, read_source, utc_now, write_document, write_durably, write_record
from frontier.evidence.fetch.names import display_name, known_keys, listed
from frontier.evidence.fetch.union import write_union
from frontier.evidence.fetch.web import Answer, Client, Step

SCHEMA = "frontier.fetch/1"
# A sweep may still run on its own date and the day after; a page fetched later than this is not asked for again.
SETTLED = timedelta(days=2)


@dataclass
class _Fetch:
    """One model's fetch.

    Parameters
    ----------
    folder : Path
        Root of the files.
    base : str
        URL of the site.
    refresh : bool
        Ask for every page again.
    now : callable
        The time, for records.
    """

    client: Client
    folder: Path
    base: str
    name: str
    refresh: bool
    now: Callable[[], str]
    kept: int = field(default=0, init=False)

    @property
    def own(self) -> Path:
        """Where the pages of the model lie."""
        return self.folder / "source" / file_name(self.name)

    def url(self, route: str, **parameters: str) -> str:
        """A route with its query."""
        return f"{self.base}{API}/{route}" + (f"?{urlencode(parameters)}" if parameters else "")

    def write(self, file: Path, answer: Answer, rows: list[dict[str, Any]]) -> SourceRecord:
        """Keep an answer whose rows are checked."""
        sha256 = write_durably(file, [answer.body])
        headers = answer.headers
        record = SourceRecord(
            url=answer.url,
            final_url=answer.final_url,
            fetched_utc=self.now(),
            status=answer.status,
            sha256=sha256,
            bytes=len(answer.body),
            rows=len(rows),
            etag=headers.get("ETag", ""),
            last_modified=headers.get("Last-Modified", ""),
        )
        write_record(file, record)
        return record

    def availability(self) -> list[dict[str, Any]]:
        """What the site holds; asked for every time, because it tells which dates are new."""
        answer = self.client.json(self.url("availability"))
        rows = checked_rows(answer, AVAILABILITY_KEYS)
        self.write(self.folder / "source" / "availability.json", answer, rows)
        return rows

    def latest(self, available: list[dict[str, Any]]) -> tuple[Path, list[dict[str, Any]]]:
        """The newest run of every configuration; its rows say which keys the name stands for."""
        url = self.url("benchmarks", model=self.name)
        answer = self.client.json(url, accepted=(200, 400))
        if answer.status == 400:
            said = answer.document.get("error", "") if isinstance(answer.document, dict) else ""
            raise UsageError(
                f"the site does not take model {self.name!r}" + (f": {said}" if said else ""),
                origin=url,
                hint=f"--model with one of: {listed(str(row['model']) for row in available)}",
            )
        rows = checked_rows(answer, ROW_KEYS)
        self.write(self.own / "latest.json", answer, rows)
        return self.own / "latest.json", rows

    def page(self, day: str) -> tuple[Path, SourceRecord]:
        """The runs of one date; a page that lies there complete and settled is not asked for again."""
        url, file = self.url("benchmarks", model=self.name, date=day, exact="true"), self.own / f"{day}.json"
        record = None if self.refresh else read_source(file)
        if record is not None and record.url == url and date.fromisoformat(record.fetched_utc[:10]) - date.fromisoformat(day) >= SETTLED:
            self.kept += 1
            return file, record
        answer = self.client.json(url)
        return file, self.write(file, answer, checked_rows(answer, ROW_KEYS))


def fetch_pages(
    model: str,
    folder: Path,
    client: Client,
    *,
    base: str = SITE,
    since: str | None = None,
    refresh: bool = False,
    now: Callable[[], str] = utc_now,
) -> dict[str, Any]:
    """All rows of one model from the site, as a file that ``frontier import inferencex`` reads.

    Parameters
    ----------
    model : str
        The site's name of the model, or a key of its rows that stands for one.
    folder : Path
        Where the files go; what lies there complete is kept.
    base : str
        URL of the site.
    since : str, optional
        Rows of this date and later; the site has no such parameter, so dates are chosen from its list and rows filtered here.
    refresh : bool
        Ask for every page again, as the site corrects old rows now and then.
    now : callable
        The time, ISO; for records.

    Returns
    -------
    dict
        The document `frontier.fetch/1`, which also lies in ``source/<model>/fetch.json``.

    Raises
    ------
    UsageError
        For a model that the site does not take, a date that is none, a URL that is none.
    RunError
        If the site cannot be reached, refuses, sends something else than the record, or has no rows.
    """
    since = None if since is None else checked_date(since, "--since")
    fetch = _Fetch(client, folder, base_of(base), display_name(model), refresh, now)
    with only_fetch(folder):
        return _pages(fetch, since)


def _pages(fetch: _Fetch, since: str | None) -> dict[str, Any]:
    """The fetch itself; see `fetch_pages`."""
    client, folder = fetch.client, fetch.folder
    client.tell(Step("availability"))
    available = fetch.availability()
    client.tell(Step("latest runs"))
    latest, newest = fetch.latest(available)
    keys = {str(row["model"]) for row in newest} | known_keys(fetch.name)
    dates = sorted({str(row["date"])[:10] for row in available if row["model"] in keys} | {str(row["date"])[:10] for row in newest})
    wanted = [day for day in dates if since is None or day >= since]
    if not wanted:
        span = f"its dates run from {dates[0]} to {dates[-1]}" if dates else "it takes the name, but holds no run of it"
        raise RunError(
            f"the site has no rows of {fetch.name}" + (f" since {since}" if dates else "") + f": {span}",
            origin=fetch.base,
            hint=f"--since {dates[-1]}" if dates else f"--model with one of: {listed(str(row['model']) for row in available)}",
        )
    pages = []
    for number, day in enumerate(wanted):
        client.tell(Step(f"benchmarks {day}", number, len(wanted)))
        pages.append(fetch.page(day))
    client.tell(Step("benchmarks", len(wanted), len(wanted)))
    record = read_source(latest)
    if record is None:
        raise RunError(f"{latest.name} changed while it was in use", origin=str(latest.parent), hint="one fetch at a time in a folder")
    out = folder / f"inferencex_{file_name(fetch.name)}.json"
    union = write_union(out, [*pages, (latest, record)], since)
    document = {
        "schema": SCHEMA,
        "source": "inferencex",
        "kind": "pages",
        "base": fetch.base,
        "model": fetch.name,
        "model_keys": sorted(keys),
        "since": since,
        "fetched_utc": fetch.now(),
        "files": [out.relative_to(folder).as_posix()],
        "rows": union.rows,
        "first_date": union.first_date,
        "last_date": union.last_date,
        "repeated_rows": union.repeated,
        "earlier_rows": union.earlier,
        "requests": client.asked,
        "pages_kept": fetch.kept,
        "sha256": {out.name: union.sha256},
        "pages": [
            {"file": file.relative_to(folder).as_posix(), "url": page.url, "fetched_utc": page.fetched_utc, "rows": page.rows, "sha256": page.sha256}
            for file, page in [*pages, (latest, record)]
        ],
    }
    write_document(fetch.own / "fetch.json", document)
    return document


def file_name(name: str) -> str:
    """A model's name as part of a file's name."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".")
