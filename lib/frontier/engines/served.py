"""What engines that load servers have in common: what a trial holds, and points that are read off raw requests."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pandas as pd

from frontier.builds import Built
from frontier.engines.base import Cost, Settings, settings_of
from frontier.engines.driving import chosen_trial, concurrencies, planned_point_s
from frontier.engines.measuring import prompt_texts
from frontier.errors import ConfigError, MachineError
from frontier.load import Aiperf, read_texts
from frontier.provenance import machine_identity, sha256_file
from frontier.quality import TEXTS
from frontier.records import Trial, Variant
from frontier.schema import Config, EngineConfig
from frontier.serving import DeploymentSpec, check_devices, node_names
from frontier.telemetry import Gpus
from frontier.tools import find

NOT_IN_TRIAL = ("replicates", "order", "order_seed", "grid_points", "budget_s")  # of the sweep: they say how many trials there are, and when
ASKED_OF_A_PLACE = ("partition", "constraint", "gres", "gpus_per_node", "nodes", "cpus_per_task", "exclusive")
CLIENT_S = 15.0  # a call of the load generator beside what it measures
CODE = tuple(f"frontier.engines.{name}" for name in ("served", "measuring", "points", "counters", "gate", "driving", "base")) + tuple(
    f"frontier.{name}" for name in ("serving", "load", "telemetry", "drive", "quality")
)
OWN = ("parallelism", "mtp", "batch", "kv_precision", "moe_backend", "version")  # levers whose settings an adapter reads itself
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
    kind: ClassVar[str]
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
        gpus, cores = (max((spec.devices for spec in specs if spec.platform == platform), default=0) for platform in ("cuda", "cpu"))
        nodes = max((spec.nodes for spec in specs), default=1) or 1
        assumed = f"{self.launch_s:g} s a server, {CLIENT_S:g} s a client, {planned_point_s(self.cfg):g} s a point"
        return Cost(seconds, gpus, assumed, nodes, cores, alone=not self.packed or nodes > 1)

    @property
    def packed(self) -> bool:
        """Whether trials may stand beside others on this machine, on devices of their own; never where somebody else runs the servers."""
        return False

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

    def check_prompts(self, model: Path, variants: Sequence[Variant]) -> None:
        """Refuse to measure drafts on random words: what is accepted of them says nothing about text.

        Raises
        ------
        MachineError
            If a variant drafts, no text is named or there, and no rate of acceptance is stated instead.
        UsageError
            If the file that is named cannot be read.
        """
        texts = prompt_texts(self.cfg, model)
        if self.cfg.workload.prompts and texts is not None:
            read_texts(texts)
        told = bool(self.engine.synthetic_acceptance) or self.engine.forced_acceptance is not None
        drafting = any(draft_of(setting)[1] for variant in variants for setting in variant.settings.get("mtp", ()))
        if drafting and texts is None and not told:
            message = f"drafts are measured on text, and {model} has no {TEXTS}: of random words hardly any is accepted"
            raise MachineError(message, hint="workload.prompts=FILE, or state the acceptance: engine.forced_acceptance, engine.synthetic_acceptance")

    def _text_digest(self) -> str:
        """SHA-256 of the file of prompts that is named, where it is on this machine."""
        file = Path(self.cfg.workload.prompts).expanduser()
        return sha256_file(file) if self.cfg.workload.prompts and file.is_file() else ""

    def machine_inputs(self) -> dict[str, Any]:
        """What tells the machine from another kind: this one, or on a cluster the kind of node asked for; every trial notes its own."""
        if self.cfg.place.kind == "local":
            # Measured beside others is not what was measured alone: neither is taken for the other.
            return {**machine_identity(), **({"packed": True} if self.packed else {})}
        return {"place": self.cfg.place.kind, **{name: getattr(self.cfg.place, name) for name in ASKED_OF_A_PLACE}}

    def load_inputs(self) -> dict[str, Any]:
        """What decides a trial beside its servers: load, gate, model, engine."""
        return {
            "engine": asdict(self.engine),
            "model": asdict(self.cfg.model),
            "workload": {**asdict(self.cfg.workload), "prompts": self._text_digest() or self.cfg.workload.prompts},
            "kv_precision": self.cfg.kv_precision,
            "sweep": {key: value for key, value in asdict(self.cfg.sweep).items() if key not in NOT_IN_TRIAL},
            "quality": asdict(self.cfg.quality),
        }


@dataclass(frozen=True)
class StartedEngine(ServedEngine[Setting]):
    """Base of the adapters that start their servers here: which settings of a variant can run, and whether this machine can hold them."""

    varies: ClassVar[tuple[str, ...]] = ()  # levers that the adapter reads; another would change nothing and be measured all the same

    def __post_init__(self) -> None:
        """Refuse levers that the adapter does not vary.

        Raises
        ------
        ConfigError
            Naming them, and those that it does.
        """
        unknown = [name for name in self.levers if (self.cfg.lever[name].after or name) not in self.varies]
        if unknown:
            message = f"engine={self.kind} does not vary {', '.join(unknown)}: it varies {', '.join(self.varies)}"
            raise ConfigError(message, origin="lever", hint="measure each side in an experiment of its own, and compare with frontier shift")

    @property
    def packed(self) -> bool:
        """As the place says, else on GPUs; servers on cores share the memory's bandwidth, and an adaptive sweep chooses trial by trial."""
        place = self.cfg.place
        if place.kind != "local" or self.cfg.sweep.kind == "adaptive":
            return False
        return self.engine.platform == "cuda" if place.exclusive is None else not place.exclusive

    @abstractmethod
    def settings(self, variant: Variant) -> Sequence[Setting]:
        """The server settings of a variant: one per combination of its levers' settings."""

    @abstractmethod
    def refusal(self, setting: Setting) -> str:
        """Why a setting cannot work on the system of the experiment, wherever the plan is made; empty if it can."""

    def infeasible(self, variant: Variant) -> str:
        """Why no deployment of the variant can run: the first reason of each."""
        settings = self.settings(variant)
        if self.cfg.sweep.kind == "adaptive" and len(settings) > 1:
            return f"an adaptive sweep follows one server setting per variant, this has {len(settings)}: sweep=grid, or forced levels"
        reasons = [self.refusal(setting) for setting in settings]
        return "" if not all(reasons) else "; ".join(dict.fromkeys(reasons))

    def deployments(self, variant: Variant) -> list[Setting]:
        """Those settings of a variant that can run."""
        return [setting for setting in self.settings(variant) if not self.refusal(setting)]

    def check_gpus(self, variants: Sequence[Variant]) -> None:
        """Refuse to begin with fewer GPUs than a deployment needs on this node, or fewer nodes.

        Raises
        ------
        MachineError
            With both counts; what no driver answers for is not judged.
        """
        if self.engine.platform != "cuda":
            return
        specs = [self.planned(setting) for variant in variants for setting in self.deployments(variant)]
        spanned = max((spec.nodes for spec in specs), default=0)
        if spanned:
            node_names(spanned)
        gpus = Gpus()
        check_devices(max((min(spec.devices, self.cfg.hardware.gpus_per_node) for spec in specs), default=1), None if gpus.reason else len(gpus))


def draft_of(setting: str) -> tuple[str, int]:
    """Kind and length of a draft.

    >>> draft_of("0"), draft_of("2"), draft_of("ngram3"), draft_of("eagle3-2")
    (('none', 0), ('mtp', 2), ('ngram', 3), ('eagle3', 2))
    """
    match = _DRAFT.fullmatch(setting)
    if match is None or int(match[3]) == 0:
        return "none", 0
    return match[1] or match[2] or "mtp", int(match[3])
