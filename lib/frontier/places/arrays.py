"""Which trial is in which job, what the jobs ask for, and which of them the others wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frontier.engines import get_engine
from frontier.errors import ConfigError
from frontier.places.local import reference_of
from frontier.places.state import RunState
from frontier.records import Trial
from frontier.schema import Config
from frontier.store import RunFolder


@dataclass(frozen=True)
class Need:
    """What jobs of one array ask for.

    Parameters
    ----------
    nodes : int
    gpus_per_node : int
        0: none are asked for.
    """

    nodes: int
    gpus_per_node: int


def jobs_of(cfg: Config, trials: Sequence[tuple[str, Trial]]) -> dict[Need, list[list[str]]]:
    """Digests by job, and jobs by what they ask for.

    ``place.per`` decides what a job holds: a trial; the trials of one variant, which share a build; or a block, one replicate of every variant
    in random order on one node, so that what tells nodes apart meets all variants of the block alike.
    """
    groups: dict[tuple[object, ...], list[tuple[str, Trial]]] = {}
    for number, (part, trial) in enumerate(trials):
        key = {"trial": (number,), "build": (part, trial.variant.name), "block": (part, trial.replicate)}[cfg.place.per]
        groups.setdefault(key, []).append((part, trial))
    out: dict[Need, list[list[str]]] = {}
    for members in groups.values():
        needs = [need_of(cfg, part, trial) for part, trial in members]
        need = Need(max(need.nodes for need in needs), max(need.gpus_per_node for need in needs))
        out.setdefault(need, []).append([trial.digest for _, trial in members])
    return out


def arrays_of(cfg: Config, trials: Sequence[tuple[str, Trial]], first: str, most: int) -> list[dict[str, Any]]:
    """Arrays of at most so many jobs, as a submission keeps them; the job with the trial ``first`` is the first array, alone.

    It has that trial only, except in blocks: what runs on one node stays together there, and the trial goes before the others.
    """
    leading, rest = list[dict[str, Any]](), dict[Need, list[list[str]]]()
    for need, jobs in jobs_of(cfg, trials).items():
        for job in jobs:
            left = job
            if first in job:
                left = [digest for digest in job if digest != first]
                together = cfg.place.per == "block"
                leading = [{**asdict(need), "jobs": [[first, *left] if together else [first]]}]
                left = [] if together else left
            if left:
                rest.setdefault(need, []).append(left)
    return leading + [
        {**asdict(need), "jobs": jobs[start : start + most]} for need, jobs in rest.items() for start in range(0, len(jobs), most)
    ]


def need_of(cfg: Config, part: str, trial: Trial) -> Need:
    """Nodes and GPUs of a trial: what the place says, else what its deployment spans on nodes of the experiment's hardware.

    Raises
    ------
    ConfigError
        If the deployment spans nodes and the kit shall run in a container, from where it could not start steps on the others.
    """
    cost = get_engine(cfg, part).cost(trial.variant)
    if cost.nodes > 1 and cfg.runtime.kind != "host":
        message = f"variant {trial.variant.name} spans {cost.nodes} nodes, and runtime={cfg.runtime.kind} keeps the kit in a container on one of them"
        raise ConfigError(message, origin="runtime.kind", hint="runtime=host, and containers for the workers alone by engine.launcher")
    gpus, nodes = cost.gpus, cfg.place.nodes or cost.nodes
    asked = cfg.place.gpus_per_node
    if asked is None:
        asked = 0 if cfg.place.gres or cfg.place.gpus_per_task else min(gpus, cfg.hardware.gpus_per_node)
    return Need(nodes, asked)


@dataclass(frozen=True)
class Awaited:
    """The launch of the baseline that all other jobs wait for, because the quality gate judges their output along its own.

    Parameters
    ----------
    digest : str
        Of a trial that is to be submitted; empty where none is waited for, or a job has it already.
    job : str
        That job.
    """

    digest: str = ""
    job: str = ""


def awaited(run: RunFolder, cfg: Config, state: RunState, trials: Sequence[tuple[str, Trial]]) -> Awaited:
    """Which launch of the baseline the others wait for; none without a gate, or where an earlier launch left the reference."""
    if cfg.quality.kind == "none" or not get_engine(cfg).exclusive or reference_of(run):
        return Awaited()
    baseline = [one for one in state.trials if (one.part, one.variant) == ("main", "baseline")]
    if under_way := [one.job for one in baseline if one.state in ("running", "waiting") and one.job]:
        return Awaited(job=under_way[0])
    wanted = {trial.digest for _, trial in trials}
    return Awaited(next((one.digest for one in baseline if one.digest in wanted), ""))
