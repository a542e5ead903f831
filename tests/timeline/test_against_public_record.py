"""What the timeline says of the public record: quiet nights, known changes, artefacts of the measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from frontier.changelog import read_changelog
from frontier.evidence.importers import import_points
from frontier.timeline import timeline

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex"
ROWS, LOG = DATA / "inferencex_dsr1_until_2026-02-28.csv", DATA / "inferencex_perf_changelog_dated.csv"


@pytest.fixture(scope="module")
def record() -> pd.DataFrame:
    if not ROWS.exists() or not LOG.exists():
        pytest.skip("the public record is not here")
    return import_points("inferencex", [ROWS]).points


def entry(record: pd.DataFrame, *, changelog: bool = True, **chosen: Any) -> dict[str, Any]:
    rows = record
    for column, value in {"isl_tokens": 1024, "osl_tokens": 1024, "spec": "none", **chosen}.items():
        rows = rows[rows[column] == value]
    (found,) = timeline(rows, changelog=read_changelog(LOG) if changelog else None, resamples=300)["series"]
    return dict(found)


def test_at_most_one_in_twenty_series_steps_on_nights_without_change(record: pd.DataFrame) -> None:
    # MI355X was being repaired in that week (a factor of two between nights) and is judged below.
    nights = record[(record["date"] >= "2025-12-09") & (record["date"] <= "2025-12-15") & (record["hardware"] != "mi355x")]
    found = timeline(nights, resamples=300)["series"]
    stepped = [one["title"] for one in found if one["steps"]]
    assert len(found) >= 25
    assert len(stepped) <= len(found) / 20, stepped


def test_the_cold_start_of_b200_sglang_is_an_artefact(record: pd.DataFrame) -> None:
    found = entry(record, hardware="b200_sxm", engine="sglang", precision="fp4")
    (step,) = [step for step in found["steps"] if step["to"] == "2025-12-31"]
    assert (step["from"], step["kind"]) == ("2025-12-15", "artefact")
    assert step["label"].startswith("harness: cold start")
    assert (step["changelog"]["verdict"], step["changelog"]["entries"][0]["id"]) == ("one", "276")


def test_the_upgrade_of_b200_trtllm_is_software_with_its_images_and_entry(record: pd.DataFrame) -> None:
    found = entry(record, hardware="b200_sxm", engine="trtllm", precision="fp4")
    step = found["steps"][-1]
    assert (step["from"], step["to"], step["kind"]) == ("2025-12-15", "2026-02-03", "software")
    assert step["label"].startswith("image 1.1.0rc2.post2 -> 1.2.0rc6.post2: software ")
    assert [e["id"] for e in step["changelog"]["entries"] if e["candidate"]] == ["620"]
    matched = {date["date"]: date["matched_log"] for date in found["dates"]}
    assert 0.05 < matched["2026-02-03"] - matched["2025-12-15"] < 0.2  # the matched configurations alone gained this


def test_mi355x_steps_when_its_image_changes(record: pd.DataFrame) -> None:
    found = entry(record, hardware="mi355x", engine="sglang", precision="fp4")
    (step,) = [step for step in found["steps"] if step["to"] == "2025-12-19"]
    assert step["kind"] == "software"
    assert step["changelog"]["entries"][0]["id"] == "330"
    assert not [step for step in found["steps"] if step["from"] >= "2025-12-13" and step["to"] <= "2025-12-15"]


def test_mtp_of_one_release_is_a_contrast(record: pd.DataFrame) -> None:
    rows = record[(record["engine"] == "atom") & (record["precision"] == "fp4") & (record["osl_tokens"] == 8192)]
    (found,) = timeline(rows, resamples=300)["contrasts"]
    assert (found["lever"], found["without"], found["with"], found["release"]) == ("spec", "none", "mtp", "0.1.1")
    assert found["dates"] == ["2026-02-25", "2026-02-25"]
    assert found["same_image"] is False  # one release in two builds, which the contrast says
    assert found["shift"]["ratio"]["value"] > 1.0
