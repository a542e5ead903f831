"""The wheel's measured points as a points table: text field, layouts, GPU counts, throughput by Little's law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.published import FLAGS, silicon_sample_points
from frontier.evidence.published.layouts import aggregated_layout
from frontier.evidence.published.record import raw_rows
from frontier.records import EVIDENCE, usable


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    return silicon_sample_points()


@pytest.fixture(scope="module")
def by_id(points: pd.DataFrame) -> pd.DataFrame:
    return points.set_index("record_id")


def test_every_row_of_the_file_is_a_published_point_with_its_id(points: pd.DataFrame) -> None:
    assert len(points) == 5221
    assert set(points["evidence"]) == {"published"} <= set(EVIDENCE)
    assert points["record_id"].is_unique
    assert points["source"].iloc[0].endswith(f"silicon_sample.csv, {points['record_id'].iloc[0]}")


def test_an_aggregated_inferencex_row_by_hand(by_id: pd.DataFrame) -> None:
    row = by_id.loc["minimaxm2_5_b300_vllm_fp8_agg_8192x1024_c128_cfg733"]
    # osl_mean = 0.9 * 1024 = 921.6; E2EL = 0.9723109823 + 0.0334429087542 * 920.6 = 31.7598528 s; 128 / 31.7598528 = 4.030245 requests/s;
    # per GPU on 4 GPUs: output 4.030245 * 921.6 / 4 = 928.5685, total 4.030245 * (7372.8 + 921.6) / 4 = 8357.117
    assert row["mean_e2el_s"] == pytest.approx(31.7598528, rel=1e-8)
    assert row["output_tput_tok_s_gpu"] == pytest.approx(928.5685, rel=1e-6)
    assert row["total_tput_tok_s_gpu"] == pytest.approx(8357.117, rel=1e-6)
    assert row["interactivity_tok_s_user"] == pytest.approx(1 / 0.0334429087542, rel=1e-9)
    assert (row["gpus"], row["tp"], row["concurrency"], row["date"]) == (4, 4, 128, "2026-04-17")
    assert row["image"] == "vllm/vllm-openai:v0.19.0-cu130"


def test_nvidias_own_rows_have_nominal_lengths_and_say_so(by_id: pd.DataFrame) -> None:
    row = by_id.loc["qwen_qwen3_32b_qwen_qwen3_32b_h100_sxm_vllm_agg_4096x1024_c16_tp2_epnone_79"]
    # E2EL = 0.8403265706 + 0.0218778396375 * 1023 = 23.22135652 s; 16 / 23.22135652 * 1024 / 2 = 352.7787 tokens/s/GPU
    assert row["output_tput_tok_s_gpu"] == pytest.approx(352.7787, rel=1e-6)
    assert {"fixed_lengths_assumed", "latency_statistic_unknown", "precision_unlabelled"} <= set(row["flags"].split(";"))


def test_a_disaggregated_row_counts_the_gpus_of_all_workers(by_id: pd.DataFrame) -> None:
    row = by_id.loc["dsr1_gb200_trtllm_fp4_disagg_1024x8192_c135_cfg374"]
    assert (row["prefill_workers"], row["prefill_gpus"]) == (1, 4)
    assert (row["decode_workers"], row["decode_tp"], row["decode_gpus"]) == (15, 4, 60)
    assert row["gpus"] == 64
    assert (row["model"], row["model_path"]) == ("DeepSeek-V3", "deepseek-ai/DeepSeek-V3")
    assert "model_filed_as_v3" in row["flags"]


def test_an_image_with_a_hash_gets_its_slash_back(by_id: pd.DataFrame) -> None:
    row = by_id.loc["2026_03_25_deepseek_r1_b200_sxm_trtllm_fp8_agg_8192x1024_c64_tp8_0_ep1_0_1195"]
    assert row["image"] == "nvcr.io/nvidia/tensorrt-llm/release:1.2.0rc6.post2"
    assert row["date"] == "2026-01-29"


def test_the_layout_is_the_one_in_the_ids_of_the_dated_exports() -> None:
    # The ids name TP and EP as InferenceX ran them; the columns of one of the two exports multiply them.
    rows = raw_rows()
    rows = rows[(rows["mode"] == "agg") & rows["kind"].str.startswith("export")]
    named = rows["id"].str.extract(r"_tp(\d+)(?:_0)?_ep(\d+)(?:_0)?_\d+$").astype(float)
    layout = aggregated_layout(rows)
    plain = ~layout["contradicted"]
    assert plain.sum() == 1985
    assert (layout["gpus"][plain] == named[0][plain]).all()
    assert (layout["ep"][plain] == named[1][plain]).all()
    assert layout["multiplied"][rows["tp_size"] == 64].sum() == 87


def test_attention_data_parallel_rows_have_one_rank_per_gpu(points: pd.DataFrame) -> None:
    rows = points[points["attention_dp"].fillna(False) & ~points["flags"].str.contains("gpus_unknown")]
    assert len(rows) > 100
    assert (rows["dp"] == rows["gpus"]).all()
    assert (rows["tp"] == 1).all()


def test_disaggregated_runs_filed_as_aggregated_have_no_mode_and_no_throughput(points: pd.DataFrame) -> None:
    rows = points[points["flags"].str.contains("mode_contradicted")]
    assert len(rows) == 55
    assert set(rows["hardware"]) == {"gb200"}
    assert rows["disagg"].isna().all()
    assert rows["gpus"].isna().all()
    assert rows["total_tput_tok_s_gpu"].isna().all()


def test_throughput_is_there_exactly_where_gpus_and_concurrency_are_known(points: pd.DataFrame) -> None:
    known = points["gpus"].notna() & points["concurrency"].notna()
    assert (points["total_tput_tok_s_gpu"].notna() == known).all()
    assert (points["flags"].str.contains("tput_by_littles_law") == known).all()
    assert points.loc[points["disagg"].fillna(False), "gpus"].notna().sum() == 274
    assert usable(points, "total").sum() == known.sum() == 3790


def test_undefined_is_empty_never_zero(points: pd.DataFrame) -> None:
    numbers = points.select_dtypes("number")
    assert not (numbers == 0).fillna(False).any().any()
    assert points["spec"].isna().all()
    # The record holds means, so the medians of the table stay empty.
    assert points[["median_tpot_s", "median_ttft_s", "little_ratio"]].isna().all().all()


def test_all_flags_are_explained(points: pd.DataFrame) -> None:
    assert set(points["flags"].str.split(";").explode()) == set(FLAGS)


def test_a_reader_cannot_change_the_table_for_the_next_one() -> None:
    mine = silicon_sample_points()
    mine["gpus"] = pd.NA
    assert silicon_sample_points()["gpus"].notna().any()
    raw = raw_rows()
    raw["isl"] = np.nan
    assert raw_rows()["isl"].notna().all()
