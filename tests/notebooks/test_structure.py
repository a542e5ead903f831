"""Committed notebooks: no outputs, few tags, short cells, one signature, nothing that belongs in the library."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import nbformat
import pytest

from frontier.plan import root

NOTEBOOKS = sorted((root() / "notebooks").glob("*.ipynb"))
PIPELINE = [path for path in NOTEBOOKS if path.stem[:2] in ("10", "20", "30", "40")]
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.For, ast.While, ast.Lambda)
SIGNATURE = {"experiment": "str", "overrides": "list", "artifacts_dir": "str", "run_id": "str"}


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_pipeline_is_there() -> None:
    assert [path.stem for path in PIPELINE] == ["10_build_engine", "20_measure_frontier", "30_attribute_shift", "40_write_report"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_counts_or_stray_tags(path: Path) -> None:
    for cell in cells(path, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}
        assert set(cell.metadata.get("tags", [])) <= {"parameters", "hide-input", "report"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_call_the_library(path: Path) -> None:
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 12
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, FORBIDDEN)]
        assert not re.search(r"sys\.path|warnings|pip |matplotlib|urllib|requests|[\"']/", cell.source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_comes_before_code(path: Path) -> None:
    found = nbformat.read(path, as_version=4).cells
    assert found[0].cell_type == "markdown"
    assert found[0].source.startswith("# ")
    assert "parameters" in found[1].metadata["tags"]
    for before, cell in itertools.pairwise(found[1:]):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown"
    assert "Limits" in "".join(cell.source for cell in found[-4:])


@pytest.mark.parametrize("path", PIPELINE, ids=lambda path: path.stem)
def test_the_parameters_cell_is_the_signature(path: Path) -> None:
    source = cells(path, "code")[0].source
    found = {node.target.id: ast.unparse(node.annotation) for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)}
    assert found == SIGNATURE
    assert all("  # " in line for line in source.splitlines())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_holds_no_measured_number(path: Path) -> None:
    for cell in cells(path, "markdown"):
        assert not re.search(r"\d+(\.\d+)?\s*(x|times|tokens/s|%)\b", cell.source)
