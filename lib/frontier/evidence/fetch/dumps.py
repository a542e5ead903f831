"""The weekly dump of the InferenceX database: a release on GitHub, its files, and the rows in them.

Source: SemiAnalysisAI/InferenceX-app. README.md (Option A) names the release ``db-dump/<date>`` and its file ``inferencex-dump-<date>.zip``,
which holds one JSON file per table (packages/db/src/dump-db.ts). Since July 2026 the release holds a PostgreSQL dump instead
(.github/workflows/db-backup.yml): ``inferencex-<date>.dump.zst.partNN`` and ``SHA256SUMS``. In between stood
``inferencex-dump-<date>.tar.xz.partNN`` (.claude/skills/inferencex-data/SKILL.md).

    FOLDER/inferencex_dump-<date>[_<model>].json    its rows, if the dump holds JSON; what `frontier import inferencex` reads
    FOLDER/source/dump-<date>/<file>                the release's files, each with its record
    FOLDER/source/dump-<date>/fetch.json            what was fetched; written last
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch.checks import base_of, checked_date
from frontier.evidence.fetch.download import Asset, download
from frontier.evidence.fetch.inferencex import SCHEMA, file_name
from frontier.evidence.fetch.kept import only_fetch, utc_now, write_document
from frontier.evidence.fetch.tables import write_dump_rows
from frontier.evidence.fetch.web import Client, Step

# GitHub's REST API, "List releases" (docs.github.com/rest/releases/releases), of the repository that publishes the dumps.
RELEASES = "https://api.github.com"
REPOSITORY = "SemiAnalysisAI/InferenceX-app"
TAG = re.compile(r"db-dump/(\d{4}-\d{2}-\d{2})")
KINDS = {
    "json.zip": re.compile(r"inferencex-dump-.+\.zip"),
    "json.tar.xz": re.compile(r"inferencex-dump-.+\.tar\.xz(\.part\d+)?"),
    "postgresql": re.compile(r"inferencex-.+\.dump\.zst(\.part\d+)?"),
}
SUMS = "SHA256SUMS"
RESTORE = (
    "cat {parts} | zstd -d --long=27 > inferencex.dump",
    "pg_restore --no-owner --no-privileges -t configs -t benchmark_results -t workflow_runs -d DATABASE inferencex.dump",
    "then write the rows as JSON: docs/fetching.md, \"A PostgreSQL dump\"",
)


@dataclass(frozen=True)
class Dump:
    """One release: its date, what kind of dump it holds, its files in order."""

    date: str
    kind: str
    assets: tuple[Asset, ...]


def fetch_dump(
    folder: Path,
    client: Client,
    *,
    base: str = RELEASES,
    dump_date: str | None = None,
    model: str | None = None,
    since: str | None = None,
    now: Callable[[], str] = utc_now,
) -> dict[str, Any]:
    """Get a dump, the newest one unless a date is given, and take the rows out of it.

    Parameters
    ----------
    folder : Path
    base : str
        URL of the releases API.
    dump_date : str, optional
        ISO.
    model, since : str, optional
        Only these rows, if the dump holds JSON.
    now : callable
        The time, ISO; for records.

    Returns
    -------
    dict
        The document `frontier.fetch/1`; ``files`` is empty and ``next`` says what to type if the dump is one of PostgreSQL.

    Raises
    ------
    UsageError
        For a date without a dump (the dates there are stand in the message), or a model that the dump does not hold.
    RunError
        If the server refuses, or files do not agree with their SHA-256.
    """
    since = None if since is None else checked_date(since, "--since")
    dump_date = None if dump_date is None else checked_date(dump_date, "--dump-date")
    with only_fetch(folder):
        return _fetched(folder, client, base_of(base), dump_date, model, since, now)


def _fetched(
    folder: Path, client: Client, base: str, dump_date: str | None, model: str | None, since: str | None, now: Callable[[], str]
) -> dict[str, Any]:
    """The fetch itself; see `fetch_dump`."""
    dumps = list_dumps(client, base)
    chosen = max(dumps, key=lambda dump: dump.date) if dump_date is None else next((dump for dump in dumps if dump.date == dump_date), None)
    if chosen is None:
        there = ", ".join(f"{dump.date} ({dump.kind})" for dump in sorted(dumps, key=lambda dump: dump.date, reverse=True))
        raise UsageError(f"there is no dump of {dump_date}", hint=f"--dump-date with one of: {there}")
    own = folder / "source" / f"dump-{chosen.date}"
    sums = _published_sums(client, chosen, own, now)
    files, records = [], []
    for asset in chosen.assets:
        if asset.name == SUMS:
            continue
        stated = sums.get(asset.name, asset.sha256)
        if asset.sha256 and asset.sha256 != stated:
            raise RunError(f"{asset.name}: {SUMS} and the release state different SHA-256", origin=asset.url, hint="--dump-date with an earlier date")
        file = own / asset.name
        records.append(download(client, Asset(asset.name, asset.url, asset.size, stated), file, now=now))
        files.append(file)
    taken, out = None, folder / f"inferencex_dump-{chosen.date}{'_' + file_name(model) if model else ''}.json"
    if chosen.kind.startswith("json"):
        client.tell(Step(f"rows of {chosen.date}"))
        taken = write_dump_rows(files, out, model=model, since=since)
    document = {
        "schema": SCHEMA,
        "source": "inferencex",
        "kind": f"dump:{chosen.kind}",
        "base": base,
        "dump_date": chosen.date,
        "model": model,
        "since": since,
        "fetched_utc": now(),
        "files": [] if taken is None else [out.name],
        "rows": None if taken is None else taken.rows,
        "left_out": None if taken is None else {"failed": taken.failed, "replaced_attempts": taken.replaced, "not_asked_for": taken.others},
        "sha256": {} if taken is None else {out.name: taken.sha256},
        "requests": client.asked,
        "next": [] if taken else [line.format(parts=f"{own.as_posix()}/*.dump.zst*") for line in RESTORE],
        "pages": [
            {"file": file.relative_to(folder).as_posix(), "url": record.url, "fetched_utc": record.fetched_utc, "rows": None, "sha256": record.sha256}
            for file, record in zip(files, records, strict=True)
        ],
    }
    write_document(own / "fetch.json", document)
    return document


def list_dumps(client: Client, base: str) -> list[Dump]:
    """All dumps that are published.

    Raises
    ------
    RunError
        If there is none, or the answer is not a list of releases.
    """
    found: list[Dump] = []
    page = 1
    while True:
        client.tell(Step(f"releases, page {page}"))
        answer = client.json(f"{base}/repos/{REPOSITORY}/releases?per_page=100&page={page}")
        if not isinstance(answer.document, list):
            raise RunError(f"{answer.url}\n  gave no list of releases", hint="--url with the base of GitHub's REST API, or none")
        if not answer.document:
            break
        try:
            found += [dump for release in answer.document if (dump := _dump(release)) is not None]
        except (KeyError, TypeError, AttributeError) as cause:
            raise RunError(f"{answer.url}\n  a release lacks {cause}: the schema has changed", hint="a newer version of this kit") from cause
        page += 1
    if not found:
        raise RunError(f"no release db-dump/<date> among the releases of {REPOSITORY}", origin=base, hint="without --dump: the pages of the site")
    return found


def _dump(release: dict[str, Any]) -> Dump | None:
    """The dump in a release; None if it holds none, or is not yet complete."""
    tag = TAG.fullmatch(release["tag_name"])
    if tag is None or release.get("draft"):
        return None
    assets = tuple(
        Asset(_plain(asset["name"]), asset["browser_download_url"], int(asset["size"]), str(asset.get("digest") or "").removeprefix("sha256:"))
        for asset in sorted(release["assets"], key=lambda asset: str(asset["name"]))
    )
    for kind, pattern in KINDS.items():
        parts = tuple(asset for asset in assets if pattern.fullmatch(asset.name))
        if parts:
            return Dump(tag[1], kind, parts + tuple(asset for asset in assets if asset.name == SUMS))
    return None


def _plain(name: str) -> str:
    if Path(name).name != name or name.startswith("."):
        raise RunError(f"a release names a file {name!r}, which is no plain name", hint="--dump-date with another date")
    return name


def _published_sums(client: Client, dump: Dump, own: Path, now: Callable[[], str]) -> dict[str, str]:
    """SHA-256 by file name, as the release's own list states them; empty without a list."""
    for asset in dump.assets:
        if asset.name == SUMS:
            download(client, asset, own / SUMS, now=now)
            lines = (own / SUMS).read_text(encoding="utf-8").splitlines()
            return {match[2]: match[1] for line in lines if (match := re.fullmatch(r"([0-9a-f]{64})[ *]+(?:\./)?(\S+)", line.strip()))}
    return {}
