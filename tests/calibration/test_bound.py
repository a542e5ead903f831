"""The bound against arithmetic by hand, and against a slow obvious simulation of what it bounds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from calibration_rates import make_calibration, product, rate

from frontier.calibration import Deployment, ModelShape, bound_document, bound_frontier, highest
from frontier.calibration.ceilings import bytes_per_s, operations_per_s
from frontier.errors import ConfigError, MachineError

# One layer: attention 2*1000*1000 + 2*1000*500 = 3 M, MLP 3*1000*1000 = 3 M; 10 layers are 60 M, the head of 10000 words 10 M: 70 M read per step.
# Keys and values: 2 * 10 layers * 5 heads * 100 = 10000 elements per token.
SHAPE = ModelShape("by hand", 10, 1000, 10, 5, 100, 1000, 10000, tied=False, mtp_layers=1)


def test_shape_by_hand() -> None:
    assert SHAPE.layer_parameters == 6_000_000
    assert SHAPE.step_parameters == 70_000_000
    assert SHAPE.kv_bytes_per_token(2.0) == 20_000
    # 2 * 70 M, and 4 * 10 layers * 1000 attention elements per token of context.
    assert SHAPE.token_operations(0) == 140e6
    assert SHAPE.token_operations(100) == 144e6
    # 3 tokens: 2 * 60 M * 3, attention 40000 * (1 + 2 + 3), head 2 * 10 M once.
    assert SHAPE.prefill_operations(3) == 360e6 + 240e3 + 20e6
    # A draft: one layer, 2 * 1000 * 1000 of projection, the head.
    assert SHAPE.draft_parameters == 6e6 + 2e6 + 10e6
    assert SHAPE.parameters == 70e6 + 10e6 + 8e6


def test_one_sequence_is_limited_by_memory() -> None:
    bound = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=102, batches=[1])
    # Context 100 + (102 - 1 - 1) / 2 = 150; bytes 140 MB + 150 * 20 kB = 143 MB at 10 GB/s: 14.3 ms. Operations 146 M at 100 G/s: 1.46 ms.
    (row,) = bound.to_dict("records")
    assert row["step_s"] == pytest.approx(0.0143)
    assert row["interactivity_tok_s_user"] == pytest.approx(1 / 0.0143)
    assert row["limit"] == "memory"
    # 101 steps a request: requests/s = 1 / (101 * 14.3 ms); 102 tokens of output each, 202 of both.
    assert row["output_tput_tok_s_gpu"] == pytest.approx(102 / (101 * 0.0143))
    assert row["total_tput_tok_s_gpu"] == pytest.approx(202 / (101 * 0.0143))


def test_many_sequences_are_limited_by_arithmetic() -> None:
    bound = bound_frontier(make_calibration(), SHAPE, isl_tokens=1, osl_tokens=2, batches=[50])
    # Context 1; operations 50 * 140.04 M at 100 G/s: 70.02 ms; bytes 140 MB + 50 * 20 kB = 141 MB: 14.1 ms.
    assert bound["step_s"].item() == pytest.approx(0.07002)
    # Prefill of one token 140.04 M - one step 140.04 M: 280.08 M a request, so 100 G / 280.08 M requests/s below 50 / 70.02 ms.
    assert bound["limit"].item() == "requests"
    assert bound["output_tput_tok_s_gpu"].item() == pytest.approx(2 * 100e9 / (140.04e6 + 140.04e6))


def test_two_devices_share_weights_and_halve_the_figure_per_device() -> None:
    one = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=102, batches=[1])
    two = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=102, batches=[1], deployment=Deployment(tp=2))
    # Twice the bandwidth: half the step. Throughput per device stays.
    assert two["step_s"].item() == pytest.approx(one["step_s"].item() / 2)
    assert two["total_tput_tok_s_gpu"].item() == pytest.approx(one["total_tput_tok_s_gpu"].item())
    pair = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=102, batches=[1], deployment=Deployment(replicas=2))
    # Two replicas read 286 MB at 20 GB/s for two sequences.
    assert pair["step_s"].item() == pytest.approx(0.0143)
    assert pair["concurrency"].item() == 2
    assert pair["total_tput_tok_s_gpu"].item() == pytest.approx(one["total_tput_tok_s_gpu"].item())


def test_int8_weights_halve_the_bytes() -> None:
    bound = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=102, batches=[1], deployment=Deployment("w8a16_int8"))
    assert bound["step_s"].item() == pytest.approx(0.0073)


def test_drafts_cost_a_pass_each_and_yield_what_is_accepted() -> None:
    load = Deployment(draft_len=2, tokens_per_step=2.0)
    bound = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=103, batches=[1], deployment=load)
    # Context 100 + (103 - 1 - 2) / 2 = 150; bytes 140 MB + 2 * 36 MB + 3 MB = 215 MB: 21.5 ms for two tokens; 51 steps a request.
    assert bound["step_s"].item() == pytest.approx(0.0215)
    assert bound["interactivity_tok_s_user"].item() == pytest.approx(2 / 0.0215)
    assert bound["output_tput_tok_s_gpu"].item() == pytest.approx(103 / (51 * 0.0215))
    load = Deployment(draft_len=2, tokens_per_step=2.0, own_head=False)
    free = bound_frontier(make_calibration(), SHAPE, isl_tokens=100, osl_tokens=103, batches=[1], deployment=load)
    assert free["step_s"].item() == pytest.approx(0.0143)
    assert Deployment(draft_len=3).accepted == 4.0


def test_prefill_devices_count_in_the_denominator_and_lift_the_shared_arithmetic() -> None:
    load = Deployment(prefill_devices=1)
    bound = bound_frontier(make_calibration(), SHAPE, isl_tokens=1000, osl_tokens=2, batches=[40], deployment=load)
    # One request's prefill: 120 M * 1000 + 40000 * 500500 + 20 M = 140.04 G operations at 100 G/s.
    requests = 100e9 / (120e9 + 20.02e9 + 20e6)
    assert bound["total_tput_tok_s_gpu"].item() == pytest.approx(1002 * requests / 2)
    assert bound["limit"].item() == "requests"


def test_no_schedule_passes_the_bound() -> None:
    """A server that does everything at the roofline, prefills in turn with decoding or all at once, stays at or below the bound."""
    calibration, isl, osl = make_calibration(), 64, 33
    rate, bandwidth = 100e9, 10e9
    frontier = bound_frontier(calibration, SHAPE, isl_tokens=isl, osl_tokens=osl)
    for batch in (1, 2, 3, 7, 20, 64, 200):
        # Waves: all prompts first, then all decode together; step by step, with the context that each step really has.
        steps = [
            max(
                (140e6 + batch * 20e3 * (isl + step)) / bandwidth,
                batch * (140e6 + 40e3 * (isl + step)) / rate,
            )
            for step in range(osl - 1)
        ]
        tpot = sum(steps) / (osl - 1)
        wave = batch * SHAPE.prefill_operations(isl) / rate + sum(steps)
        tput = batch * (isl + osl) / wave
        assert tput <= highest(frontier, np.array([1 / tpot]), "total_tput_tok_s_gpu")[0] * (1 + 1e-6)
        # Continuous: every step carries its share of the prefills that replace finished requests.
        share = batch / (osl - 1) * SHAPE.prefill_operations(isl) / rate
        step = tpot + share
        tput = batch / ((osl - 1) * step) * (isl + osl)
        assert tput <= highest(frontier, np.array([1 / step]), "total_tput_tok_s_gpu")[0] * (1 + 1e-6)


def test_more_speed_never_lowers_the_bound() -> None:
    frontier = bound_frontier(make_calibration(), SHAPE, isl_tokens=128, osl_tokens=64)
    assert frontier["interactivity_tok_s_user"].is_monotonic_decreasing
    assert frontier["total_tput_tok_s_gpu"].is_monotonic_increasing
    assert len(frontier) > 20


def test_the_memory_limits_the_batch() -> None:
    # 1 GiB less 176 MB of weights leaves 897.7 MB; a request of 1000 tokens holds 20 MB: 44 of them.
    frontier = bound_frontier(make_calibration(), SHAPE, isl_tokens=900, osl_tokens=100)
    assert frontier["concurrency"].max() == 44
    with pytest.raises(MachineError, match=r"needs 0\.2 GB per replica, got 0\.1 GB"):
        bound_frontier(make_calibration(machine={"memory_gib": 0.1}), SHAPE, isl_tokens=900, osl_tokens=100)


def test_bandwidth_goes_by_working_set() -> None:
    calibration = make_calibration()
    assert bytes_per_s(calibration, 2_500_000, "cpu", 1) == pytest.approx(40e9)  # between the sizes: the smaller one's cache is granted
    assert bytes_per_s(calibration, 100_000_000, "cpu", 1) == 10e9
    assert bytes_per_s(calibration, 5e9, "cpu", 2) == 20e9
    assert bytes_per_s(calibration, 10.0, "cpu", 2) == 80e9


def test_a_skinny_product_that_reads_faster_than_the_streams_raises_the_bound() -> None:
    # 1 x 10000 x 10000 in bf16 moves 200 MB in 2e8 operations: at 15 Gop/s that is 15 GB/s.
    calibration = make_calibration(rate("memory", "read", 1, 10e9, size_bytes=100_000_000), product("bf16", 1, 15e9, 1, 10000, 2))
    assert bytes_per_s(calibration, 150_000_000, "cpu", 1) == pytest.approx(15e9)


def test_wider_arithmetic_may_stand_in_and_narrower_may_not() -> None:
    assert operations_per_s(make_calibration(), "w8a16_int8", "cpu", 2) == 200e9
    assert operations_per_s(make_calibration(), "int8", "cpu", 2) == 400e9
    with pytest.raises(ConfigError, match="no measured product bounds 'nvfp4'"):
        operations_per_s(make_calibration(), "nvfp4", "cpu", 2)


def test_what_was_not_calibrated_is_refused() -> None:
    with pytest.raises(MachineError, match="held 2 cores, the deployment holds 3"):
        bound_frontier(make_calibration(), SHAPE, isl_tokens=10, osl_tokens=10, deployment=Deployment(tp=3))
    with pytest.raises(MachineError, match="no matmul of cuda"):
        bound_frontier(make_calibration(), SHAPE, isl_tokens=10, osl_tokens=10, device="cuda")
    plain = ModelShape("plain", 1, 8, 1, 1, 8, 8, 8, tied=True)
    with pytest.raises(ConfigError, match="has no MTP head"):
        bound_frontier(make_calibration(), plain, isl_tokens=10, osl_tokens=10, deployment=Deployment(draft_len=1))
    with pytest.raises(ConfigError, match="2 output tokens, got 10 and 1"):
        bound_frontier(make_calibration(), SHAPE, isl_tokens=10, osl_tokens=1)
    with pytest.raises(ConfigError, match="tokens_per_step must lie between 1 and draft_len"):
        Deployment(draft_len=1, tokens_per_step=2.5)


def test_gpus_are_counted_by_one() -> None:
    gpus = [{"name": "GPU", "memory_gib": 80.0}] * 2
    found = rate("memory", "copy", 1, 3e12, device="cuda", size_bytes=2**26), product("bf16", 1, 8e14, 8192, 8192, 2, device="cuda")
    calibration = make_calibration(*found, machine={"gpus": gpus})
    assert operations_per_s(calibration, "bf16", "cuda", 2) == 1.6e15
    assert bytes_per_s(calibration, 2**30, "cuda", 2) == 6e12
    with pytest.raises(MachineError, match="has 2 GPUs, the deployment holds 3"):
        operations_per_s(calibration, "bf16", "cuda", 3)


def test_highest_reads_between_beyond_and_undefined() -> None:
    frontier = pd.DataFrame({"interactivity_tok_s_user": [10.0, 5.0, 3.0, 1.0], "total_tput_tok_s_gpu": [10.0, 40.0, 30.0, 60.0]})
    found = highest(frontier, np.array([10.0, 7.5, 0.5, 11.0, math.nan]), "total_tput_tok_s_gpu")
    np.testing.assert_allclose(found, [10.0, 25.0, 60.0, 0.0, math.nan])
    # A row that a faster one dominates does not lower the bound.
    assert highest(frontier, np.array([3.0]), "total_tput_tok_s_gpu")[0] == 40.0


def test_the_document_names_its_curves() -> None:
    frontier = bound_frontier(make_calibration(), SHAPE, isl_tokens=10, osl_tokens=10, batches=[1, 2])
    document = bound_document([{"label": "one", "frontier": frontier}, {"label": "two", "variant": "mtp", "frontier": frontier}], notes=["busy"])
    assert document["schema"] == "frontier.bound/1"
    assert [curve.get("variant") for curve in document["curves"]] == [None, "mtp"]  # type: ignore[attr-defined]
    assert document["curves"][0]["points"][1]["concurrency"] == 2  # type: ignore[index]
    assert document["notes"] == ["busy"]
