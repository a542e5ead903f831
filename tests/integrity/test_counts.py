"""GPU counts and denominators: one count wrong at a time, by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from closed_loop import RATIO, join, marked, steady, with_fault

from frontier.integrity import CHECKS, denominators, gpu_count, little_law

BOTH = ("total_tput_tok_s_gpu", "output_tput_tok_s_gpu")


def apart(**columns: Any) -> pd.DataFrame:
    """The steady curve as a disaggregated deployment: two prefill workers of one GPU, one decode worker of 6."""
    layout: dict[str, Any] = {
        "disagg": True, "tp": None, "ep": None, "prefill_tp": 1, "prefill_ep": 1, "prefill_workers": 2, "prefill_gpus": 2,
        "decode_tp": 6, "decode_ep": 6, "decode_workers": 1, "decode_gpus": 6,
    }  # fmt: skip
    return steady(**(layout | columns))


def times(factor: float, *columns: str) -> dict[str, Any]:
    return {column: (lambda old: old * factor) for column in columns}


def mended(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    correct = CHECKS[name].corrected
    assert correct is not None
    return correct(frame, CHECKS[name].mark(frame))


def test_tp_times_ep_in_the_denominator() -> None:
    # 8 GPUs recorded as 64, and the throughput divided by 64.
    sound = steady(ep=8)
    frame = with_fault(sound, 1, gpus=64, **times(1 / 8, *BOTH))
    assert marked(gpu_count(frame)) == [1]
    for column in (*BOTH, "gpus"):
        assert mended("gpu_count", frame)[column].to_numpy(float) == pytest.approx(sound[column].to_numpy(float)), column
    assert marked(little_law(frame)) == []  # rate and count moved against one another


def test_only_the_count_is_wrong() -> None:
    # The throughput was divided by 8 and 64 is recorded: by Little's law the figure fits 8, so it stays.
    sound = steady(ep=8)
    frame = with_fault(sound, 1, gpus=64, little_ratio=8 * RATIO)
    assert marked(gpu_count(frame)) == [1]
    fixed = mended("gpu_count", frame)
    assert fixed["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(sound["total_tput_tok_s_gpu"].to_numpy())
    assert fixed["gpus"].tolist() == [8] * 6
    assert fixed["little_ratio"].to_numpy() == pytest.approx(RATIO)


def test_without_latencies_the_recorded_count_was_the_denominator() -> None:
    sound = steady(ep=8).assign(median_e2el_s=float("nan"), little_ratio=float("nan"))
    frame = with_fault(sound, 1, gpus=64)
    assert mended("gpu_count", frame)["total_tput_tok_s_gpu"].iloc[1] == pytest.approx(8 * sound["total_tput_tok_s_gpu"].iloc[1])


@pytest.mark.parametrize(
    "layout",
    [
        {"tp": 4, "pp": 2},
        {"tp": 4, "dp": 2},
        {"tp": 8, "dp": 8, "attention_dp": True},
        {"tp": 1, "ep": 8},
        {"tp": 1, "dp": 8, "ep": 8, "attention_dp": True},
        {"tp": None, "ep": None},
        {"tp": 2, "pp": 2, "dp": 2, "ep": 4},
    ],
)
def test_counts_that_the_levers_state(layout: dict[str, Any]) -> None:
    assert marked(gpu_count(steady(**layout))) == []


def test_roles() -> None:
    assert marked(gpu_count(apart())) == []
    assert marked(gpu_count(with_fault(apart(), 0, gpus=16))) == [0]  # 2 + 6
    assert marked(gpu_count(with_fault(apart(), 0, decode_gpus=12, gpus=14))) == [0]  # 6 ranks x 1 worker
    assert marked(gpu_count(with_fault(apart(), 0, prefill_workers=0))) == [0]
    # Ranks of 1 beside many GPUs are what records hold that do not keep them.
    assert marked(gpu_count(apart(decode_tp=1, decode_ep=1))) == []


def test_each_role_counted_the_whole_deployment() -> None:
    frame = apart(prefill_workers=0, decode_workers=0, prefill_gpus=8, decode_gpus=8, gpus=16)
    fixed = mended("gpu_count", join(apart(), frame))
    assert fixed["gpus"].tolist() == [8] * 12
    assert fixed["total_tput_tok_s_gpu"].to_numpy() == pytest.approx([*apart()["total_tput_tok_s_gpu"]] * 2)


@pytest.mark.parametrize("factor", [2.0, 0.5, 4.0, 0.25])
def test_a_figure_that_fits_another_count(factor: float) -> None:
    sound = steady()
    frame = with_fault(sound, 2, **times(factor, *BOTH, "little_ratio"))
    assert marked(denominators(frame)) == [2]
    assert marked(little_law(frame)) == [2]
    assert mended("denominators", frame)["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(sound["total_tput_tok_s_gpu"].to_numpy())
    # Little's law leaves the row to the denominators: two corrections of one fault would count twice.
    assert mended("little_law", frame)["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(frame["total_tput_tok_s_gpu"].to_numpy())
    assert f"fit {8 / factor:g} GPUs" in CHECKS["denominators"].saw(frame, denominators(frame))


def test_half_the_throughput_with_a_slow_tail_is_not_a_matter_of_counts() -> None:
    frame = with_fault(steady(), 2, p99_e2el_s=90.0, **times(0.5, *BOTH, "little_ratio"))
    assert marked(denominators(frame)) == []
    assert marked(little_law(frame)) == [2]


def test_output_per_decode_gpu() -> None:
    # Divided by 6 decode GPUs instead of 8: 4/3 too high beside the total.
    sound = apart()
    frame = with_fault(sound, 3, **times(8 / 6, "output_tput_tok_s_gpu", "little_ratio"))
    assert marked(denominators(frame)) == [3]
    fixed = mended("denominators", frame)
    for column in BOTH:
        assert fixed[column].to_numpy() == pytest.approx(sound[column].to_numpy()), column
    assert fixed["little_ratio"].to_numpy() == pytest.approx(RATIO)
    assert "1.33 times" in CHECKS["denominators"].saw(frame, denominators(frame))


def test_the_total_is_wrong_where_the_output_obeys_the_law() -> None:
    sound = steady()
    frame = with_fault(sound, 3, **times(2, "total_tput_tok_s_gpu"))
    assert marked(denominators(frame)) == [3]
    assert mended("denominators", frame)["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(sound["total_tput_tok_s_gpu"].to_numpy())
    no_input = with_fault(sound, 3, total_tput_tok_s_gpu=sound["output_tput_tok_s_gpu"].iloc[3])
    assert mended("denominators", no_input)["total_tput_tok_s_gpu"].to_numpy() == pytest.approx(sound["total_tput_tok_s_gpu"].to_numpy())


def test_a_wrong_length_is_not_a_wrong_denominator() -> None:
    # Labelled 1024 input tokens, sent 8192: output over total is off by 4.5, which is no ratio of counts.
    frame = with_fault(join(steady(), steady(isl=8192)), 9, isl_tokens=1024.0)
    assert marked(denominators(frame)) == []
    assert marked(CHECKS["token_counts"].mark(frame)) == [9]
