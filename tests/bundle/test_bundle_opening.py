"""Bundles that are opened: marked as foreign, reported on by the kit's own code, and nothing of them executed."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from bundle_forging import contents, forged

from frontier.bundle import open_bundle, read_points_of, verify_bundle
from frontier.cli.given import read_table
from frontier.errors import RunError, UsageError
from frontier.records import read_points
from frontier.report import write_report
from frontier.store import RunFolder, Store


def test_what_stands_where(run: Path, bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle, tmp_path / "opened")
    assert opened == tmp_path / "opened" / run.name
    for name in ("points.parquet", "attribution.json", "config.yaml", "manifest.json", "notebooks/30_attribute_shift.ipynb"):
        assert (opened / name).read_bytes() == (run / name).read_bytes()
    # Of a run made by this very kit the report drawn here is the same to the byte; theirs is kept apart all the same.
    assert (opened / "report.html").read_bytes() == (run / "report.html").read_bytes() == (opened / "theirs" / "report.html").read_bytes()
    assert {path.name for path in (opened / "theirs").iterdir()} == {"README.md", "figures", "report.html", "ro-crate-metadata.json"}
    mark = json.loads((opened / "bundle.json").read_text())
    assert mark["foreign"] is True
    assert (mark["file"], mark["sha256"]) == ("run.zip", verify_bundle(bundle).sha256)
    assert str(tmp_path) not in (opened / "bundle.json").read_text()
    assert [path.name for path in (tmp_path / "opened").iterdir()] == [run.name]
    assert not any(path.stat().st_mode & 0o111 for path in opened.rglob("*") if path.is_file())
    assert RunFolder(opened).manifest == RunFolder(run).manifest


def test_opening_it_again_finds_it(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle, tmp_path)
    (opened / "report.html").write_text("touched")
    assert open_bundle(bundle, tmp_path) == opened
    assert (opened / "report.html").read_text() == "touched"  # drawn here, not the bundle's


@pytest.mark.parametrize("name", ["points.parquet", "config.yaml", "manifest.json", "theirs/report.html"])
def test_a_folder_that_was_changed_since_is_not_taken_for_the_bundle(bundle: Path, tmp_path: Path, name: str) -> None:
    opened = open_bundle(bundle, tmp_path)
    (opened / name).write_bytes(b"other")
    with pytest.raises(UsageError, match=f"was changed after it was opened: {name}"):
        open_bundle(bundle, tmp_path)
    (opened / name).unlink()
    with pytest.raises(UsageError, match=f"was changed after it was opened: {name}"):
        open_bundle(bundle, tmp_path)


def test_another_bundle_of_the_same_run_does_not_replace_it(bundle: Path, tmp_path: Path) -> None:
    open_bundle(bundle, tmp_path / "opened")
    other = forged(bundle, tmp_path / "other.zip", {"report.html": b"another"})
    with pytest.raises(UsageError, match="is there already and was not opened from this file"):
        open_bundle(other, tmp_path / "opened")


@pytest.mark.parametrize("folder", ["artifacts/runs", "elsewhere"])
def test_it_is_never_put_among_this_kits_own_runs(bundle: Path, tmp_path: Path, folder: str) -> None:
    """There the trials of a stranger would be taken over as trials of this machine."""
    (tmp_path / "elsewhere" / ".locks").mkdir(parents=True)
    with pytest.raises(UsageError, match="would be taken for one of them"):
        open_bundle(bundle, tmp_path / folder)
    assert Store(tmp_path / "artifacts").list_runs() == []


def test_its_points_are_read_like_a_run_folders(run: Path, bundle: Path, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(read_points_of(bundle), read_points(run))
    pd.testing.assert_frame_equal(read_table(bundle, ["disagg=true"]), read_table(run, ["disagg=true"]))
    bad = tmp_path / "bad.zip"
    bad.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(RunError, match="does not end as a bundle does"):
        read_table(bad, None)


def test_a_folder_that_cannot_be_written(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot open a bundle in .*file/opened: Not a directory"):
        open_bundle(bundle, tmp_path / "file" / "opened")


def test_a_full_disk_leaves_nothing(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(RunError, match="No space left on device"):
        open_bundle(bundle, tmp_path / "opened")
    assert list((tmp_path / "opened").iterdir()) == []


EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def hostile(bundle: Path, file: Path, work: Path) -> Path:
    """A bundle with code in each place that could be executed, and HTML in each name that is shown; all hashes fit."""
    members = contents(bundle)
    act = f"open({str(work / 'executed')!r}, 'a').write('x')"
    changes: dict[str, bytes | None] = {}
    for name in (name for name in members if name.startswith("notebooks/")):
        notebook = json.loads(members[name])
        code = {"cell_type": "code", "execution_count": 1, "id": "x", "metadata": {"tags": ["parameters"]}, "outputs": [], "source": [act]}
        notebook["cells"] = [code, *notebook["cells"]]
        changes[name] = json.dumps(notebook).encode()
    for name in ("sitecustomize.py", "conftest.py", "frontier.py", "points.py", "notebooks/setup.py", "jupyter_config.py"):
        changes[name] = act.encode()
    config = members["config.yaml"].decode()
    config = re.sub(r"^title: .*$", f"title: '{EVIL}'", config, count=1, flags=re.MULTILINE)
    config = re.sub(r"^  statement: .*$", f"  statement: '{EVIL}'", config, count=1, flags=re.MULTILINE)
    config = re.sub(r"^  url: ''$", "  url: javascript:alert(3)", config, count=1, flags=re.MULTILINE)
    changes["config.yaml"] = config.encode()
    document = json.loads(members["attribution.json"])
    document["notes"] = [EVIL]
    document["levers"][0]["title"] = EVIL
    document["shares"][0]["title"] = EVIL
    changes["attribution.json"] = json.dumps(document).encode()
    plan = json.loads(members["plan.json"])
    plan["main"]["variants"][0]["variant"] = EVIL
    plan[EVIL] = EVIL
    changes["plan.json"] = json.dumps(plan).encode()
    environment = json.loads(members["environment.json"])
    environment["packages"][EVIL] = EVIL
    environment["kit"]["version"] = EVIL
    changes["environment.json"] = json.dumps(environment).encode()
    table = pd.read_parquet(io.BytesIO(members["points.parquet"]))
    table["source"], table["engine_version"] = EVIL, EVIL
    stream = io.BytesIO()
    table.to_parquet(stream)
    changes["points.parquet"] = stream.getvalue()
    changes["report.html"] = f"<script>{EVIL}</script>".encode()
    changes["figures/frontiers.svg"] = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(4)</script></svg>"
    return forged(bundle, file, changes)


def test_html_in_names_reaches_no_page(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(hostile(bundle, tmp_path / "evil.zip", tmp_path), tmp_path / "opened")
    page = (opened / "report.html").read_text()
    assert "onerror=alert(1)" in page  # the words are there
    assert "<img src=x" not in page  # the elements are not
    assert "alert(2)</script>" not in page
    assert "javascript:" not in page
    for figure in (opened / "figures").iterdir():
        assert "<script" not in figure.read_text()
        assert "<img" not in figure.read_text()
    assert "<script>" in (opened / "theirs" / "report.html").read_text()  # theirs is as it was, and apart


WATCHED = """
import sys
from pathlib import Path

import matplotlib.font_manager  # looks for fonts with a program of its own, once
from frontier import cli
from frontier.bundle import notebook_differences, open_bundle, verify_bundle, write_sources
from frontier.report import write_report

file, folder, notebooks = map(Path, sys.argv[1:])
BAD = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pickle.find_class", "socket.connect", "socket.bind"}

def watch(event, arguments):
    if event in BAD:
        raise SystemExit(f"{event} {arguments}")
    if event == "compile" and isinstance(arguments[1], str | bytes) and str(folder) in str(arguments[1]):
        raise SystemExit(f"compiled {arguments[1]}")
    if event == "import" and arguments[1] and str(folder) in str(arguments[1]):
        raise SystemExit(f"imported {arguments[1]}")

sys.addaudithook(watch)
verify_bundle(file)
run = open_bundle(file, folder)
write_report(run, out_dir=folder / "again")
write_sources(run, folder / "sources")
assert set(notebook_differences(run, notebooks)) == {"20_measure_frontier.ipynb", "30_attribute_shift.ipynb", "40_write_report.ipynb"}
for words in (["bundle", "verify", str(file)], ["shift", str(file), str(run)], ["shift", str(run), str(file), "--json"],
              ["attribute", str(file), "--levers", "hardware,disagg"]):
    try:
        cli.main(words)
    except SystemExit as stop:
        if stop.code:
            raise
print("all done")
"""


def test_nothing_of_it_is_executed(bundle: Path, tmp_path: Path) -> None:
    """Verified, opened, reported on and compared, in a folder that holds its files, while the interpreter's own audit events are watched."""
    work = tmp_path / "work"
    work.mkdir()
    file = hostile(bundle, tmp_path / "evil.zip", work)
    script = tmp_path / "watched.py"
    script.write_text(textwrap.dedent(WATCHED))
    command = [sys.executable, str(script), str(file), str(work / "opened"), str(Path(__file__).parents[2] / "notebooks")]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all done" in done.stdout
    assert "\x1b" not in done.stdout
    assert not (work / "executed").exists()
    assert {path.name for path in work.iterdir()} == {"opened"}


def test_the_watch_would_see_it(bundle: Path, tmp_path: Path) -> None:
    """The same notebook, executed as papermill would, leaves its trace."""
    hostile(bundle, tmp_path / "evil.zip", tmp_path)
    notebook = json.loads(contents(tmp_path / "evil.zip")["notebooks/40_write_report.ipynb"])
    subprocess.run([sys.executable, "-c", "".join(notebook["cells"][0]["source"])], check=True)
    assert (tmp_path / "executed").read_text() == "x"


@pytest.mark.parametrize(
    ("broken", "message"),
    [({"schema": "frontier.attribution/9"}, "the report reads schema"), ({"levers": 5}, "no report can be drawn from it: TypeError")],
)
def test_documents_that_make_no_sense_together_are_refused_whole(bundle: Path, tmp_path: Path, broken: dict[str, object], message: str) -> None:
    document = json.loads(contents(bundle)["attribution.json"])
    changes = {"attribution.json": json.dumps({**document, **broken}).encode()}
    file = forged(bundle, tmp_path / "broken.zip", changes)
    verify_bundle(file)
    with pytest.raises(RunError, match=message):
        open_bundle(file, tmp_path / "opened")
    assert list((tmp_path / "opened").iterdir()) == []


def test_the_report_of_an_opened_run_can_be_drawn_elsewhere(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle, tmp_path / "opened")
    page = write_report(opened, out_dir=tmp_path / "page")
    assert page.read_bytes() == (opened / "report.html").read_bytes()
