"""Measurements filed twice, and MTP runs that do not say so."""

from __future__ import annotations

import pandas as pd
import pytest

from frontier.evidence.published import silicon_sample_points
from frontier.evidence.published.repeats import mtp_suspected, originals


def rows(*overrides: dict[str, object]) -> pd.DataFrame:
    """Raw rows of one DeepSeek-R1 configuration, each with its own fields."""
    base = {
        "model_path": "deepseek-ai/DeepSeek-R1", "system": "b200_sxm", "backend": "trtllm", "mode": "agg", "precision": "fp8",
        "isl": 1024, "osl": 1024, "concurrency": 4.0, "date": "2026-02-05", "image": "one", "kind": "export_2026_04_06",
        "silicon_ttft_ms": 200.0, "silicon_tpot_ms": 10.0,
    }  # fmt: skip
    return pd.DataFrame([{**base, **override} for override in overrides])


def suspected(frame: pd.DataFrame) -> list[bool]:
    layout = pd.DataFrame({"tp": 8.0, "dp": 1.0, "ep": 1.0}, index=frame.index)
    return mtp_suspected(frame, layout, originals(frame)).tolist()


DUMP = {"kind": "database_dump", "model_path": "deepseek-ai/DeepSeek-V3", "date": "2026-01-01", "image": "two"}


def test_a_copy_points_to_the_database_dump_whatever_the_order() -> None:
    frame = rows({}, DUMP, {"silicon_tpot_ms": 10.004, "kind": "export_2026_03_25"}, {"silicon_tpot_ms": 10.02})
    assert originals(frame).astype(object).where(lambda s: s.notna(), None).tolist() == [1, None, 1, None]


def test_another_load_is_another_measurement() -> None:
    assert originals(rows(DUMP, {"concurrency": 8.0})).isna().all()


def test_a_row_much_faster_than_the_same_layout_without_mtp_is_suspected() -> None:
    assert suspected(rows(DUMP, {"silicon_tpot_ms": 6.0})) == [False, True]


def test_a_slightly_faster_row_and_a_copy_are_not() -> None:
    assert suspected(rows(DUMP, {"silicon_tpot_ms": 9.5}, {})) == [False, False, False]


def test_a_run_without_reference_rows_is_suspected_as_a_whole() -> None:
    # The second row of the run has no reference at its concurrency; the run's other row is fast.
    assert suspected(rows(DUMP, {"silicon_tpot_ms": 6.0}, {"concurrency": 32.0})) == [False, True, True]


def test_a_model_without_mtp_head_is_never_suspected() -> None:
    dense = {"model_path": "meta-llama/Llama-3.1-70B"}
    assert suspected(rows({**DUMP, **dense}, {**dense, "silicon_tpot_ms": 6.0})) == [False, False]


def test_the_rounded_gap_analysis_files_only_repeat_other_rows() -> None:
    points = silicon_sample_points().set_index("record_id")
    rounded = points[points.index.str.contains("gap_analysis")]
    assert len(rounded) == 123
    assert rounded["flags"].str.contains("duplicate").all()
    first = points.loc[rounded["duplicate_of_id"]]
    assert (first["hardware"].to_numpy() == rounded["hardware"].to_numpy()).all()
    assert not first["flags"].str.contains("duplicate").any()


@pytest.mark.parametrize(("flag", "count"), [("duplicate", 1441), ("mtp_suspected", 388)])
def test_how_many_rows_are_marked(flag: str, count: int) -> None:
    assert silicon_sample_points()["flags"].str.split(";").map(lambda found: flag in found).sum() == count
