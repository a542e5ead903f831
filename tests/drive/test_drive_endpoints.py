"""MLPerf Endpoints: regions against the draft's own worked examples, and one deviation per rule."""

import dataclasses
import math

import numpy as np
import pytest

from frontier.drive import (
    EndpointsRegions,
    PointFacts,
    RunFacts,
    choose_concurrencies,
    deviations,
    interactivity_by_p90_tpot,
    step_curve,
)
from frontier.errors import UsageError


@pytest.mark.parametrize(
    ("lowest", "highest", "low", "medium", "high", "end"),
    [
        # The draft's examples A and B (section 5.4). C by its algorithm, as the submission guide lists it: the example itself is one off.
        (32, 8192, (33, 52), (53, 437), (438, 8192), 9012),
        (1, 256, (2, 7), (8, 41), (42, 256), 282),
        (16, 1024, (17, 26), (27, 117), (118, 1024), 1127),
    ],
)
def test_regions_are_those_of_the_draft(lowest, highest, low, medium, high, end):
    regions = EndpointsRegions.between(lowest, highest)
    assert (regions.ultra_low, regions.low, regions.medium, regions.high) == ((1, lowest), low, medium, high)
    assert regions.margin == (highest + 1, end)
    assert [regions.of(c) for c in (lowest, low[0], medium[1], highest, end, end + 1)] == ["ultra_low", "low", "medium", "high", "margin", ""]


def test_the_margin_is_not_pushed_up_by_floating_point():
    # 1.1 x 100 is 110.00000000000001 in floating point.
    assert EndpointsRegions.between(1, 100).margin == (101, 110)


def test_impossible_regions_are_refused():
    with pytest.raises(UsageError, match="1 to 32, got 33"):
        EndpointsRegions.between(33, 100)
    with pytest.raises(UsageError, match="above the lowest, got 8 and 8"):
        EndpointsRegions.between(8, 8)


@pytest.mark.parametrize(
    ("lowest", "highest", "points"), [(1, 256, 7), (1, 64, 7), (32, 8192, 7), (1, 1024, 12), (4, 512, 32), (1, 40, 32), (1, 33, 7)]
)
def test_chosen_points_cover_every_region_with_both_ends(lowest, highest, points):
    chosen = choose_concurrencies(highest, lowest=lowest, points=points)
    regions = EndpointsRegions.between(lowest, highest)
    assert len(chosen) == points == len(set(chosen))
    assert (chosen[0], chosen[-1]) == (lowest, highest)
    assert {regions.of(c) for c in chosen} == {"ultra_low", "low", "medium", "high"}
    if points == 7 and highest > 64:
        assert [sum(regions.of(c) == name for c in chosen) for name in ("ultra_low", "low", "medium", "high")] == [1, 2, 2, 2]


def test_a_short_range_gives_all_its_integers():
    assert choose_concurrencies(5) == (1, 2, 3, 4, 5)
    with pytest.raises(UsageError, match="points must be 7 to 32, got 5"):
        choose_concurrencies(256, points=5)


def test_interactivity_is_one_over_the_90th_percentile_of_tpot():
    # 0.01 .. 0.11: the 90th percentile of eleven values is the tenth, 0.10.
    assert interactivity_by_p90_tpot(np.arange(1, 12) / 100) == pytest.approx(10.0)
    assert interactivity_by_p90_tpot([0.02, math.nan]) == pytest.approx(50.0)
    assert math.isnan(interactivity_by_p90_tpot([math.nan]))


def test_step_curve_claims_nothing_between_points():
    assert step_curve([10.0, 20.0, 15.0], [4.0, 1.0, 0.5], [5.0, 10.0, 10.1, 20.0]).tolist() == [4.0, 4.0, 1.0, 1.0]
    assert np.isnan(step_curve([10.0], [4.0], [11.0]))[0]


def good_run() -> RunFacts:
    checked = {1: True, 3: True, 41: True, 256: True}
    points = tuple(
        PointFacts(c, 600.0 if c == 1 else 1200.0, completed_requests=500, dataset_requests=500, quality_passed=checked.get(c))
        for c in choose_concurrencies(256)
    )
    return RunFacts(
        points, tpot_percentile=90, ttft_percentile=90, salt_bits=64, curve="step", offline="elected",
        reference_client=True, benchmark_dataset=True, seed_set="A",
    )  # fmt: skip


def with_point(concurrency: int, **changes) -> RunFacts:
    run = good_run()
    return dataclasses.replace(run, points=tuple(dataclasses.replace(p, **changes) if p.concurrency == concurrency else p for p in run.points))


def test_a_run_that_keeps_the_rules_has_no_deviation():
    assert deviations(good_run()) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tpot_percentile": 50.0}, "interactivity (4.1)"),
        ({"ttft_percentile": 99.0}, "TTFT (4.1)"),
        ({"salt_bits": 0}, "salt (2.9.5.1)"),
        ({"curve": "interpolated"}, "step curve (5.2)"),
        ({"offline": "dedicated", "offline_ratio": 0.9}, "offline throughput (5.7.2)"),
        ({"offline": "dedicated"}, "offline throughput (5.7.2)"),
        ({"one_configuration": False}, "one configuration (9.1)"),
        ({"reference_client": False}, "reference client (2.1.1)"),
        ({"benchmark_dataset": False}, "benchmark (3)"),
        ({"seed_set": ""}, "seed set (2.1.1)"),
    ],
)
def test_each_rule_of_the_run_is_seen(changes, rule):
    assert [d.rule for d in deviations(dataclasses.replace(good_run(), **changes))] == [rule]


@pytest.mark.parametrize(
    ("concurrency", "changes", "rule"),
    [
        (1, {"steady_s": 599.0}, "steady state at concurrency 1 (6.2)"),
        (3, {"steady_s": 600.0}, "steady state at concurrency 3 (6.2)"),
        (41, {"load_pattern": "poisson"}, "load pattern at concurrency 41 (6.1)"),
        (41, {"streaming": False}, "streaming at concurrency 41 (6.5)"),
        (41, {"completed_requests": 499}, "queries at concurrency 41 (6.4)"),
        (41, {"dataset_requests": None}, "queries at concurrency 41 (6.4)"),
        (41, {"warmup_s": 90_000.0}, "warm-up at concurrency 41 (6.3)"),
        (41, {"quality_passed": None}, "accuracy (4.3)"),
        (41, {"quality_passed": False}, "accuracy (4.3)"),
    ],
)
def test_each_rule_of_a_point_is_seen(concurrency, changes, rule):
    assert [d.rule for d in deviations(with_point(concurrency, **changes))] == [rule]


def test_one_drafter_may_rest_at_some_points_but_not_change():
    run = good_run()
    mtp = dataclasses.replace(run, points=(dataclasses.replace(run.points[0], drafter="mtp"), *run.points[1:]))
    assert deviations(mtp) == []
    both = dataclasses.replace(mtp, points=(*mtp.points[:-1], dataclasses.replace(mtp.points[-1], drafter="ngram")))
    assert [(d.rule, d.found) for d in deviations(both)] == [("one drafter (2.9.4)", "mtp, ngram")]


def test_too_few_too_many_and_too_small():
    run = good_run()
    few = dataclasses.replace(run, points=run.points[:2] + run.points[4:])
    # Points 7 and 17 are gone; 3, 41 and 102 still stand for their regions.
    assert [(d.rule, d.wanted, d.found) for d in deviations(few)] == [("least points (5.3)", "7", "5")]
    many = dataclasses.replace(run, points=run.points + tuple(dataclasses.replace(run.points[-2], concurrency=c) for c in range(110, 140)))
    assert [(d.rule, d.found) for d in deviations(many)] == [("most points (5.6)", "37")]
    alone = {d.rule for d in deviations(dataclasses.replace(run, points=run.points[-1:]))}
    assert {"least points (5.3)", "ultra_low region (5.3)"} <= alone
    # A laptop's curve to 8: divided all the same, and the highest concurrency is the deviation.
    small = dataclasses.replace(run, points=tuple(PointFacts(c, 1200.0, 5, 5, quality_passed=True) for c in choose_concurrencies(8)))
    assert [d.rule for d in deviations(small)] == ["highest concurrency (5.4)"]
    with pytest.raises(UsageError, match="without points"):
        deviations(dataclasses.replace(run, points=()))


def test_a_region_without_a_point_is_named():
    run = good_run()
    # 3 and 7 are the low region of 1..256.
    others = [p for p in run.points if p.concurrency not in (3, 7)]
    more = [dataclasses.replace(run.points[3], concurrency=c) for c in (30, 35)]
    moved = dataclasses.replace(run, points=(*others, *more))
    assert [(d.rule, d.found) for d in deviations(moved)] == [("low region (5.3)", "none"), ("accuracy (4.3)", "not checked")]
