"""The adaptive sweep on servers whose curve is a formula."""

import itertools
import math

import numpy as np
import pytest
from surfaces import Bench, Law

from frontier.drive import AdaptiveDriver, EndOfLaunch, GridDriver, Observation, Stop, powers_of_two
from frontier.errors import UsageError

CANDIDATES = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256)


def driver(**changes):
    return AdaptiveDriver(**{"variants": ("a",), "candidates": CANDIDATES, "budget_s": 1e6, "max_launches": 60, "launch_cost_s": 30.0, **changes})


def test_starts_with_the_ends_and_what_lies_evenly_between_them():
    bench = Bench({"a": Law()})
    bench.run(driver(target=0.9, min_launches=1))
    assert [c for _, c in bench.points("a")] == [1, 256, 16, 4, 64]


def test_stops_when_certain_and_its_error_is_what_it_says():
    truth = Law().hypervolume(256)
    z = []
    for seed in range(20):
        bench = Bench({"a": Law()}, launch_cv=0.02, point_cv=0.01, seed=seed)
        sweep = driver(target=0.015)
        reason = bench.run(sweep)
        assert reason.startswith("certain enough: error 1.")
        assert reason.endswith("% below target 1.50%")
        estimate = sweep.estimates(bench.seen)["a"]
        assert estimate.error <= 0.015
        z.append(math.log(estimate.value / truth) / estimate.error)
    # Standardized errors of 20 sweeps: their RMS is 1 give or take 1 / sqrt(40).
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.45


def test_noisy_launches_get_few_points_each_and_noisy_points_few_launches():
    by_launch = Bench({"a": Law()}, launch_cv=0.03, point_cv=0.003)
    by_launch.run(driver(target=0.015, point_cv=0.003))
    by_point = Bench({"a": Law()}, launch_cv=0.0005, point_cv=0.05)
    by_point.run(driver(target=0.015, launch_cv=0.0005, point_cv=0.05))

    def points_per_launch(bench: Bench) -> float:
        return len(bench.points("a")) / len(bench.order)

    assert len(by_launch.order) > 8
    assert points_per_launch(by_launch) < 2.0
    assert points_per_launch(by_point) > 5.0


def test_dear_launches_are_used_longer():
    cheap, dear = (Bench({"a": Law()}, launch_cv=0.01, point_cv=0.02, launch_s=s) for s in (1.0, 2000.0))
    for bench in (cheap, dear):
        bench.run(driver(target=0.012))
    assert len(dear.points("a")) / len(dear.order) > 1.5 * len(cheap.points("a")) / len(cheap.order)


def test_needs_less_time_than_the_grid_for_the_same_error():
    truth = Law().hypervolume(256)
    grid = Bench({"a": Law()}, launch_cv=0.025, point_cv=0.01)
    grid.run(GridDriver(("a",), powers_of_two(256), replicates=1))
    sweep = driver(target=0.02)
    adaptive = Bench({"a": Law()}, launch_cv=0.025, point_cv=0.01)
    adaptive.run(sweep)
    # The grid's error is at least that of its launches, 2 x 2.5 % / sqrt(r): 2 % takes 6.25 of them.
    assert adaptive.spent_s < 0.7 * 6.25 * grid.spent_s
    assert abs(sweep.estimates(adaptive.seen)["a"].value / truth - 1) < 3 * 0.02


def test_same_observations_and_seed_give_the_same_sweep_whatever_the_order_of_the_rows():
    first, again = (Bench({"a": Law(), "b": Law(0.012)}, 0.02, 0.01, seed=4) for _ in range(2))
    for bench in (first, again):
        bench.run(driver(variants=("a", "b"), target=0.02, seed=9))
    assert (first.order, first.points("a"), first.points("b")) == (again.order, again.points("a"), again.points("b"))
    sweep = driver(variants=("a", "b"), target=0.02, seed=9)
    seen = first.seen[:20]
    assert sweep.next_launch(seen, 500.0) == sweep.next_launch(seen[::-1], 500.0)


def test_budget_is_kept_and_named():
    for limit in (200.0, 777.0):
        bench = Bench({"a": Law(), "b": Law(0.012)}, 0.03, 0.01)
        assert bench.run(driver(variants=("a", "b"), budget_s=limit, target=0.001, point_cost_s=20.0)) == f"budget of {limit:g} s spent"
        assert bench.spent_s <= limit
        assert bench.spent_s > limit - 60.0


def test_launch_cost_is_learnt_also_without_start_rows():
    bench = Bench({"a": Law()}, 0.02, 0.01, launch_s=400.0, record_starts=False)
    bench.run(driver(target=0.02, budget_s=3000.0, point_cost_s=20.0))
    assert bench.spent_s <= 3000.0


def test_most_launches_is_a_reason_and_the_last_launch_is_used_up_sensibly():
    bench = Bench({"a": Law()}, 0.05, 0.002)
    assert bench.run(driver(target=0.001, max_launches=3)).startswith("most launches reached (3 of every variant): error ")
    assert len(bench.order) == 3
    assert bench.ended[-1] == "another point would remove less than 1% of the variance"


def test_the_worst_variant_is_next():
    sweep = driver(variants=("a", "b"), target=0.001)
    rng = np.random.default_rng(0)
    seen = []
    for variant, noise, launches in (("a", 0.0, 6), ("b", 0.05, 2)):
        for launch in range(launches):
            effect = rng.normal(0, noise)
            seen += [Observation(variant, launch, c, *(np.exp(effect) * np.array(Law().rates(c))).tolist(), 20.0) for c in (1, 4, 16, 64, 256)]
    assert sweep.estimates(seen)["b"].error > sweep.estimates(seen)["a"].error
    assert sweep.next_launch(seen, 1000.0) == "b"


def test_a_concurrency_that_fails_twice_is_not_tried_again_and_the_rest_goes_on():
    bench = Bench({"a": Law(fails_at=(256, 181))}, 0.02, 0.01)
    assert bench.run(driver(target=0.02)).startswith("certain enough")
    tried = [c for _, c in bench.points("a")]
    assert 1 <= tried.count(256) <= 2
    assert tried.count(181) <= 2


def test_a_variant_that_never_starts_is_given_up_and_named():
    bench = Bench({"a": Law(), "b": Law(starts=False)}, 0.02, 0.01)
    reason = bench.run(driver(variants=("a", "b"), target=0.03))
    assert reason.startswith("certain enough")
    assert reason.endswith("; given up: b")
    assert bench.order.count("b") == 2
    assert Bench({"a": Law(starts=False)}).run(driver()) == "nothing left to measure: no launch of any variant measured anything"


def test_a_server_whose_points_all_fail_is_left_soon():
    bench = Bench({"a": Law(fails_at=CANDIDATES)})
    assert bench.run(driver()) == "nothing left to measure: no launch of any variant measured anything"
    assert bench.ended == ["2 points failed and none was measured"] * 2


@pytest.mark.parametrize("candidates", [(4,), (2, 4), (1, 2, 4, 8)])
def test_few_candidates_are_enough(candidates):
    bench = Bench({"a": Law()}, 0.02, 0.01)
    sweep = driver(candidates=candidates, target=0.02)
    assert bench.run(sweep).startswith("certain enough")
    x, y = zip(*(Law().rates(c) for c in candidates), strict=True)
    if len(candidates) == 1:
        assert sweep.estimates(bench.seen)["a"].value == pytest.approx(x[0] * y[0], rel=0.06)


def test_attribution_stops_at_the_error_of_the_shares_and_weighs_all_cells():
    # Lever one makes every token 20 % cheaper, lever two 10 %: no interaction, shares log 1.25 and log 1 / 0.9 of interactivity.
    coalitions = {f"{i}{j}": i | j << 1 for i, j in itertools.product((0, 1), repeat=2)}
    laws = {name: Law(0.01 * 0.8 ** int(name[0]) * 0.9 ** int(name[1]), 0.0002 * 0.8 ** int(name[0]) * 0.9 ** int(name[1])) for name in coalitions}
    bench = Bench(laws, 0.02, 0.01)
    sweep = driver(variants=tuple(coalitions), focus="attribution", coalitions=coalitions, target=0.02)
    assert bench.run(sweep).startswith("certain enough: error ")
    assert sweep.error(bench.seen) <= 0.02
    assert all(bench.order.count(name) >= 2 for name in coalitions)
    value = {name: estimate.value for name, estimate in sweep.estimates(bench.seen).items()}
    total = value["11"] - value["00"]
    one = ((value["10"] - value["00"]) + (value["11"] - value["01"])) / 2
    two = total - one
    assert one > two > 0
    # Each share's standard error: half the root of the sum of the four cells' variances.
    errors = [estimate.error for estimate in sweep.estimates(bench.seen).values()]
    assert sweep.error(bench.seen) == pytest.approx(0.5 * np.sqrt(np.sum(np.square(errors))), rel=1e-6)


def test_attribution_without_a_common_range_stops_with_that_reason():
    laws = {"off": Law(0.01, 0.0), "on": Law(0.1, 0.0001)}
    bench = Bench(laws, 0.01, 0.01)
    sweep = driver(variants=("off", "on"), focus="attribution", coalitions={"off": 0, "on": 1})
    assert bench.run(sweep) == "nothing left to measure: the variants have no interactivity in common"
    assert sweep.error(bench.seen) == math.inf


def test_attribution_needs_every_variant():
    bench = Bench({"off": Law(), "on": Law(starts=False)}, 0.01, 0.01)
    sweep = driver(variants=("off", "on"), focus="attribution", coalitions={"off": 0, "on": 1})
    assert bench.run(sweep) == "nothing left to measure: the shares need every variant; given up: on"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"focus": "speed"}, "one of frontier, attribution"),
        ({"budget_s": 0.0}, "budget_s must be finite and above 0"),
        ({"target": math.nan}, "target must be finite"),
        ({"min_launches": 5, "max_launches": 3}, "min_launches <= max_launches, got 5 and 3"),
        ({"candidates": (4, 2)}, "candidates must be rising"),
        ({"focus": "attribution"}, "one variant for each of the 2\\^n coalitions"),
        ({"focus": "attribution", "variants": ("a", "b"), "coalitions": {"a": 0, "b": 2}}, "2\\^n coalitions"),
    ],
)
def test_impossible_sweeps_are_refused(bad, message):
    with pytest.raises(UsageError, match=message):
        driver(**bad)


def test_observations_of_another_sweep_are_refused():
    with pytest.raises(UsageError, match=r"\['b'\]"):
        driver().estimates([Observation("b", 0, 1, 1.0, 1.0, 1.0)])
    with pytest.raises(UsageError, match=r"\[5\]"):
        driver().estimates([Observation("a", 0, 5, 1.0, 1.0, 1.0)])


def test_the_contract_types():
    assert isinstance(driver(budget_s=1.0).next_launch([], 5.0), Stop)
    full = [Observation("a", 0, c, *Law().rates(c), 1.0) for c in CANDIDATES]
    assert driver().next_point("a", 0, full) == EndOfLaunch("all candidates measured")
