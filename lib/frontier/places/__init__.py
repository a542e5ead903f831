"""Where trials run."""

from frontier.places.local import run_trials

__all__ = ["run_trials"]
