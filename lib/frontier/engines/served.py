"""What engines whose servers are started here have in common: one trial at a time, and points that are read off raw requests."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from frontier.builds import Built
from frontier.engines.base import Cost, Settings, settings_of
from frontier.engines.driving import chosen_trial, concurrencies, planned_point_s
from frontier.load import Aiperf
from frontier.records import Trial, Variant
from frontier.schema import Config, EngineConfig
from frontier.serving import DeploymentSpec
from frontier.tools import find

NOT_IN_TRIAL = ("replicates", "order", "order_seed", "grid_points", "budget_s")  # of the sweep: they say how many trials there are, and when
CLIENT_S = 15.0  # a call of the load generator beside what it measures
CODE = tuple(f"frontier.engines.{name}" for name in ("served", "measuring", "points", "counters", "gate", "driving", "base")) + tuple(
    f"frontier.{name}" for name in ("serving", "load", "telemetry", "drive", "quality")
)
OWN = ("parallelism", "mtp", "batch", "kv_precision", "moe_backend")  # levers whose settings an adapter reads itself
Setting = TypeVar("Setting")
_DRAFT = re.compile(r"(?:(ngram)-?|(eagle3|draft_target)-)?(\d+)")


@dataclass(frozen=True)
class ServedEngine(Generic[Setting]):
    """Base of the adapters.

    Parameters
    ----------
    cfg : Config
    engine : EngineConfig
    levers : tuple of str
    """

    cfg: Config
    engine: EngineConfig
    levers: tuple[str, ...]
    evidence = "measured"
    deterministic = False
    exclusive = True
    wheels = ()
    builds = False
    launch_s = 40.0  # what a server takes to start; `frontier plan` says that it assumes this

    @abstractmethod
    def deployments(self, variant: Variant) -> Sequence[Setting]:
        """The server settings of a variant that can run."""

    @abstractmethod
    def planned(self, setting: Setting) -> DeploymentSpec:
        """The servers of a setting as planned, before a machine is known."""

    def build(self, variant: Variant, cache: Path) -> Sequence[Built]:
        """Nothing is kept beside what every trial says of its servers."""
        return ()

    def estimated_points(self, variant: Variant) -> int | None:
        """One point per concurrency and server setting; unknown where the sweep decides as it goes."""
        return None if self.cfg.sweep.kind == "adaptive" else len(concurrencies(self.cfg)) * len(self.deployments(variant))

    def group(self, variant: Variant) -> str:
        """All trials share the machine."""
        return "machine"

    def cost(self, variant: Variant) -> Cost:
        """Launches and windows of one trial."""
        specs = [self.planned(setting) for setting in self.deployments(variant)]
        points_s = planned_point_s(self.cfg) * len(concurrencies(self.cfg)) + self.cfg.sweep.warmup_s
        seconds = sum(self.launch_s * len(spec.servers) + CLIENT_S + points_s for spec in specs)
        gpus = max((spec.devices for spec in specs if spec.platform == "cuda"), default=0)
        return Cost(seconds, gpus, f"{self.launch_s:g} s a server, {CLIENT_S:g} s a client, {planned_point_s(self.cfg):g} s a point")

    def next_trial(self, remaining: Sequence[Trial], earlier: pd.DataFrame, spent_s: float) -> Trial | str:
        """In plan order, or the variant whose frontier is least certain."""
        return chosen_trial(self.cfg, remaining, earlier, spent_s)

    def plain(self, variant: Variant) -> Settings:
        """The variant's settings of all levers but ``OWN``."""
        return settings_of(self.cfg, Variant(variant.levels, {name: values for name, values in variant.settings.items() if name not in OWN}))

    def client(self, cache: Path) -> Aiperf:
        """The load generator: the one that is named, else the kit's."""
        named = Path(self.engine.client_python) if self.engine.client_python else None
        return Aiperf(find("aiperf", cache / "tools", python=named).python)

    def load_inputs(self) -> dict[str, Any]:
        """What decides a trial beside its servers: load, gate, model, engine."""
        return {
            "engine": asdict(self.engine),
            "model": asdict(self.cfg.model),
            "workload": asdict(self.cfg.workload),
            "kv_precision": self.cfg.kv_precision,
            "sweep": {key: value for key, value in asdict(self.cfg.sweep).items() if key not in NOT_IN_TRIAL},
            "quality": asdict(self.cfg.quality),
        }


def draft_of(setting: str) -> tuple[str, int]:
    """Kind and length of a draft.

    >>> draft_of("0"), draft_of("2"), draft_of("ngram3"), draft_of("eagle3-2")
    (('none', 0), ('mtp', 2), ('ngram', 3), ('eagle3', 2))
    """
    match = _DRAFT.fullmatch(setting)
    if match is None or int(match[3]) == 0:
        return "none", 0
    return match[1] or match[2] or "mtp", int(match[3])
