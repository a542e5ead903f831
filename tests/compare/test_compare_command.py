"""`frontier report` with several runs, as a user types it, and notebook 55."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from comparison_runs import CONFIG, make_run, points

import frontier.bundle
from frontier import session
from frontier.cli import main
from frontier.compare import compare_paths, comparison_file
from frontier.compare.notebook import open_comparison
from frontier.errors import RunError, UsageError
from frontier.plan import root
from frontier.runner import execute_notebook


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of which the second has another version."""
    folder = tmp_path_factory.mktemp("artifacts")
    for stamp, columns in ((1, {}), (2, {"factor": 1.3, "engine_version": "2.0"})):
        make_run(folder / "runs", points(**columns), stamp=stamp)
    return folder


def call(*words: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


def ids(artifacts: Path) -> list[str]:
    return sorted(path.name for path in (artifacts / "runs").iterdir())


def test_two_runs_are_compared_and_the_page_is_named(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = ids(artifacts)
    assert call("report", first, second, "--artifacts", artifacts) == 0
    out = capsys.readouterr().out
    assert f"{second} against {first}: moved" in out
    assert "The one thing that differs and can move the numbers is the engine's version or image (engine version 1.0 → 2.0)." in out
    page = Path(out.strip().splitlines()[-1].removeprefix("comparison: "))
    assert page.parent == artifacts / "comparisons"
    assert "<svg" in page.read_text(encoding="utf-8")
    document = compare_paths([artifacts / "runs" / name for name in (first, second)])
    assert page == comparison_file(document, artifacts)  # the same question has the same page


def test_one_document_and_a_page_of_ones_own(artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [artifacts / "runs" / name for name in ids(artifacts)]
    assert call("report", *paths, "--json", "-o", tmp_path / "own.html", "--margin", "0.5") == 0
    found = capsys.readouterr()
    document = json.loads(found.out)
    assert document["schema"] == "frontier.compare/1"
    assert document["pairs"][0]["margin"] == 0.5
    assert document["pairs"][0]["verdict"] == "not_moved"
    assert (tmp_path / "own.html").exists()
    assert "own.html" in found.err


def test_published_points_beside_one_run(artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points(0.5, launches=1, evidence="published").drop(columns=["level_precision", "level_mtp"]).to_csv(tmp_path / "record.csv", index=False)
    assert call("report", ids(artifacts)[0], "--points", tmp_path / "record.csv", "--artifacts", artifacts) == 0
    out = capsys.readouterr().out
    assert "frontier baseline over 4 published rows" in out
    assert call("report", "--experiment", "known", "--points", tmp_path / "record.csv", "--artifacts", artifacts) == 0


@pytest.mark.parametrize(("words", "says"), [
    (["a", "--json"], "belong to a comparison"),
    (["--points", "x.csv"], "none is named"),
    (["a", "b", "--experiment", "known"], "name the runs alone"),
    (["a", "b", "--metric", "peak"], "metric must be total or output"),
    (["a", "b"], "no run 'a'"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(artifacts: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("report", *words, "--artifacts", artifacts) != 0
    assert says in capsys.readouterr().err


def test_a_bundle_is_opened_read_and_gone(artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def open_bundle(file: Path, folder: Path) -> Path:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
        opened.append(folder)
        return next(folder.iterdir())

    monkeypatch.setattr(frontier.bundle, "open_bundle", open_bundle)
    first, second = ids(artifacts)
    bundle = tmp_path / "theirs.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for file in (artifacts / "runs" / second).iterdir():
            archive.write(file, f"{second}/{file.name}")
        archive.writestr(f"{second}/bundle.json", "{}")
    document = compare_paths([artifacts / "runs" / first, bundle])
    assert [run["kind"] for run in document["runs"]] == ["run", "bundle"]
    assert document["pairs"][0]["cause"]["cause"] == "software"
    assert not opened[0].exists()


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two smoke runs without noise, the second with a better precision."""
    folder = tmp_path_factory.mktemp("smoke")
    for more in ([], ["engine.effects.precision=1.8"]):
        run = session.start_run("smoke", ["place.workers=1", "engine.noise_cv=0", "design.resamples=100", *more], str(folder))
        run.measure()
        run.attribute()
    return folder


def test_two_smoke_runs_differ_by_the_known_factor_of_one_lever(smoke: Path) -> None:
    comparison = open_comparison("smoke", [], str(smoke))
    (pair,) = comparison.document["pairs"]
    found = {one["name"]: one for one in pair["quantities"]}
    assert found["precision"]["change"]["ratio"] == pytest.approx(1.2, rel=1e-6)
    assert [one["name"] for one in pair["quantities"] if one["kind"] == "share" and one["state"] == "moved"] == ["precision"]
    assert pair["cause"]["cause"] == "configuration"
    assert "engine.effects.precision 1.5 → 1.8" in pair["cause"]["sentences"][0]
    assert {factor["cause"] for end in pair["ends"] for factor in end["factors"]} == {"configuration"}


def test_the_notebook_runs_top_to_bottom(smoke: Path, tmp_path: Path) -> None:
    output = tmp_path / "55_compare_runs.ipynb"
    parameters = {"experiment": "smoke", "overrides": [], "artifacts_dir": str(smoke), "run_id": ""}
    execute_notebook(root() / "notebooks" / "55_compare_runs.ipynb", parameters, output)
    cells = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    steps = [cell for cell in cells if not {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))]
    for cell in steps:
        assert [out.output_type for out in cell.outputs] == ["execute_result"], cell.source
    text = json.dumps([out.data.get("text/plain", "") for cell in steps for out in cell.outputs])
    assert str(smoke) not in text
    assert "the settings" in text
    assert len(list((smoke / "comparisons").glob("*.html"))) == 1


def test_against_and_points_name_what_to_compare(artifacts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    for stamp in (3, 4):
        make_run(folder / "runs", points(), stamp=stamp, config={**CONFIG, "name": "smoke"})
    for path in sorted((folder / "runs").iterdir()):
        path.rename(path.with_name(path.name.replace("known", "smoke")))
    points(evidence="published", launches=1).to_csv(tmp_path / "record.csv", index=False)
    other = artifacts / "runs" / ids(artifacts)[1]
    comparison = open_comparison("smoke", [f"against={other}", f"points={tmp_path / 'record.csv'}"], str(folder))
    assert [run["run_id"] for run in comparison.document["runs"]] == ["20261104T000000Z-smoke-00000004", other.name]
    assert len(comparison.document["published"]) == 2
    assert set(comparison.changes()["against the reference"]) == {other.name, "published points"}


def test_a_run_that_stands_alone_is_taken_apart_into_its_launches(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", points(noise=0.02, seed=4))
    run.rename(run.with_name(run.name.replace("known", "smoke")))
    comparison = open_comparison("smoke", [], str(tmp_path))
    assert [source.run_id.split(" ", 1)[1] for source in comparison.sources] == ["(earlier launches)", "(later launches)"]
    assert [source.launches()[0] for source in comparison.sources] == [2, 1]
    assert "moved" not in set(comparison.verdict()["verdict"])
    assert isinstance(comparison.artifacts, Path)


def test_a_run_that_stands_alone_and_was_launched_once_is_compared_with_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", points(launches=1))
    run.rename(run.with_name(run.name.replace("known", "smoke")))
    with pytest.raises(RunError, match="nothing in it was launched twice"):
        open_comparison("smoke", [], str(tmp_path))
    with pytest.raises(UsageError, match="against needs a value"):
        open_comparison("smoke", ["against="], str(tmp_path))
    with pytest.raises(RunError, match="no run of experiment"):
        open_comparison("smoke", [], str(tmp_path / "empty"))


def test_a_table_of_a_notebook_holds_what_the_page_holds(smoke: Path) -> None:
    comparison = open_comparison("smoke", [], str(smoke))
    assert isinstance(comparison.identity(), pd.DataFrame)
    assert set(comparison.factors()["Cause"]) == {"settings"}
    assert comparison.differences()["likely_cause"].tolist() == [True]
