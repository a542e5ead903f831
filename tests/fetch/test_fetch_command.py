"""The command: what it prints, how it fails, and that a killed one goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from record_rows import AVAILABILITY, DATES, LATEST, MODEL, page_path, row
from record_server import RecordServer, Reply, rows_reply
from test_fetch_dumps import CUT, LARGE, TABLES, publish, releases, zipped

from frontier.cli import main
from frontier.evidence.fetch.download import CHUNK_BYTES


def words(site: RecordServer, folder: Path, *more: str) -> list[str]:
    return ["fetch", "inferencex", "--url", site.url, "-o", str(folder), "--pause", "0", *more]


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code  # type: ignore[return-value]


def killed_when_stalled(site: RecordServer, arguments: list[str], log: Path, part: Path | None = None, bytes_there: int = 0) -> None:
    """Kill the command while the server is silent, and, if a part is named, once so many bytes of it are on the disk."""
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-m", "frontier.cli", *arguments], stdout=subprocess.DEVNULL, stderr=stream)
        try:
            while not site.stalled.wait(0.01) or (part is not None and (not part.exists() or part.stat().st_size < bytes_there)):
                assert process.poll() is None, f"the command ended by itself: {log.read_text()}"
        finally:
            process.kill()
            process.wait()


def test_summary_on_stdout_and_progress_on_stderr(site: RecordServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(site, tmp_path, "--model", MODEL)) == 0
    out, err = capsys.readouterr()
    file = (tmp_path / f"inferencex_{MODEL}.json").as_posix()
    assert out.splitlines() == [
        f"{file}  sha256 {hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]}",
        f"3 rows of {MODEL}, 2026-02-03 to 2026-02-17",
        "5 requests; 1 repeated and 0 earlier rows left out",
        f"next  frontier import inferencex {file} -o points.parquet",
    ]
    assert "benchmarks 2026-02-10 (1 of 3)" in err.splitlines()


def test_json_is_the_kept_document(site: RecordServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(site, tmp_path, "--model", MODEL, "--since", DATES[1], "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "source" / MODEL / "fetch.json").read_text())
    assert (document["schema"], document["rows"], document["since"]) == ("frontier.fetch/1", 2, DATES[1])


def test_a_dump(site: RecordServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    releases(site, publish(site, "2026-02-23", {"inferencex-dump-2026-02-23.zip": zipped(TABLES)}))
    assert run(words(site, tmp_path, "--dump")) == 0
    out, err = capsys.readouterr()
    file = (tmp_path / "inferencex_dump-2026-02-23.json").as_posix()
    assert out.splitlines()[1:] == [
        "dump of 2026-02-23 (json.zip)",
        "3 rows; left out: 1 failed, 1 replaced attempts, 0 not asked for",
        f"next  frontier import inferencex {file} -o points.parquet",
    ]
    assert "inferencex-dump-2026-02-23.zip: 0.0 of 0.0 MB" in err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--model", "DeepSeek-R2"], "the site does not take model 'DeepSeek-R2'"),
        ([], "fetch needs --model, or --dump"),
        (["--model", MODEL, "--dump-date", "2026-02-23"], "--dump-date goes with --dump"),
        (["--dump", "--refresh"], "--refresh goes with the site's pages"),
        (["--model", MODEL, "--url", "inferencex"], "--url must be an http or https address, got 'inferencex'"),
        (["--model", MODEL, "--since", "yesterday"], "--since must be a date YYYY-MM-DD, got 'yesterday'"),
    ],
)
def test_usage(site: RecordServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str) -> None:
    site.set("/api/v1/benchmarks?model=DeepSeek-R2", Reply(b'{"error":"Unknown model"}', 400))
    assert run(words(site, tmp_path, *more)) == 2
    assert f"UsageError: {says}" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.json"))


def test_an_unknown_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fetch", "mlperf"]) == 2
    assert "there is no source 'mlperf' to fetch\n  try   frontier fetch with one of: inferencex" in capsys.readouterr().err


def test_a_refusal_is_a_failed_run(site: RecordServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.set(AVAILABILITY, Reply(b"<html>portal</html>"))
    assert run(words(site, tmp_path, "--model", MODEL)) == 4
    assert "gave a web page instead of data" in capsys.readouterr().err


def test_a_killed_fetch_of_pages_goes_on_where_it_stopped(site: RecordServer, tmp_path: Path) -> None:
    whole = rows_reply([row(2, DATES[1])])
    site.set(page_path(DATES[1]), Reply(whole.body, headers=whole.headers, stall=30), whole)
    killed_when_stalled(site, words(site, tmp_path, "--model", MODEL), tmp_path / "log")
    own = tmp_path / "source" / MODEL
    assert sorted(path.name for path in own.iterdir()) == [
        f"{DATES[0]}.json", f"{DATES[0]}.json.source.json", "latest.json", "latest.json.source.json",
    ]  # fmt: skip
    assert not list(tmp_path.glob("*.json")), "nothing looks complete"
    site.asked.clear()
    assert run(words(site, tmp_path, "--model", MODEL)) == 0
    assert site.asked == [AVAILABILITY, LATEST, page_path(DATES[1]), page_path(DATES[2])]
    assert [entry["id"] for entry in json.loads((tmp_path / f"inferencex_{MODEL}.json").read_text())] == ["1", "2", "3"]


def test_a_killed_download_goes_on_where_it_stopped(site: RecordServer, tmp_path: Path) -> None:
    name = "inferencex-2026-07-20.dump.zst.part00"
    releases(site, publish(site, "2026-07-20", {name: LARGE}, headers={"ETag": '"v1"'}, ranges=True))
    path = f"/download/2026-07-20/{name}"
    whole = site.replies[path][0]
    site.set(path, Reply(LARGE, headers=whole.headers, ranges=True, stall=CUT), whole)
    file = tmp_path / "source" / "dump-2026-07-20" / name
    killed_when_stalled(site, words(site, tmp_path, "--dump"), tmp_path / "log", file.with_name(name + ".part"), 2 * CHUNK_BYTES)
    assert not file.exists()
    assert run(words(site, tmp_path, "--dump")) == 0
    assert file.read_bytes() == LARGE
    assert site.headers[-1].get("Range") == f"bytes={2 * CHUNK_BYTES}-"
