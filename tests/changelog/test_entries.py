"""Change logs as files have them: CSV, YAML, JSON; names of InferenceX and plain ones; entries without a date, a number or a link."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontier.changelog import read_changelog
from frontier.errors import PointsError

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_perf_changelog_dated.csv"
YAML = """
- config-keys:
    - dsr1-fp4-b200-sglang
    - dsr1-fp8-h200-sglang
  description:
    - "Update image from v0.5.5 to v0.5.10"
    - Second line
  pr-link: https://github.com/owner/name/pull/276
- config-keys: [gptoss*]
  description: Extend concurrency to 128
  evals-only: true
"""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_csv_with_the_names_of_the_public_log(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "log.csv",
        "merge_date,pr,config_keys,description,pr_link\n2025-12-31,276,a-b | c*,Update | more,https://x/pull/276\n2025-12-01,,d,Fix,\n",
    )
    table = read_changelog(file)
    assert list(table["date"]) == ["2025-12-01", "2025-12-31"]
    assert list(table["keys"]) == [["d"], ["a-b", "c*"]]
    assert list(table["number"]) == [2, 1]
    # An entry without number or link is kept.
    assert table.loc[0, ["id", "link"]].isna().all()
    assert (table["id"][1], table["link"][1], table["text"][1]) == ("276", "https://x/pull/276", "Update | more")


def test_yaml_takes_dates_from_the_caller_and_numbers_from_the_link(tmp_path: Path) -> None:
    table = read_changelog(write(tmp_path, "log.yaml", YAML), dates={"276": "2025-12-31", "#2": "2025-11-10"})
    assert list(table["id"].fillna("none")) == ["none", "276"]
    assert list(table["evals_only"]) == [True, False]
    assert table["text"][1] == "Update image from v0.5.5 to v0.5.10 | Second line"
    assert table.attrs["refused"] == []


def test_undated_entries_are_refused_by_number(tmp_path: Path) -> None:
    table = read_changelog(write(tmp_path, "log.yaml", YAML), dates={"276": "2025-12-31"})
    assert len(table) == 1
    assert [entry["number"] for entry in table.attrs["refused"]] == [2]


def test_a_log_without_any_date_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="none of the 2 entries has a date"):
        read_changelog(write(tmp_path, "log.yaml", YAML))


def test_json(tmp_path: Path) -> None:
    entries = [{"date": "2026-01-02T10:00:00", "keys": ["hardware=gb200"], "text": "x", "link": "", "id": 7}]
    table = read_changelog(write(tmp_path, "log.json", json.dumps(entries)))
    assert (table["date"][0], table["id"][0]) == ("2026-01-02", "7")


def test_versions_in_yaml_stay_text(tmp_path: Path) -> None:
    table = read_changelog(write(tmp_path, "log.yml", "- {date: 2026-01-02, keys: a, text: 1.10}\n"))
    assert table["text"][0] == "1.10"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("log.txt", "", "one of .csv, .yaml, .yml, .json"),
        ("log.json", "{", "not readable as JSON"),
        ("log.yaml", "- a: [", "not readable as YAML"),
        ("log.json", "{}", "list of entries"),
        ("log.json", "[]", "no entries"),
        ("log.json", '[{"date": "2026-01-02", "text": "x"}]', "entry 1 names no series"),
        ("log.json", '[{"date": "January", "keys": ["a"], "text": "x"}]', "ISO date .* got 'January'"),
    ],
)
def test_refusals(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(PointsError, match=message):
        read_changelog(write(tmp_path, name, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="no such change log"):
        read_changelog(tmp_path / "log.csv")


def test_the_public_log_reads_whole() -> None:
    if not SHARED.exists():
        pytest.skip("the public change log is not here")
    table = read_changelog(SHARED)
    assert len(table) + len(table.attrs["refused"]) == 772
    assert len(table.attrs["refused"]) == 1  # the one entry without a pull request has no merge date either
    assert table["date"].is_monotonic_increasing
