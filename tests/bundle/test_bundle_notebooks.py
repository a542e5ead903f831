"""Source notebooks recovered from executed copies, and what differs from the kit's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from frontier.bundle import notebook_differences, write_sources
from frontier.errors import RunError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def change(run: Path, name: str, **cells: Any) -> None:
    """Change the source of the cell with an id in an executed notebook."""
    file = run / "notebooks" / name
    notebook = json.loads(file.read_text())
    for cell in notebook["cells"]:
        if cell["id"] in cells:
            cell["source"] = cells[cell["id"]]
    file.write_text(json.dumps(notebook))


def test_the_sources_are_the_kits_to_the_byte(run: Path, tmp_path: Path) -> None:
    write_sources(run, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["20_measure_frontier.ipynb", "30_attribute_shift.ipynb", "40_write_report.ipynb"]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (NOTEBOOKS / path.name).read_bytes()


def test_own_notebooks_differ_in_nothing(run: Path) -> None:
    assert notebook_differences(run, NOTEBOOKS) == {}


def test_a_changed_cell_is_shown_and_nothing_hides_in_it(own_run: Path, tmp_path: Path) -> None:
    change(own_run, "40_write_report.ipynb", **{"2": "## The run\n\x1b[8mhidden\x1b[0m and \u202eturned"})
    found = notebook_differences(own_run, NOTEBOOKS)
    assert list(found) == ["40_write_report.ipynb"]
    lines = found["40_write_report.ipynb"].split("\n")
    assert lines[:2] == ["--- kit/40_write_report.ipynb", "+++ run/40_write_report.ipynb"]
    assert "+\\x1b[8mhidden\\x1b[0m and \\x202eturned" in lines
    assert "-Expect the digest that the other notebooks showed." in lines
    write_sources(own_run, tmp_path / "sources")
    assert "hidden" in (tmp_path / "sources" / "40_write_report.ipynb").read_text()


def test_a_notebook_that_the_kit_does_not_have_is_shown_whole(own_run: Path) -> None:
    shutil.copy(own_run / "notebooks" / "40_write_report.ipynb", own_run / "notebooks" / "99_other.ipynb")
    found = notebook_differences(own_run, NOTEBOOKS)
    assert list(found) == ["99_other.ipynb"]
    assert found["99_other.ipynb"].startswith("--- /dev/null\n+++ run/99_other.ipynb\n")


def test_a_parameter_beyond_those_of_the_run_is_seen(own_run: Path) -> None:
    """Only the cell that papermill adds is left out; a changed default in the parameters cell is not."""
    change(own_run, "20_measure_frontier.ipynb", **{"1": "import os\nos.system('true')"})
    assert "+os.system('true')" in notebook_differences(own_run, NOTEBOOKS)["20_measure_frontier.ipynb"].split("\n")


def test_code_in_a_cell_tagged_as_papermills_is_dropped_not_kept(own_run: Path, tmp_path: Path) -> None:
    """Such a cell would be executed from the bundle's copy; it is in no source, so a rerun from the sources does not have it."""
    file = own_run / "notebooks" / "40_write_report.ipynb"
    notebook = json.loads(file.read_text())
    assert [cell["metadata"]["tags"] for cell in notebook["cells"]][2] == ["injected-parameters"]
    notebook["cells"][2]["source"] = "evil()"
    file.write_text(json.dumps(notebook))
    assert notebook_differences(own_run, NOTEBOOKS) == {}
    write_sources(own_run, tmp_path / "sources")
    assert "evil" not in (tmp_path / "sources" / "40_write_report.ipynb").read_text()


def test_failed_copies_are_no_sources(own_run: Path, tmp_path: Path) -> None:
    (own_run / "notebooks" / "20_measure_frontier.failed-1.ipynb").write_text("{}")
    write_sources(own_run, tmp_path / "sources")
    assert len(list((tmp_path / "sources").iterdir())) == 3


@pytest.mark.parametrize(
    "text",
    ["[]", '{"nbformat": 4}', '{"nbformat": 3, "cells": []}', '{"nbformat": 4, "cells": [5]}', '{"nbformat": 4, "cells": [{"cell_type": "x"}]}',
     '{"nbformat": 4, "cells": [{"cell_type": "code", "metadata": {"tags": 3}}]}', '{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}'],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(own_run: Path, text: str) -> None:
    (own_run / "notebooks" / "40_write_report.ipynb").write_text(text)
    with pytest.raises(RunError, match=r"40_write_report\.ipynb"):
        notebook_differences(own_run, NOTEBOOKS)


def test_a_run_without_notebooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no executed notebook"):
        write_sources(tmp_path, tmp_path / "sources")
