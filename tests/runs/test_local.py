"""Trials in worker processes: failures stay with the trial they belong to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from frontier.errors import RunError
from frontier.places.local import _chunks
from frontier.plan import make_plan
from frontier.schema import Config
from frontier.session import Session

Opened = Callable[[Config], Session]
Small = Callable[..., Config]


def test_a_failing_variant_is_recorded_and_the_others_go_on(small: Small, opened: Opened) -> None:
    session = opened(small("engine.fail_cells=[hardware]"))
    points = session.measure()
    trials = session.trials().set_index("variant")
    assert trials["status"].to_dict() == {
        "baseline": "done",
        "hardware": "failed",
        "disaggregation": "done",
        "hardware+disaggregation": "done",
    }
    assert trials.loc["hardware", "reason"] == "the fake engine fails variant 'hardware' on purpose"
    assert set(points["variant"]) == {"baseline", "disaggregation", "hardware+disaggregation"}
    failed = next(trial.digest for trial in session.plan.trials if trial.variant.name == "hardware")
    text = (session.run.trial_folder(failed) / "error.txt").read_text()
    assert "RunError" in text
    assert str(session.run.path) not in text
    assert os.path.expanduser("~") not in text or os.path.expanduser("~") == "/"


def test_all_variants_failing_is_an_error_with_the_reasons(small: Small, opened: Opened) -> None:
    session = opened(small("lever=[hardware]", "engine.fail_cells=[baseline,hardware]"))
    with pytest.raises(RunError, match="no trial gave a point") as caught:
        session.measure()
    assert "fails variant 'baseline' on purpose" in str(caught.value)
    assert set(session.trials()["status"]) == {"failed"}


def test_a_worker_that_is_killed_fails_one_trial_and_the_rest_is_run(small: Small, opened: Opened) -> None:
    session = opened(small("engine.delay_s=1.0", "place.workers=1"))
    first, second = session.plan.trials[0].digest, session.plan.trials[1].digest
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def kill() -> None:
        while not (session.run.trial_record(first) and session.run.trial_folder(second).exists()):
            time.sleep(0.02)
        for child in psutil.Process().children(recursive=True):
            if child.pid not in before and "spawn_main" in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    session.measure()
    killer.join()
    assert session.trials()["status"].tolist() == ["done", "failed", "done", "done"]
    assert "signal 9" in session.trials()["reason"][1]


def test_a_second_measure_runs_nothing(measured: Session) -> None:
    times = {path: path.stat().st_mtime_ns for path in measured.run.path.rglob("*")}
    measured.measure()
    assert {path: path.stat().st_mtime_ns for path in measured.run.path.rglob("*")} == times


def test_points_carry_their_variant_level_and_replicate(measured: Session) -> None:
    points = measured.measure()
    both = points[points["variant"] == "hardware+disaggregation"]
    assert set(both["level_hardware"]) == {"target"}
    assert set(points[points["variant"] == "hardware"]["level_disaggregation"]) == {"baseline"}
    assert points["replicate"].tolist() == [1] * len(points)
    # In plan order, whatever the order in which workers ended.
    assert list(dict.fromkeys(points["variant"])) == [variant.name for variant in measured.plan.main.variants]


@pytest.mark.parametrize(("workers", "sizes"), [(1, [12]), (2, [6, 6]), (5, [3, 3, 3, 3]), (100, [1] * 12)])
def test_trials_are_shared_evenly(small: Small, workers: int, sizes: list[int]) -> None:
    cfg = small("sweep.replicates=3")
    pending = [("main", trial) for trial in make_plan(cfg).trials]
    chunks = _chunks(cfg, pending, workers)
    assert [len(chunk.trials) for chunk in chunks] == sizes
    assert {trial.digest for chunk in chunks for trial in chunk.trials} == {trial.digest for _, trial in pending}
