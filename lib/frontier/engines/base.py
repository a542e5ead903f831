"""The contract every engine keeps: what it cannot run, what determines its result, and the points of one trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from frontier.builds import Built
from frontier.catalog import infeasible_precision
from frontier.errors import ConfigError
from frontier.records import Trial, Variant
from frontier.schema import Config, HardwareConfig

DISAGGREGATION = {"aggregated": False, "disaggregated": True}


@dataclass(frozen=True)
class TrialResult:
    """What one trial gave.

    Parameters
    ----------
    points : DataFrame, one row per point, columns of the points table; empty when nothing can run
    evaluated : int
        Configurations looked at; at least the number of points.
    reason : str
        Why there are no points; empty when there are.
    """

    points: pd.DataFrame
    evaluated: int
    reason: str = ""


@dataclass(frozen=True)
class TrialContext:
    """What a trial that puts load on a server is given beside the variant.

    Parameters
    ----------
    folder : Path
        The trial's folder; what an interrupted attempt left under ``kept/`` is still there.
    earlier : DataFrame
        Points of the run's other trials so far, labelled; empty at first.
    run_started_s : float, seconds since the epoch
        When the run was created.
    cache : Path
        Folder of checkpoints and tool environments.
    reference : Path, optional
        What the first launch of the baseline put out, if it was asked before.
    asked : int
        Launches of the same variant that were asked for their output before.
    """

    folder: Path
    earlier: pd.DataFrame
    run_started_s: float
    cache: Path
    reference: Path | None = None
    asked: int = 0


@dataclass(frozen=True)
class Settings:
    """The settings of a variant, for every dimension, levers or not.

    Parameters
    ----------
    systems : hardware options by preference, at least one
    precisions : precision forms
    search_spaces : tp_only | node | domain
    draft_lens : draft tokens per step; 0 is no MTP
    disaggregated : one or both of False and True
    versions : engine or database versions; ``""`` is the engine's default
    """

    systems: tuple[HardwareConfig, ...]
    precisions: tuple[str, ...]
    search_spaces: tuple[str, ...]
    draft_lens: tuple[int, ...]
    disaggregated: tuple[bool, ...]
    versions: tuple[str, ...]

    def feasible_pairs(self) -> list[tuple[HardwareConfig, str]]:
        """Pairs of system and precision that exist, in the order of the settings."""
        return [(system, form) for system in self.systems for form in self.precisions if not _why_not(system, form)]

    def infeasible(self) -> str:
        """Why no pair of system and precision exists; empty when one does."""
        if self.feasible_pairs():
            return ""
        return "; ".join(_why_not(system, form) for system in self.systems for form in self.precisions)


def _why_not(system: HardwareConfig, form: str) -> str:
    reason = infeasible_precision(form, system.hardware)
    if not reason and system.precisions and form not in system.precisions:
        reason = f"{form} is not among the precisions of {system.name}: {', '.join(system.precisions)}"
    return reason


def settings_of(cfg: Config, variant: Variant) -> Settings:
    """The settings of a variant; what no lever of it sets comes from the configuration.

    Raises
    ------
    ConfigError
        If a lever names a system, draft length or mode that does not exist.
    """
    chosen = variant.settings
    names = chosen.get("hardware", [cfg.hardware.name])
    drafts = chosen.get("mtp", ["0"])
    modes = chosen.get("disaggregation", ["aggregated"])
    unknown = [mode for mode in modes if mode not in DISAGGREGATION]
    if unknown:
        raise ConfigError(f"disaggregation must be one of {', '.join(DISAGGREGATION)}, got {unknown[0]!r}", origin="lever.disaggregation")
    if not all(str(draft).isdigit() for draft in drafts):
        raise ConfigError(f"a draft length is a whole number from 0 up, got {', '.join(map(repr, drafts))}", origin="lever.mtp")
    return Settings(
        systems=tuple(_system(cfg, name) for name in names),
        precisions=tuple(chosen.get("precision", [cfg.model.precisions[0]])),
        search_spaces=tuple(chosen.get("parallelism", ["node"])),
        draft_lens=tuple(int(draft) for draft in drafts),
        disaggregated=tuple(DISAGGREGATION[mode] for mode in modes),
        versions=tuple(chosen.get("version", [cfg.engine.database_version])),
    )


def _system(cfg: Config, name: str) -> HardwareConfig:
    if name in cfg.systems:
        return cfg.systems[name]
    if name == cfg.hardware.name:
        return cfg.hardware
    known = sorted({*cfg.systems, cfg.hardware.name})
    raise ConfigError(f"hardware {name!r} is not among the experiment's systems: {', '.join(known)}", origin="lever.hardware")


@dataclass(frozen=True)
class Cost:
    """What a trial is expected to take.

    Parameters
    ----------
    seconds : float, seconds of the machine
    gpus : int
        GPUs held; 0 on the CPU.
    assumed : str
        What the estimate rests on.
    nodes : int
        Nodes that the deployment spans.
    cores : int
        Cores that its servers compute on; 0 on GPUs.
    alone : bool
        Whether nothing else may run on this machine meanwhile.
    """

    seconds: float
    gpus: int
    assumed: str
    nodes: int = 1
    cores: int = 0
    alone: bool = False


class InOrder:
    """Trials in plan order, several at once: engines that start no server."""

    exclusive = False
    builds = False

    def build(self, variant: Variant, cache: Path) -> Sequence[Built]:
        """Nothing is served, so nothing is built."""
        return ()

    def check_machine(self, cache: Path, variants: Sequence[Variant] = ()) -> None:
        """Any machine will do."""

    def model_folder(self, cache: Path) -> Path | None:
        """No weights are loaded."""
        return None

    def cost(self, variant: Variant) -> Cost:
        """Nothing that is worth counting."""
        return Cost(0.0, 0, "nothing is started")

    def next_trial(self, remaining: Sequence[Trial], earlier: pd.DataFrame, spent_s: float) -> Trial | str:
        """The first of them."""
        return remaining[0]


class Engine(Protocol):
    """What turns a trial into points.

    Attributes
    ----------
    kind : str
        Name in the registry, as in ``engine.kind``.
    evidence : str
        Kind of evidence of its points.
    deterministic : bool
        Repeating a trial gives the same points, so that replicates would only feign certainty.
    code_packages : tuple of str
        Modules and packages whose source determines the result.
    wheels : tuple of str
        Installed distributions whose content determines the result.
    exclusive : bool
        It is a measurement, and a neighbour on the same devices would disturb it; what a trial may stand beside, its cost says.
    builds : bool
        What it serves is kept as manifests (notebook 10_build_engine).
    """

    @property
    def kind(self) -> str: ...  # noqa: D102 - attributes are described above

    @property
    def evidence(self) -> str: ...  # noqa: D102

    @property
    def deterministic(self) -> bool: ...  # noqa: D102

    @property
    def code_packages(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def wheels(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def exclusive(self) -> bool: ...  # noqa: D102

    @property
    def builds(self) -> bool: ...  # noqa: D102

    def build(self, variant: Variant, cache: Path) -> Sequence[Built]:
        """The engines of a variant, one per setting, from the cache or built now."""
        ...

    def infeasible(self, variant: Variant) -> str:
        """Why the variant cannot exist; empty when it can."""
        ...

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """All of the configuration that determines the points of a variant, as plain JSON values."""
        ...

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """The engine's own configurations behind a variant, as plain JSON values."""
        ...

    def estimated_points(self, variant: Variant) -> int | None:
        """Points the variant will give; None where only running it tells."""
        ...

    def group(self, variant: Variant) -> str:
        """Trials with equal keys share data and run faster in one process."""
        ...

    def check_machine(self, cache: Path, variants: Sequence[Variant] = ()) -> None:
        """Raise a MachineError, naming what is missing and how to get it, if trials of these variants cannot run here."""
        ...

    def model_folder(self, cache: Path) -> Path | None:
        """Folder of the model that is served here; None where none is."""
        ...

    def cost(self, variant: Variant) -> Cost:
        """What one trial of the variant is expected to take."""
        ...

    def measure(self, trial: Trial, context: TrialContext) -> TrialResult:
        """The points of one trial; engines that start no server look at the trial alone."""
        ...

    def next_trial(self, remaining: Sequence[Trial], earlier: pd.DataFrame, spent_s: float) -> Trial | str:
        """Which of the remaining trials to run next, or why none is needed any more.

        Parameters
        ----------
        remaining : trials without a record, in plan order, at least one
        earlier : labelled points of the run so far
        spent_s : float, seconds that the run's trials took so far
        """
        ...
