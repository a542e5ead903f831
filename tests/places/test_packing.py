"""Who runs beside whom: by hand on a board of eight, and as properties of any queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.config import compose
from frontier.errors import ConfigErrors
from frontier.places.packing import ANYWHERE, Machine, Need, Share, startable
from frontier.plan import make_plan
from frontier.serving import physical, usable_devices

EIGHT = Machine(tuple("01234567"), tuple((core,) for core in range(16)))
ALONE = Need(alone=True)
STAGED = ["deepseek_r1_b200_staged", ["model.checkpoints.nvfp4=/nowhere", "sweep.replicates=3"]]


def start(machine: Machine, waiting: list[Need], running: list[Share] = [], most: int = 99) -> list[tuple[int, tuple[str, ...]]]:  # noqa: B006
    return [(at, share.gpus) for at, share in startable(machine, waiting, running, most)]


def test_groups_of_their_own_size_keep_the_larger_ones_whole() -> None:
    # The pair takes 0 and 1, the four the second half: 2 to 5 would lie across both halves.
    assert start(EIGHT, [Need(2), Need(4), Need(2), Need(1)]) == [(0, ("0", "1")), (1, ("4", "5", "6", "7")), (2, ("2", "3"))]


def test_what_is_free_is_taken_where_no_group_is() -> None:
    running = [Share(("1",), (2,)), Share(("2",), (4,))]
    assert start(Machine(tuple("0123"), EIGHT.cores[:8]), [Need(2)], running) == [(0, ("0", "3"))]


def test_one_that_waits_is_overtaken_within_its_block_only() -> None:
    half = [Share(("0", "1", "2", "3"), tuple(range(8)))]
    waiting = [Need(8, block=1), Need(2, block=1), Need(2, block=2)]
    assert start(EIGHT, waiting, half) == [(1, ("4", "5"))]


def test_cores_are_the_gpus_own_part_and_nobody_elses() -> None:
    found = startable(EIGHT, [Need(4), Need(2), Need(2)], [], 99)
    # Two cores a GPU, at the GPU's place in the row.
    assert [share.cores for _, share in found] == [tuple(range(8)), (8, 9, 10, 11), (12, 13, 14, 15)]


def test_threads_of_one_core_stay_together(tmp_path: Path) -> None:
    for core in range(4):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{core % 2},{core % 2 + 2}\n")
    assert physical((0, 1, 2, 3, 9), tmp_path) == ((0, 2), (1, 3), (9,))
    machine = Machine(("0", "1"), physical((0, 1, 2, 3), tmp_path))
    assert [share.cores for _, share in startable(machine, [Need(1), Need(1)], [], 9)] == [(0, 2), (1, 3)]


def test_alone_is_alone() -> None:
    assert start(EIGHT, [ALONE, Need(1)]) == [(0, ())]
    assert start(EIGHT, [ALONE], [Share(("0",), (0,))]) == []
    assert start(EIGHT, [Need(1)], [Share(alone=True)]) == []


def test_what_nobody_can_tell_apart_runs_alone_and_unbound() -> None:
    for machine in (Machine(None, EIGHT.cores), Machine(("0", "1"), ())):
        assert startable(machine, [Need(1), Need(1)], [], 9) == [(0, Share(alone=True))]


def test_what_needs_more_than_there_is_is_shown_all_of_it_and_refused_there() -> None:
    assert startable(Machine(("4", "6"), EIGHT.cores), [Need(3), Need(1)], [], 9) == [(0, Share(("4", "6"), alone=True))]
    assert startable(EIGHT, [Need(cores=13)], [], 9) == [(0, Share(alone=True))], "13 and 5 for the client are more than 16"


def test_servers_on_cores_get_a_third_more_for_the_client() -> None:
    found = startable(EIGHT, [Need(cores=4), Need(cores=4), Need(cores=4)], [], 99)
    assert [share.cores for _, share in found] == [tuple(range(6)), tuple(range(6, 12))]


def test_computed_trials_hold_nothing_and_are_counted_only() -> None:
    assert startable(EIGHT, [ANYWHERE] * 5, [Share()], 4) == [(0, Share()), (1, Share()), (2, Share())]
    assert Share().placement(3) is None
    assert Share(("2",), (4, 5)).placement(3) == {"devices": ["2"], "cores": [4, 5], "neighbours": 3}


@pytest.mark.parametrize(
    ("there", "environ", "names"),
    [
        (8, {}, tuple("01234567")),
        (None, {}, None),
        (None, {"CUDA_VISIBLE_DEVICES": "4,6"}, ("4", "6")),
        (4, {"CUDA_VISIBLE_DEVICES": "3,9,1"}, ("3",)),
        (4, {"CUDA_VISIBLE_DEVICES": "1,1,2"}, ("1", "2")),
        (2, {"CUDA_VISIBLE_DEVICES": "GPU-a1,MIG-b2"}, ("GPU-a1", "MIG-b2")),
        (2, {"CUDA_VISIBLE_DEVICES": "-1"}, ()),
        (2, {"CUDA_VISIBLE_DEVICES": ""}, ()),
    ],
)
def test_the_gpus_are_those_of_the_driver_that_the_environment_leaves(
    there: int | None, environ: dict[str, str], names: tuple[str, ...] | None
) -> None:
    assert usable_devices(there, environ) == names


@st.composite
def queues(draw: st.DrawFn) -> tuple[Machine, list[Need], int]:
    gpus = draw(st.integers(0, 8))
    threads = draw(st.integers(1, 2))
    cores = draw(st.integers(1, 20))
    machine = Machine(tuple(map(str, range(gpus))), tuple(tuple(range(threads * at, threads * at + threads)) for at in range(cores)))
    kinds = st.one_of(st.builds(Need, gpus=st.integers(1, 9)), st.builds(Need, cores=st.integers(1, 9)), st.just(ALONE), st.just(ANYWHERE))
    needs = draw(st.lists(kinds, min_size=1, max_size=12))
    blocks = sorted(draw(st.lists(st.integers(1, 4), min_size=len(needs), max_size=len(needs))))
    return machine, [Need(need.gpus, need.cores, need.alone, block) for need, block in zip(needs, blocks, strict=True)], draw(st.integers(1, 6))


@given(queues(), st.randoms(use_true_random=False))
def test_any_queue_ends_with_no_device_twice_and_no_block_overtaken(queue: tuple[Machine, list[Need], int], chance) -> None:  # type: ignore[no-untyped-def]
    machine, needs, most = queue
    waiting, running = list(enumerate(needs)), []
    order: list[int] = []
    while waiting or running:
        found = startable(machine, [need for _, need in waiting], [share for _, share in running], most)
        running += [(waiting[at][0], share) for at, share in found]
        started = {waiting[at][0] for at, _ in found}
        order += sorted(started)
        waiting = [one for one in waiting if one[0] not in started]
        assert running, "nothing runs and nothing can start"
        assert len(running) <= most
        assert len(running) == 1 or not any(share.alone for _, share in running)
        held = [gpu for _, share in running for gpu in share.gpus]
        cores = [core for _, share in running for core in share.cores]
        assert len(set(held)) == len(held)
        assert len(set(cores)) == len(cores)
        assert set(cores) <= {number for core in machine.cores for number in core}
        for at, share in running:
            if not share.alone:
                assert len(share.gpus) == needs[at].gpus
                assert bool(share.cores) == bool(needs[at].gpus or needs[at].cores)
        running.remove(chance.choice(running))
    assert sorted(order) == list(range(len(needs)))
    assert [needs[at].block for at in order] == sorted(need.block for need in needs)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=8), st.integers(8, 64))
def test_with_a_core_a_gpu_cores_never_make_one_wait(sizes: list[int], cores: int) -> None:
    machine = Machine(tuple("01234567"), tuple((core,) for core in range(cores)))
    found = startable(machine, [Need(size) for size in sizes], [], 99)
    for _, share in found:
        assert len(share.cores) == max(1, cores * len(share.gpus) // 8)
    free = 8 - sum(sizes[at] for at, _ in found)
    assert all(size > free for at, size in enumerate(sizes) if at not in {at for at, _ in found})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["sweep=adaptive"], "an adaptive sweep runs one at a time"),
        (["engine=endpoint", "engine.url=http://127.0.0.1:1"], "engine endpoint measures servers that others started"),
    ],
)
def test_what_cannot_be_packed_is_refused_when_composed(more: list[str], says: str) -> None:
    experiment, words = STAGED
    with pytest.raises(ConfigErrors, match=says):
        compose(experiment, [*words, *more, "place.exclusive=false"])
    compose(experiment, [*words, *more])


def test_the_plan_says_how_many_run_at_once() -> None:
    experiment, words = STAGED
    four = [*words, "engine.layout=dep4", "lever=[precision]", "design=factorial"]
    assert "6 launches, at most 2 at once on 8 GPUs; about" in make_plan(compose(experiment, four)).gpu_hours_note
    assert "at most 1 at once" in make_plan(compose(experiment, [*four, "place.workers=1"])).gpu_hours_note
    plan = make_plan(compose("pocket_cpu_quick", ["place.exclusive=false"]))
    assert f"at most {len(plan.trials)} at once, where there are cores for as many" in plan.gpu_hours_note
    assert "6 launches one after another" in make_plan(compose(experiment, [*four, "place.exclusive=true"])).gpu_hours_note


def test_measured_beside_others_is_another_trial() -> None:
    experiment, words = STAGED
    plans = {more: make_plan(compose(experiment, [*words, f"place.exclusive={more}"])) for more in ("null", "false", "true")}
    digests = {more: {trial.digest for trial in plan.trials} for more, plan in plans.items()}
    assert digests["null"] == digests["false"]
    assert not digests["null"] & digests["true"]
