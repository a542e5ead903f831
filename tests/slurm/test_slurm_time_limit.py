"""A job that Slurm kills at its time limit; it was submitted while the other files' tests ran, which come first by their names."""

from __future__ import annotations

import pytest
from one_box_slurm import Cluster
from slurm_states import again, states, trials

from frontier.places import cancel_jobs
from frontier.session import Session

pytestmark = pytest.mark.slow


def test_a_job_killed_by_its_time_limit(cluster: Cluster, overrunning: Session) -> None:
    cluster.wait_for("the limit", lambda: states(overrunning) == {"lost"}, limit_s=150)
    first, second = trials(overrunning)
    assert (first.tries, second.tries) == (1, 0)
    assert first.reason.startswith("killed by its time limit (on 127.0.0.")
    again(overrunning)
    record = overrunning.run.trial_record(first.digest)
    assert record is not None
    assert (record["status"], record["reason"]) == ("failed", "started 1 times, and no start came to an end (place.max_tries)")
    assert trials(overrunning)[1].state in ("waiting", "running"), "the one that was never started is submitted again"
    cancel_jobs(overrunning.run)
