"""What a check can set right is a factor of its own, and the rest is measured without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frontier.errors import PointsError
from frontier.evidence.importers import import_points
from frontier.records import normalize_points
from frontier.shift import Per, account, changes_between

RECORD = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex"
BATCHES = np.array([4, 8, 16, 32, 64, 128.0])


def closed_loop(gain: float = 1.0, *, little: float = 0.97, gpus: int = 8, **columns: Any) -> pd.DataFrame:
    """A steady closed loop of 1024/1024 tokens on 8 GPUs, whose throughput is ``little`` times what Little's law allows."""
    tpot = (0.008 + BATCHES * 2e-4) / gain
    e2el = tpot * 1024 + 0.1
    rate = little * BATCHES / e2el
    return normalize_points(
        pd.DataFrame(
            {
                "evidence": "published", "model": "m", "hardware": "b200_sxm", "engine": "sglang", "image": "e:v1", "tp": 8, "gpus": gpus,
                "precision": "fp8", "spec": "none", "disagg": False, "isl_tokens": 1024, "osl_tokens": 1024, "concurrency": BATCHES,
                "requests": BATCHES * 10, "window_s": BATCHES * 10 / rate, "total_tput_tok_s_gpu": rate * 2048 / gpus,
                "output_tput_tok_s_gpu": rate * 1024 / gpus, "interactivity_tok_s_user": 1 / tpot, "median_tpot_s": tpot,
                "median_ttft_s": 0.1, "p99_ttft_s": 0.3, "median_e2el_s": e2el, "p99_e2el_s": e2el * 1.1, **columns,
            }
        ),
        origin="test",
    )  # fmt: skip


def factors(document: dict[str, Any]) -> dict[str, float]:
    return {factor["cause"]: factor["ratio"] for factor in document["factors"]}


def test_a_cold_start_is_harness_and_the_software_is_measured_without_it() -> None:
    # Three quarters of the throughput that the law allows: start-up in the window. The engine itself became 1.1 times as fast.
    before, after = closed_loop(little=0.75 * 0.97), closed_loop(1.1, image="e:v2")
    document = account(before, after)
    parts = factors(document)
    assert set(parts) == {"harness", "software"}
    assert parts["harness"] == pytest.approx(1 / 0.75, rel=0.01)
    assert parts["harness"] * parts["software"] == pytest.approx(document["ratio"]["value"])
    assert document["corrected_ratio"]["value"] == pytest.approx(parts["software"])
    assert document["verdict"] == ["harness", "software"]
    assert document["little_ratio"]["before"]["median"] == pytest.approx(0.7275)
    assert document["little_ratio"]["after"]["median"] == pytest.approx(0.97)
    low, high = next(f["ci95"] for f in document["factors"] if f["cause"] == "harness")
    # What a correction may be off by: 2.2 % (one standard deviation) on one side.
    assert np.log(high / low) == pytest.approx(2 * 1.96 * 0.022, rel=0.1)


def test_a_finding_says_what_it_saw_and_what_it_is_worth() -> None:
    document = account(closed_loop(little=0.75 * 0.97), closed_loop())
    assert set(document["corrected_ratio"]) == {"value", "ci95"}
    found = next(check for check in document["checks"] if check["check"] == "little_law")
    assert set(found) == {"check", "side", "points", "kind", "saw", "effect_ratio", "effect_corrected"}
    assert (found["side"], found["points"], found["kind"]) == ("before", 6, "harness")
    assert found["effect_corrected"] == pytest.approx(0.75, rel=0.01)
    assert "0.728" in found["saw"]


def test_a_cold_start_alone_leaves_a_ratio_near_one() -> None:
    document = account(closed_loop(little=0.75 * 0.97), closed_loop())
    assert document["verdict"] == ["harness"]
    low, high = document["corrected_ratio"]["ci95"]
    assert low < 1 < high


def test_a_wrong_gpu_count_is_the_denominator() -> None:
    before = closed_loop()
    # The second table divides by 16 GPUs what ran on 8: half the throughput per GPU.
    after = before.assign(**{c: before[c] / 2 for c in ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu")}, gpus=16)
    document = account(before, normalize_points(after, origin="test"))
    assert factors(document)["denominator"] == pytest.approx(0.5)
    assert document["corrected_ratio"]["value"] == pytest.approx(1.0, abs=1e-6)
    assert document["verdict"] == ["denominator"]


def test_rows_below_their_accuracy_gate_carry_no_frontier() -> None:
    fast = closed_loop(2.0, tp=4, quality=0.5, quality_metric="gsm8k", quality_gate=0.9)
    after = normalize_points(pd.concat([closed_loop(quality=0.95, quality_metric="gsm8k", quality_gate=0.9), fast]), origin="test")
    document = account(closed_loop(quality=0.95, quality_metric="gsm8k", quality_gate=0.9), after)
    assert document["ratio"]["value"] == pytest.approx(1.0)
    assert any("below their accuracy gate" in note for note in document["notes"])


def test_a_table_of_power_that_changed_is_the_denominator() -> None:
    old, new = {"b200_sxm": 2.0e-3}, {"b200_sxm": 1.6e-3}
    document = account(closed_loop(), closed_loop(1.1, image="e:v2"), per=Per("megawatt", "tokens/s/MW", old, new))
    assert document["throughput_unit"] == "tokens/s/MW"
    assert factors(document)["denominator"] == pytest.approx(1.25)
    same = account(closed_loop(), closed_loop(1.1, image="e:v2"), per=Per("megawatt", "tokens/s/MW", old, old))
    assert set(factors(same)) == {"software"}
    assert factors(same)["software"] == pytest.approx(factors(document)["software"])
    point = same["by_interactivity"][0]
    assert point["before"] == pytest.approx(account(closed_loop(), closed_loop(1.1, image="e:v2"))["by_interactivity"][0]["before"] / 2.0e-3)
    with pytest.raises(PointsError, match="the table has no megawatt for b200_sxm"):
        account(closed_loop(), closed_loop(), per=Per("megawatt", "tokens/s/MW", old, {"gb200": 1.0}))


@pytest.fixture(scope="module")
def record() -> pd.DataFrame:
    file = RECORD / "inferencex_dsr1_until_2026-02-28.csv"
    if not file.exists():
        pytest.skip("the public InferenceX rows are not on this machine")
    return import_points("inferencex", [file]).points


def snapshot(record: pd.DataFrame, date: str, **columns: Any) -> pd.DataFrame:
    keep = record["date"] == date
    for name, value in columns.items():
        keep &= (record[name] == value).fillna(False)
    return record[keep].reset_index(drop=True)


B200 = {"hardware": "b200_sxm", "engine": "sglang", "precision": "fp4", "isl_tokens": 1024, "osl_tokens": 1024}


def test_the_known_cold_start_of_the_record(record: pd.DataFrame) -> None:
    document = account(snapshot(record, "2025-12-15", **B200), snapshot(record, "2025-12-31", **B200))
    assert document["peak_ratio"] > 1.25, "read without a check this is a gain of more than a quarter"
    assert document["verdict"] == ["harness"]
    assert document["corrected_peak_ratio"] == pytest.approx(1.0, abs=0.03)
    low, high = document["corrected_ratio"]["ci95"]
    assert low < 1 < high
    assert document["little_ratio"]["before"]["median"] < 0.8
    assert document["little_ratio"]["after"]["median"] > 0.95


def test_an_upgrade_of_the_record_stands_apart_from_its_search_space(record: pd.DataFrame) -> None:
    series = {"hardware": "gb200", "engine": "dynamo-sglang", "precision": "fp8", "isl_tokens": 1024, "osl_tokens": 1024}
    document = account(snapshot(record, "2025-12-19", **series), snapshot(record, "2025-12-21", **series))
    parts = factors(document)
    space = np.prod([ratio for cause, ratio in parts.items() if cause.startswith("search_space")])
    assert space > parts["software"] > 1
    assert np.prod(list(parts.values())) == pytest.approx(document["ratio"]["value"])


def test_mtp_at_an_unchanged_image_of_the_record(record: pd.DataFrame) -> None:
    series = {"hardware": "gb300", "engine": "dynamo-trtllm", "precision": "fp4", "isl_tokens": 1024, "osl_tokens": 8192}
    document = account(snapshot(record, "2026-02-03", spec="none", **series), snapshot(record, "2026-02-03", spec="mtp", **series))
    assert document["verdict"] == ["lever:mtp"]


def test_the_change_log_names_what_was_merged_between(record: pd.DataFrame) -> None:
    from frontier.changelog import read_changelog

    entries = read_changelog(RECORD / "inferencex_perf_changelog_dated.csv")
    before, after = snapshot(record, "2025-12-15", **B200), snapshot(record, "2025-12-31", **B200)
    told = changes_between(account(before, after), before, after, entries)
    assert told["entries"][0]["link"] == "https://github.com/SemiAnalysisAI/InferenceX/pull/276"
