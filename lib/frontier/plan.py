"""From an experiment to its variants and trials, each with the digest of all that determines its result. Starts nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from frontier import config
from frontier.engines import Engine, get_engine, levers_of
from frontier.errors import ConfigError
from frontier.provenance import environment, package_sha256, sha256_files, wheel_sha256
from frontier.records import Trial, Variant
from frontier.schema import Config

DESIGNS = ("factorial", "ladder")


@dataclass(frozen=True)
class Part:
    """The trials of one kind of evidence: the experiment's own, or its companion's.

    Parameters
    ----------
    part : "main" | "companion"
    engine, evidence : str
    levers : in ladder order
    variants : all of the design, the infeasible ones with their reason
    trials : feasible variants times replicates, variant by variant
    points : estimate per variant name; None where only running it tells
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

    def to_dict(self) -> dict[str, Any]:
        """The part as plain JSON values."""
        return {
            "engine": self.engine,
            "evidence": self.evidence,
            "levers": list(self.levers),
            "replicates": self.replicates,
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
                "gpu_hours": 0.0,
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
    on_hardware = f"; on hardware: {cfg.gpu_hours}" if cfg.gpu_hours else ""
    note = f"engine {main.engine} starts no server and holds no GPU{on_hardware}"
    return Plan(str(cfg.name), digest, identity, cfg.design.kind, 0.0, note, main, companion)


def root() -> Path:
    """The clone's folder: the one that holds ``conf/``. Relative paths of a configuration start here."""
    return config.conf_dir().parent


def artifacts_folder(cfg: Config) -> Path:
    """Folder of the runs; a relative one starts at the clone."""
    return root() / Path(cfg.paths.artifacts_dir).expanduser()


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
    variants = tuple(_variant(cfg, engine, levers, targets) for targets in _design(cfg.design.kind, levers))
    feasible = [variant for variant in variants if not variant.infeasible]
    trials = tuple(
        Trial(variant, replicate, _trial_digest(engine, variant, replicate)) for variant in feasible for replicate in range(1, replicates + 1)
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
    )


def _design(kind: str, levers: Sequence[str]) -> list[frozenset[str]]:
    """Sets of levers at target, the baseline first and all levers last."""
    if kind == "factorial":
        # Reversed, so that the first lever of the ladder changes fastest.
        return [frozenset(lever for lever, on in zip(reversed(levers), row, strict=True) if on) for row in product((0, 1), repeat=len(levers))]
    if kind == "ladder":
        return [frozenset(levers[:count]) for count in range(len(levers) + 1)]
    raise ConfigError(f"design.kind must be one of {', '.join(DESIGNS)}, got {kind!r}", origin="design", hint="design=factorial")


def _variant(cfg: Config, engine: Engine, levers: Sequence[str], targets: frozenset[str]) -> Variant:
    levels = {lever: "target" if lever in targets else "baseline" for lever in levers}
    settings = {lever: tuple(str(value) for value in getattr(cfg.lever[lever], level)) for lever, level in levels.items()}
    return Variant(levels, settings, engine.infeasible(Variant(levels, settings)))


def _trial_digest(engine: Engine, variant: Variant, replicate: int) -> str:
    return _sha256(
        {
            "schema": "frontier.trial/1",
            "engine": engine.kind,
            "inputs": dict(engine.digest_inputs(variant)),
            "levels": dict(variant.levels),
            "settings": {lever: list(values) for lever, values in variant.settings.items()},
            "replicate": replicate,
            "code": {name: package_sha256(name) for name in engine.code_packages},
            "facts": {name: package_sha256(name) for name in ("frontier.records", "frontier.catalog")},
            "wheels": {name: wheel_sha256(name) for name in engine.wheels},
        }
    )


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def _times(points: int | None, replicates: int) -> int | None:
    return None if points is None else points * replicates


def _total(points: dict[str, int | None], replicates: int) -> int | None:
    known = [count for count in points.values() if count is not None]
    return sum(known) * replicates if len(known) == len(points) else None
