"""Which entry explains a shift: dates, lag, rank, and the verdict when several stand in one window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from frontier.changelog import match, read_changelog
from frontier.errors import UsageError

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_perf_changelog_dated.csv"
SERIES: dict[str, Any] = {"model": "dsr1", "hardware": "b200_sxm", "engine": "sglang", "precision": "fp4", "spec": "none", "disagg": False}
KEY = "dsr1-fp4-b200-sglang"


def log(*entries: tuple[str, str, str]) -> pd.DataFrame:
    """A change log of (date, keys, text), numbered from 1, ids 101, 102, ..."""
    rows = []
    for i, (date, keys, text) in enumerate(entries, start=1):
        named = {"date": date, "keys": keys.split("|"), "text": text, "link": f"https://x/pull/{100 + i}", "id": str(100 + i)}
        rows.append({**named, "number": i, "scenario": None, "evals_only": False})
    return pd.DataFrame(rows)


def told(table: pd.DataFrame, **options: Any) -> dict[str, Any]:
    return match(table, options.pop("series", SERIES), **{"before_date": "2025-12-15", "after_date": "2025-12-31", **options})


def ids(found: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in found["entries"]]


def test_one_entry_in_the_window_is_quoted_with_its_link() -> None:
    found = told(log(("2025-12-31", KEY, "Update image from v0.5.5 to v0.5.6")), causes=["software"])
    assert (found["verdict"], ids(found)) == ("one", ["101"])
    assert found["entries"][0]["link"] == "https://x/pull/101"
    assert found["by_cause"] == {"software": ["#101"]}


def test_a_change_never_runs_before_its_merge() -> None:
    assert told(log(("2026-01-01", KEY, "Update image")))["verdict"] == "none"


@pytest.mark.parametrize(
    ("date", "lag", "verdict"), [("2025-12-15", 7, "one"), ("2025-12-10", 7, "one"), ("2025-12-07", 7, "none"), ("2025-12-07", 8, "one")]
)
def test_the_lag_reaches_back_so_many_days(date: str, lag: int, verdict: str) -> None:
    found = told(log((date, KEY, "Update image")), lag_days=lag)
    assert found["verdict"] == verdict
    assert all(entry["window"] == "lag" for entry in found["entries"])


def test_an_entry_between_the_dates_outranks_one_of_the_lag() -> None:
    found = told(log(("2025-12-14", KEY, "Update image"), ("2025-12-20", "*", "Update image")))
    assert found["verdict"] == "one"
    assert ids(found) == ["102", "101"]
    assert [entry["candidate"] for entry in found["entries"]] == [True, False]


def test_several_entries_are_not_separable_and_the_record_may_know_a_date() -> None:
    table = log(("2025-12-18", KEY, "Update image to v1.2"), ("2025-12-28", KEY, "Add TP4 configurations"))
    found = told(table, dates=["2025-12-15", "2025-12-20", "2025-12-31"], causes=["software", "search_space:parallelism"])
    assert found["verdict"] == "not_separable"
    assert found["separating_dates"] == ["2025-12-20"]
    assert "2025-12-20" in found["note"]
    assert found["by_cause"] == {"software": ["#101"], "search_space:parallelism": ["#102"]}
    without = told(table, dates=["2025-12-15", "2025-12-31"])
    assert without["separating_dates"] == []
    assert "a run from 2025-12-18 up to the day before 2025-12-28 would" in without["note"]


def test_specific_keys_and_agreeing_text_rank_first() -> None:
    table = log(
        ("2025-12-20", "dsr1*", "Update image from v0.5.5 to v0.5.6"), ("2025-12-20", KEY, "Extend concurrency"), ("2025-12-20", KEY, "Update image")
    )
    assert ids(told(table, causes=["software"])) == ["103", "102", "101"]


def test_images_named_in_the_text_agree_with_the_two_sides() -> None:
    images = (["lmsysorg/sglang:v0.5.5-cu129"], ["lmsysorg/sglang:v0.5.6-cu129"])
    found = told(log(("2025-12-20", KEY, "Update from v0.5.5 to v0.5.6")), images=images)
    assert found["entries"][0]["agrees"][:2] == ["image before: 0.5.5", "image after: 0.5.6"]


def test_an_entry_on_evaluations_only_changes_no_run() -> None:
    found = told(log(("2025-12-20", KEY, "Add official GSM8k eval results"), ("2025-12-21", KEY, "Update image")))
    assert found["verdict"] == "one"
    assert ids(found) == ["102", "101"]


def test_the_common_key_means_the_series_without_mtp_once_mtp_has_its_own() -> None:
    mtp = {**SERIES, "spec": "mtp"}
    before = log(("2025-12-20", KEY, "Update image"))
    after = log(("2025-12-01", f"{KEY}-mtp", "Add MTP"), ("2025-12-20", KEY, "Update image"))
    assert told(before, series=mtp)["verdict"] == "one"
    assert told(after, series=mtp)["verdict"] == "none"


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UsageError, match="before_date must not be later"):
        told(log(("2025-12-20", KEY, "x")), before_date="2026-01-01")


def test_known_changes_of_the_public_log() -> None:
    if not SHARED.exists():
        pytest.skip("the public change log is not here")
    table = read_changelog(SHARED)
    assert told(table)["note"].startswith("One entry names this series in the window: #276")
    trt = {**SERIES, "engine": "trtllm"}
    assert ids(told(table, series=trt, before_date="2025-12-15", after_date="2026-02-03"))[0] == "620"
    nights = told(table, before_date="2025-12-09", after_date="2025-12-15", lag_days=0)
    assert nights["verdict"] == "none"
