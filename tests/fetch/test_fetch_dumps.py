"""Dumps: which release is taken, range requests, hashes, and the tables in them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from record_server import RecordServer, Reply, rows_reply

from frontier.errors import MachineError, RunError, UsageError
from frontier.evidence.fetch import Client, fetch_dump, read_source
from frontier.evidence.fetch.download import CHUNK_BYTES, Asset, download

NOW = "2026-03-05T12:00:00+00:00"
CONFIGS: list[dict[str, object]] = [{"id": 1, "model": "dsr1", "hardware": "b200"}, {"id": 2, "model": "llama70b", "hardware": "h100"}]
RESULTS: list[dict[str, object]] = [
    {
        "id": 10 + number, "config_id": config, "workflow_run_id": run, "date": f"{day}T00:00:00.000Z", "isl": 1024, "osl": 1024, "conc": 4,
        "image": None, "metrics": {"tput_per_gpu": 1.5}, "error": error, "server_log_id": None,
    }
    for number, (config, run, day, error) in enumerate(
        [
            (1, 6, "2026-02-03", None),
            (1, 6, "2026-02-17", None),
            (2, 6, "2026-02-17", None),
            (1, 6, "2026-02-17", "server hung"),
            (1, 5, "2026-02-17", None),  # of a first attempt; run 6 is the second one
        ]
    )
]  # fmt: skip
RUN_URL = "https://github.com/SemiAnalysisAI/InferenceX/actions/runs/20117712794"
RUNS: list[dict[str, object]] = [
    {"id": number, "github_run_id": "20117712794", "run_attempt": attempt, "html_url": RUN_URL} for number, attempt in [(6, 2), (5, 1)]
]
TABLES = {"configs": CONFIGS, "benchmark_results": RESULTS, "workflow_runs": RUNS, "run_stats": []}
LARGE = bytes(range(256)) * 1024  # 256 KiB, four pieces


def as_table(rows: list[dict[str, object]]) -> bytes:
    """As dump-db.ts writes it: a row per line."""
    return ("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n").encode()


def zipped(tables: dict[str, list[dict[str, object]]], folder: str = "inferencex-dump-2026-02-23") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            archive.writestr(f"{folder}/{name}.json", as_table(rows))
    return out.getvalue()


def publish(site: RecordServer, day: str, files: dict[str, bytes], *, digests: bool = True, **options: object) -> dict[str, object]:
    for name, body in files.items():
        site.set(f"/download/{day}/{name}", Reply(body, **options))  # type: ignore[arg-type]
    assets = [
        {
            "name": name, "browser_download_url": f"{site.url}/download/{day}/{name}", "size": len(body),
            "digest": f"sha256:{hashlib.sha256(body).hexdigest()}" if digests else None,
        }
        for name, body in files.items()
    ]  # fmt: skip
    return {"tag_name": f"db-dump/{day}", "draft": False, "assets": assets}


def releases(site: RecordServer, *entries: object) -> None:
    path = "/repos/SemiAnalysisAI/InferenceX-app/releases?per_page=100&page="
    site.set(path + "1", rows_reply(entries[:1]))
    site.set(path + "2", rows_reply(entries[1:]))
    site.set(path + "3", rows_reply([]))


@pytest.fixture
def published(site: RecordServer) -> RecordServer:
    """A newer PostgreSQL dump, an older one of JSON, a release of something else, and one that is not complete yet."""
    parts = {"inferencex-2026-07-20.dump.zst.part00": b"first", "inferencex-2026-07-20.dump.zst.part01": b"second"}
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in parts.items()).encode()
    releases(
        site,
        {"tag_name": "inferencex-skills-v1.0.0", "assets": []},
        publish(site, "2026-02-23", {"inferencex-dump-2026-02-23.zip": zipped(TABLES)}),
        publish(site, "2026-07-20", parts | {"SHA256SUMS": sums}, digests=False),
        {"tag_name": "db-dump/2026-07-27", "assets": []},
    )
    return site


def test_rows_of_a_zip_as_the_site_gives_them(published: RecordServer, client: Client, tmp_path: Path) -> None:
    document = fetch_dump(tmp_path, client, base=published.url, dump_date="2026-02-23", now=lambda: NOW)
    assert [path.name for path in tmp_path.glob("*.json")] == ["inferencex_dump-2026-02-23.json"]
    rows = json.loads((tmp_path / "inferencex_dump-2026-02-23.json").read_text())
    assert rows[0] == {
        "id": 10, "model": "dsr1", "hardware": "b200", "date": "2026-02-03", "isl": 1024, "osl": 1024, "conc": 4, "image": None,
        "metrics": {"tput_per_gpu": 1.5}, "run_url": f"{RUN_URL}/attempts/2",
    }  # fmt: skip
    assert [row["id"] for row in rows] == [10, 11, 12]
    assert (document["kind"], document["rows"], document["next"]) == ("dump:json.zip", 3, [])
    assert document["left_out"] == {"failed": 1, "replaced_attempts": 1, "not_asked_for": 0}
    record = read_source(tmp_path / "source" / "dump-2026-02-23" / "inferencex-dump-2026-02-23.zip")
    assert record is not None
    assert record.url == f"{published.url}/download/2026-02-23/inferencex-dump-2026-02-23.zip"


@pytest.mark.parametrize(
    ("model", "since", "ids", "file"),
    [
        ("DeepSeek-R1-0528", None, [10, 11], "inferencex_dump-2026-02-23_DeepSeek-R1-0528.json"),
        ("dsr1", "2026-02-10", [11], "inferencex_dump-2026-02-23_dsr1.json"),
        (None, "2026-02-10", [11, 12], "inferencex_dump-2026-02-23.json"),
    ],
)
def test_rows_of_one_model_and_of_later_dates(
    published: RecordServer, client: Client, tmp_path: Path, model: str | None, since: str | None, ids: list[int], file: str
) -> None:
    document = fetch_dump(tmp_path, client, base=published.url, dump_date="2026-02-23", model=model, since=since)
    assert [row["id"] for row in json.loads((tmp_path / file).read_text())] == ids
    assert (document["rows"], document["files"]) == (len(ids), [file])


def test_no_row_is_left(published: RecordServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no row of llama70b since 2026-03-01"):
        fetch_dump(tmp_path, client, base=published.url, dump_date="2026-02-23", model="llama70b", since="2026-03-01")
    assert not list(tmp_path.glob("*.json"))


def test_the_newest_dump_is_one_of_postgresql(published: RecordServer, client: Client, tmp_path: Path) -> None:
    document = fetch_dump(tmp_path, client, base=published.url)
    assert (document["dump_date"], document["kind"], document["files"]) == ("2026-07-20", "dump:postgresql", [])
    assert (tmp_path / "source" / "dump-2026-07-20" / "inferencex-2026-07-20.dump.zst.part01").read_bytes() == b"second"
    assert "zstd -d --long=27" in document["next"][0]


def test_parts_against_the_published_list(published: RecordServer, client: Client, tmp_path: Path) -> None:
    published.set("/download/2026-07-20/inferencex-2026-07-20.dump.zst.part01", Reply(b"altere"))
    with pytest.raises(RunError, match=r"SHA-256 is .*, its publisher states"):
        fetch_dump(tmp_path, client, base=published.url)
    own = tmp_path / "source" / "dump-2026-07-20"
    assert not list(own.glob("*part01*"))
    assert not (own / "fetch.json").exists()


def test_a_date_without_a_dump_lists_those_there_are(published: RecordServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"2026-07-20 \(postgresql\), 2026-02-23 \(json.zip\)"):
        fetch_dump(tmp_path, client, base=published.url, dump_date="2026-02-24")


def test_a_model_that_the_dump_does_not_hold(published: RecordServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"DeepSeek-R1-0528 \(dsr1\), Llama"):
        fetch_dump(tmp_path, client, base=published.url, dump_date="2026-02-23", model="DeepSeek-R2")


def test_tables_of_a_tar_in_parts(site: RecordServer, client: Client, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        for name, rows in TABLES.items():
            member = tarfile.TarInfo(f"dump/{name}.json")
            member.size = len(as_table(rows))
            archive.addfile(member, io.BytesIO(as_table(rows)))
    half = len(out.getvalue()) // 2
    parts = {f"inferencex-dump-2026-06-01.tar.xz.part{i:02}": piece for i, piece in enumerate([out.getvalue()[:half], out.getvalue()[half:]])}
    releases(site, publish(site, "2026-06-01", parts))
    fetch_dump(tmp_path, client, base=site.url)
    assert [row["id"] for row in json.loads((tmp_path / "inferencex_dump-2026-06-01.json").read_text())] == [10, 11, 12]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"no archive at all", "cannot be unpacked: File is not a zip file"),
        (zipped(TABLES | {"configs": [{"id": 1}]}), "a row of the dump lacks 'model'"),
        (zipped({"configs": CONFIGS}), "lacks benchmark_results.json, workflow_runs.json; it holds configs.json"),
    ],
)
def test_broken_archives(site: RecordServer, client: Client, tmp_path: Path, body: bytes, says: str) -> None:
    releases(site, publish(site, "2026-02-23", {"inferencex-dump-2026-02-23.zip": body}))
    with pytest.raises(RunError, match=says):
        fetch_dump(tmp_path, client, base=site.url)
    assert not list(tmp_path.glob("*.json"))


def test_a_table_of_another_layout(site: RecordServer, client: Client, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, rows in TABLES.items():
            archive.writestr(f"{name}.json", json.dumps(rows, indent=1))
    releases(site, publish(site, "2026-02-23", {"inferencex-dump-2026-02-23.zip": out.getvalue()}))
    with pytest.raises(RunError, match="is not one row per line"):
        fetch_dump(tmp_path, client, base=site.url)


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        ({"message": "API rate limit exceeded"}, "gave no list of releases"),
        ([{"tag": "x"}], "a release lacks 'tag_name'"),
        ([], "no release db-dump/<date>"),
        ([{"tag_name": "db-dump/2026-02-23", "assets": [{"name": "../x.zip", "browser_download_url": "", "size": 1}]}], "'../x.zip', which is no"),
    ],
)
def test_listings_that_are_none(site: RecordServer, client: Client, tmp_path: Path, listing: object, says: str) -> None:
    site.set("/repos/SemiAnalysisAI/InferenceX-app/releases?per_page=100&page=1", rows_reply(listing))
    site.set("/repos/SemiAnalysisAI/InferenceX-app/releases?per_page=100&page=2", rows_reply([]))
    with pytest.raises(RunError, match=says):
        fetch_dump(tmp_path, client, base=site.url)


def asset(site: RecordServer, **options: object) -> Asset:
    site.set("/large", Reply(LARGE, **({"headers": {"ETag": '"v1"'}, "ranges": True} | options)))  # type: ignore[arg-type]
    return Asset("large", f"{site.url}/large", len(LARGE), hashlib.sha256(LARGE).hexdigest())


CUT = 2 * CHUNK_BYTES + 100  # two whole pieces lie on the disk then


def part(folder: Path, asset: Asset, have: bytes, version: str = '"v1"', url: str = "") -> Path:
    (folder / "large.part").write_bytes(have)
    (folder / "large.part.json").write_text(json.dumps({"url": url or asset.url, "version": version}))
    return folder / "large"


def ranges(site: RecordServer) -> list[str | None]:
    return [headers.get("Range") for headers in site.headers]


def test_a_cut_download_continues(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site)
    whole = site.replies["/large"][0]
    site.set("/large", Reply(LARGE, headers=whole.headers, ranges=True, cut=CUT), whole)
    record = download(client, wanted, tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == LARGE
    assert ranges(site) == [None, f"bytes={2 * CHUNK_BYTES}-"]
    assert site.headers[1]["If-Range"] == '"v1"'
    assert record.status == 206
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large", "large.source.json"]


def test_more_cuts_than_attempts_while_each_brings_more(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site, cut=CHUNK_BYTES)  # each answer breaks off after one piece; three attempts are allowed
    download(client, wanted, tmp_path / "large")
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"ranges": False},
        {"headers": {"ETag": '"v2"'}},
    ],
    ids=["no range support", "another version by now"],
)
def test_a_part_that_cannot_be_continued_begins_anew(site: RecordServer, client: Client, tmp_path: Path, options: dict[str, object]) -> None:
    wanted = asset(site, **options)
    file = part(tmp_path, wanted, b"old" * 1000)
    assert download(client, wanted, file).status == 200
    assert file.read_bytes() == LARGE
    assert ranges(site) == ["bytes=3000-"]


@pytest.mark.parametrize(
    ("have", "version", "url"),
    [(b"x" * 10, "", ""), (b"x" * 10, '"v1"', "http://127.0.0.1:1/other"), (b"x" * (len(LARGE) + 1), '"v1"', "")],
    ids=["unknown version", "another URL", "too long"],
)
def test_a_part_of_unknown_origin_is_not_continued(
    site: RecordServer, client: Client, tmp_path: Path, have: bytes, version: str, url: str
) -> None:
    wanted = asset(site)
    file = part(tmp_path, wanted, have, version, url)
    download(client, wanted, file)
    assert file.read_bytes() == LARGE
    assert ranges(site) == [None]


def test_a_weak_etag_gives_way_to_the_date(site: RecordServer, client: Client, tmp_path: Path) -> None:
    date = "Mon, 20 Jul 2026 03:12:26 GMT"
    wanted = asset(site, headers={"ETag": 'W/"v1"', "Last-Modified": date}, cut=CUT)
    with pytest.raises(RunError):
        download(client, wanted, tmp_path / "large")
    assert {headers.get("If-Range") for headers in site.headers} == {None, date}


def test_damaged_parts_are_thrown_away_and_fetched_anew(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site)
    file = part(tmp_path, wanted, b"x" * 1000)
    download(client, wanted, file)
    assert file.read_bytes() == LARGE
    assert ranges(site) == ["bytes=1000-", None]


def test_a_whole_part_is_only_checked(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site)
    download(client, wanted, part(tmp_path, wanted, LARGE))
    assert site.asked == []


def test_without_ranges_and_always_cut_is_given_up(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site, ranges=False, cut=CUT)
    with pytest.raises(RunError, match=f"the body broke off after {2 * CHUNK_BYTES:,} of {len(LARGE):,} bytes"):
        download(client, wanted, tmp_path / "large")
    assert len(site.asked) == 3  # only the first one brought something
    assert not (tmp_path / "large").exists()


def test_a_complete_file_is_kept(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site)
    first = download(client, wanted, tmp_path / "large")
    assert download(client, wanted, tmp_path / "large") == first
    assert len(site.asked) == 1


def test_a_web_page_is_no_dump(site: RecordServer, client: Client, tmp_path: Path) -> None:
    wanted = asset(site, headers={"Content-Type": "text/html"})
    with pytest.raises(RunError, match="gave a web page instead of data"):
        download(client, wanted, tmp_path / "large")
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room(site: RecordServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="needs 1,000,000,000,000,000,000 bytes, the disk has"):
        download(client, Asset("large", f"{site.url}/large", 10**18), tmp_path / "large")
    assert site.asked == []
