"""Pages of the site: what is asked, what is kept, what is asked again, and the list of rows that comes out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from record_rows import AVAILABILITY, DATES, LATEST, MODEL, available, page_path, row
from record_server import RecordServer, Reply, rows_reply

from frontier.errors import RunError, UsageError
from frontier.evidence.fetch import Client, SourceRecord, Step, fetch_pages, read_source
from frontier.evidence.fetch.kept import only_fetch
from frontier.evidence.fetch.union import write_union
from frontier.evidence.importers import import_points

NOW = "2026-03-05T12:00:00+00:00"


def fetched(site: RecordServer, folder: Path, client: Client, **options: object) -> dict[str, object]:
    return fetch_pages(MODEL, folder, client, base=site.url, now=lambda: NOW, **options)  # type: ignore[arg-type]


def rows_of(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((folder / f"inferencex_{MODEL}.json").read_text())
    return rows


def test_all_rows_once_and_where_each_page_came_from(site: RecordServer, client: Client, tmp_path: Path) -> None:
    document = fetched(site, tmp_path, client)
    assert rows_of(tmp_path) == [row(number, day) for number, day in enumerate(DATES, start=1)]
    assert site.asked == [AVAILABILITY, LATEST, *map(page_path, DATES)]
    assert (document["rows"], document["repeated_rows"], document["requests"]) == (3, 1, 5)  # the row of the newest page is also that of its date
    file = tmp_path / "source" / MODEL / f"{DATES[0]}.json"
    record = read_source(file)
    assert record is not None
    assert record.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (record.url, record.status, record.rows, record.fetched_utc) == (site.url + page_path(DATES[0]), 200, 1, NOW)
    assert json.loads((tmp_path / "source" / MODEL / "fetch.json").read_text()) == document
    assert [path.name for path in tmp_path.glob("*.json")] == [f"inferencex_{MODEL}.json"], "what stands on top is for the importer alone"


def test_one_request_at_a_time_with_a_pause_and_a_name(site: RecordServer, client: Client, waits: list[float], tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    assert waits == [0.25] * 4  # between five requests
    assert {headers["User-Agent"].split("/")[0] for headers in site.headers} == {"frontier-kit"}


def test_settled_pages_are_not_asked_for_again(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    site.asked.clear()
    assert fetched(site, tmp_path, client)["pages_kept"] == 3
    assert site.asked == [AVAILABILITY, LATEST]


def test_a_page_of_yesterday_is_asked_for_again(site: RecordServer, client: Client, tmp_path: Path) -> None:
    for _ in range(2):
        fetch_pages(MODEL, tmp_path, client, base=site.url, now=lambda: "2026-02-18T23:59:59+00:00")
    assert [site.asked.count(page_path(day)) for day in DATES] == [1, 1, 2]  # the last page was fetched one day after its date


def test_refresh_asks_for_all_and_the_newest_version_of_a_row_stays(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    corrected = row(1, DATES[0], image="corrected")
    site.set(page_path(DATES[0]), rows_reply([corrected]))
    fetched(site, tmp_path, client)
    assert rows_of(tmp_path)[0] == row(1, DATES[0])
    fetched(site, tmp_path, client, refresh=True)
    assert rows_of(tmp_path)[0] == corrected


@pytest.mark.parametrize("damage", ["content", "record", "no record"])
def test_a_damaged_page_is_asked_for_again(site: RecordServer, client: Client, tmp_path: Path, damage: str) -> None:
    fetched(site, tmp_path, client)
    file = tmp_path / "source" / MODEL / f"{DATES[0]}.json"
    record = file.with_name(file.name + ".source.json")
    if damage == "content":
        file.write_bytes(file.read_bytes()[:-5])
    elif damage == "record":
        record.write_text('{"schema": "frontier.sou')
    else:
        record.unlink()
    assert fetched(site, tmp_path, client)["pages_kept"] == 2
    assert rows_of(tmp_path)[0] == row(1, DATES[0])


def test_since_chooses_dates_and_rows(site: RecordServer, client: Client, tmp_path: Path) -> None:
    # The page of a date also holds a point that a later run only extended: its own date is older.
    site.set(page_path(DATES[2]), rows_reply([row(3, DATES[2]), row(1, DATES[0], curve_date=DATES[2])]))
    document = fetched(site, tmp_path, client, since=DATES[1])
    assert [entry["id"] for entry in rows_of(tmp_path)] == ["2", "3"]
    assert page_path(DATES[0]) not in site.asked
    assert (document["earlier_rows"], document["first_date"], document["last_date"]) == (1, DATES[1], DATES[2])


def test_a_row_that_a_later_run_extended_stands_once(site: RecordServer, client: Client, tmp_path: Path) -> None:
    # Without an id, as the site gave rows until 2026: the same content but for curve_*.
    first = {key: value for key, value in row(1, DATES[0]).items() if key != "id"}
    site.set(page_path(DATES[0]), rows_reply([first]))
    site.set(page_path(DATES[1]), rows_reply([row(2, DATES[1]), first | {"curve_date": DATES[1]}]))
    assert fetched(site, tmp_path, client)["rows"] == 3


def test_dates_follow_the_keys_that_the_site_gives_for_a_name(site: RecordServer, client: Client, tmp_path: Path) -> None:
    path = "/api/v1/benchmarks?model=Brand-New-1"
    site.set(path, rows_reply([row(9, "2026-03-02", model="brandnew1")]))
    site.set(f"{path}&date=2026-03-02&exact=true", rows_reply([row(9, "2026-03-02", model="brandnew1")]))
    document = fetch_pages("Brand-New-1", tmp_path, client, base=site.url, now=lambda: NOW)
    assert (document["model_keys"], document["rows"]) == (["brandnew1"], 1)


def test_a_key_stands_for_the_name_and_the_api_path_may_stand_in_the_base(site: RecordServer, client: Client, tmp_path: Path) -> None:
    assert fetch_pages("dsr1", tmp_path, client, base=site.url + "/api/v1/", now=lambda: NOW)["model"] == MODEL


def test_a_wrong_model_lists_those_there_are(site: RecordServer, client: Client, tmp_path: Path) -> None:
    site.set("/api/v1/benchmarks?model=DeepSeek-R2", Reply(b'{"error":"Unknown model"}', 400))
    with pytest.raises(UsageError) as error:
        fetch_pages("DeepSeek-R2", tmp_path, client, base=site.url)
    text = str(error.value)
    assert "'DeepSeek-R2': Unknown model" in text
    assert "DeepSeek-R1-0528 (dsr1), Llama-3.3-70B-Instruct-FP8 (llama70b)" in text
    assert "does not know (the site shows it): brandnew1" in text


@pytest.mark.parametrize(
    ("since", "says"), [("2026-02-18", "its dates run from 2026-02-03 to 2026-02-17"), ("18.02.2026", "must be a date YYYY-MM-DD, got '18.02.2026'")]
)
def test_a_date_without_rows(site: RecordServer, client: Client, tmp_path: Path, since: str, says: str) -> None:
    with pytest.raises((RunError, UsageError), match=says):
        fetched(site, tmp_path, client, since=since)


def test_a_model_without_runs(site: RecordServer, client: Client, tmp_path: Path) -> None:
    site.set(AVAILABILITY, rows_reply([available("2026-03-01", "llama70b")]))
    site.set(LATEST, rows_reply([]))
    with pytest.raises(RunError, match="takes the name, but holds no run of it"):
        fetched(site, tmp_path, client)


def test_empty_pages_leave_the_earlier_file(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    before = rows_of(tmp_path)
    for path in (LATEST, *map(page_path, DATES)):
        site.set(path, rows_reply([]))
    with pytest.raises(RunError, match="none of 4 pages holds a row"):
        fetched(site, tmp_path, client, refresh=True)
    assert rows_of(tmp_path) == before


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": [], "next": None}, "an object with the keys data, next instead of a list"),
        ([{key: value for key, value in row(1, DATES[0]).items() if key not in ("metrics", "conc")}], "row 0 lacks conc, metrics; it has: "),
        ([row(1, DATES[0], metrics=None)], "row 0: metrics is None, not an object"),
        ([row(1, "3 Feb")], "row 0: date is '3 Feb', not YYYY-MM-DD"),
        (["text"], "row 0 lacks hardware"),
    ],
)
def test_another_schema_is_refused_and_replaces_nothing(site: RecordServer, client: Client, tmp_path: Path, body: object, says: str) -> None:
    fetched(site, tmp_path, client)
    page = tmp_path / "source" / MODEL / f"{DATES[0]}.json"
    before = page.read_bytes(), rows_of(tmp_path)
    site.set(page_path(DATES[0]), rows_reply(body))
    with pytest.raises(RunError, match=says):
        fetched(site, tmp_path, client, refresh=True)
    assert (page.read_bytes(), rows_of(tmp_path)) == before
    assert read_source(page) is not None


def test_progress_counts_pages(site: RecordServer, client: Client, steps: list[Step], tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    assert [(step.name, step.done, step.total) for step in steps][2:] == [
        ("benchmarks 2026-02-03", 0, 3),
        ("benchmarks 2026-02-10", 1, 3),
        ("benchmarks 2026-02-17", 2, 3),
        ("benchmarks", 3, 3),
    ]


def test_one_fetch_at_a_time_in_a_folder(site: RecordServer, client: Client, tmp_path: Path) -> None:
    with only_fetch(tmp_path), pytest.raises(RunError, match="another fetch works in this folder"):
        fetched(site, tmp_path, client)


def test_the_importer_reads_what_lies_on_top(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    imported = import_points("inferencex", sorted(tmp_path.glob("*.json")))
    assert imported.refused.empty
    # By hand: interactivity is 1 / 0.0125 s; the throughputs are those of the rows.
    assert imported.points["interactivity_tok_s_user"].tolist() == [80.0] * 3
    assert imported.points["total_tput_tok_s_gpu"].tolist() == [100.0, 200.0, 300.0]
    assert [str(day)[:10] for day in imported.points["date"]] == list(DATES)


def test_pages_of_another_site_are_asked_for_again(site: RecordServer, client: Client, tmp_path: Path) -> None:
    fetched(site, tmp_path, client)
    site.asked.clear()
    # The same server under another name.
    assert fetch_pages(MODEL, tmp_path, client, base=site.url.replace("127.0.0.1", "localhost"), now=lambda: NOW)["pages_kept"] == 0
    assert len(site.asked) == 5


def test_of_two_versions_of_a_row_the_one_fetched_last_stays(tmp_path: Path) -> None:
    pages = []
    for number, (fetched_utc, image) in enumerate([("2026-03-05T12:00:01+00:00", "corrected"), (NOW, "old")]):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps([row(1, DATES[0], image=image)]))
        pages.append((file, SourceRecord("", "", fetched_utc, 200, "", 0)))
    union = write_union(tmp_path / "out", pages, None)
    assert [entry["image"] for entry in json.loads((tmp_path / "out").read_text())] == ["corrected"]
    assert (union.rows, union.repeated) == (1, 1)
