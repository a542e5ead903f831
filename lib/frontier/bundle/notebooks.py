"""A run's executed notebooks as the sources they were made from, and what differs between those and the kit's own."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontier.bundle.names import shown
from frontier.errors import RunError
from frontier.files import read_json, write_text

_ADDED = {"injected-parameters", "papermill-error-cell-tag"}  # tags of the cells that papermill adds
_METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}


def write_sources(run: Path, folder: Path) -> None:
    """Write the source notebooks of a run, recovered from their executed copies: without outputs, counts and the cells papermill added.

    Parameters
    ----------
    run : Path
        The run's folder.
    folder : Path
        Where they are written, under their own names.

    Raises
    ------
    RunError
        If the run has no executed notebook, or one is no notebook.
    """
    for name, notebook in _sources(Path(run)).items():
        write_text(Path(folder) / name, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def notebook_differences(run: Path, notebooks_dir: Path) -> dict[str, str]:
    """Name -> unified diff from the kit's notebook to the one the run was made with; only those that differ.

    Control characters are shown as escapes, so that nothing in a foreign notebook hides from the reader.

    Parameters
    ----------
    run : Path
        The run's folder.
    notebooks_dir : Path
        The kit's notebooks.

    Raises
    ------
    RunError
        As :func:`write_sources`.
    """
    found = {}
    for name, theirs in _sources(Path(run)).items():
        own = Path(notebooks_dir) / name
        before = _lines(_source(read_json(own), name)) if own.is_file() else []
        after = _lines(theirs)
        if before != after:
            label = f"kit/{name}" if own.is_file() else "/dev/null"
            found[name] = "\n".join(difflib.unified_diff(before, after, label, f"run/{name}", lineterm="", n=3))
    return found


def _sources(run: Path) -> dict[str, dict[str, Any]]:
    """Name -> source of every notebook that was executed to the end, in order."""
    files = sorted(file for file in (run / "notebooks").glob("*.ipynb") if ".failed-" not in file.name and not file.name.startswith("."))
    if not files:
        raise RunError(f"{run.name} has no executed notebook", origin=str(run / "notebooks"))
    return {file.name: _source(read_json(file), file.name) for file in files}


def _source(notebook: Any, name: str) -> dict[str, Any]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4:
        raise RunError(f"{name} is no notebook of format 4")
    return {
        "cells": [_cell(cell, name) for cell in cells if not _ADDED & set(_tags(cell, name))],
        "metadata": _METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _tags(cell: Any, name: str) -> list[str]:
    metadata = cell.get("metadata", {}) if isinstance(cell, dict) else None
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RunError(f"{name} has a cell that is none")
    return tags


def _cell(cell: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The cell as it is committed: its tags are all that is kept of its metadata."""
    kind, source = cell.get("cell_type"), cell.get("source", "")
    text = "".join(source) if isinstance(source, list) and all(isinstance(line, str) for line in source) else source
    if kind not in ("code", "markdown", "raw") or not isinstance(text, str):
        raise RunError(f"{name} has a cell that is none")
    tags = _tags(cell, name)
    fixed: dict[str, Any] = {"execution_count": None} if kind == "code" else {}
    outputs: dict[str, Any] = {"outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind, **fixed, "id": str(cell.get("id", "")), "metadata": {"tags": tags} if tags else {}, **outputs,
        "source": text.splitlines(keepends=True),
    }  # fmt: skip


def _lines(notebook: Mapping[str, Any]) -> list[str]:
    """A notebook as lines to compare: a head for each cell, then its source."""
    lines = []
    for cell in notebook["cells"]:
        tags = "".join(f" {shown(tag)}" for tag in cell["metadata"].get("tags", []))
        lines.append(f"# [{cell['cell_type']}]{tags}")
        lines += [shown(line, 10_000) for line in "".join(cell["source"]).split("\n")]
    return lines
