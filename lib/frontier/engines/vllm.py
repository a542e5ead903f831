"""Trials whose points are measured on a vLLM server that is started here, on this machine's cores or its NVIDIA GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.catalog import PRECISION_FORMS
from frontier.checkpoints import Checkpoint, load_spec, quantized
from frontier.checkpoints import find as find_checkpoint
from frontier.engines.base import TrialContext, TrialResult
from frontier.engines.measuring import Bench, Deployment
from frontier.engines.served import CODE, StartedEngine, draft_of
from frontier.errors import ConfigError, MachineError
from frontier.provenance import container
from frontier.records import Trial, Variant
from frontier.serving import DeploymentSpec, VllmKnobs, VllmLevers, allocate, deployment, refusals, usable
from frontier.tools import find, recipe

CAPABILITIES = {"ampere": (8, 0), "ada": (8, 9), "hopper": (9, 0), "blackwell": (10, 0)}  # NVIDIA's compute capability, by architecture
FORMS = {"int8": "w8a8_int8"}  # a precision form of the configuration -> its name among the server's; the others are called alike
QUANTIZED = {"w8a8_int8": "int8"}  # served from a quantized checkpoint: the form in which frontier.checkpoints makes it
KIT_FORMS = {name: form for form, name in FORMS.items()}
_DEGREES = re.compile(r"tp(\d+)(?:dp(\d+))?")


@dataclass(frozen=True)
class VllmEngine(StartedEngine[tuple[VllmLevers, int]]):
    """Points measured on a live server."""

    kind = "vllm"
    varies = ("precision", "parallelism", "mtp", "disaggregation", "batch")
    code_packages = ("frontier.engines.vllm", "frontier.checkpoints.quantized", *CODE)

    def refusal(self, setting: tuple[VllmLevers, int]) -> str:
        """Why a setting cannot work on the system of the experiment."""
        levers, batch = setting
        system = self.cfg.hardware
        return refusals(
            levers,
            self.knobs(levers, batch, self.cfg.model.checkpoint),
            cores=system.max_gpus if self.engine.platform == "cpu" else 0,
            gpus=0 if self.engine.platform == "cpu" else system.max_gpus,
            capability=CAPABILITIES.get(system.architecture, (0, 0)),
        )

    def settings(self, variant: Variant) -> list[tuple[VllmLevers, int]]:
        """The server settings of a variant, and the batch each works on: one per combination of its levers' settings."""
        plain = self.plain(variant)
        degrees = map(_degrees, variant.settings.get("parallelism", ("tp1",)))
        drafts = map(draft_of, variant.settings.get("mtp", ("0",)))
        batches = map(int, variant.settings.get("batch", (self.engine.max_num_seqs,)))
        return [
            (VllmLevers(FORMS.get(form, form), tp, dp, kind, draft_len, disaggregated), batch)
            for form, (tp, dp), (kind, draft_len), disaggregated, batch in product(plain.precisions, degrees, drafts, plain.disaggregated, batches)
        ]

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Server, model, load and gate; the pinned tools; the machine: measured elsewhere is another measurement."""
        return {
            **self.load_inputs(),
            "checkpoint": load_spec(self.cfg.model.checkpoint).digest if self._made_here() else self.cfg.model.checkpoint,
            "servers": [{**asdict(levers), "max_num_seqs": batch} for levers, batch in self.deployments(variant)],
            "tools": {name: self._pins(name) for name in ("vllm", "aiperf")},
            "machine": self.machine_inputs(),
        }

    def _made_here(self) -> bool:
        return bool(self.cfg.model.checkpoint) and not Path(self.cfg.model.checkpoint).is_dir()

    def _pins(self, tool: str) -> str:
        """What decides a tool's version: its pins, or the interpreter that was named instead."""
        given = self.engine.server_python if tool == "vllm" else self.engine.client_python
        return given or recipe(tool, self.engine.platform).digest()

    def knobs(self, levers: VllmLevers, batch: int, model: Path | str, cores: tuple[int, ...] = ()) -> VllmKnobs:
        """What the levers leave open; ``cores`` are those of this machine, by default 0, 1, ...

        Prefill and decode share devices where the system has not enough for both.
        """
        return VllmKnobs(
            platform=self.engine.platform,
            model_path=str(model),
            max_model_len=self.engine.max_model_len,
            max_num_seqs=batch,
            kv_cache_gib=self.engine.kv_cache_gib,
            eager=self.engine.eager,
            seed=self.engine.seed,
            load_format=self.engine.load_format,
            colocate=2 * levers.tp * levers.dp > self.cfg.hardware.max_gpus,
            synthetic_acceptance=tuple(self.engine.synthetic_acceptance[: levers.draft_len]),
            cores=cores,
            extra_args=tuple(self.engine.extra_args),
        )

    def spec(self, levers: VllmLevers, batch: int, model: Path | str, cores: tuple[int, ...] = ()) -> DeploymentSpec:
        """The servers of a setting."""
        return deployment(levers, self.knobs(levers, batch, model, cores))

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """Command lines and environment of every server of the variant."""
        model = self.cfg.model.checkpoint or self.cfg.model.id
        return [{"levers": asdict(levers), **self.spec(levers, batch, model).to_dict()} for levers, batch in self.deployments(variant)]

    def planned(self, setting: tuple[VllmLevers, int]) -> DeploymentSpec:
        """The servers of a setting as planned, before a machine is known."""
        return self.spec(*setting, "")

    def check_machine(self, cache: Path, variants: Sequence[Variant] = ()) -> None:
        """Refuse to begin where a tool or the checkpoint is missing, before anything is started.

        Raises
        ------
        MachineError
            Naming what is missing and the command that makes it.
        """
        self.check_gpus(variants)
        self.check_prompts(self._bench(cache)[0].model, variants)

    def model_folder(self, cache: Path) -> Path | None:
        """Folder of the checkpoint, in its plain form."""
        return self._bench(cache)[0].model

    def _bench(self, cache: Path) -> tuple[Bench, Checkpoint | None]:
        """What trials are measured with; the checkpoint where it is one that is made here."""
        server = Path(self.engine.server_python) if self.engine.server_python else None
        scored = bool(self.cfg.quality.lm_eval_tasks) and self.cfg.quality.kind != "none"
        scorer = find("lm-eval", cache / "tools").python if scored else None
        vllm = find("vllm", cache / "tools", python=server, variant=self.engine.platform)
        client = self.client(cache)
        if not self._made_here():
            return Bench(self.cfg, vllm.python, client, Path(self.cfg.model.checkpoint), scorer), None
        name = self.cfg.model.checkpoint
        made = find_checkpoint(name, cache / "checkpoints")
        if made is None:
            raise MachineError(f"checkpoint {name} has not been made on this machine", hint=f"frontier checkpoint make {name}")
        return Bench(self.cfg, vllm.python, client, made.path, scorer), made

    def measure(self, trial: Trial, context: TrialContext) -> TrialResult:
        """Start the servers of the trial one deployment after another, load them, and read the points off the raw request records."""
        bench, made = self._bench(context.cache)
        on_cpu = self.engine.platform == "cpu"
        frames = []
        for number, (levers, batch) in enumerate(self.deployments(trial.variant)):
            weights = bench.model
            if made is not None and levers.precision_form in QUANTIZED:
                weights = quantized(made, QUANTIZED[levers.precision_form], context.cache / "checkpoints").path
            held = self.spec(levers, batch, weights).devices
            cores = allocate(held if on_cpu else 0, usable())
            spec = self.spec(levers, batch, weights, cores.servers if on_cpu else ())
            labels = {**self.labels(levers, batch), "gpus": held}
            frames.append(bench.measure(trial, context, Deployment(number, spec, cores, labels)))
        points = pd.concat(frames, ignore_index=True)
        return TrialResult(points, evaluated=len(points))

    def labels(self, levers: VllmLevers, batch: int) -> dict[str, Any]:
        """Columns of the points table that a deployment decides."""
        roles = {"tp": levers.tp, "dp": levers.dp, "ep": 1}
        labels: dict[str, Any] = {
            "model": self.cfg.model.name,
            "hardware": self.cfg.hardware.hardware,
            "engine": self.kind,
            "image": (container() or {}).get("image_id"),
            "precision": PRECISION_FORMS[KIT_FORMS.get(levers.precision_form, levers.precision_form)][0],
            "kv_precision": self.cfg.kv_precision,
            "tp": levers.tp,
            "pp": 1,
            "dp": levers.dp,
            "spec": levers.draft_kind,
            "draft_len": levers.draft_len,
            "disagg": levers.disaggregated,
            "max_num_seqs": batch,
            "isl_tokens": float(self.cfg.workload.isl_tokens),
            "osl_tokens": float(self.cfg.workload.osl_tokens),
        }
        if levers.disaggregated:
            each = {**roles, "workers": 1, "gpus": levers.tp}
            labels |= {f"{role}_{name}": value for role in ("prefill", "decode") for name, value in each.items()}
        return labels


def _degrees(setting: str) -> tuple[int, int]:
    """TP and DP degrees of a setting.

    >>> _degrees("tp2"), _degrees("tp1dp2")
    ((2, 1), (1, 2))

    Raises
    ------
    ConfigError
        If it is no such name.
    """
    match = _DEGREES.fullmatch(setting)
    if match is None:
        raise ConfigError(f"parallelism must be named like tp2 or tp1dp2, got {setting!r}", origin="lever.parallelism")
    return int(match[1]), int(match[2] or 1)
