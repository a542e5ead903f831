"""Rows of the InferenceX record become points by formula, whatever their labels say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from inferencex_rows import aggregated, as_csv, disaggregated

from frontier.evidence.importers import Imported, import_points


@pytest.fixture
def take(tmp_path: Path) -> Any:
    """Import rows through the flat CSV."""

    def run(*rows: dict[str, Any]) -> Imported:
        path = tmp_path / "rows.csv"
        path.write_text(as_csv(*rows), encoding="utf-8")
        return import_points("inferencex", [path])

    return run


def one(imported: Imported) -> pd.Series[Any]:
    assert imported.refused.empty, imported.refused.to_dict("records")
    assert len(imported.points) == 1
    return imported.points.iloc[0]


def refused(imported: Imported) -> tuple[str, str, str]:
    assert imported.points.empty
    assert len(imported.refused) == 1
    row = imported.refused.iloc[0]
    return row["column"], row["value"], row["rule"]


def test_an_aggregated_row(take: Any) -> None:
    point = one(take(aggregated()))
    assert point[["evidence", "source", "date", "model", "hardware", "engine", "precision", "spec"]].tolist() == [
        *("published", "rows.csv:2", "2026-01-31", "DeepSeek-R1-0528", "b200_sxm", "trtllm", "fp4", "mtp"),
    ]
    assert (point["tp"], point["ep"], point["gpus"], point["attention_dp"], point["disagg"]) == (8, 1, 8, False, False)
    assert pd.isna(point[["pp", "dp", "prefill_tp", "decode_tp", "prefill_gpus", "decode_gpus", "prefill_workers", "draft_len"]]).all()
    assert point["interactivity_tok_s_user"] == pytest.approx(100)  # 1 / 0.01 s
    assert point["output_tput_tok_s_gpu"] == pytest.approx(16 / 9.99 * 900 / 8)
    assert point["total_tput_tok_s_gpu"] == pytest.approx(2 * 16 / 9.99 * 900 / 8)
    assert point["little_ratio"] == pytest.approx(1)  # the row is an ideal closed loop
    assert (point["median_ttft_s"], point["p99_tpot_s"], point["median_itl_s"], point["p99_e2el_s"]) == (1.0, 0.02, 0.03, 12.0)
    assert (point["mean_ttft_s"], point["mean_tpot_s"], point["mean_e2el_s"]) == (1.1, 0.011, 10.1)
    assert pd.isna(point["p90_ttft_s"])
    assert pd.isna(point["flags"])


def test_a_disaggregated_row_divides_by_all_gpus(take: Any) -> None:
    point = one(take(disaggregated()))
    # 400 x 4 in, 133.3 x 12 out = 1600 each over 16 GPUs
    assert point["output_tput_tok_s_gpu"] == pytest.approx(100)
    assert point["total_tput_tok_s_gpu"] == pytest.approx(200)
    assert (point["gpus"], point["prefill_gpus"], point["decode_gpus"]) == (16, 4, 12)
    assert (point["prefill_tp"], point["prefill_dp"], point["prefill_workers"]) == (4, 1, 1)
    assert (point["decode_tp"], point["decode_dp"], point["decode_workers"]) == (6, 6, 2)  # attention data-parallel: as many as ranks
    assert pd.isna(point[["tp", "ep", "attention_dp"]]).all()
    assert point["engine"] == "dynamo-trtllm"
    # 1600 / 900 requests/s x 9.99 s / 16
    assert point["little_ratio"] == pytest.approx(1600 / 900 * 9.99 / 16)
    assert pd.isna(point["flags"])


def test_role_throughputs_already_over_all_gpus_are_not_divided_again(take: Any) -> None:
    point = one(take(disaggregated(input_tput_per_gpu=100.0, output_tput_per_gpu=100.0)))
    assert point["output_tput_tok_s_gpu"] == 100
    assert point["total_tput_tok_s_gpu"] == 200
    assert point["flags"] == "role_throughputs_per_all_gpus"


def test_the_oldest_schema_states_all_gpus_for_both_roles(take: Any) -> None:
    # 16 for each; (400 P + 133.3 (16 - P)) / 16 = 200 has P = 4. Little's law decides between 16 and 32 GPUs: with 32 it would be 2.2.
    point = one(take(disaggregated(num_prefill_gpu=16, num_decode_gpu=16, prefill_tp=16, decode_tp=16, prefill_num_workers=0, decode_num_workers=0)))
    assert (point["gpus"], point["prefill_gpus"], point["decode_gpus"]) == (16, 4, 12)
    assert point["output_tput_tok_s_gpu"] == pytest.approx(100)
    assert pd.isna(point[["prefill_tp", "decode_tp", "prefill_workers", "decode_workers"]]).all()
    assert point["flags"] == "role_gpus_from_throughputs"


def test_gpus_as_tp_x_ep_are_tp(take: Any) -> None:
    point = one(take(aggregated(decode_ep=8, prefill_ep=8, num_prefill_gpu=64, num_decode_gpu=64)))
    assert (point["gpus"], point["ep"]) == (8, 8)
    assert point["little_ratio"] == pytest.approx(1)
    assert point["flags"] == "gpu_count_is_tp_x_ep"


def test_pipeline_ranks_count(take: Any) -> None:
    output = 16 / 9.99 * 900 / 16
    rates = {"output_tput_per_gpu": output, "input_tput_per_gpu": output, "tput_per_gpu": 2 * output}
    point = one(take(aggregated(decode_pp=2, prefill_pp=2, num_prefill_gpu=16, num_decode_gpu=16, **rates)))
    assert (point["tp"], point["pp"], point["gpus"]) == (8, 2, 16)
    assert point["little_ratio"] == pytest.approx(1)
    assert pd.isna(point["flags"])


@pytest.mark.parametrize(("gpus", "counted", "flag"), [(16, 16, "gpu_count_not_tp"), (8, 8, "gpu_count_contradicts_tp")])
def test_another_count_is_believed_where_littles_law_fits_it_alone(take: Any, gpus: int, counted: int, flag: str) -> None:
    # The figures per GPU are of a deployment with `gpus`; the row states 16 and TP 8.
    output = 16 / 9.99 * 900 / gpus
    rates = {"output_tput_per_gpu": output, "input_tput_per_gpu": output, "tput_per_gpu": 2 * output}
    point = one(take(aggregated(num_prefill_gpu=16, num_decode_gpu=16, **rates)))
    assert point["gpus"] == counted
    assert point["flags"] == flag


def test_a_deployment_without_decode_workers_is_its_prefill_engine(take: Any) -> None:
    point = one(take(aggregated(decode_tp=0, decode_ep=0, num_decode_gpu=0, prefill_ep=1)))
    assert (point["tp"], point["gpus"]) == (8, 8)


def test_missing_role_gpus_come_from_the_parallelism(take: Any) -> None:
    point = one(take(disaggregated(num_prefill_gpu=0, num_decode_gpu="")))
    assert (point["prefill_gpus"], point["decode_gpus"]) == (4, 12)
    assert point["flags"] == "prefill_gpus_from_parallelism;decode_gpus_from_parallelism"


def test_gpus_that_cannot_be_counted_refuse_the_row(take: Any) -> None:
    column, value, rule = refused(take(disaggregated(num_decode_gpu=0, decode_num_workers=0)))
    assert (column, value) == ("num_decode_gpu", "0")
    assert "prefill" in rule


def test_latencies_in_milliseconds_are_seen_by_interactivity(take: Any) -> None:
    names = [name for name in aggregated() if name.endswith(("ttft", "tpot", "itl", "e2el"))]
    point = one(take(aggregated(**{name: 1000 * aggregated()[name] for name in names})))
    assert (point["median_tpot_s"], point["median_ttft_s"], point["mean_e2el_s"]) == (0.01, 1.0, pytest.approx(10.1))
    assert point["little_ratio"] == pytest.approx(1)
    assert point["flags"] == "latencies_in_ms"


def test_interactivity_against_tpot_the_one_that_fits_the_whole_latency_holds(take: Any) -> None:
    # E2EL - TTFT = 8.99 s over 899 tokens: 0.01 s each.
    wrong_label = one(take(aggregated(median_intvty=140.0)))
    assert wrong_label["interactivity_tok_s_user"] == pytest.approx(100)
    assert wrong_label["flags"] == "intvty_contradicts_tpot"
    wrong_tpot = one(take(aggregated(median_tpot=0.02)))
    assert wrong_tpot["interactivity_tok_s_user"] == pytest.approx(100)
    assert wrong_tpot["median_tpot_s"] == pytest.approx(0.01)
    assert wrong_tpot["flags"] == "tpot_contradicts_intvty"
    assert refused(take(aggregated(median_intvty=200.0, median_tpot=0.02)))[:2] == ("median_tpot", "0.02")


def test_interactivity_alone_gives_tpot(take: Any) -> None:
    point = one(take(aggregated(median_tpot="")))
    assert point["median_tpot_s"] == pytest.approx(0.01)
    assert point["flags"] == "tpot_from_intvty"
    assert refused(take(aggregated(median_tpot="", median_intvty="")))[0] == "median_tpot"


def test_std_intvty_is_never_read(take: Any) -> None:
    assert one(take(aggregated(std_intvty="nonsense")))["interactivity_tok_s_user"] == pytest.approx(100)


def test_total_against_the_sum_the_one_that_fits_the_lengths_holds(take: Any) -> None:
    # Equal lengths: total = 2 x output.
    output = aggregated()["output_tput_per_gpu"]
    wrong_input = one(take(aggregated(input_tput_per_gpu=1.5 * output)))
    assert wrong_input["total_tput_tok_s_gpu"] == pytest.approx(2 * output)
    assert wrong_input["flags"] == "input_contradicts_total"
    wrong_total = one(take(aggregated(tput_per_gpu=output)))
    assert wrong_total["total_tput_tok_s_gpu"] == pytest.approx(2 * output)
    assert wrong_total["flags"] == "total_contradicts_sum"
    column, value, _ = refused(take(aggregated(tput_per_gpu=output, input_tput_per_gpu=2 * output)))
    assert (column, float(value)) == ("tput_per_gpu", pytest.approx(output))


def test_a_total_alone_stays_and_a_missing_one_is_the_sum(take: Any) -> None:
    alone = one(take(aggregated(output_tput_per_gpu="", input_tput_per_gpu="")))
    assert alone["total_tput_tok_s_gpu"] == pytest.approx(360.36, rel=1e-4)
    assert pd.isna(alone[["output_tput_tok_s_gpu", "little_ratio"]]).all()
    summed = one(take(aggregated(tput_per_gpu="")))
    assert summed["total_tput_tok_s_gpu"] == pytest.approx(360.36, rel=1e-4)
    assert summed["flags"] == "total_from_sum"


def test_power_of_the_roles_is_weighted_by_their_gpus(take: Any) -> None:
    # (900 x 4 + 500 x 12) / 16 = 600 W; energy of all GPUs per output token 600 / 100 = 6 J, not the 5 J of the decode GPUs alone.
    point = one(take(disaggregated(prefill_avg_power_w=900.0, decode_avg_power_w=500.0, joules_per_output_token=5.0)))
    assert point["power_w_gpu"] == pytest.approx(600)
    assert point["joules_per_output_token"] == pytest.approx(6)
    assert point["flags"] == "power_from_roles;energy_from_power"


def test_energy_that_counts_all_gpus_by_its_figures_stays(take: Any) -> None:
    point = one(take(disaggregated(avg_power_w=600.0, joules_per_output_token=6.1)))
    assert point["joules_per_output_token"] == 6.1
    assert pd.isna(point["flags"])


def test_energy_of_the_second_schema_counts_all_gpus_already(take: Any) -> None:
    point = one(take(disaggregated(avg_power_w=600.0, joules_per_output_token=7.0, power_metric_schema_version=2, power_valid=1)))
    assert (point["power_w_gpu"], point["joules_per_output_token"]) == (600, 7.0)
    assert pd.isna(point["flags"])


def test_withdrawn_power_is_undefined(take: Any) -> None:
    point = one(take(aggregated(avg_power_w=700.0, joules_per_output_token=3.0, power_valid=0)))
    assert pd.isna(point[["power_w_gpu", "joules_per_output_token"]]).all()


def test_a_wrong_stated_little_ratio_is_worked_out_again(take: Any) -> None:
    point = one(take(aggregated(little_ratio=0.5)))
    assert point["little_ratio"] == pytest.approx(1)
    assert point["flags"] == "little_ratio_recomputed"


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"conc": "many"}, "conc", "many"),
        ({"isl": ""}, "isl", ""),
        ({"osl": -1}, "osl", "-1"),
        ({"disagg": "maybe"}, "disagg", "maybe"),
        ({"benchmark_type": "agentic_traces"}, "benchmark_type", "agentic_traces"),
        ({"median_ttft": "fast"}, "median_ttft", "fast"),
        ({"decode_tp": 0, "prefill_tp": 0, "num_decode_gpu": 0, "num_prefill_gpu": 0}, "decode_tp", "0"),
        ({"tput_per_gpu": "", "output_tput_per_gpu": "", "input_tput_per_gpu": ""}, "tput_per_gpu", ""),
    ],
)
def test_a_bad_cell_refuses_its_row_alone(take: Any, changes: dict[str, Any], column: str, value: str) -> None:
    good = aggregated(benchmark_type="single_turn")
    imported = take(good, {**good, **changes}, good)
    assert imported.points["source"].tolist() == ["rows.csv:2", "rows.csv:4"]
    assert imported.refused[["file", "line", "column"]].to_numpy().tolist() == [["rows.csv", 3, column]]
    assert str(imported.refused["value"].iloc[0]).removesuffix(".0") == value


def test_zero_means_not_measured(take: Any) -> None:
    point = one(take(aggregated(mean_ttft=0, p99_ttft=0)))
    assert pd.isna(point[["mean_ttft_s", "p99_ttft_s"]]).all()


def test_unknown_names_stay(take: Any) -> None:
    point = one(take(aggregated(model="newmodel", hardware="x100", framework="newengine", image="", spec_method="")))
    assert point[["model", "hardware", "engine", "spec"]].tolist() == ["newmodel", "x100", "newengine", "none"]
    assert pd.isna(point["image"])
