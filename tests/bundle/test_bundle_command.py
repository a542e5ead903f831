"""`frontier bundle` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier import cli


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_make_verify_open(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "bundle", run, "-o", "run.zip")
    assert code == 0
    assert out.startswith("run.zip: every file is what the bundle says\n")
    assert f"run          {run.name} (complete)\n" in out
    assert "container    none, run on the host\n" in out
    assert call(capsys, "bundle", "verify", "run.zip") == (0, out, "")
    code, out, _ = call(capsys, "bundle", "open", "run.zip")
    assert (code, out) == (0, f"artifacts/bundles/{run.name}\n")
    assert Path("artifacts/bundles", run.name, "report.html").is_file()
    code, out, _ = call(capsys, "bundle", "open", "run.zip", "--folder", "else", "--json")
    assert json.loads(out) == {"schema": "frontier.opened/1", "path": f"else/{run.name}", "report": f"else/{run.name}/report.html"}


@pytest.mark.parametrize(
    "words",
    [["{run}", "-o", "x.zip"], ["-o", "x.zip", "{run}"], ["make", "{run}", "-o", "x.zip"], ["{id}", "--artifacts", "{artifacts}", "-o", "x.zip"]],
)
def test_every_spelling_gives_the_same(
    run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"run": run, "id": run.name, "artifacts": run.parents[1]}
    assert call(capsys, "bundle", *(word.format(**names) for word in words), "--json")[0] == 0
    assert Path("x.zip").read_bytes() == bundle.read_bytes()


def test_without_a_name_it_has_the_runs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "bundle", run, "--raw", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["schema"], document["verified"], document["path"]) == ("frontier.bundle/1", True, f"{run.name}.zip")
    assert Path(f"{run.name}.zip").stat().st_size == document["size_bytes"]


def test_a_bundle_that_does_not_verify(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(bundle.read_bytes()[:-3])
    code, out, err = call(capsys, "bundle", "verify", bad, "--json")
    assert code == 4
    document = json.loads(out)
    assert (document["verified"], document["file"]) == (False, "bad.zip")
    assert document["problem"].startswith("it does not end as a bundle does")
    assert err.startswith("RunError: it does not end as a bundle does")
    assert call(capsys, "bundle", "open", bad, "--folder", tmp_path / "opened")[0] == 4
    assert call(capsys, "shift", bad, bad)[0] == 4


def test_a_bundle_is_compared_like_a_runs_folder(run: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["--before", "disagg=false", "--after", "disagg=true", "--resamples", "100", "--json"]
    from_bundle, from_run = (json.loads(call(capsys, "shift", path, *rows)[1]) for path in (bundle, run))
    assert from_bundle["ratio"] == from_run["ratio"]
    assert from_bundle["factors"] == from_run["factors"]
    levers = ["--levers", "hardware,disagg", "--resamples", "100", "--json"]
    from_bundle, from_run = (json.loads(call(capsys, "attribute", path, *levers)[1]) for path in (bundle, run))
    assert from_bundle["shares"] == from_run["shares"]


def test_a_bundle_is_evidence_for_an_audit(run: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--evidence", "points", "--no-pages", "--artifacts", tmp_path, "--json"]
    found = [json.loads(call(capsys, "audit", "sglang_0_5_6_b200_1_79x", "--points", path, *words)[1]) for path in (bundle, run)]
    assert found[0]["claims"][0]["verdict"] == found[1]["claims"][0]["verdict"]
    assert json.dumps(found[0]).replace(bundle.name, run.name) == json.dumps(found[1])


def test_an_unknown_run_and_no_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "bundle", "nothing", "--artifacts", tmp_path)
    assert code == 4
    assert "no run 'nothing'" in err
    assert call(capsys, "bundle")[0] == 2
    assert "make" in call(capsys, "bundle", "--help")[1]
