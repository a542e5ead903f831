"""docs/fetching.md names every option of the command, every key of what it writes, and the server it asks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import typer.main
from record_server import RecordServer
from test_fetch_dumps import TABLES, publish, releases, zipped
from test_fetch_pages import fetched

from frontier.cli.app import app
from frontier.evidence.fetch import SITE, Client, SourceRecord, fetch_dump

PAGE = (Path(__file__).parents[2] / "docs" / "fetching.md").read_text(encoding="utf-8")


def test_options() -> None:
    command = typer.main.get_command(app).commands["fetch"]  # type: ignore[attr-defined]
    names = [parameter.opts[-1] for parameter in command.params if parameter.opts[0].startswith("-") and parameter.name != "help"]
    assert len(names) == 9
    assert [name for name in names if f"`{name}" not in PAGE] == []


def test_keys(site: RecordServer, client: Client, tmp_path: Path) -> None:
    releases(site, publish(site, "2026-02-23", {"inferencex-dump-2026-02-23.zip": zipped(TABLES)}))
    keys = {*fetched(site, tmp_path, client), *fetch_dump(tmp_path, client, base=site.url), *(item.name for item in fields(SourceRecord))}
    assert sorted(key for key in keys if f"`{key}`" not in PAGE) == []


def test_files_are_those_of_the_table(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file() and "source.json" not in path.name) == [
        "inferencex_DeepSeek-R1-0528.json",
        "source/.lock",
        "source/DeepSeek-R1-0528/2026-02-03.json",
        "source/DeepSeek-R1-0528/2026-02-10.json",
        "source/DeepSeek-R1-0528/2026-02-17.json",
        "source/DeepSeek-R1-0528/fetch.json",
        "source/DeepSeek-R1-0528/latest.json",
        "source/availability.json",
    ]


@pytest.mark.parametrize("route", ["availability", "benchmarks?model=DeepSeek-R1-0528"])
def test_addresses_to_get_by_hand(route: str) -> None:
    assert f"{SITE}/api/v1/{route}\n" in PAGE
