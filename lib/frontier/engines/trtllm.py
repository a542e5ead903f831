"""Trials whose points are measured on TensorRT-LLM servers that are started here. Not run on hardware: proven against a stand-in and its contract."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.builds import Built, build_engine, identity, read_weights, refuse_serialized, serialize_command
from frontier.catalog import PRECISION_FORMS
from frontier.engines.base import TrialContext, TrialResult
from frontier.engines.folders import model_folder
from frontier.engines.measuring import Bench, Deployment
from frontier.engines.offline import OfflineCheck
from frontier.engines.served import CODE, StartedEngine, draft_of
from frontier.errors import ConfigError, MachineError
from frontier.provenance import container
from frontier.records import KEPT, Trial, Variant
from frontier.serving import DeploymentSpec, allocate, usable
from frontier.serving.trtllm import (
    Layout,
    Release,
    TrtllmKnobs,
    TrtllmLevers,
    layouts,
    nested,
    step_tokens,
    trtllm_deployment,
    trtllm_refusals,
    worker_document,
)
from frontier.tools import distribution_version, recipe

SERVE = "trtllm-serve"
SPEC = {"draft_target": "draft"}  # draft kinds as the points table names them; the others are called alike


@dataclass(frozen=True)
class TrtllmSetting:
    """One server setting of a variant.

    Parameters
    ----------
    levers : TrtllmLevers
    batch : int, requests
    kv_precision : str
    moe_backend : str
        Empty: what fits.
    release : str
    """

    levers: TrtllmLevers
    batch: int
    kv_precision: str
    moe_backend: str
    release: str


@dataclass(frozen=True)
class TrtllmEngine(StartedEngine[TrtllmSetting]):
    """Points measured on TensorRT-LLM."""

    kind = "trtllm"
    varies = ("precision", "parallelism", "mtp", "disaggregation", "batch", "kv_precision", "moe_backend", "version")
    builds = True
    code_packages = ("frontier.engines.trtllm", *CODE)
    launch_s = 900.0  # weights, autotuner, graphs: an assumption, not a measurement

    def refusal(self, setting: TrtllmSetting) -> str:
        """Why a setting cannot work with its release on the system of the experiment."""
        model, system = self.cfg.model, self.cfg.hardware
        try:
            knobs = self.knobs(setting)
            if self.engine.serialized:
                refuse_serialized(str(knobs.release), knobs.release.serialized_engines)
        except ConfigError as error:
            return error.message
        return trtllm_refusals(setting.levers, knobs, gpus=system.system_gpus or system.max_gpus, mtp_layers=model.mtp_layers, heads=model.heads)

    def settings(self, variant: Variant) -> list[TrtllmSetting]:
        """The server settings of a variant: one per combination of its levers' settings."""
        plain = self.plain(variant)
        shapes = [Layout.parse(text) for text in variant.settings.get("parallelism", (self.engine.layout or f"tp{self.cfg.hardware.gpus_per_node}",))]
        drafts = map(draft_of, variant.settings.get("mtp", ("0",)))
        batches = map(int, variant.settings.get("batch", (self.engine.max_num_seqs,)))
        caches = variant.settings.get("kv_precision", (self.cfg.kv_precision,))
        kernels = variant.settings.get("moe_backend", (self.engine.moe_backend,))
        releases = variant.settings.get("version", (self.engine.release,))
        return [
            TrtllmSetting(TrtllmLevers(form, shape, kind, draft_len, disaggregated), *rest)
            for form, shape, (kind, draft_len), disaggregated, rest in product(
                plain.precisions, shapes, drafts, plain.disaggregated, product(batches, caches, kernels, releases)
            )
        ]

    def checkpoint(self, form: str) -> str:
        """Folder or id of the model's checkpoint in a precision form.

        Raises
        ------
        ConfigError
            If none is named.
        """
        model = self.cfg.model
        if form in model.checkpoints:
            return model.checkpoints[form]
        if form == model.precisions[0]:
            return model.checkpoint or model.id
        raise ConfigError(
            f"{model.name} has no checkpoint in {form}", origin="model.checkpoints", hint=f"model.checkpoints.{form}=FOLDER or id, or build one"
        )

    def knobs(self, setting: TrtllmSetting) -> TrtllmKnobs:
        """What the levers leave open."""
        engine = self.engine
        return TrtllmKnobs(
            release=Release.parse(setting.release),
            model=self.checkpoint(setting.levers.precision_form),
            architecture=self.cfg.hardware.architecture,
            gpus_per_node=self.cfg.hardware.gpus_per_node,
            moe=self.cfg.model.moe,
            isl_tokens=self.cfg.workload.isl_tokens,
            osl_tokens=self.cfg.workload.osl_tokens,
            max_batch_size=setting.batch,
            max_num_tokens=engine.max_num_tokens,
            kv_precision=setting.kv_precision,
            free_gpu_memory_fraction=engine.free_gpu_memory_fraction,
            moe_backend=setting.moe_backend,
            stream_interval=engine.stream_interval,
            draft_model=engine.draft_model,
            transceiver=engine.transceiver,
            context_workers=engine.context_workers,
            generation_workers=engine.generation_workers,
            context_layout=Layout.parse(engine.context_layout) if engine.context_layout else None,
            generation_layout=Layout.parse(engine.generation_layout) if engine.generation_layout else None,
            context_batch_size=engine.context_batch_size,
            forced_acceptance=engine.forced_acceptance,
            launcher=tuple(engine.launcher),
            worker=nested(engine.worker, "engine.worker"),
            server=nested(engine.server, "engine.server"),
        )

    def planned(self, setting: TrtllmSetting) -> DeploymentSpec:
        """The servers of a setting."""
        return trtllm_deployment(setting.levers, self.knobs(setting))

    def build(self, variant: Variant, cache: Path) -> Sequence[Built]:
        """The engine of every setting: checkpoint, workers' files, release and image, and on request what the release serializes.

        Raises
        ------
        RunError
            If a checkpoint is incomplete, a build fails, or the disk is full.
        ConfigError
            If a checkpoint is in another precision than it is named for.
        """
        found = []
        for setting in self.deployments(variant):
            levers, knobs = setting.levers, self.knobs(setting)
            chosen = layouts(levers, knobs)
            folder = model_folder(knobs.model, self.cfg.model.revision)
            weights = read_weights(folder, levers.precision_form)
            workers = {role: worker_document(levers, knobs, role) for role in chosen}
            decides = identity(weights, levers.precision_form, setting.kv_precision, str(knobs.release), self._image(setting.release), workers)
            command: Sequence[str | Path] = ()
            if self.engine.serialized:
                shape = next(iter(chosen.values()))[0]
                step = step_tokens(levers, knobs, "server")
                commands = str(self._python(setting.release).parent)
                command = serialize_command(commands, knobs.model, str(folder), (shape.tp, shape.pp), setting.batch, step)
            found.append(build_engine(weights, knobs.model, decides, cache / "engines", serialize=command))
        return found

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Servers with their files, model, load and gate; release and image; the pinned client; the machine."""
        return {
            **self.load_inputs(),
            "servers": [{"release": setting.release, **self.planned(setting).to_dict()} for setting in self.deployments(variant)],
            "tools": {"aiperf": self.engine.client_python or recipe("aiperf").digest()},
            "machine": self.machine_inputs(),
        }

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """Files, command lines and environment of every server of the variant."""
        return [{"levers": asdict(setting.levers), **self.planned(setting).to_dict()} for setting in self.deployments(variant)]

    def check_machine(self, cache: Path, variants: Sequence[Variant] = ()) -> None:
        """Refuse to begin where an engine, the client, a checkpoint or a GPU is missing, before anything is started.

        Raises
        ------
        MachineError
            Naming what is missing; or where an environment has another release than files would be written for.
        """
        self.check_gpus(variants)
        settings = [setting for variant in variants for setting in self.deployments(variant)]
        for form, release in dict.fromkeys((one.levers.precision_form, one.release) for one in settings) or [self._plain]:
            bench = self._bench(cache, form, release)
            self.check_prompts(bench.model, variants)
            python = bench.server_python
            installed = distribution_version(python, "tensorrt_llm")
            if installed not in ("", release):
                message = f"{python} has TensorRT-LLM {installed}, files would be written for {release}"
                raise MachineError(message, hint=f"engine.release={installed}")

    @property
    def _plain(self) -> tuple[str, str]:
        return self.cfg.model.precisions[0], self.engine.release

    def model_folder(self, cache: Path) -> Path | None:
        """Folder of the checkpoint in its plain form."""
        return self._bench(cache, *self._plain).model

    def _bench(self, cache: Path, form: str, release: str) -> Bench:
        folder = model_folder(self.checkpoint(form), self.cfg.model.revision)
        stepwise = self.engine.stream_interval == 1
        return Bench(self.cfg, self._python(release), self.client(cache), folder, counted=False, steps_streamed=stepwise)

    def _python(self, release: str) -> Path:
        """Interpreter beside which ``trtllm-serve`` of a release stands."""
        known = self.engine.releases
        if release != self.engine.release and release not in known:
            hint = f"engine.releases={{{release}: PATH}}, the Python that has tensorrt_llm {release}"
            raise MachineError(f"no environment is named for TensorRT-LLM {release}", hint=hint)
        named = known.get(release, self.engine.server_python)
        if named:
            if not (Path(named).parent / SERVE).is_file():
                raise MachineError(f"no {SERVE} beside {named}", hint="engine.server_python=PATH of the Python that has tensorrt_llm")
            return Path(named)
        found = shutil.which(SERVE)
        if found is None:
            raise MachineError(
                f"{SERVE} is not on this machine", hint="run inside NVIDIA's release container, or engine.server_python=PATH of its Python"
            )
        return Path(found).parent / "python3"

    def _image(self, release: str) -> str:
        """As the configuration names it, else the one that all of this runs in."""
        return self._named_image(release) or (container() or {}).get("image_id", "")

    def _named_image(self, release: str) -> str:
        return self.engine.images.get(release, self.engine.image if release == self.engine.release else "")

    def measure(self, trial: Trial, context: TrialContext) -> TrialResult:
        """Start the servers of the trial one deployment after another, load them, and read the points off the raw request records."""
        frames = []
        for number, setting in enumerate(self.deployments(trial.variant)):
            bench = self._bench(context.cache, setting.levers.precision_form, setting.release)
            deployment = Deployment(number, self.planned(setting), allocate(0, usable()), self.labels(setting), version=setting.release)
            frames.append(bench.measure(trial, context, deployment))
            if trial.replicate == 1 and self.engine.offline:
                check = OfflineCheck(self.cfg, bench.server_python.parent, bench.model, bench.texts())
                check.compare(setting.levers, self.knobs(setting), frames[-1], trial.variant.name, number, context.folder / KEPT)
        points = pd.concat(frames, ignore_index=True)
        return TrialResult(points, evaluated=len(points))

    def labels(self, setting: TrtllmSetting) -> dict[str, Any]:
        """Columns of the points table that a deployment decides."""
        levers = setting.levers
        chosen = layouts(levers, self.knobs(setting))
        shape = chosen["decode" if levers.disaggregated else "server"][0]
        labels: dict[str, Any] = {
            "model": self.cfg.model.name,
            "hardware": self.cfg.hardware.hardware,
            "engine": self.kind,
            "image": self._image(setting.release) or None,
            "precision": PRECISION_FORMS[levers.precision_form][0],
            "kv_precision": setting.kv_precision,
            "moe_backend": setting.moe_backend or None,
            "gpus": sum(layout.gpus * count for layout, count in chosen.values()),
            **degrees_of(shape),
            "attention_dp": shape.attention_dp,
            "spec": SPEC.get(levers.draft_kind, levers.draft_kind),
            "draft_len": levers.draft_len,
            "disagg": levers.disaggregated,
            "max_num_seqs": setting.batch,
            "isl_tokens": float(self.cfg.workload.isl_tokens),
            "osl_tokens": float(self.cfg.workload.osl_tokens),
        }
        for role, (layout, count) in chosen.items() if levers.disaggregated else ():
            one = {**degrees_of(layout), "workers": count, "gpus": layout.gpus * count}
            labels |= {f"{role}_{name}": value for name, value in one.items() if name != "pp"}
        return labels


def degrees_of(layout: Layout) -> dict[str, int]:
    """Degrees as the points table has them: attention data parallel over n ranks is dp n."""
    ranks = {"tp": 1, "dp": layout.tp} if layout.attention_dp else {"tp": layout.tp, "dp": 1}
    return {**ranks, "pp": layout.pp, "ep": layout.ep}
