"""The document of a rerun, from two folders made by hand: what is judged, by which rule, and what is said beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_rerun_surroundings import HERE

from frontier.errors import RunError
from frontier.records import normalize_points, write_points
from frontier.rerun.document import rerun_document
from frontier.store import RunFolder

LAUNCHES = 3


def folder(
    place: Path, *, evidence: str = "measured", total: float = 3.0, precision: float = 2.0, width: float = 1.02, speed: float = 100.0, **facts: Any
) -> RunFolder:
    """A run with one lever's share and the whole, each with an interval of a factor ``width`` around it; ``facts`` of its surroundings."""
    run = RunFolder(place / f"20261101T000000Z-made-{'0' * 8}")
    run.path.mkdir(parents=True)

    def ratio(value: float) -> dict[str, Any]:
        return {"ratio": value, "ci95": [value / width, value * width]}

    document = {
        "schema": "frontier.attribution/1", "evidence": evidence, "metric": "total", "total": ratio(total),
        "shares": [{"lever": "precision", "title": "Precision", **ratio(precision)}], "interval": {"level": 0.95},
    }  # fmt: skip
    rows = [
        {"evidence": evidence, "variant": variant, "replicate": launch, "interactivity_tok_s_user": 50.0, "total_tput_tok_s_gpu": speed}
        for variant in ("baseline", "precision")
        for launch in range(1, LAUNCHES + 1)
    ]
    write_points(normalize_points(pd.DataFrame(rows), origin="made"), run.path / "points.parquet")
    (run.path / "attribution.json").write_text(json.dumps(document))
    (run.path / "environment.json").write_text(json.dumps({**HERE, **facts}))
    (run.path / "plan.json").write_text(json.dumps({"main": {"trials": []}, "companion": None}))
    return run


def test_a_measurement_is_judged_by_its_intervals(tmp_path: Path) -> None:
    found = rerun_document(folder(tmp_path / "a"), folder(tmp_path / "b", total=3.03, precision=2.3))
    verdicts = {entry["name"]: entry["verdict"] for entry in found["quantities"]}
    assert verdicts == {"total": "reproduced", "precision": "differs"}
    assert (found["verdict"], found["identical"], found["margin"], found["level"]) == ("differs", None, 0.05, "same machine and image")


def test_a_noisy_one_says_how_many_launches_it_would_take(tmp_path: Path) -> None:
    found = rerun_document(folder(tmp_path / "a"), folder(tmp_path / "b", width=1.2))
    assert found["verdict"] == "inconclusive"
    # Errors: log 1.02 / 1.96 = 0.0101 and log 1.2 / 1.96 = 0.0930; log 1.05 / 1.645 = 0.02966 may be theirs together.
    # 3 x 0.0930^2 / (0.02966^2 - 0.0101^2) = 33.4
    assert [entry["launches_needed"] for entry in found["quantities"]] == [34, 34]
    assert "Nothing could be settled: the intervals are wider than the margin." in found["notes"]


def test_another_machine_gets_the_wider_margin(tmp_path: Path) -> None:
    there = folder(tmp_path / "b", machine="f" * 16, cpu={"model": "another", "cores": 64})
    found = rerun_document(folder(tmp_path / "a"), there)
    assert (found["margin"], found["level"]) == (0.10, "same image, other machine")
    assert any("on another machine" in note for note in found["notes"])
    assert rerun_document(folder(tmp_path / "c"), there, margin=0.02)["margin"] == 0.02


@pytest.mark.parametrize("evidence", ["predicted", "simulated", "published"])
def test_what_is_computed_must_be_the_same_to_the_last_digit(tmp_path: Path, evidence: str) -> None:
    first = folder(tmp_path / "a", evidence=evidence)
    assert rerun_document(first, folder(tmp_path / "b", evidence=evidence))["verdict"] == "reproduced"
    found = rerun_document(first, folder(tmp_path / "c", evidence=evidence, precision=2.0000000000000004))
    assert (found["verdict"], found["identical"]["attribution"], found["identical"]["points"]) == ("differs", False, True)
    assert {entry["name"]: entry["verdict"] for entry in found["quantities"]} == {"total": "reproduced", "precision": "differs"}


def test_another_build_may_round_the_last_digits_another_way(tmp_path: Path) -> None:
    """Between images only, and only by rounding: a difference of a millionth counts there too."""
    image = {"container": {**HERE["container"], "image_id": "sha256:" + "8" * 64}}
    first = folder(tmp_path / "a", evidence="predicted")
    found = rerun_document(first, folder(tmp_path / "b", evidence="predicted", precision=2.0000000000000004, speed=100.00000000000001, **image))
    assert (found["verdict"], found["level"], found["identical"]["attribution"]) == ("reproduced", "other image", False)
    assert found["quantities"][1]["reason"] == "the same but for the rounding of another build"
    assert found["notes"][0].startswith("The two images round the last digits another way")
    assert rerun_document(first, folder(tmp_path / "c", evidence="predicted", precision=2.000002, **image))["verdict"] == "differs"
    assert rerun_document(first, folder(tmp_path / "d", evidence="predicted", speed=100.0001, **image))["verdict"] == "differs"


def test_points_that_moved_count_even_where_no_share_did(tmp_path: Path) -> None:
    found = rerun_document(folder(tmp_path / "a", evidence="predicted"), folder(tmp_path / "b", evidence="predicted", speed=100.00000000000001))
    assert [entry["verdict"] for entry in found["quantities"]] == ["reproduced", "reproduced"]
    assert found["verdict"] == "differs"
    assert found["identical"]["differences"][0].startswith("points.parquet: total_tput_tok_s_gpu differs in 6 of 6 rows")


def test_a_changed_configuration_is_judged_by_the_margin_and_says_so(tmp_path: Path) -> None:
    runs = (folder(tmp_path / "a", evidence="predicted"), folder(tmp_path / "b", evidence="predicted", total=3.1, precision=2.5))
    found = rerun_document(*runs, changed=["engine.database_version=1.3.0"])
    assert {entry["name"]: entry["verdict"] for entry in found["quantities"]} == {"total": "reproduced", "precision": "differs"}
    assert found["identical"] is None
    assert any("engine.database_version=1.3.0" in note for note in found["notes"])


def test_an_attribution_of_measured_points_is_computed_too(tmp_path: Path) -> None:
    found = rerun_document(folder(tmp_path / "a"), folder(tmp_path / "b", precision=2.0001), only="attribution")
    assert (found["verdict"], found["identical"]["attribution"]) == ("differs", False)


def test_a_lever_that_one_of_them_lacks_is_undefined_there(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    document = json.loads((second.path / "attribution.json").read_text())
    (second.path / "attribution.json").write_text(json.dumps({**document, "shares": []}))
    entry = rerun_document(first, second)["quantities"][1]
    assert (entry["verdict"], entry["reason"]) == ("inconclusive", "undefined in the rerun")


def test_a_run_that_failed_before_its_attribution(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    (second.path / "attribution.json").unlink()
    with pytest.raises(RunError, match="has no attribution"):
        rerun_document(first, second)
