"""docs/configuration.md lists every group, option and key, with type and default, and none that is not there."""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin

import pytest
from doc_pages import ROOT, section, table_rows

from frontier.catalog import precision_names
from frontier.config import choices
from frontier.config.files import OPTION_GROUPS
from frontier.config.keys import field_types
from frontier.config.vocabulary import LEVERS, SEARCH_SPACES, SERVING_MODES
from frontier.schema import GROUPS, ClaimConfig, Config, LeverConfig

PAGE = ROOT / "docs" / "configuration.md"
HEADINGS: dict[str, Any] = {"Experiment": Config, "claim": ClaimConfig, "lever": LeverConfig, **GROUPS}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
MAPPINGS = {
    "lever": "levers by name", "systems": "systems by name", "effects": "lever to number", "accepted_drafts": "draft length to number",
    "checkpoints": "form to text", "urls": "variant to text", "releases": "release to text", "images": "release to text",
    "worker": "key to text", "server": "key to text", "sbatch": "option to text",
}  # fmt: skip


def type_words(name: str, kind: Any) -> str:
    if get_origin(kind) is list:
        return f"list of {WORDS[get_args(kind)[0]]}s"
    if get_origin(kind) is dict:
        return MAPPINGS[name]
    if get_origin(kind) in (types.UnionType, Union):
        return f"{WORDS[next(part for part in get_args(kind) if part is not type(None))]} or null"
    return "group" if is_dataclass(kind) else WORDS[kind]


def default_words(item: Field[Any], kind: Any) -> str:
    if is_dataclass(kind):
        return ""
    default = item.default if item.default is not MISSING else item.default_factory()  # type: ignore[misc]
    return "required" if default == "???" else f"`{json.dumps(default)}`"


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_key_with_its_type_and_default(heading: str) -> None:
    schema = HEADINGS[heading]
    kinds = field_types(schema)
    expected = [(item.name, type_words(item.name, kinds[item.name]), default_words(item, kinds[item.name])) for item in fields(schema)]
    rows = table_rows(section(PAGE, heading))
    assert [(row[0], row[1], row[2]) for row in rows] == expected
    assert all(row[3] for row in rows), "a key has no meaning"


def test_every_group_and_option() -> None:
    listed = {row[0]: row[1].replace("`", "").split() for row in table_rows(section(PAGE, "Groups"))}
    assert listed == {group: choices(group) for group in ("experiment", *OPTION_GROUPS)}


def test_every_lever_and_its_settings() -> None:
    rows = {row[0]: row[1] for row in table_rows(section(PAGE, "Lever levels"))}
    assert sorted(rows) == sorted(LEVERS) == choices("lever")
    words = {"precision": precision_names(), "parallelism": SEARCH_SPACES, "disaggregation": SERVING_MODES}
    for lever, settings in words.items():
        assert [name for name in settings if f"`{name}`" not in rows[lever]] == []
