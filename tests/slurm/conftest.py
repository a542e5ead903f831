"""One Slurm for all tests of this folder, started when the first one needs it, and stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import one_box_slurm as box
import pytest
from one_box_slurm import NODES, Cluster
from slurm_states import PLACE, Submit

from frontier.places import hand_over
from frontier.plan import cache_folder
from frontier.session import Session, start_run


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running Slurm; the commands of this process talk to it."""
    reason = box.install()
    if reason:
        pytest.skip(f"no Slurm on this machine: {reason}")
    with box.running() as started:
        yield started


@pytest.fixture(scope="session")
def submit(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Submit:
    """Hand a small run of the fake engine to the cluster; overrides win over ``PLACE``."""

    def hand(*overrides: str, folder: Path | None = None, experiment: str = "smoke") -> Session:
        given = {word.split("=", 1)[0] for word in overrides}
        words = [*(word for word in PLACE if word.split("=", 1)[0] not in given), *overrides]
        session = start_run(experiment, words, str(folder or tmp_path_factory.mktemp("artifacts")))
        hand_over(session.run, session.cfg, session.pending(), cache_folder(session.cfg))
        return session

    return hand


@pytest.fixture(scope="session")
def overrunning(submit: Submit) -> Session:
    """A job whose first trial lasts longer than it may, submitted while other tests run, because Slurm counts limits in minutes."""
    words = ["engine.delay_s=600", "place.time_min=1", "place.notice_s=0", "place.max_tries=1", "place.per=block"]
    return submit(*words, "place.partition=high", f"place.nodelist={NODES[1]}")
