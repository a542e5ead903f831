"""Sweep schedules and search spaces, by hand."""

import numpy as np
import pytest

from frontier.errors import ConfigError
from frontier.evidence.predicted.aggregated import step_schedule
from frontier.evidence.predicted.schedules import AGGREGATED_BATCHES, DECODE_BATCHES, aggregated_grid, context_budgets, replica_sizes
from frontier.evidence.predicted.spaces import SEARCH_SPACES, Layout, layouts

DENSE = {"is_moe": False, "family": "LLAMA", "system": "b200_sxm", "wide_ep": False, "blackwell": True}
MOE = {"is_moe": True, "family": "DEEPSEEK", "system": "gb200", "wide_ep": True, "blackwell": True}


def test_context_budgets_are_multiples_of_the_input_up_to_8192_or_two_inputs():
    assert context_budgets(2048) == (2048, 4096, 6144, 8192)
    assert context_budgets(8192) == (8192, 16384)
    # Inputs below 512 tokens step by 512, and one and two inputs are always there.
    assert context_budgets(100)[:4] == (100, 200, 512, 1024)
    assert context_budgets(10_000) == (10_000, 20_000)


def test_batch_lists_end_at_512_and_rise():
    for batches in (AGGREGATED_BATCHES, DECODE_BATCHES):
        assert batches[0] == 1
        assert batches[-1] == 512
        assert list(batches) == sorted(set(batches))


def test_aggregated_grid_leaves_out_budgets_beyond_the_batch():
    grid = {tuple(row) for row in aggregated_grid(1024, 1024, True).tolist()}
    assert (1, 1024) in grid
    assert (1, 2048) not in grid  # one request has no second context
    assert (2, 1024) in grid
    assert (2, 2048) not in grid  # nothing would be left to decode beside it
    assert (9, 8192) in grid


def test_aggregated_grid_tries_equal_decoding_shares_once_without_speculation():
    # ISL 1024, OSL 2: with 1024 context tokens a batch of 4 and one of 12 both leave 2 requests decoding per step.
    plain = aggregated_grid(1024, 2, False)
    assert len(plain) < len(aggregated_grid(1024, 2, True))


def test_step_schedule_by_hand():
    # ISL 100. Batch 1: one context step beside 9 decode steps. Batch 4 with 100 context tokens: 4 context steps, each beside 3 decoding requests,
    # then 10 - 4 = 6 decode-only steps; max(1, 4 - 3) = 1 context step counts for TPOT. Batch 40: 40 context steps outlast the 10 iterations, so
    # all are mixed, beside 40 // (40 / 10) = 10 requests.
    found = step_schedule(np.array([1, 4, 40]), np.array([100, 100, 100]), 100, 10.0)
    np.testing.assert_array_equal(found.context_steps, [1, 4, 40])
    np.testing.assert_array_equal(found.decoding, [0, 3, 10])
    np.testing.assert_array_equal(found.mixed, [1, 4, 40])
    np.testing.assert_array_equal(found.mixed_counted, [0, 1, 40])
    np.testing.assert_array_equal(found.decode_only, [9, 6, 0])
    np.testing.assert_array_equal(found.has_decode_only, [True, True, False])


def test_replica_sizes():
    assert replica_sizes(16, False) == (1, 2, 4, 8, 16)
    assert replica_sizes(30, False) == (1, 2, 4, 8, 16, 24)
    assert replica_sizes(5, True) == (1, 2, 3, 4, 5)


def test_tp_only_is_tensor_parallelism_alone():
    dense = layouts("tp_only", "aggregated", max_gpus=16, domain_gpus=8, **DENSE)
    assert dense == (Layout(1), Layout(2), Layout(4), Layout(8))
    moe = layouts("tp_only", "decode", max_gpus=4, domain_gpus=72, **MOE)
    assert moe == (Layout(1), Layout(2, moe_tp=2), Layout(4, moe_tp=4))
    assert layouts("tp8", "aggregated", max_gpus=16, domain_gpus=8, **DENSE) == (Layout(8),)


def test_node_has_pipelines_and_no_worker_beyond_eight_gpus():
    dense = layouts("node", "aggregated", max_gpus=64, domain_gpus=72, **DENSE)
    assert set(dense) == {Layout(tp, pp) for tp in (1, 2, 4, 8) for pp in (1, 2, 4, 8) if tp * pp <= 8}
    moe = layouts("node", "aggregated", max_gpus=64, domain_gpus=72, **MOE)
    assert max(layout.gpus for layout in moe) == 8
    assert all(layout.tp * layout.dp == layout.moe_tp * layout.moe_ep for layout in moe)
    assert not [layout for layout in moe if layout.tp > 1 and layout.dp > 1]


def test_domain_is_wide_only_where_data_are():
    wide = layouts("domain", "decode", max_gpus=64, domain_gpus=72, **MOE)
    assert Layout(1, dp=64, moe_ep=64) in wide
    narrow = layouts("domain", "decode", max_gpus=64, domain_gpus=72, **{**MOE, "wide_ep": False})
    assert max(layout.gpus for layout in narrow) == 16
    assert max(layout.gpus for layout in layouts("domain", "decode", max_gpus=64, domain_gpus=8, **MOE)) == 8


def test_task_default_of_dense_models():
    assert layouts("task_default", "aggregated", max_gpus=16, domain_gpus=8, **DENSE) == (Layout(1), Layout(2), Layout(4), Layout(8))
    rack = layouts("task_default", "aggregated", max_gpus=64, domain_gpus=72, **{**DENSE, "system": "gb200"})
    assert rack[-1] == Layout(16)


def test_unknown_space_lists_all():
    with pytest.raises(ConfigError) as caught:
        layouts("everything", "aggregated", max_gpus=8, domain_gpus=8, **DENSE)
    assert all(name in str(caught.value) for name in SEARCH_SPACES)


def test_space_without_a_layout_in_the_budget():
    with pytest.raises(ConfigError, match="no layout within 4 GPUs"):
        layouts("tp8", "aggregated", max_gpus=4, domain_gpus=8, **DENSE)
