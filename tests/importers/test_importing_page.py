"""docs/importing.md names every format, every flag and every key of the document, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from inferencex_rows import aggregated, as_csv

from frontier.cli.importing import _document
from frontier.evidence.importers import FORMATS, import_to_file

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "importing.md"


def first_cells(heading: str) -> list[str]:
    """Code names in the first column of the tables under a heading."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_formats() -> None:
    assert sorted(first_cells("Importing")) == sorted(FORMATS)


def test_flags() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "lib/frontier/evidence/importers/inferencex").glob("*.py"))
    written = set(re.findall(r'rows\.mark\([^\n]*?"(\w+)"\)', code)) | set(re.findall(r'"(latencies_in_ms)"', code))
    written |= {f"{role}_gpus_from_parallelism" for role in ("prefill", "decode")}
    assert len(written) > 10
    assert set(first_cells("Flags")) == written


def test_keys_of_the_document(tmp_path: Path) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "points.csv"
    path.write_text(as_csv(aggregated(), aggregated(conc="many")), encoding="utf-8")
    document = _document("inferencex", [path], out, import_to_file("inferencex", [path], out))
    keys = [*document, *(f"refused[].{key}" for key in document["refused"][0])]
    assert sorted(first_cells("frontier.import/1")) == sorted(keys)
