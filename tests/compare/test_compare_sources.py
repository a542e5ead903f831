"""Runs, tables and bundles are read as data, and what cannot be read is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from comparison_runs import make_run, points

from frontier.compare import compare_paths, read_source
from frontier.errors import PointsError, RunError, UsageError


def test_a_run_folder(tmp_path: Path) -> None:
    source = read_source(make_run(tmp_path, points()))
    assert (source.kind, source.evidence, source.title) == ("run", "measured", "Known answers")
    assert source.created_utc == "2026-11-01T00:00:00+00:00"
    assert source.launches() == (3, 4)
    assert {name: len(rows) for name, rows in source.ends().items()} == {"baseline": 12, "target": 12}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_points_table_gets_its_shares_here(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"table{suffix}"
    (points().to_csv if suffix == ".csv" else points().to_parquet)(file, index=False)
    source = read_source(file)
    assert source.kind == "points"
    assert source.run_id == f"{tmp_path.name}/table{suffix}"
    assert {share["lever"]: round(share["ratio"], 6) for share in source.document["shares"]} == {"precision": 1.5, "mtp": 1.25}


def test_a_table_without_levels_is_compared_as_a_frontier(tmp_path: Path) -> None:
    for name, factor in (("a", 1.0), ("b", 1.3)):
        table = points(factor)
        table[table["variant"] == "baseline"].drop(columns=["level_precision", "level_mtp"]).to_csv(tmp_path / f"{name}.csv", index=False)
    document = compare_paths([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert document["runs"][0]["quantities"] == []
    (end,) = document["pairs"][0]["ends"]
    assert (end["end"], end["ratio"], end["state"]) == ("all points", pytest.approx(1.3), "moved")
    assert any("no columns level_<lever>" in note for note in document["notes"])
    assert len(document["runs"][0]["frontiers"][0]["tput_tok_s_gpu"]) == 4


def test_tables_of_different_workloads_are_not_compared(tmp_path: Path) -> None:
    points().to_csv(tmp_path / "a.csv", index=False)
    points(isl_tokens=8192).to_csv(tmp_path / "b.csv", index=False)
    pair = compare_paths([tmp_path / "a.csv", tmp_path / "b.csv"])["pairs"][0]
    assert {end["ratio"] for end in pair["ends"]} == {None}
    assert "isl_tokens" in pair["ends"][0]["reason"]


def test_a_configuration_that_would_make_an_object_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    (run / "config.yaml").write_text("name: !!python/object/apply:os.system ['touch /tmp/never']\n", encoding="utf-8")
    with pytest.raises(RunError, match="not plain YAML"):
        read_source(run)


def test_a_target_key_is_text(tmp_path: Path) -> None:
    run = make_run(tmp_path, points(), config={"name": "x", "engine": {"_target_": "os.system", "_args_": ["false"]}})
    assert read_source(run).config["engine"]["_target_"] == "os.system"


def test_a_huge_configuration_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    (run / "config.yaml").write_text("a: " + "x" * (1 << 20), encoding="utf-8")
    with pytest.raises(RunError, match="at most 1048576 are read"):
        read_source(run)


@pytest.mark.parametrize(("file", "text", "says"), [
    ("attribution.json", "{", "cannot read attribution"), ("attribution.json", "[]", "must hold a mapping"),
    ("attribution.json", "{}", "frontier.attribution/1"), ("environment.json", "3", "must hold a mapping"),
    ("config.yaml", "- a", "must hold a mapping"),
])  # fmt: skip
def test_documents_of_another_shape_are_refused(tmp_path: Path, file: str, text: str, says: str) -> None:
    run = make_run(tmp_path, points())
    (run / file).write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=says):
        read_source(run)


def test_a_run_without_an_attribution_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, points())
    (run / "attribution.json").unlink()
    with pytest.raises(RunError, match=r"has no attribution\.json"):
        read_source(run)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="neither a run's folder"):
        read_source(tmp_path / "x.txt")
    with pytest.raises(PointsError):
        read_source(tmp_path / "missing.csv")


def test_strange_values_in_an_environment_are_no_error(tmp_path: Path) -> None:
    strange = {"gpus": "many", "cpu": [1], "ram_gib": "a lot", "packages": [], "wheels": 3, "kit": None, "container": {"image_id": ["x"]}}
    document = compare_paths([make_run(tmp_path, points(), stamp=1), make_run(tmp_path, points(1.2), strange, stamp=2)])
    assert document["pairs"][0]["cause"]["cause"] == "unexplained"
