"""Labels that the numbers contradict, copies, stale points, mixed images, and quality below its gate."""

from __future__ import annotations

import pytest
from closed_loop import join, marked, steady, with_fault

from frontier.integrity import CHECKS, accuracy_gate, duplicates, label_contradicted, metadata_only, mixed_images, stale


def test_acceptance_length_against_the_label() -> None:
    assert marked(label_contradicted(steady(acceptance_length=1.0))) == []
    assert len(marked(label_contradicted(steady(acceptance_length=2.4)))) == 6
    drafting = {"spec": "mtp", "p99_tpot_s": 1.0}
    assert marked(label_contradicted(steady(acceptance_length=2.4, **drafting))) == []
    assert len(marked(label_contradicted(steady(acceptance_length=1.0, **drafting)))) == 6


def test_speculation_under_which_all_requests_decode_at_one_rate() -> None:
    frame = steady(spec="mtp")
    frame["p99_tpot_s"] = frame["median_tpot_s"] * 1.07
    assert marked(label_contradicted(frame)) == []
    assert marked(label_contradicted(with_fault(frame, 3, p99_tpot_s=frame["median_tpot_s"].iloc[3] * 1.02))) == [3]


@pytest.mark.parametrize(("columns", "count"), [({}, 0), ({"precision": "bf16"}, 6), ({"spec": "mtp", "draft_len": 1, "precision": "bf16"}, 0)])
def test_tpot_below_the_bandwidth_floor(columns: dict[str, object], count: int) -> None:
    # 70e9 weights on one H100: 70 GB at 3.35 TB/s take 20.9 ms in FP8 and 41.8 ms in BF16, half of that with one accepted draft per step.
    frame = steady(model="Llama-3.3-70B-Instruct", hardware="h100_sxm", tp=1, gpus=1, median_tpot_s=0.03, p99_tpot_s=0.04, **columns)
    assert len(marked(label_contradicted(frame))) == count


@pytest.mark.parametrize(
    ("column", "name", "count"),
    [
        ("image", "rocm/sgl-dev:0.5.7-mi35x-mori-fp4-0122", 6),
        ("image", "repo/engine:1.2-fp8", 0),
        ("image", "repo/engine:fp4-and-fp8", 0),
        ("model", "nvidia/DeepSeek-R1-NVFP4", 6),
        ("variant", "tp8-kv-fp4", 0),
    ],
)
def test_a_name_of_another_precision(column: str, name: str, count: int) -> None:
    assert len(marked(label_contradicted(steady(**{column: name})))) == count


def test_a_label_is_missing() -> None:
    # The same labels, load and date, one row 1.5 times as fast.
    frame = join(steady(), with_fault(steady(), 2, median_tpot_s=lambda old: old / 1.5))
    assert marked(label_contradicted(frame)) == [8]
    assert marked(label_contradicted(frame.assign(lever=[*["a"] * 6, *["b"] * 6]))) == []


def test_without_speculation_and_as_fast_as_with_it() -> None:
    days = [steady(date=f"2026-03-0{day}") for day in (1, 2, 3, 4)]
    with_drafts = steady()
    with_drafts["spec"] = "mtp"
    with_drafts[["median_tpot_s", "p99_tpot_s"]] /= 1.6
    with_drafts["p99_tpot_s"] *= 1.2
    frame = join(*days, with_drafts)
    assert marked(label_contradicted(frame)) == []
    assert marked(label_contradicted(with_fault(frame, 20, median_tpot_s=lambda old: old / 1.6))) == [20]


def test_copies() -> None:
    frame = steady()
    again = join(frame, frame.iloc[[2]].assign(source="elsewhere", replicate=2))
    assert marked(duplicates(again)) == [6]
    assert marked(duplicates(again.assign(evidence="predicted"))) == []
    assert marked(stale(again)) == marked(metadata_only(again)) == []


def test_values_carried_forward() -> None:
    frame = join(steady().iloc[[2]].assign(date="2026-03-09"), steady())
    assert marked(stale(frame)) == [0]  # the later date is the copy, wherever it stands
    assert marked(duplicates(frame)) == marked(metadata_only(frame)) == []


@pytest.mark.parametrize("change", [{"image": "engine:2"}, {"engine": "vllm"}, {"model": "n"}, {"tp": 4}])
def test_a_change_of_names_that_moved_nothing(change: dict[str, object]) -> None:
    frame = join(steady(), steady().assign(**change))
    assert marked(metadata_only(frame)) == [6, 7, 8, 9, 10, 11]
    assert next(iter(change)) in CHECKS["metadata_only"].saw(frame, metadata_only(frame))
    assert marked(metadata_only(frame.assign(evidence="simulated"))) == []


def test_a_point_older_than_its_curve() -> None:
    frame = with_fault(steady(), 0, date="2026-02-10")
    assert marked(stale(frame)) == [0]
    assert marked(stale(with_fault(frame, 0, date="2026-02-28"))) == []  # a run over midnight
    # With every configuration on two dates the table is a history.
    assert marked(stale(join(frame, steady(median_ttft_s=0.3, date="2026-02-20")))) == []


def test_several_images_in_one_curve() -> None:
    assert marked(mixed_images(with_fault(steady(), 4, image="engine:2"))) == [4]
    assert marked(mixed_images(with_fault(steady(), 4, image=None))) == []
    assert marked(mixed_images(join(steady(), steady(isl=8192, image="engine:2")))) == []  # two curves
    assert marked(mixed_images(steady(engine_version=["1", "1", "2", "2", "2", "2"]))) == [0, 1]


def test_quality_below_its_gate() -> None:
    frame = steady(quality_metric="gsm8k exact match", quality=[0.95, 0.95, 0.94, 0.95, 0.95, 0.5])
    assert marked(accuracy_gate(frame)) == [5]
    assert marked(accuracy_gate(frame.assign(quality_gate=0.945))) == [2, 5]
    assert marked(accuracy_gate(frame.iloc[[0, 5]])) == []  # two rows have no median
    perplexity = steady(quality_metric="wikitext perplexity", quality=[5.0, 5.0, 5.0, 5.1, 5.0, 9.0])
    assert marked(accuracy_gate(perplexity)) == [5]
    assert marked(accuracy_gate(steady())) == []
