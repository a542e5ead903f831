"""The importer against a real piece of the InferenceX record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from inferencex_rows import as_api

from frontier.evidence.importers import Imported, import_points

RECORD = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_dsr1_until_2026-02-28.csv"
pytestmark = pytest.mark.skipif(not RECORD.exists(), reason=f"no InferenceX record at {RECORD}")


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return pd.read_csv(RECORD)


@pytest.fixture(scope="module")
def got() -> Imported:
    return import_points("inferencex", [RECORD])


def test_every_row_is_imported(raw: pd.DataFrame, got: Imported) -> None:
    assert got.refused.empty
    assert got.points["source"].tolist() == [f"{RECORD.name}:{line}" for line in range(2, len(raw) + 2)]


def test_flags_are_the_traps_that_the_record_is_known_for(raw: pd.DataFrame, got: Imported) -> None:
    flags = got.points["flags"]
    by_ep = ~raw["disagg"] & (raw["decode_ep"] > 1)
    assert (flags == "gpu_count_is_tp_x_ep").fillna(False).astype(bool).tolist() == by_ep.tolist()
    weighted = raw["input_tput_per_gpu"] * raw["num_prefill_gpu"] + raw["output_tput_per_gpu"] * raw["num_decode_gpu"]
    fails = raw["disagg"] & ((weighted / (raw["num_prefill_gpu"] + raw["num_decode_gpu"]) / raw["tput_per_gpu"] - 1).abs() > 0.01)
    assert (flags == "role_gpus_from_throughputs").fillna(False).astype(bool).tolist() == fails.tolist()
    assert fails.sum() == 8
    assert set(flags.dropna()) == {"gpu_count_is_tp_x_ep", "role_gpus_from_throughputs"}


def test_rates_of_all_gpus(raw: pd.DataFrame, got: Imported) -> None:
    points, split = got.points, raw["disagg"].to_numpy()
    np.testing.assert_allclose(points["total_tput_tok_s_gpu"], raw["tput_per_gpu"])
    np.testing.assert_allclose(points["interactivity_tok_s_user"], raw["median_intvty"], rtol=1e-9)
    np.testing.assert_allclose(points["output_tput_tok_s_gpu"][~split], raw["output_tput_per_gpu"][~split])
    # Input over all GPUs is what is left of the total: by role it must give the stated figure again.
    prefill = points["prefill_gpus"].astype(float)[split]
    inputs = (points["total_tput_tok_s_gpu"] - points["output_tput_tok_s_gpu"])[split] * points["gpus"].astype(float)[split] / prefill
    np.testing.assert_allclose(inputs, raw["input_tput_per_gpu"][split], rtol=1e-3)


def test_counts_of_gpus(raw: pd.DataFrame, got: Imported) -> None:
    points, split = got.points, raw["disagg"].to_numpy()
    assert points["gpus"][~split].tolist() == raw["decode_tp"][~split].tolist()
    assert (points["gpus"] == points["prefill_gpus"] + points["decode_gpus"])[split].all()
    assert points["tp"].isna().tolist() == split.tolist()
    assert points["decode_gpus"].notna().tolist() == split.tolist()


def test_littles_ratio_is_the_records_where_it_has_one(raw: pd.DataFrame, got: Imported) -> None:
    both = raw["little_ratio"].notna()
    assert both.sum() > 900
    np.testing.assert_allclose(got.points["little_ratio"][both], raw["little_ratio"][both], rtol=1e-4)
    split = got.points.loc[raw["disagg"], "little_ratio"]
    # Counts of GPUs that were wrong would show as multiples; the lowest row is a cold start (p99 TTFT 41 s, median 0.5 s).
    assert split.between(0.5, 1.1).all()
    assert split.median() == pytest.approx(0.94, abs=0.01)


def test_rows_of_the_route_give_the_same_points(raw: pd.DataFrame, got: Imported, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = raw.drop(columns="little_ratio").astype(object).where(raw.notna(), None).to_dict("records")
    path.write_text(as_api(*rows), encoding="utf-8")
    same = import_points("inferencex", [path]).points
    pd.testing.assert_frame_equal(same.drop(columns="source"), got.points.drop(columns="source"))
