"""How the trials of a run stand, in short, and what small runs have in common."""

from __future__ import annotations

from collections.abc import Callable

from frontier.places import TrialState, hand_over, run_state
from frontier.places.jobs import Jobs
from frontier.plan import cache_folder
from frontier.session import Session

Submit = Callable[..., Session]
# Small jobs that begin at once; a trial of the fake engine takes as long as it is told.
PLACE = ["place=slurm", "place.cpus_per_task=1", "place.time_min=5", "place.notice_s=5", "sweep.replicates=1", "lever=[hardware]"]


def trials(session: Session) -> list[TrialState]:
    """The run's trials as they stand."""
    return list(run_state(session.run).trials)


def states(session: Session) -> set[str]:
    return {trial.state for trial in trials(session)}


def starts(session: Session) -> list[tuple[str, int, str]]:
    """Node, restart and end of every start, in order."""
    return [(start.node, start.restart, start.how) for submission in Jobs(session.run.path).all() for start in submission.starts()]


def again(session: Session) -> None:
    """What `frontier run` does first when it is called again."""
    hand_over(session.run, session.cfg, session.pending(), cache_folder(session.cfg))
