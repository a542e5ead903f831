"""docs/formats.md names every column and every key, and none that is not there."""

from __future__ import annotations

from typing import Any

import pytest
from doc_pages import ROOT, key_paths, section, table_rows

from frontier.records import COLUMNS
from frontier.session import Session

PAGE = ROOT / "docs" / "formats.md"
TYPES = {"string": "text", "Int64": "integer", "float64": "number", "boolean": "boolean"}
# Mappings whose keys are names, and the placeholder the page writes for them; an empty one: described as a whole.
DYNAMIC: dict[str, dict[str, str]] = {
    "frontier.attribution/1": {"by_interactivity[].shares": "<lever>", "shift": "", "companion": ""},
    "frontier.shift/1": {},
    "frontier.plan/1": {
        "main.variants[].levels": "<lever>", "main.variants[].settings": "<lever>", "main.variants[].resolved[]": "", "companion": "",
    },
    "frontier.trial/1": {"levels": "<lever>", "settings": "<lever>"},
    "frontier.manifest/1": {"trials": "<digest>", "files": "<path>"},
    "frontier.environment/1": {"packages": "<name>", "wheels": "", "gpus[]": ""},
}  # fmt: skip
# What the documents at hand leave empty: the checks and corrections of a shift without marked rows.
NOT_SHOWN = {
    "frontier.shift/1": {
        *(f"checks[].{key}" for key in ("check", "side", "points", "kind", "saw", "effect_ratio", "effect_corrected")),
        "corrected_ratio.value", "corrected_ratio.ci95",
    }
}  # fmt: skip


def documented(schema: str) -> list[str]:
    return [row[0] for row in table_rows(section(PAGE, schema))]


def test_every_column_with_its_group_and_type() -> None:
    rows = table_rows(section(PAGE, "Points table"))
    assert [(row[0], row[1], row[2]) for row in rows] == [(name, group, TYPES[dtype]) for name, (group, dtype) in COLUMNS.items()]
    assert all(row[4] for row in rows), "a column has no meaning"


def test_units_agree_with_the_names() -> None:
    endings = {"_tok_s_gpu": "tokens/s/GPU", "_tok_s_user": "tokens/s/user", "_tokens": "tokens", "_gpus": "GPUs", "_per_s": "requests/s"}
    for row in table_rows(section(PAGE, "Points table")):
        expected = next((unit for ending, unit in endings.items() if row[0].endswith(ending)), None)
        if expected is None and row[0].endswith("_s"):
            expected = "s/token" if "tpot" in row[0] else "s"
        assert expected is None or row[3] == expected, row[0]


@pytest.mark.parametrize("schema", DYNAMIC)
def test_every_key_of_a_real_document(schema: str, documents: dict[str, Any]) -> None:
    listed = documented(schema)
    assert len(listed) == len(set(listed)), "a key stands twice"
    found = key_paths(documents[schema], DYNAMIC[schema])
    assert found - set(listed) == set(), "keys the page does not name"
    assert set(listed) - found - NOT_SHOWN.get(schema, set()) == set(), "keys no document has"


def test_no_document_without_a_heading(documents: dict[str, Any]) -> None:
    assert set(documents) == set(DYNAMIC)


def test_the_shift_and_the_companion_inside_an_attribution(documents: dict[str, Any]) -> None:
    attribution = documents["frontier.attribution/1"]
    assert key_paths(attribution["shift"], {}) <= set(documented("frontier.shift/1"))
    assert key_paths(attribution["companion"], DYNAMIC["frontier.attribution/1"]) <= set(documented("frontier.attribution/1"))
    main = documents["frontier.plan/1"]["main"]
    assert set(documents["frontier.plan/1"]["companion"]) == set(main)


def test_every_file_of_a_run_is_listed(finished: Session) -> None:
    listed = {row[0] for row in table_rows(section(PAGE, "Run folder"))}
    folder = finished.run.path
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    digests = {path.name for path in (folder / "trials").iterdir()}
    assert {"/".join("<digest>" if part in digests else part for part in file.split("/")) for file in files} <= listed
