"""GPU counts, throughput and the MTP rule against the InferenceX record that has them in columns of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.published import silicon_sample_points

MATCHED = Path(__file__).parents[1] / "golden" / "published" / "inferencex_matched.csv"
RECORD = Path(__file__).parents[3] / "shared" / "data" / "inferencex" / "inferencex_dsr1_until_2026-02-28.csv"


@pytest.fixture(scope="module")
def both() -> pd.DataFrame:
    """Matched rows: ours beside the record's, whose columns end in ``_record`` where both have one."""
    golden = pd.read_csv(MATCHED)
    return silicon_sample_points().merge(golden, on="record_id", suffixes=("", "_record"), validate="one_to_one")


def log_error(frame: pd.DataFrame) -> pd.Series:
    return np.log(frame["total_tput_tok_s_gpu"] / frame["tput_per_gpu"])


def test_gpu_counts_are_those_of_the_record(both: pd.DataFrame) -> None:
    aggregated = both[~both["disagg_record"]]
    assert len(aggregated) == 115
    assert (aggregated["gpus"] == aggregated["decode_tp"]).all()
    # The record's own GPU columns carry TP x EP.
    assert (aggregated["num_decode_gpu"] == aggregated["decode_tp"] * aggregated["decode_ep"]).all()
    apart = both[both["disagg_record"]]
    assert len(apart) == 61
    assert (apart["prefill_gpus"] == apart["num_prefill_gpu"]).all()
    assert (apart["decode_gpus"] == apart["num_decode_gpu"]).all()


def test_latencies_in_the_file_are_means(both: pd.DataFrame) -> None:
    assert np.allclose(both["mean_tpot_s"], both["mean_tpot"], rtol=1e-4)
    assert np.allclose(both["mean_ttft_s"], both["mean_ttft"], rtol=1e-4)


def test_littles_law_gives_the_measured_throughput_of_aggregated_rows(both: pd.DataFrame) -> None:
    error = log_error(both[~both["disagg_record"]])
    # Always a little high: the record's window also holds the start and the drain, where fewer requests are in flight.
    assert 0.015 < error.median() < 0.030
    assert error.min() > 0.0
    assert error.max() < 0.06


def test_littles_law_is_looser_on_disaggregated_rows(both: pd.DataFrame) -> None:
    error = log_error(both[both["disagg_record"]])
    assert 0.03 < error.median() < 0.045
    assert error.max() < 0.12


def test_the_mtp_rule_finds_every_aggregated_mtp_run_and_no_other(both: pd.DataFrame) -> None:
    aggregated = both[~both["disagg_record"]]
    flagged = aggregated["flags"].str.contains("mtp_suspected")
    labelled = aggregated["spec_method"] == "mtp"
    assert labelled.sum() == 28
    assert (flagged == labelled).all()


def test_the_database_dump_has_no_mtp_runs(both: pd.DataFrame) -> None:
    assert set(both.loc[both["record_id"].str.startswith("dsr1_"), "spec_method"]) == {"none"}


@pytest.mark.skipif(not RECORD.exists(), reason="the labelled InferenceX record is not beside this checkout")
def test_the_mtp_rule_on_the_whole_record() -> None:
    record = pd.read_csv(RECORD, low_memory=False)
    record["key"] = list(zip((record["mean_ttft"] * 1000).round(2), (record["mean_tpot"] * 1000).round(3), strict=True))
    points = silicon_sample_points()
    points["key"] = list(zip((points["mean_ttft_s"] * 1000).round(2), (points["mean_tpot_s"] * 1000).round(3), strict=True))
    both = points.merge(record[["key", "spec_method"]], on="key")
    flagged = both["flags"].str.contains("mtp_suspected")
    labelled = both["spec_method"] == "mtp"
    assert len(both) == 437
    # Precision 1 in both modes; recall 1 on aggregated rows, and low on disaggregated ones, whose layout the exports do not tell.
    assert not (flagged & ~labelled).any()
    aggregated = ~both["disagg"].astype(bool)
    assert (flagged == labelled)[aggregated].all()
    assert (flagged & labelled & ~aggregated).sum() == 16
    assert (labelled & ~aggregated).sum() == 90
    # What is missed cannot reach a frontier: those rows have no GPU count.
    missed = both[labelled & ~flagged]
    assert missed["total_tput_tok_s_gpu"].isna().all()
