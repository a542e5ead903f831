"""What the pages of the documentation hold: tables, fenced blocks, links; and the key paths of a document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL = {"console", "bash", "sh"}


def pages() -> list[Path]:
    """README, CONTRIBUTING and every page of docs/, in that order."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def section(page: Path, heading: str) -> str:
    """The text from a heading to the next one of the same or a higher level."""
    text = page.read_text(encoding="utf-8")
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert start is not None, f"{page.name} has no heading {heading!r}"
    rest = text[start.end() :]
    end = re.search(rf"^#{{1,{len(start.group(1))}}} ", rest, re.MULTILINE)
    return rest if end is None else rest[: end.start()]


def table_rows(text: str) -> list[list[str]]:
    """Cells of all table rows of a text whose first cell is code, in order; backticks removed from the first cell."""
    rows = []
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows.append([cells[0].strip("`"), *cells[1:]])
    return rows


def fences(page: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, language and lines of every fenced block."""
    inside: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            if inside is None:
                inside = number, line[3:].strip(), []
            else:
                yield inside
                inside = None
        elif inside is not None:
            inside[2].append(line)
    assert inside is None, f"{page.name}: the block opened in line {inside[0] if inside else 0} is not closed"


def key_paths(document: object, dynamic: Mapping[str, str], prefix: str = "") -> set[str]:
    """Dotted paths of all keys; ``[]`` stands for the items of a list.

    ``dynamic`` maps the path of a mapping whose keys are names to the placeholder for them; an empty placeholder: its inside is free.
    """
    out: set[str] = set()
    if isinstance(document, Mapping):
        for key, value in document.items():
            name = dynamic.get(prefix, key)
            if name == "":
                continue
            path = f"{prefix}.{name}" if prefix else str(name)
            out |= {path} | key_paths(value, dynamic, path)
    elif isinstance(document, list):
        for item in document:
            out |= key_paths(item, dynamic, f"{prefix}[]")
    return out
