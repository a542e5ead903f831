"""What findings are worth on the frontier, what is corrected, what carries, and the command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closed_loop import RATIO, join, steady, with_fault

from frontier import cli
from frontier.errors import PointsError, UsageError
from frontier.findings import Finding, carrying, corrected, doctor, examine
from frontier.integrity import CHECKS
from frontier.records import normalize_points, write_points

HALF: dict[str, Any] = {c: (lambda old: old / 2) for c in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu", "little_ratio")}
ROOT = Path(__file__).parents[2]


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_effect_of_rows_that_are_half_of_what_they_would_be() -> None:
    frame = steady()
    for row in range(len(frame)):
        frame = with_fault(frame, row, **HALF)
    found = by_check(examine(frame))
    # Every row is halved, so the frontier as given is half of the corrected one, and without the marked rows none is left.
    assert found["denominators"].points == 6
    assert found["denominators"].effect_corrected == pytest.approx(0.5)
    assert found["denominators"].effect_without is None
    assert found["little_law"].effect_corrected == pytest.approx(1.0)  # left to the denominators
    assert found["denominators"].rows == (0, 1, 2, 3, 4, 5)


def test_effect_without_is_that_of_the_frontier_with_the_rows() -> None:
    # A copy of the curve with 1.5 times the throughput and the same latencies: impossible, and it lifts the whole frontier by 1.5.
    lifted = steady(image="engine:1")
    for column in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu", "little_ratio"):
        lifted[column] *= 1.5
    found = by_check(examine(join(steady(), lifted.assign(variant="lifted"))))
    assert found["little_law"].points == 6
    assert found["little_law"].effect_without == pytest.approx(1.5)
    assert found["little_law"].effect_corrected == pytest.approx(1.5)


def test_rows_that_do_not_carry_are_out_of_the_other_frontiers() -> None:
    # Below the gate and twice as fast: `accuracy_gate` says what the rows would have done, no other check is moved by them.
    fast = steady(variant="cut", quality=0.5)
    fast[["interactivity_tok_s_user", "total_tput_tok_s_gpu", "output_tput_tok_s_gpu"]] *= 2.0
    frame = join(steady(quality=0.95, variant="whole"), fast).assign(quality_metric="gsm8k", quality_gate=0.9)
    found = by_check(examine(frame))
    assert found["accuracy_gate"].effect_without is not None
    assert found["accuracy_gate"].effect_without > 2
    assert carrying(frame).tolist() == [True] * 6 + [False] * 6


def test_no_effect_where_the_rows_belong_to_two_questions() -> None:
    frame = join(with_fault(steady(), 2, **HALF), steady(isl=8192))
    assert by_check(examine(frame))["little_law"].effect_without is None
    series = doctor(frame)["series"]
    assert [entry["isl_tokens"] for entry in series] == [1024.0]
    assert {finding["check"]: finding["rows"] for finding in series[0]["findings"]} == {"denominators": [2], "little_law": [2]}


def test_corrections_are_put_together_once() -> None:
    sound = join(steady(ep=8), steady(isl=8192, ep=8))
    faults = with_fault(sound, 1, gpus=64, total_tput_tok_s_gpu=lambda old: old / 8, output_tput_tok_s_gpu=lambda old: old / 8)
    faults = with_fault(faults, 3, **HALF)
    faults = with_fault(faults, 8, total_tput_tok_s_gpu=lambda old: old * 0.8, output_tput_tok_s_gpu=lambda old: old * 0.8, little_ratio=0.8 * RATIO)
    fixed, marks = corrected(faults)
    for column in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu", "little_ratio"):
        assert fixed[column].to_numpy() == pytest.approx(sound[column].to_numpy()), column
    assert list(marks) == list(CHECKS)
    again, _ = corrected(fixed)
    assert again.equals(fixed)


def test_nothing_is_dropped_and_nothing_is_written_to() -> None:
    frame = with_fault(steady(), 1, **HALF)
    copy = frame.copy(deep=True)
    fixed, _ = corrected(frame)
    examine(frame)
    doctor(frame)
    assert frame.equals(copy)
    assert len(fixed) == len(frame)


@pytest.mark.parametrize("call", [examine, doctor])
def test_refusals(call: Any) -> None:
    with pytest.raises(UsageError, match="metric must be total or output, got 'speed'"):
        call(steady(), "speed")
    with pytest.raises(PointsError, match="no rows") as error:
        call(steady().iloc[:0], origin="empty.csv")
    assert error.value.origin == "empty.csv"


def test_a_table_with_two_columns_passes_every_check() -> None:
    bare = normalize_points(steady()[["interactivity_tok_s_user", "total_tput_tok_s_gpu"]], origin="test")
    assert examine(bare) == []
    assert doctor(bare)["series_count"] == 1


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(words))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "points.csv"
    write_points(join(with_fault(steady(), 2, **HALF), steady(isl=8192)), path)
    code, out, err = run(capsys, "doctor", "--points", str(path), "--where", "isl_tokens=1024", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["schema"], document["points"], document["marked"], document["carrying"]) == ("frontier.doctor/1", 6, 1, 6)
    assert [check["check"] for check in document["checks"]] == list(CHECKS)
    assert {check["check"]: check["points"] for check in document["checks"] if check["points"]} == {"denominators": 1, "little_law": 1}
    code, out, _ = run(capsys, "doctor", "--points", str(path), "--metric", "output")
    assert code == 0
    assert "12 published points in 2 series: 1 marked, 12 may carry a frontier" in out
    assert "fit 4 GPUs, not the recorded 8" not in out
    assert "fit 16 GPUs, not the recorded 8" in out


def test_every_check_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "integrity.md").read_text(encoding="utf-8")
    assert re.findall(r"^### `(\w+)`", page, re.MULTILINE) == list(CHECKS)
    for check in CHECKS.values():
        assert check.rule.endswith(".")
        assert check.rule in " ".join(page.split()), check.name


def test_two_hundred_thousand_rows() -> None:
    # Not a measurement of time, which another process may take: that the checks stay vectorized shows in that they finish at all.
    frame = join(*(steady(date=f"2026-03-{day:02d}") for day in range(1, 26)))
    big = frame.iloc[np.arange(200_000) % len(frame)].reset_index(drop=True)
    big["median_ttft_s"] *= 1 + np.arange(len(big)) * 1e-9
    for name, check in CHECKS.items():
        assert len(check.mark(big)) == len(big), name


def test_every_key_of_the_document_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "integrity.md").read_text(encoding="utf-8").split("## frontier.doctor/1")[1]
    listed = set(re.findall(r"^\| `([\w.\[\]]+)` \|", page, re.MULTILINE))
    assert keys(doctor(with_fault(steady(), 2, **HALF))) == listed


def keys(value: Any, path: str = "") -> set[str]:
    """Paths of the keys of a document."""
    if isinstance(value, dict):
        return {f"{path}{key}" for key in value} | {found for key, inner in value.items() for found in keys(inner, f"{path}{key}.")}
    if isinstance(value, list):
        return {found for inner in value for found in keys(inner, f"{path[:-1]}[].")}
    return set()
