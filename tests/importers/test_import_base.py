"""What is the same for every format: registry, given facts, types, refusals, files of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError, UsageError
from frontier.evidence.importers import FORMATS, Batch, Imported, Importer, Source, import_points, import_to_file, refusals
from frontier.evidence.importers.row_types import typed_rows
from frontier.evidence.importers.source import sources
from frontier.records import normalize_points, read_points

POINT = {"hardware": "h200_sxm", "gpus": 8, "interactivity_tok_s_user": 50.0, "total_tput_tok_s_gpu": 1000.0}


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Import made-up rows through a format whose parser gives them."""

    def run(*rows: dict[str, Any], given: dict[str, str] | None = None, **batch: Any) -> Imported:
        def parse(self: Importer, source: Source, given: Any) -> Iterator[Batch]:
            yield Batch(pd.DataFrame(list(rows)), range(1, len(rows) + 1), **batch)

        monkeypatch.setattr(Importer, "parse", parse)
        path = tmp_path / "made.up"
        path.touch()
        return import_points("points", [path], given=given)

    return run


def test_every_format_is_known_by_its_name_and_loads_on_use_only() -> None:
    wanted = {"aiperf", "inferencex", "mlperf", "points", "sglang-bench", "srtctl", "trtllm-bench", "trtllm-serve", "vllm-bench"}
    assert set(FORMATS) == wanted
    assert all(name == found.name for name, found in FORMATS.items())
    assert not Importer("none", "", "frontier.evidence.importers.not_there").available


def test_an_unknown_format_lists_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no import format 'csv'[\s\S]*aiperf, inferencex, mlperf"):
        import_points("csv", [tmp_path])


def test_files_missing_given_twice_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="no such file"):
        import_points("points", [tmp_path / "none.csv"])
    with pytest.raises(PointsError, match="stand twice"):
        import_points("points", [tmp_path / "a.csv", tmp_path / "a.csv"])
    with pytest.raises(PointsError, match="no file to import"):
        import_points("points", [])
    with pytest.raises(PointsError, match="is a folder"):
        import_points("points", [tmp_path])


def test_sources_name_file_and_line(parsing: Any) -> None:
    assert parsing(POINT, POINT).points["source"].tolist() == ["made.up:1", "made.up:2"]
    assert parsing(POINT, mark="#").points["source"].tolist() == ["made.up#1"]
    assert parsing(POINT, mark="").points["source"].tolist() == ["made.up"]


def test_evidence_is_published_unless_there_is_a_column(parsing: Any) -> None:
    assert parsing(POINT).points["evidence"].tolist() == ["published"]
    assert parsing({**POINT, "evidence": "predicted"}).points["evidence"].tolist() == ["predicted"]
    rumour = parsing({**POINT, "evidence": "rumour"})
    assert rumour.refused["rule"].tolist() == ["evidence must be one of measured, published, predicted, simulated"]


def test_given_facts_fill_gaps_and_contradictions_refuse_the_row(parsing: Any) -> None:
    got = parsing({**POINT, "hardware": None}, POINT, {**POINT, "gpus": "16"}, given={"gpus": "8", "hardware": "h200_sxm", "disagg": "no"})
    assert got.points["hardware"].tolist() == ["h200_sxm", "h200_sxm"]
    assert got.points["disagg"].tolist() == [False, False]
    assert got.refused.to_numpy().tolist() == [["made.up", 3, "gpus", "16", "--set gpus=8 contradicts the file"]]
    loads = parsing({**POINT, "concurrency": np.nan}, {**POINT, "concurrency": 16}, given={"concurrency": "16"})
    assert loads.points["concurrency"].tolist() == [16, 16]


def test_a_model_is_renamed_and_nothing_else_is(parsing: Any) -> None:
    got = parsing({**POINT, "model": "org/served-name"}, {**POINT, "model": None}, given={"model": "DeepSeek-R1-0528"})
    assert got.points["model"].tolist() == ["DeepSeek-R1-0528"] * 2
    assert got.refused.empty


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gpu": "8"}, "--set gpu: no column of the points table"),
        ({"total_tput_tok_s_gpu": "8"}, "--set total_tput_tok_s_gpu: a result, which only the file may state"),
        ({"gpus": "eight"}, "--set gpus=eight: gpus must be a number"),
        ({"gpus": "8.5"}, "--set gpus=8.5: gpus must be a whole number"),
        ({"disagg": "perhaps"}, "--set disagg=perhaps: disagg must be true or false"),
        ({"hardware": " "}, "--set hardware has no value"),
    ],
)
def test_facts_that_cannot_be_given(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_points("points", [tmp_path / "any.csv"], given=given)


def test_a_bad_cell_refuses_its_row_once_and_alone(parsing: Any) -> None:
    got = parsing({**POINT, "tp": "8"}, {**POINT, "tp": "two", "ep": "three"}, {**POINT, "tp": 2.5}, {**POINT, "disagg": "perhaps"})
    assert got.points["tp"].tolist() == [8]
    assert got.refused[["line", "column", "value", "rule"]].to_numpy().tolist() == [
        [2, "tp", "two", "tp must be a number"],
        [3, "tp", "2.5", "tp must be a whole number"],
        [4, "disagg", "perhaps", "disagg must be true or false"],
    ]


def test_a_row_without_any_rate_is_no_point(parsing: Any) -> None:
    got = parsing(POINT, {"hardware": "h200_sxm"})
    assert len(got.points) == 1
    assert got.refused[["line", "column"]].to_numpy().tolist() == [[2, "interactivity_tok_s_user"]]


def test_refusals_of_the_parser_stand_beside_those_of_the_types(parsing: Any) -> None:
    got = parsing({**POINT, "tp": "x"}, refused=refusals([("made.up", 7, "a", 1.5, "b")]), notes=("n",))
    assert got.refused["line"].tolist() == [7, 1]
    assert got.notes == ("n",)


def test_types_are_those_of_the_points_table() -> None:
    rows = pd.DataFrame(
        {
            "source": [" a ", "", None],
            "tp": ["8", "", 4],
            "disagg": ["True", None, "0"],
            "median_tpot_s": [0.02, np.nan, "0.1"],
            "interactivity_tok_s_user": [np.nan, np.nan, 10.0],
            "output_tput_tok_s_gpu": ["1e3", 2, 3.5],
            "evidence": "measured",
            "note": ["kept", None, "too"],
        }
    )
    typed, refused = typed_rows(rows, "", pd.Series([1, 2, 3], dtype="Int64"))
    assert not refused
    assert typed["interactivity_tok_s_user"].tolist()[::2] == [50.0, 10.0]  # restored row by row
    pd.testing.assert_frame_equal(typed, normalize_points(rows.assign(interactivity_tok_s_user=[50.0, np.nan, 10.0]), origin=""))


def test_several_files_become_one_table_and_a_wrong_one_is_listed(tmp_path: Path) -> None:
    table = pd.DataFrame([POINT])
    table.to_csv(tmp_path / "one.csv", index=False)
    table.assign(site="a").to_parquet(tmp_path / "two.parquet")
    (tmp_path / "three.csv").write_text("x,y\n1,2\n")
    got = import_points("points", [tmp_path / name for name in ("one.csv", "two.parquet", "three.csv")])
    assert got.points["source"].tolist() == ["one.csv:2", "two.parquet:1"]
    assert got.points["site"].tolist()[1] == "a"
    assert got.refused["file"].tolist() == ["three.csv"]


def test_a_wrong_file_is_told_by_its_look(tmp_path: Path) -> None:
    pd.DataFrame([POINT]).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(PointsError, match=r"not a file of format inferencex[\s\S]*frontier import points one\.csv"):
        import_points("inferencex", [tmp_path / "one.csv"])


def rows_of(text: str, tmp_path: Path) -> list[Any]:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    return list(sources([path])[0].json_rows())


def test_json_rows_are_those_of_the_whole_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = [{"a": [1, {"b": "],["}]}, 12345, "x,]", None, [], {}, 1.5e-3, True]
    monkeypatch.setattr("frontier.evidence.importers.source._BLOCK", 3)  # every item spans blocks
    for text in (json.dumps(document), json.dumps(document, indent=2), "[\n" + ",\n".join(map(json.dumps, document)) + "\n]\n"):
        assert rows_of(text, tmp_path) == document
    assert rows_of(" [ ] ", tmp_path) == []


@pytest.mark.parametrize(("text", "items"), [('[{"a": 1}, {"a": ', 1), ("[1, 2", 1), ("[", 0), ('[{"a" 1}]', 0)])
def test_a_broken_array_says_after_how_many_items(tmp_path: Path, text: str, items: int) -> None:
    with pytest.raises(PointsError, match=f"cut off or broken after {items} items"):
        rows_of(text, tmp_path)


def test_a_json_document_that_is_cut_off_is_told_from_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, 2')
    with pytest.raises(PointsError, match=r"a\.json is cut off: .* line 1, column"):
        sources([path])[0].json()
    path.write_text('{"a": 1,, "b": 2}')
    with pytest.raises(PointsError, match=r"a\.json is not JSON: .* line 1, column 9"):
        sources([path])[0].json()


def test_json_lines_give_line_numbers_and_broken_lines_as_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\nnot json\n2\n')
    found = list(sources([path])[0].jsonl())
    assert [(number, type(item).__name__) for number, item in found] == [(1, "dict"), (3, "JSONDecodeError"), (4, "int")]


def test_a_cut_off_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(PointsError, match="cut off or not gzip"):
        _ = sources([path])[0].head


def test_a_file_on_disk_is_the_table_in_memory(tmp_path: Path) -> None:
    pd.DataFrame([POINT, {**POINT, "tp": "x"}, POINT]).assign(site=["a", "b", "c"]).to_csv(tmp_path / "one.csv", index=False)
    pd.DataFrame([{**POINT, "extra": 1}]).to_csv(tmp_path / "two.csv", index=False)
    files = [tmp_path / "one.csv", tmp_path / "two.csv"]
    whole = import_points("points", files)
    for name in ("out.parquet", "out.csv"):
        written = import_to_file("points", files, tmp_path / name)
        assert (written.points, len(written.refused)) == (3, 1)
        pd.testing.assert_frame_equal(read_points(tmp_path / name), normalize_points(whole.points, origin=""), check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv", "out.csv", "out.parquet", "two.csv"]  # no temporary file is left


def test_nothing_imported_changes_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    pd.DataFrame([{**POINT, "tp": "x"}]).to_csv(tmp_path / "one.csv", index=False)
    assert import_to_file("points", [tmp_path / "one.csv"], out).points == 0
    pd.DataFrame([{"interactivity_tok_s_user": 5.0, "total_tput_tok_s_gpu": None}]).to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(PointsError, match=r"no row has throughput per GPU; out\.csv was not written"):
        import_to_file("points", [tmp_path / "two.csv"], out)
    assert out.read_text() == "precious"


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    pd.DataFrame([POINT]).to_csv(file, index=False)
    for output, message in ((tmp_path / "out.txt", "must end in"), (tmp_path / "no" / "out.csv", "no such folder"), (file, "one of the files")):
        with pytest.raises(UsageError, match=message):
            import_to_file("points", [file], output)
