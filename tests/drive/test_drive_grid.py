"""The usual grid: which points, in which order, and how an interruption is made up for."""

import math
from collections import Counter

import pytest
from surfaces import Bench, Law

from frontier.drive import EndOfLaunch, GridDriver, Observation, Stop, powers_of_two
from frontier.errors import UsageError


def test_powers_of_two_end_at_the_highest():
    assert powers_of_two(8) == (1, 2, 4, 8)
    assert powers_of_two(9) == (1, 2, 4, 8, 9)
    assert powers_of_two(1) == (1,)
    with pytest.raises(UsageError, match="at least 1, got 0"):
        powers_of_two(0)


def test_every_concurrency_is_measured_equally_often_in_blocks_of_all_variants():
    bench = Bench({"a": Law(), "b": Law(), "c": Law()})
    assert bench.run(GridDriver(("a", "b", "c"), (1, 2, 4), replicates=3, seed=1)) == "nothing left to measure"
    assert [sorted(bench.order[i : i + 3]) for i in (0, 3, 6)] == [["a", "b", "c"]] * 3
    for variant in "abc":
        assert sorted(bench.points(variant)) == [(launch, c) for launch in range(3) for c in (1, 2, 4)]
    assert set(bench.ended) == {"all concurrencies measured"}


def test_order_is_random_and_comes_from_the_seed_alone():
    def orders(seed: int) -> tuple[list[str], list[tuple[int, int]]]:
        bench = Bench({"a": Law(), "b": Law()})
        bench.run(GridDriver(("a", "b"), (1, 2, 4, 8, 16), replicates=4, seed=seed))
        return bench.order, bench.points("a")

    assert orders(3) == orders(3)
    assert len({str(orders(seed)) for seed in range(6)}) == 6
    assert any(points != sorted(points) for points in (orders(seed)[1] for seed in range(3)))


def test_a_launch_that_was_cut_short_is_made_up_for_without_repeating_a_point():
    driver = GridDriver(("a",), (1, 2, 4, 8), replicates=2)
    # Launch 0 measured 1 and 4 before it was killed.
    seen = [Observation("a", 0, c, 10.0, 10.0, 1.0) for c in (1, 4)]
    assert driver.next_launch(seen, 0.0) == "a"
    while not isinstance(c := driver.next_point("a", 1, seen), EndOfLaunch):
        seen.append(Observation("a", 1, c, 10.0, 10.0, 1.0))
    assert {o.concurrency for o in seen if o.launch == 1} == {2, 8}
    assert driver.next_launch(seen, 0.0) == "a"
    while not isinstance(c := driver.next_point("a", 2, seen), EndOfLaunch):
        seen.append(Observation("a", 2, c, 10.0, 10.0, 1.0))
    assert Counter(o.concurrency for o in seen) == {1: 2, 2: 2, 4: 2, 8: 2}
    assert driver.next_launch(seen, 0.0) == Stop("nothing left to measure")


def test_failed_points_count_and_a_server_that_never_comes_up_is_given_up():
    bench = Bench({"a": Law(fails_at=(8,)), "b": Law(starts=False)})
    assert bench.run(GridDriver(("a", "b"), (1, 8), replicates=3)) == "nothing left to measure; given up: b"
    assert bench.order.count("b") == 2
    assert Counter(c for _, c in bench.points("a")) == {1: 3, 8: 3}


@pytest.mark.parametrize(
    "bad", [{"concurrencies": ()}, {"concurrencies": (2, 1)}, {"concurrencies": (0, 1)}, {"replicates": 0}, {"variants": ("a", "a")}]
)
def test_impossible_grids_are_refused(bad):
    with pytest.raises(UsageError, match="must be"):
        GridDriver(**{"variants": ("a",), "concurrencies": (1, 2), **bad})


@pytest.mark.parametrize("values", [(-1, 1, 1.0, 1.0, 1.0), (0, 1, 0.0, 1.0, 1.0), (0, 1, 1.0, math.inf, 1.0), (0, 1, 1.0, 1.0, -1.0)])
def test_impossible_observations_are_refused(values):
    with pytest.raises(UsageError):
        Observation("a", *values)
