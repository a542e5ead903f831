"""Cells: what they return, what is refused, and that the search computes what the core computes."""

import dataclasses

import numpy as np
import pytest

from frontier.errors import ConfigError, RunError
from frontier.evidence.predicted import PredictedCell, WorkerChoice, predict_cell, predict_disagg_point, predict_many, predict_point
from frontier.evidence.predicted.aggregated import evaluate_aggregated, select_aggregated
from frontier.evidence.predicted.disaggregated import DecodeWorkers, PrefillWorker, match, select_disaggregated, usable_prefill
from frontier.evidence.predicted.modes import resolve_modes
from frontier.evidence.predicted.rows import aggregated_row
from frontier.evidence.predicted.spaces import Layout
from frontier.evidence.predicted.worker import WorkerSpec, spec_for, worker
from frontier.records import normalize_points

LLAMA = PredictedCell(
    model_path="meta-llama/Meta-Llama-3.1-8B",
    system="h200_sxm",
    precision="fp8",
    kv_precision="fp8",
    search_space="tp_only",
    max_gpus=8,
    domain_gpus=8,
    gpus_per_node=8,
    disaggregated=False,
    isl_tokens=1024,
    osl_tokens=256,
)
R1 = dataclasses.replace(LLAMA, model_path="deepseek-ai/DeepSeek-R1", precision="fp8_block")


def test_frame_is_a_points_table_of_non_dominated_points():
    frame = predict_cell(LLAMA)
    assert frame.attrs["evaluated"] > len(frame) > 3
    assert (np.diff(frame["interactivity_tok_s_user"]) > 0).all()
    assert (np.diff(frame["output_tput_tok_s_gpu"]) < 0).all()
    assert set(frame["evidence"]) == {"predicted"}
    assert frame["source"].str.contains("aiconfigurator-core 0.12.0").all()
    assert (frame["median_ttft_s"] <= LLAMA.ttft_limit_s).all()
    points = normalize_points(frame, origin="test")
    assert points["precision"].eq("fp8").all()
    assert points["gpus"].eq(points["tp"]).all()


def test_throughputs_and_latencies_belong_together():
    frame = predict_cell(LLAMA)
    # total = output * (1024 + 256) / 256 = 5 * output
    np.testing.assert_allclose(frame["total_tput_tok_s_gpu"], 5.0 * frame["output_tput_tok_s_gpu"])
    np.testing.assert_allclose(frame["interactivity_tok_s_user"] * frame["median_tpot_s"], 1.0)
    np.testing.assert_allclose(frame["median_e2el_s"], frame["median_ttft_s"] + 255 * frame["median_tpot_s"])


def test_energy_is_absent_where_the_wheel_has_none_and_never_zero():
    frame = predict_cell(LLAMA)
    assert not (frame["power_w_gpu"] == 0).any()


def test_point_is_the_same_alone_as_on_the_frontier():
    row = predict_cell(LLAMA).iloc[2]
    alone = predict_point(
        LLAMA.model_path,
        LLAMA.system,
        precision="fp8",
        kv_precision="fp8",
        tp=int(row["tp"]),
        batch_size=int(row["batch_size"]),
        ctx_tokens=int(row["ctx_tokens"]),
        isl_tokens=1024,
        osl_tokens=256,
    )
    assert alone.fits
    assert alone.tpot_s == pytest.approx(row["median_tpot_s"])
    assert alone.ttft_s == pytest.approx(row["median_ttft_s"])
    assert alone.output_tput_tok_s_gpu == pytest.approx(row["output_tput_tok_s_gpu"])


def test_disaggregated_point_is_the_same_alone_as_on_the_frontier():
    frame = predict_cell(dataclasses.replace(LLAMA, disaggregated=True, draft_lens=(2,), accepted_drafts={2: 1.0}, hypothetical_draft_head=True))
    row = frame.iloc[1]
    alone = predict_disagg_point(
        LLAMA.model_path,
        LLAMA.system,
        precision="fp8",
        kv_precision="fp8",
        prefill=WorkerChoice(tp=int(row["prefill_tp"]), workers=int(row["prefill_workers"])),
        decode=WorkerChoice(tp=int(row["decode_tp"]), batch_size=int(row["batch_size"]), workers=int(row["decode_workers"])),
        isl_tokens=1024,
        osl_tokens=256,
        nextn=2,
        accepted_drafts=1.0,
    )
    assert alone.gpus == row["gpus"] == row["prefill_gpus"] + row["decode_gpus"]
    assert alone.tpot_s == pytest.approx(row["median_tpot_s"])
    assert alone.ttft_s == pytest.approx(row["median_ttft_s"])
    assert alone.output_tput_tok_s_gpu == pytest.approx(row["output_tput_tok_s_gpu"])
    assert row["acceptance_length"] == 2.0
    assert (row["spec"], row["draft_len"]) == ("mtp", 2)


@pytest.mark.parametrize("accepted", [0.0, 1.3])
@pytest.mark.parametrize("osl_tokens", [32, 1024])
def test_whole_grid_agrees_with_the_core_point_by_point(accepted, osl_tokens):
    draft_len = 2 if accepted else 0
    modes = resolve_modes(LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", "fp8", "fp8")
    spec = spec_for("aggregated", LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", modes, Layout(2), draft_len)
    grid = evaluate_aggregated(spec, 1024, osl_tokens, accepted)
    one = worker(spec)
    for index in range(0, grid.evaluated, 7):
        core = one.run_agg(int(grid.batch_size[index]), int(grid.ctx_tokens[index]), 1024, osl_tokens, 1.0 + accepted).get_result_dict()
        assert grid.ttft_ms[index] == pytest.approx(core["ttft"], rel=1e-9)
        assert grid.tpot_ms[index] == pytest.approx(core["tpot"], rel=1e-9)
        assert grid.output_tput_tok_s_gpu[index] == pytest.approx(core["tokens/s/gpu"], rel=1e-9)


def test_a_core_that_computes_otherwise_is_noticed():
    modes = resolve_modes(LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", "fp8", "fp8")
    spec = spec_for("aggregated", LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", modes, Layout(1), 0)
    grid = evaluate_aggregated(spec, 1024, 256, 0.0)
    wrong = dataclasses.replace(grid, tpot_ms=grid.tpot_ms * (1 + 1e-6))
    with pytest.raises(RunError, match="in the search"):
        aggregated_row(wrong, 0, 1024, 256)


def test_the_largest_batch_that_fits_is_where_the_core_says():
    modes = resolve_modes("meta-llama/Meta-Llama-3.1-70B", "h200_sxm", "trtllm", "1.3.0rc20", "fp8", "fp8")
    one = worker(spec_for("aggregated", "meta-llama/Meta-Llama-3.1-70B", "h200_sxm", "trtllm", "1.3.0rc20", modes, Layout(1), 0))
    fitting = one.largest_fitting("aggregated", tuple(range(1, 513)), 4096, 1024)
    assert 1 < fitting < 512
    for batch, expected in ((fitting, False), (fitting + 1, True)):
        summary = one.run_agg(batch, 4096, 4096, 1024, 1.0)
        assert (summary.check_oom() or summary.check_kv_cache_oom()) is expected


def test_draft_lengths_together_are_the_frontier_of_all():
    accepted = {1: 0.8, 2: 1.2}
    base = dataclasses.replace(R1, search_space="tp_only", accepted_drafts=accepted)
    apart = [predict_cell(dataclasses.replace(base, draft_lens=(n,))) for n in (0, 1, 2)]
    together = predict_cell(dataclasses.replace(base, draft_lens=(0, 1, 2)))
    assert together.attrs["evaluated"] == sum(frame.attrs["evaluated"] for frame in apart)
    for frame in apart:
        for speed, tput in zip(frame["interactivity_tok_s_user"], frame["output_tput_tok_s_gpu"], strict=True):
            assert together.loc[together["interactivity_tok_s_user"] >= speed, "output_tput_tok_s_gpu"].max() >= tput


def test_many_cells_are_what_each_is_alone():
    cells = [LLAMA, dataclasses.replace(LLAMA, disaggregated=True)]
    for frame, cell in zip(predict_many(cells), cells, strict=True):
        assert frame.equals(predict_cell(cell))


def test_nothing_fits_gives_an_empty_frame_with_the_reason():
    frame = predict_cell(dataclasses.replace(R1, search_space="tp_only", max_gpus=2))
    assert frame.empty
    assert "fits in memory in no layout" in frame.attrs["reason"]


def test_a_ttft_limit_that_none_meets_gives_an_empty_frame_with_the_reason():
    frame = predict_cell(dataclasses.replace(LLAMA, ttft_limit_s=1e-6))
    assert frame.empty
    assert "TTFT" in frame.attrs["reason"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "nvfp4"}, "compute capability 10.0"),
        ({"precision": "fp3"}, "bf16, fp8, fp8_block, nvfp4"),
        ({"precision": "w4a16_mxfp4"}, "routed experts only"),
        ({"kv_precision": "fp4"}, "kv_precision must be one of bf16, fp8"),
        ({"model_path": "nobody/Nothing-1B"}, "deepseek-ai/DeepSeek-R1"),
        ({"system": "h900"}, "h200_sxm"),
        ({"database_version": "0.1"}, "1.3.0rc20"),
        ({"backend": "vllm"}, "backend must be one of trtllm"),
        ({"search_space": "all"}, "tp_only, tp8, node, domain, task_default"),
        ({"draft_lens": (1,), "accepted_drafts": {1: 0.5}}, "ships no multi-token-prediction head"),
        ({"draft_lens": ()}, "draft_lens is empty"),
        ({"osl_tokens": 1}, "osl_tokens must be at least 2"),
        ({"isl_tokens": 0}, "isl_tokens must be at least 1"),
        ({"max_gpus": 1, "disaggregated": True}, "max_gpus must be at least 2"),
        ({"gpus_per_node": 4}, "nodes of 8"),
        ({"ttft_limit_s": float("nan")}, "ttft_limit_s"),
        ({"tpot_targets_ms": ()}, "tpot_targets_ms"),
    ],
)
def test_impossible_settings_are_refused_with_the_choices(change, message):
    with pytest.raises(ConfigError) as caught:
        predict_cell(dataclasses.replace(LLAMA, **change))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("accepted", "message"),
    [({}, "never assumed"), ({2: 2.5}, "between 0 and 2"), ({2: float("nan")}, "between 0 and 2"), ({2: -0.1}, "between 0 and 2")],
)
def test_acceptance_is_required_and_possible(accepted, message):
    with pytest.raises(ConfigError, match=message):
        predict_cell(dataclasses.replace(R1, draft_lens=(2,), accepted_drafts=accepted))


def test_precision_without_rows_names_the_forms_that_have_some():
    with pytest.raises(ConfigError, match="no usable operator data") as caught:
        predict_cell(dataclasses.replace(R1, precision="w4a16_mxfp4"))
    assert "fp8_block" in str(caught.value)


def test_one_impossible_point_says_why():
    with pytest.raises(ConfigError, match="no prediction for this configuration"):
        predict_point(R1.model_path, "gb200", precision="nvfp4", kv_precision="fp8", tp=8, moe_ep=8, batch_size=1, isl_tokens=128, osl_tokens=128)


def _spec(layout):
    modes = resolve_modes(LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", "bf16", "bf16")
    return WorkerSpec(LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", modes, layout)


def _decode(layout, rates, tpots):
    rate, tpot = np.array(rates, dtype=float), np.array(tpots, dtype=float)
    return DecodeWorkers(_spec(layout), 1.0, np.arange(1, len(rates) + 1), tpot, rate, tpot, rate)


def test_rate_matching_by_hand():
    # Prefill 10/s * 0.9 = 9 per worker, decode 5/s * 0.92 = 4.6 per worker, one GPU each, replicas of 1, 2, 4 or 8 GPUs. Of the pairs that fill
    # 2, 4 or 8 GPUs: (1, 1) 4.6 / 2 = 2.3; (1, 3) 9 / 4 = 2.25; (2, 2) 2.3; (3, 5) 23 / 8 = 2.875; (2, 6) 18 / 8 = 2.25.
    prefill = PrefillWorker(_spec(Layout(1)), 100.0, 10.0)
    (pairing,) = match(_decode(Layout(1), [5.0], [10.0]), [prefill], (1, 2, 4, 8))
    assert (pairing.prefill_workers, pairing.decode_workers, pairing.gpus) == (3, 5, 8)
    assert pairing.requests_per_s_gpu == pytest.approx(2.875)


def test_no_replica_size_no_pairing():
    prefill = PrefillWorker(_spec(Layout(8)), 100.0, 10.0)
    assert match(_decode(Layout(8), [5.0], [10.0]), [prefill], (1, 2, 4, 8)) == [None]


def test_prefill_workers_beyond_the_ttft_limit_are_left_out():
    # 1.8 * 500 ms = 0.9 s is inside 1 s, 1.8 * 600 ms = 1.08 s is not; of two with one GPU only the faster remains.
    fast, slow, late = (PrefillWorker(_spec(Layout(1)), ms, 1000.0 / ms) for ms in (400.0, 500.0, 600.0))
    other = PrefillWorker(_spec(Layout(2)), 300.0, 1000.0 / 300.0)
    assert usable_prefill([slow, late, fast, other], 1.0) == [fast, other]


def test_each_latency_target_keeps_its_best():
    prefill = PrefillWorker(_spec(Layout(1)), 1.0, 1e6)
    row = match(_decode(Layout(1), [1.0, 2.0, 3.0], [5.0, 10.0, 20.0]), [prefill], (2,))
    kept = select_disaggregated([row], (6.0, 15.0))
    assert sorted(p.tpot_ms for p in kept) == [5.0, 10.0]  # 20 ms meets no target


def test_aggregated_targets_are_inclusive_and_the_ttft_limit_holds():
    modes = resolve_modes(LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", "fp8", "fp8")
    spec = spec_for("aggregated", LLAMA.model_path, "h200_sxm", "trtllm", "1.3.0rc20", modes, Layout(1), 0)
    grid = evaluate_aggregated(spec, 1024, 256, 0.0)
    made = dataclasses.replace(
        grid,
        batch_size=np.array([1, 2, 3]),
        ctx_tokens=np.array([1024] * 3),
        ttft_ms=np.array([10.0, 10.0, 2000.0]),
        tpot_ms=np.array([5.0, 6.0, 4.0]),
        requests_per_s=np.array([1.0, 2.0, 3.0]),
        output_tput_tok_s_gpu=np.array([1.0, 2.0, 3.0]),
    )
    assert select_aggregated(made, 1.0, (5.0,)).tolist() == [0]
    assert select_aggregated(made, 1.0, (6.0,)).tolist() == [0, 1]
    assert select_aggregated(made, 3.0, (4.0,)).tolist() == [2]
