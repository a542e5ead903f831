"""From an experiment to its variants and trials, each with the digest of all that determines its result. Starts nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frontier import config
from frontier.attribution import FEWEST, aliasing_text, fraction_cells
from frontier.engines import Cost, Engine, get_engine, levers_of
from frontier.errors import ConfigError, UsageError
from frontier.provenance import container, environment, package_sha256, sha256_files, wheel_sha256
from frontier.records import Trial, Variant
from frontier.runtimes import get_runtime
from frontier.schema import Config

DESIGNS = ("factorial", "ladder", "fractional")


@dataclass(frozen=True)
class Part:
    """The trials of one kind of evidence: the experiment's own, or its companion's.

    Parameters
    ----------
    part : "main" | "companion"
    engine, evidence : str
    levers : in ladder order
    variants : all of the design, the infeasible ones with their reason
    trials : feasible variants times replicates, in the order in which they run: variant by variant, or in blocks (:func:`_in_order`)
    points : estimate per variant name; None where only running it tells
    launch_gpu_hours : GPU time that one launch of a variant holds, hours, by its name; 0 for engines that start no server
    aliasing : what a fractional design confounds, in sentences; empty for other designs
    """

    part: str
    engine: str
    evidence: str
    levers: tuple[str, ...]
    replicates: int
    variants: tuple[Variant, ...]
    trials: tuple[Trial, ...]
    points: dict[str, int | None]
    resolved: dict[str, list[dict[str, Any]]]
    launch_gpu_hours: dict[str, float]
    aliasing: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The part as plain JSON values."""
        return {
            "engine": self.engine,
            "evidence": self.evidence,
            "levers": list(self.levers),
            "replicates": self.replicates,
            "aliasing": list(self.aliasing),
            "points_estimate": _total(self.points, self.replicates),
            "variants": [
                {
                    "variant": variant.name,
                    "levels": dict(variant.levels),
                    "settings": {lever: list(values) for lever, values in variant.settings.items()},
                    "infeasible": variant.infeasible,
                    "resolved": self.resolved.get(variant.name, []),
                }
                for variant in self.variants
            ],
            "trials": [{"digest": t.digest, "variant": t.variant.name, "replicate": t.replicate} for t in self.trials],
        }


@dataclass(frozen=True)
class Plan:
    """All that a run will do.

    Parameters
    ----------
    name : str
        The experiment.
    digest : str
        Of the resolved configuration, without paths, place and report.
    identity : str
        Of all that determines what the run's folder will hold: equal identities share a run.
    gpu_hours : float, hours
        GPU time the trials will hold here; zero for engines that use none.
    """

    name: str
    digest: str
    identity: str
    design: str
    gpu_hours: float
    gpu_hours_note: str
    main: Part
    companion: Part | None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The main part, then the companion if there is one."""
        return (self.main,) if self.companion is None else (self.main, self.companion)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Trials of all parts, in plan order."""
        return tuple(trial for part in self.parts for trial in part.trials)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values (``plan.json``)."""
        return {
            "schema": "frontier.plan/1",
            "name": self.name,
            "digest": self.digest,
            "identity": self.identity,
            "design": self.design,
            "gpu_hours": self.gpu_hours,
            "gpu_hours_note": self.gpu_hours_note,
            "main": self.main.to_dict(),
            "companion": None if self.companion is None else self.companion.to_dict(),
        }

    def table(self) -> pd.DataFrame:
        """One row per variant: part, variant, status, trials, points (NA where only running it tells), GPU-hours, reason."""
        rows = [
            {
                "evidence": part.evidence,
                "variant": variant.name,
                "status": "infeasible" if variant.infeasible else "planned",
                "trials": sum(trial.variant.name == variant.name for trial in part.trials),
                "points": 0 if variant.infeasible else _times(part.points[variant.name], part.replicates),
                "gpu_hours": 0.0 if variant.infeasible else part.launch_gpu_hours[variant.name] * part.replicates,
                "reason": variant.infeasible,
            }
            for part in self.parts
            for variant in part.variants
        ]
        return pd.DataFrame(rows).astype({"points": "Int64"})


def make_plan(cfg: Config) -> Plan:
    """The plan of an experiment.

    Parameters
    ----------
    cfg : Config
        As :func:`frontier.config.compose` returns it.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        If the design or an engine is unknown, or a lever asks an engine for what it does not have.
    """
    main = _part(cfg, "main")
    companion = None if cfg.companion.kind == "none" else _part(cfg, "companion")
    digest = config.digest(cfg)
    trials = [trial.digest for part in (main, companion) if part is not None for trial in part.trials]
    identity = _sha256(
        {
            "digest": digest,
            "report": asdict(cfg.report),
            "trials": trials,
            "source": package_sha256("frontier"),
            "notebooks": notebooks_sha256(cfg),
        }
    )
    gpu_hours, note = _cost(cfg, main)
    return Plan(str(cfg.name), digest, identity, cfg.design.kind, gpu_hours, note, main, companion)


def _cost(cfg: Config, main: Part) -> tuple[float, str]:
    """GPU-hours that the trials hold, and what they take, in words."""
    engine = get_engine(cfg)
    if not engine.exclusive:
        on_hardware = f"; on hardware: {cfg.gpu_hours}" if cfg.gpu_hours else ""
        return 0.0, f"engine {main.engine} starts no server and holds no GPU{on_hardware}"
    each = {variant.name: engine.cost(variant) for variant in main.variants if not variant.infeasible}
    costs = [each[trial.variant.name] for trial in main.trials]
    minutes = sum(cost.seconds for cost in costs) / 60
    assumed = costs[0].assumed if costs else "nothing"
    if cfg.place.kind == "slurm":
        return _cost_of_jobs(cfg, [(trial, each[trial.variant.name]) for trial in main.trials], f"(assumed: {assumed})")
    gpu_hours = sum(map(_gpu_hours, costs))
    gpus = min((cost.gpus for cost in costs if not cost.alone), default=None)
    if gpus is None:
        return gpu_hours, f"{len(costs)} launches one after another, about {minutes:.0f} minutes (assumed: {assumed})"
    most = min(cfg.place.workers or len(costs), max(1, cfg.hardware.gpus_per_node // gpus) if gpus else len(costs))
    room = f"at most {most} at once on {cfg.hardware.gpus_per_node} GPUs" if gpus else f"at most {most} at once, where there are cores for as many"
    return gpu_hours, f"{len(costs)} launches, {room}; about {minutes:.0f} minutes one after another (assumed: {assumed})"


def _cost_of_jobs(cfg: Config, launches: Sequence[tuple[Trial, Cost]], assumed: str) -> tuple[float, str]:
    """The same where jobs hold them: a job keeps the GPUs of its largest launch, or its whole nodes, until its last one has ended."""
    jobs: dict[object, list[Cost]] = {}
    for trial, cost in launches:
        jobs.setdefault({"trial": trial.digest, "build": trial.variant.name, "block": trial.replicate}[cfg.place.per], []).append(cost)
    seconds = [sum(cost.seconds for cost in job) for job in jobs.values()]
    gpus = [max(cost.gpus for cost in job) for job in jobs.values()]
    if cfg.place.exclusive:
        nodes = [cfg.place.nodes or max(cost.nodes for cost in job) for job in jobs.values()]
        gpus = [max(held, count * cfg.hardware.gpus_per_node) if held else 0 for held, count in zip(gpus, nodes, strict=True)]
    longest = max(seconds, default=0.0) / 60
    note = f"{len(launches)} launches in {len(jobs)} jobs, about {sum(seconds) / 60:.0f} minutes if one came after another {assumed}"
    if longest > cfg.place.time_min:
        note += f"; a job takes about {longest:.0f} minutes, longer than its limit (place.time_min={cfg.place.time_min}): it would be queued again"
    return sum(took * held for took, held in zip(seconds, gpus, strict=True)) / 3600, note


def check_budget(cfg: Config, plan: Plan, *, confirmed: bool) -> None:
    """Refuse a plan above the budget unless it is confirmed.

    Raises
    ------
    UsageError
        With both numbers of GPU-hours.
    """
    budget = cfg.place.budget_gpu_hours
    if budget and plan.gpu_hours > budget and not confirmed:
        message = f"the plan takes {plan.gpu_hours:.1f} GPU-hours, the budget is {budget:g} (place.budget_gpu_hours)"
        raise UsageError(message, hint="fewer replicates or variants, a larger budget, or --over-budget if this is meant")


def root() -> Path:
    """The clone's folder: the one that holds ``conf/``. Relative paths of a configuration start here."""
    return config.conf_dir().parent


def artifacts_folder(cfg: Config) -> Path:
    """Folder of the runs; a relative one starts at the clone."""
    return root() / Path(cfg.paths.artifacts_dir).expanduser()


def cache_folder(cfg: Config) -> Path:
    """Folder of checkpoints and tool environments; a relative one starts at the clone."""
    return root() / Path(cfg.paths.cache_dir).expanduser()


def run_files(cfg: Config) -> dict[str, str]:
    """What a run's folder holds from the start beside its plan: ``config.yaml`` and ``environment.json``, as texts."""
    parts = ("main",) if cfg.companion.kind == "none" else ("main", "companion")
    wheels = sorted({name for part in parts for name in get_engine(cfg, part).wheels})
    return {"config.yaml": config.to_yaml(cfg), "environment.json": json.dumps(environment(root(), wheels), indent=1) + "\n"}


def notebooks_sha256(cfg: Config) -> str:
    """SHA-256 (hex) of the notebooks that a run executes: an edited notebook makes another run."""
    folder = root() / cfg.paths.notebooks_dir
    return sha256_files(folder.glob("[234]0_*.ipynb"), folder)


def _part(cfg: Config, part: str) -> Part:
    engine = get_engine(cfg, part)
    levers = levers_of(cfg, part)
    if not levers:
        raise ConfigError(f"the {part} part of {cfg.name} has no lever", origin="lever", hint="lever=[precision]")
    replicates = 1 if engine.deterministic else cfg.sweep.replicates
    kind = _kind(cfg, part, levers)
    variants = tuple(_variant(cfg, engine, levers, targets) for targets in _design(kind, levers))
    feasible = [variant for variant in variants if not variant.infeasible]
    if kind == "fractional" and len(feasible) < len(variants):
        lost = "; ".join(f"{variant.name}: {variant.infeasible}" for variant in variants if variant.infeasible)
        message = f"the half fraction holds variants that cannot exist, and without them no lever's effect is identifiable ({lost})"
        raise ConfigError(message, origin="design", hint="design=factorial")
    blocks = engine.evidence == "measured" or cfg.sweep.order == "blocks"
    image = _image_id(cfg) if engine.exclusive else ""
    inputs = {variant.name: dict(engine.digest_inputs(variant)) for variant in feasible}
    trials = tuple(
        Trial(variant, replicate, _trial_digest(engine, variant, replicate, inputs[variant.name], image))
        for variant, replicate in _in_order(feasible, replicates, cfg.sweep.order_seed if blocks else None)
    )
    return Part(
        part=part,
        engine=engine.kind,
        evidence=engine.evidence,
        levers=levers,
        replicates=replicates,
        variants=variants,
        trials=trials,
        points={variant.name: engine.estimated_points(variant) for variant in feasible},
        resolved={variant.name: [dict(entry) for entry in engine.resolved(variant)] for variant in feasible},
        launch_gpu_hours={variant.name: _gpu_hours(engine.cost(variant)) for variant in feasible},
        aliasing=tuple(aliasing_text(levers)) if kind == "fractional" else (),
    )


def _gpu_hours(cost: Cost) -> float:
    return cost.seconds * cost.gpus / 3600


def _kind(cfg: Config, part: str, levers: Sequence[str]) -> str:
    """The design of a part; a half fraction is refused where the attribution could not be read from it.

    A companion's points are looked up, not measured: leaving half of them out would save nothing, so it has all cells.
    """
    kind = cfg.design.kind
    if kind != "fractional":
        return kind
    if part != "main":
        return "factorial"
    if len(levers) < FEWEST:
        message = f"design=fractional needs at least {FEWEST} levers, got {len(levers)} ({', '.join(levers)})"
        raise ConfigError(message, origin="design", hint="design=factorial")
    unlocked = [lever for lever in levers if cfg.lever[lever].mode != "forced"]
    if unlocked:
        # An unlocked lever at target takes the best of target and baseline cells, and the half fraction runs only one of the two.
        message = f"design=fractional needs every lever forced, got mode unlocked for {', '.join(unlocked)}"
        raise ConfigError(message, origin="design", hint=" ".join(f"lever.{lever}.mode=forced" for lever in unlocked))
    return kind


def _in_order(variants: Sequence[Variant], replicates: int, seed: int | None) -> list[tuple[Variant, int]]:
    """Variants and replicates in the order in which they run.

    Without a seed variant by variant. With one in randomized blocks: every replicate is a permutation of all variants, so that a drift of the machine
    within a block meets every variant alike on average, and one between blocks meets all alike.
    """
    counted = range(1, replicates + 1)
    if seed is None:
        return [(variant, replicate) for variant in variants for replicate in counted]
    orders = [np.random.default_rng([seed, replicate]).permutation(len(variants)) for replicate in counted]
    return [(variants[place], replicate) for replicate, order in zip(counted, orders, strict=True) for place in order]


def _design(kind: str, levers: Sequence[str]) -> list[frozenset[str]]:
    """Sets of levers at target, the baseline first and all levers last."""
    if kind == "factorial":
        # Reversed, so that the first lever of the ladder changes fastest.
        return [frozenset(lever for lever, on in zip(reversed(levers), row, strict=True) if on) for row in product((0, 1), repeat=len(levers))]
    if kind == "fractional":
        cells = [[levers[i] for i in range(len(levers)) if cell >> i & 1] for cell in fraction_cells(len(levers))]
        return [frozenset(cell) for cell in cells]
    if kind == "ladder":
        return [frozenset(levers[:count]) for count in range(len(levers) + 1)]
    raise ConfigError(f"design.kind must be one of {', '.join(DESIGNS)}, got {kind!r}", origin="design", hint="design=factorial")


def _variant(cfg: Config, engine: Engine, levers: Sequence[str], targets: frozenset[str]) -> Variant:
    levels = {lever: "target" if lever in targets else "baseline" for lever in levers}
    chosen = {lever: "baseline" if cfg.design.baseline_only else level for lever, level in levels.items()}
    settings: dict[str, tuple[str, ...]] = {}
    for lever, level in chosen.items():
        after = cfg.lever[lever].after
        if not after or level == "target":  # a further step stands in for the lever before it, or is not taken
            settings[after or lever] = tuple(str(value) for value in getattr(cfg.lever[lever], level))
    return Variant(levels, settings, engine.infeasible(Variant(levels, settings)))


def _image_id(cfg: Config) -> str:
    """The image that trials will run in: this process's own, or the one that a cluster's jobs will start."""
    if cfg.place.kind == "slurm" and cfg.runtime.kind != "host":
        return get_runtime(cfg.runtime.kind).image_id(cfg.runtime.image)
    return (container() or {}).get("image_id", "")


def _trial_digest(engine: Engine, variant: Variant, replicate: int, inputs: dict[str, Any], image: str) -> str:
    return _sha256(
        {
            "schema": "frontier.trial/1",
            "engine": engine.kind,
            "inputs": inputs,
            "levels": dict(variant.levels),
            "settings": {lever: list(values) for lever, values in variant.settings.items()},
            "replicate": replicate,
            "code": {name: package_sha256(name) for name in engine.code_packages},
            "facts": {name: package_sha256(name) for name in ("frontier.records", "frontier.catalog")},
            "wheels": {name: wheel_sha256(name) for name in engine.wheels},
            # What is computed is the same in every image; what is measured is not.
            **({"image": image} if engine.exclusive and image else {}),
        }
    )


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def _times(points: int | None, replicates: int) -> int | None:
    return None if points is None else points * replicates


def _total(points: dict[str, int | None], replicates: int) -> int | None:
    known = [count for count in points.values() if count is not None]
    return sum(known) * replicates if len(known) == len(points) else None
