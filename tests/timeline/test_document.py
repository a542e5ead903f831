"""The whole timeline on small records with known changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import nights, rows_of, table_of

from frontier.errors import UsageError
from frontier.timeline import timeline, timeline_rows

CV = 0.004


def shaken(rows: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Each row with one run's error, in speed and throughput alike."""
    out = []
    for row in rows:
        error = float(np.exp(rng.normal(0.0, CV)))
        rates = ("interactivity_tok_s_user", "output_tput_tok_s_gpu", "total_tput_tok_s_gpu")
        out.append({**row, **{name: row[name] * error for name in rates}})
    return out


def walk(rows: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    return timeline(table_of(rows), resamples=200, **options)


def change_log(*entries: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(
        [{"link": None, "id": None, "scenario": None, "evals_only": False, "number": i, **entry} for i, entry in enumerate(entries, 1)]
    )
    table.attrs["refused"] = []
    return table


def test_an_upgrade_is_one_step_named_after_its_images(rng: np.random.Generator) -> None:
    days = nights(6)
    rows = [row for i, day in enumerate(days) for row in shaken(rows_of(day, 1.2 if i >= 3 else 1.0, image=f"sglang:v0.5.{5 + (i >= 3)}"), rng)]
    log = change_log({"date": days[3], "keys": ["engine=sglang"], "text": "Update image", "id": "9", "link": "https://x/pull/9"})
    document = walk(rows, changelog=log)
    (entry,) = document["series"]
    (step,) = entry["steps"]
    assert (step["from"], step["to"], step["kind"]) == (days[2], days[3], "software")
    # Speed and throughput both 1.2 times: every point moves along its own line of concurrency, the frontier by more than 1.2.
    assert step["shift"]["ratio"]["value"] > 1.2
    assert step["label"].startswith("image v0.5.5 -> v0.5.6: software ")
    assert step["changelog"]["verdict"] == "one"
    assert [date["matched_log"] for date in entry["dates"]][3] == pytest.approx(np.log(1.2), abs=5 * CV)
    assert [segment["from"] for segment in entry["segments"]] == [days[0], days[3]]
    assert not entry["quiet"]
    (row,) = timeline_rows(document)
    assert (row["from"], row["change_log"]) == (days[2], "#9")


def test_nights_without_change_are_quiet_whatever_they_leave_out(rng: np.random.Generator) -> None:
    left_out = [(4, 16, 64), (4, 64), (4, 16, 64), (16, 64), (4, 16), (4, 16, 64)]
    rows = [row for day, loads in zip(nights(6), left_out, strict=True) for row in shaken(rows_of(day, concurrencies=loads), rng)]
    (entry,) = walk(rows)["series"]
    assert entry["quiet"]
    assert timeline_rows({"series": [entry]}) == []
    (row,) = timeline_rows({"series": [entry]}, quiet=True)
    assert row["cause"] == "no step in 6 dates"


def test_two_dates_are_accounted_for_directly(rng: np.random.Generator) -> None:
    rows = [*shaken(rows_of("2025-12-01"), rng), *shaken(rows_of("2025-12-20", 1.3), rng)]
    (entry,) = walk(rows)["series"]
    assert [(step["from"], step["to"]) for step in entry["steps"]] == [("2025-12-01", "2025-12-20")]


def test_a_pair_of_which_one_side_lacks_good_configurations_is_a_change_of_coverage(rng: np.random.Generator) -> None:
    better = [{**row, "total_tput_tok_s_gpu": 3 * row["total_tput_tok_s_gpu"]} for row in rows_of("2025-12-01", concurrencies=[16, 32])]
    ends = [row for day in ("2025-12-01", "2025-12-20") for row in rows_of(day, concurrencies=[4, 64])]
    entry = walk(shaken([*better, *ends], rng))["series"][0]
    assert entry["quiet"]
    (change,) = entry["coverage_changes"]
    assert change["label"].startswith("coverage ")


def test_snapshots_that_share_no_interactivity_are_reported() -> None:
    rows = [*rows_of("2025-12-01", concurrencies=[4]), *rows_of("2025-12-02", concurrencies=[64, 128])]
    (entry,) = walk(rows)["series"]
    (gap,) = entry["gaps"]
    assert (gap["from"], gap["to"], gap["reason"]) == ("2025-12-01", "2025-12-02", "the two frontiers share no interactivity")
    assert entry["steps"] == []


def test_new_settings_are_a_step_of_the_search_space(rng: np.random.Generator) -> None:
    rows = []
    for i, day in enumerate(nights(6)):
        rows += shaken(rows_of(day, image="sglang:v1"), rng)
        if i >= 4:
            rows += shaken([{**row, "tp": 4, "gpus": 4} for row in rows_of(day, 1.05, tp=4, image="sglang:v1")], rng)
    (entry,) = walk(rows)["series"]
    (step,) = entry["steps"]
    assert step["to"] == nights(6)[4]
    assert step["kind"] == "search_space"
    assert step["label"].startswith("search space: tp 4 ")
    assert [date["matched_log"] for date in entry["dates"]] == pytest.approx(np.zeros(6), abs=5 * CV)


def test_mtp_at_one_image_is_a_contrast(rng: np.random.Generator) -> None:
    image = "sglang:v0.5.9"
    rows = [*shaken(rows_of("2025-12-01", image=image), rng), *shaken(rows_of("2025-12-03", 1.5, spec="mtp", image=image), rng)]
    document = walk(rows)
    (contrast,) = document["contrasts"]
    assert (contrast["lever"], contrast["without"], contrast["with"]) == ("spec", "none", "mtp")
    assert (contrast["release"], contrast["same_image"], contrast["dates"]) == ("0.5.9", True, ["2025-12-01", "2025-12-03"])
    assert contrast["shift"]["verdict"] == ["lever:mtp"]


def test_known_images_that_differ_make_no_contrast(rng: np.random.Generator) -> None:
    rows = [*rows_of("2025-12-01", image="sglang:v0.5.9"), *rows_of("2025-12-01", 1.5, spec="mtp", image="sglang:v0.6.0")]
    assert walk(rows)["contrasts"] == []


def test_repeated_launches_are_the_noise_where_there_are_some() -> None:
    rows = [{**row, "replicate": i, "evidence": "simulated"} for day in nights(3) for i, g in enumerate((0.99, 1.01), 1) for row in rows_of(day, g)]
    (entry,) = walk(rows)["series"]
    assert entry["noise"] == "repeated launches of the record itself"
    assert entry["quiet"]


def test_the_same_seed_gives_the_same_document(rng: np.random.Generator) -> None:
    rows = [row for i, day in enumerate(nights(4)) for row in shaken(rows_of(day, 1.0 + 0.2 * (i > 1)), rng)]
    assert walk(rows, seed=3) == walk(rows, seed=3)


def test_unknown_metric() -> None:
    with pytest.raises(UsageError):
        walk(rows_of("2025-12-01"), metric="speed")
