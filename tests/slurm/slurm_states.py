"""How the trials of a run stand, in short."""

from __future__ import annotations

from frontier.places import TrialState, run_state
from frontier.session import Session


def trials(session: Session) -> list[TrialState]:
    """The run's trials as they stand."""
    return list(run_state(session.run).trials)


def states(session: Session) -> set[str]:
    return {trial.state for trial in trials(session)}
