"""The filter on published data sets."""

from __future__ import annotations

import pytest

from frontier.errors import PointsError
from frontier.evidence.published import published_points
from frontier.records import usable

DEEPSEEK = ["DeepSeek-R1", "deepseek-ai/DeepSeek-V3"]


def test_models_go_by_name_or_by_path() -> None:
    rows = published_points("silicon_sample", DEEPSEEK, ["h200_sxm"], 1024, 1024, ["trtllm"])
    assert set(rows["model"]) == {"DeepSeek-R1", "DeepSeek-V3"}
    assert set(rows["hardware"]) == {"h200_sxm"}
    assert set(rows["engine"]) == {"trtllm"}
    assert set(zip(rows["isl_tokens"], rows["osl_tokens"], strict=True)) == {(1024.0, 1024.0)}


def test_repeats_and_unnamed_mtp_are_left_out_and_counted() -> None:
    kept = published_points("silicon_sample", DEEPSEEK, ["h200_sxm", "b200_sxm"], 1024, 1024)
    everything = published_points("silicon_sample", DEEPSEEK, ["h200_sxm", "b200_sxm"], 1024, 1024, leave_out=())
    assert not kept["flags"].str.contains("duplicate|mtp_suspected").any()
    assert kept.attrs["left_out"]["duplicate"] == everything["flags"].str.contains("duplicate").sum() > 0
    assert kept.attrs["left_out"]["mtp_suspected"] == everything["flags"].str.contains("mtp_suspected").sum() > 0


def test_a_known_combination_without_rows_is_empty() -> None:
    assert published_points("silicon_sample", ["DeepSeek-R1"], ["gb300"], 15000, 500).empty


def test_every_filter_is_optional() -> None:
    assert len(published_points("silicon_sample", leave_out=())) == 5221


def test_the_cells_of_the_deepseek_record() -> None:
    # Usable rows at 1024 x 1024: four cells have points; nothing aggregated is known of GB200, and Hopper computes no FP4.
    rows = published_points("silicon_sample", DEEPSEEK, ["h200_sxm", "gb200"], 1024, 1024)
    counts = rows[usable(rows, "total")].groupby(["hardware", "precision", "disagg"]).size().to_dict()
    assert counts == {
        ("gb200", "fp4", True): 26,
        ("gb200", "fp8", True): 15,
        ("h200_sxm", "fp8", False): 15,
        ("h200_sxm", "fp8", True): 13,
    }


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        ({"dataset": "silicon"}, "silicon_sample"),
        ({"dataset": "silicon_sample", "models": ["DeepSeek-R9"]}, "deepseek-ai/DeepSeek-R1"),
        ({"dataset": "silicon_sample", "hardware": ["tpu"]}, "b200_sxm, b300_sxm, gb200"),
        ({"dataset": "silicon_sample", "backends": ["tgi"]}, "sglang, trtllm, vllm"),
        ({"dataset": "silicon_sample", "isl_tokens": 77}, "1024x1024"),
        ({"dataset": "silicon_sample", "isl_tokens": 15000, "osl_tokens": 1024}, "15000x500"),
    ],
)
def test_what_the_record_does_not_know_is_refused_with_what_it_knows(arguments: dict[str, object], listed: str) -> None:
    with pytest.raises(PointsError) as caught:
        published_points(**arguments)  # type: ignore[arg-type]
    assert listed in str(caught.value)
