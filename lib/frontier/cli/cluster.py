"""Commands on runs that a cluster has: cancel, and the part of status that tells of jobs."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, app
from frontier.cli.show import print_json, print_table
from frontier.errors import UsageError

if TYPE_CHECKING:
    from frontier.places import RunState
    from frontier.store import RunFolder

SHOWN = 20  # rows of a table on the terminal; --json has all


@app.command()
def cancel(
    run_id: Annotated[str, typer.Argument(help="a run", metavar="RUN")],
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
    as_json: Json = False,
) -> None:
    """End the jobs that a run has on a cluster, and no others; finished trials and points stay, and `frontier run` goes on from them."""
    from frontier.places import cancel_jobs, run_state
    from frontier.places.jobs import Jobs
    from frontier.store import Store

    run = Store(artifacts).find_run(run_id=run_id)
    if not Jobs(run.path).all():
        raise UsageError(f"run {run_id} has no jobs on a cluster", hint="a run on this machine is ended with Ctrl-C, where it was started")
    ended = cancel_jobs(run)
    if as_json:
        print_json({"schema": "frontier.cancel/1", "run_id": run_id, "jobs": ended, "trials": run_state(run, asking=False).counts()})
        return
    print(f"{len(ended)} jobs ended: {', '.join(ended[:SHOWN])}{', ...' if len(ended) > SHOWN else ''}" if ended else "no job was left to end")


def state_document(state: RunState) -> dict[str, Any]:
    """What ``frontier status RUN --json`` adds: every trial, and the estimate."""
    return {"left_s": state.left_s, "note": state.note, "trials": [asdict(trial) for trial in state.trials]}


def print_state(run: RunFolder, state: RunState) -> None:
    """Trials that run, wait and failed; what is done is counted only."""
    import pandas as pd

    running = [
        {"running": trial.variant, "replicate": trial.replicate, "job": trial.job, "node": trial.node, "elapsed": _time(trial.elapsed_s)}
        for trial in state.of("running")
    ]
    if running:
        _print_first(pd.DataFrame(running))
    waiting = Counter(trial.reason for trial in state.of("waiting"))
    if waiting:
        print_table(pd.DataFrame([{"waiting": count, "reason": reason} for reason, count in waiting.most_common()]))
    stopped = state.of("failed", "lost", "cancelled")
    ended = [
        {"ended": trial.variant, "replicate": trial.replicate, "state": trial.state, "job": trial.job, "tries": trial.tries, "reason": trial.reason}
        for trial in stopped
    ]
    if ended:
        _print_first(pd.DataFrame(ended))
        last = next((trial for trial in reversed(stopped) if trial.tail), None)
        if last is not None:
            print(f"the log of {last.variant}, replicate {last.replicate}, ends:")
            for line in last.tail:
                print(f"  {line}")
    if state.left_s is not None:
        print(f"about {_time(state.left_s)} to go")
    if state.note:
        print(f"Slurm: {state.note}", file=sys.stderr)
    if state.of("lost", "cancelled", "planned"):
        print(f"`frontier run` with the same experiment and place submits what is left ({run.run_id})", file=sys.stderr)


def _print_first(table: Any) -> None:
    print_table(table.head(SHOWN))
    if len(table) > SHOWN:
        print(f"and {len(table) - SHOWN} more; --json has all")


def _time(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _time(3725.4)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
