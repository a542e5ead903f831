"""Where trials run: this machine, or the jobs of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontier.places.slurm import cancel_jobs, hand_over
    from frontier.places.state import RunState, TrialState, run_state
    from frontier.records import Trial
    from frontier.schema import Config
    from frontier.store import RunFolder

__all__ = ["RunState", "TrialState", "cancel_jobs", "hand_over", "run_state", "run_trials"]
_HOMES = {"RunState": "state", "TrialState": "state", "run_state": "state", "cancel_jobs": "slurm", "hand_over": "slurm"}


def run_trials(run: RunFolder, cfg: Config, pending: Sequence[tuple[str, Trial]], cache: Path) -> None:
    """Run trials in the place of the configuration, and come back when all have their record.

    Parameters
    ----------
    run : RunFolder
    cfg : Config
    pending : (part, trial) pairs without a record
    cache : Path
        Checkpoints and tool environments.

    Raises
    ------
    MachineError
        If Slurm does not answer.
    RunError
        If the results cannot be written. A trial that fails is recorded with its reason, and the others go on.
    """
    # Imported on use: a job of a cluster looks at the records alone, and should not wait for pandas and the engines.
    if cfg.place.kind == "slurm":
        from frontier.places.slurm import run_and_wait

        run_and_wait(run, cfg, pending, cache)
        return
    from frontier.places import local

    local.run_trials(run, cfg, pending, cache)


def __getattr__(name: str) -> object:
    if name in _HOMES:
        import importlib  # beside its only use, which most who load this package never reach

        return getattr(importlib.import_module(f"frontier.places.{_HOMES[name]}"), name)
    raise AttributeError(name)
