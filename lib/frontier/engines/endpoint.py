"""Trials whose points are measured on OpenAI-compatible servers that somebody else runs: levers are declared, and checked against what these say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from frontier.catalog import PRECISION_FORMS
from frontier.engines.base import TrialContext, TrialResult
from frontier.engines.folders import model_folder
from frontier.engines.measuring import Bench, Deployment
from frontier.engines.served import CODE, ServedEngine, draft_of
from frontier.engines.trtllm import SPEC, degrees_of
from frontier.errors import RunError
from frontier.records import Trial, Variant
from frontier.serving import DeploymentSpec, Reported, allocate, ask, attached, contradictions, key_of, usable
from frontier.serving.trtllm import Layout
from frontier.tools import recipe


@dataclass(frozen=True)
class EndpointEngine(ServedEngine[str]):
    """Points measured on servers that are running already. A setting is the address of one."""

    kind = "endpoint"
    code_packages = ("frontier.engines.endpoint", *CODE)
    launch_s = 0.0

    def address(self, variant: Variant) -> str:
        """Where the variant is served; empty where nobody said."""
        return self.engine.urls.get(variant.name, self.engine.url if variant.name == "baseline" else "")

    def infeasible(self, variant: Variant) -> str:
        """Why a variant cannot be measured: no address, several settings at one, or a gate that cannot send the key."""
        reasons = []
        url = self.address(variant)
        if not url:
            reasons.append(f"no server is named for it: engine.urls.{variant.name}=http://HOST:PORT")
        elif urlsplit(url).scheme not in ("http", "https"):
            reasons.append(f"its address must begin with http:// or https://, got {url}")
        elif urlsplit(url).password:
            reasons.append("its address holds a password: name the variable that holds the key in engine.key_env")
        several = [name for name, values in variant.settings.items() if len(values) > 1]
        if several:
            reasons.append(f"one server has one setting of each lever, {', '.join(several)} has several here")
        if self.cfg.quality.kind != "none" and self.engine.key_env:
            reasons.append("the quality gate sends no key: quality=none")
        return "; ".join(reasons)

    def deployments(self, variant: Variant) -> Sequence[str]:
        """The address of the variant, where there is one."""
        return [] if self.infeasible(variant) else [self.address(variant)]

    def planned(self, setting: str) -> DeploymentSpec:
        """Nothing that is started."""
        return DeploymentSpec((), None, self._gpus(), "remote", self.engine.served_name)

    def _gpus(self) -> int:
        return self.engine.gpus or self.cfg.hardware.gpus_per_node

    def digest_inputs(self, variant: Variant) -> Mapping[str, Any]:
        """Address, what is declared, load and gate; the pinned client; the machine of the client."""
        return {
            **self.load_inputs(),
            "urls": list(self.deployments(variant)),
            "labels": self.labels(variant) if self.deployments(variant) else {},
            "tools": {"aiperf": self.engine.client_python or recipe("aiperf").digest()},
            "machine": self.machine_inputs(),
        }

    def resolved(self, variant: Variant) -> Sequence[Mapping[str, Any]]:
        """Address and declared levers of the variant."""
        return [{"url": url, "declared": self.labels(variant)} for url in self.deployments(variant)]

    def check_machine(self, cache: Path, variants: Sequence[Variant] = ()) -> None:
        """Refuse to begin where the client, the model's tokenizer, text for drafts, the key or the baseline's server is missing."""
        self.check_prompts(self._bench(cache).model, variants)
        key = key_of(self.engine.key_env)
        if self.engine.url:
            ask(self.engine.url, key)

    def model_folder(self, cache: Path) -> Path | None:
        """Folder with the model's tokenizer."""
        return self._bench(cache).model

    def _bench(self, cache: Path, reported: Reported | None = None) -> Bench:
        name = self.cfg.model.checkpoint or self.cfg.model.id
        return Bench(self.cfg, Path(), self.client(cache), model_folder(name, self.cfg.model.revision), counted=bool(reported and reported.counters))

    def measure(self, trial: Trial, context: TrialContext) -> TrialResult:
        """Ask the server what it is, load it, and read the points off the raw request records.

        Raises
        ------
        RunError
            If the server says something else of itself than was declared, or does not serve the model or its lengths.
        """
        url = self.address(trial.variant)
        reported = ask(url, key_of(self.engine.key_env))
        labels = self.labels(trial.variant)
        name = self._served(url, reported)
        wrong = contradictions(labels, reported)
        needed = self.cfg.workload.isl_tokens + self.cfg.workload.osl_tokens
        if not math.isnan(reported.max_tokens) and reported.max_tokens < needed:
            wrong.append(f"the workload needs {needed} tokens, the server takes {reported.max_tokens:g}")
        if wrong:
            raise RunError("; ".join(wrong), origin=url, hint="declare what is running: engine.urls, the levers' settings, workload")
        spec = DeploymentSpec((), None, self._gpus(), "remote", name)
        opened = partial(attached, url, name, self._gpus(), reported)
        points = self._bench(context.cache, reported).measure(trial, context, Deployment(0, spec, allocate(0, usable()), labels, opened))
        return TrialResult(points, evaluated=len(points))

    def _served(self, url: str, reported: Reported) -> str:
        """The model's name in requests."""
        wanted, hint = self.engine.served_name, f"engine.served_name= one of: {', '.join(reported.models)}"
        if wanted and wanted not in reported.models:
            raise RunError(f"the server does not serve {wanted}", origin=url, hint=hint)
        if not wanted and len(reported.models) > 1:
            raise RunError(f"the server lists {len(reported.models)} models", origin=url, hint=hint)
        return wanted or reported.models[0]

    def labels(self, variant: Variant) -> dict[str, Any]:
        """Columns of the points table: what is declared."""
        plain = self.plain(variant)
        kind, draft_len = draft_of(variant.settings.get("mtp", ("0",))[0])
        labels: dict[str, Any] = {
            "model": self.cfg.model.name,
            "hardware": plain.systems[0].hardware,
            "engine": self.engine.backend,
            "image": self.engine.image or None,
            "precision": PRECISION_FORMS[plain.precisions[0]][0],
            "kv_precision": variant.settings.get("kv_precision", (self.cfg.kv_precision,))[0],
            "gpus": self._gpus(),
            "spec": SPEC.get(kind, kind),
            "draft_len": draft_len,
            "disagg": plain.disaggregated[0],
            "isl_tokens": float(self.cfg.workload.isl_tokens),
            "osl_tokens": float(self.cfg.workload.osl_tokens),
        }
        shape = variant.settings.get("parallelism", ("",))[0]
        if shape and "dp" not in shape.removeprefix("dep"):
            layout = Layout.parse(shape)
            labels |= {**degrees_of(layout), "attention_dp": layout.attention_dp}
        return labels
