"""Recipes of srt-slurm for the trials of a plan on TensorRT-LLM. Not run with it: the keys are those of its recipes (schema 1, which it reads).

Source of the keys: github.com/NVIDIA/srt-slurm, docs/legacy-v1.md and its recipes for TensorRT-LLM.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from frontier.catalog import PRECISION_FORMS
from frontier.engines import get_engine
from frontier.engines.driving import concurrencies
from frontier.engines.trtllm import TrtllmEngine, TrtllmSetting
from frontier.errors import ConfigError, UsageError
from frontier.files import write_text
from frontier.plan import Plan
from frontier.records import Trial
from frontier.schema import Config
from frontier.serving.trtllm import Layout, layouts, worker_document

ROLES = {"server": ("aggregated", "agg"), "prefill": ("prefill", "prefill"), "decode": ("decode", "decode")}


def write_recipes(plan: Plan, cfg: Config, folder: Path) -> list[Path]:
    """Write one recipe per launch, numbered in the order of the plan; the files.

    Raises
    ------
    UsageError
        If the folder holds something, or the engine is none that srt-slurm launches from here.
    ConfigError
        If no container is named.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="-o NEW_FOLDER; recipes of two plans would be mixed up")
    documents = recipe_documents(plan, cfg)
    files = []
    for number, document in enumerate(documents, start=1):
        file = folder / f"{number:0{len(str(len(documents)))}d}_{document['name']}.yaml"
        write_text(file, yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True))
        files.append(file)
    return files


def recipe_documents(plan: Plan, cfg: Config) -> list[Mapping[str, Any]]:
    """The recipes of a plan's trials, in its order; a variant with several server settings gives one for each.

    Raises
    ------
    UsageError, ConfigError
        As :func:`write_recipes`.
    """
    engine = get_engine(cfg)
    if not isinstance(engine, TrtllmEngine):
        raise UsageError(f"engine {cfg.engine.kind} has no recipes: --export srtctl is for engine=trtllm", hint="an experiment of engine=trtllm")
    return [
        _recipe(cfg, engine, trial, number, setting)
        for trial in plan.main.trials
        for number, setting in enumerate(engine.deployments(trial.variant))
    ]


def _recipe(cfg: Config, engine: TrtllmEngine, trial: Trial, number: int, setting: TrtllmSetting) -> dict[str, Any]:
    levers, knobs = setting.levers, engine.knobs(setting)
    container = cfg.engine.images.get(setting.release, cfg.engine.image)
    if not container:
        raise ConfigError(f"a recipe names its container, and none is named for release {setting.release}", origin="engine.image")
    shapes = layouts(levers, knobs)
    resources: dict[str, Any] = {"gpu_type": cfg.hardware.hardware.removesuffix("_sxm"), "gpus_per_node": cfg.hardware.gpus_per_node}
    for role, (layout, count) in shapes.items():
        name = ROLES[role][1]
        resources |= {f"{name}_nodes": _nodes(layout, count, cfg.hardware.gpus_per_node), f"{name}_workers": count, f"gpus_per_{name}": layout.gpus}
    document: dict[str, Any] = {
        "name": recipe_name(cfg, trial, number),
        "model": {"path": knobs.model, "container": container, "precision": PRECISION_FORMS[levers.precision_form][0]},
        "resources": resources,
        "backend": {"type": "trtllm", "trtllm_config": {ROLES[role][0]: worker_document(levers, knobs, role) for role in shapes}},
        "frontend": {"type": "trtllm_serve"},
        "benchmark": {
            "type": "sa-bench",
            "isl": cfg.workload.isl_tokens,
            "osl": cfg.workload.osl_tokens,
            "concurrencies": "x".join(map(str, concurrencies(cfg))),
            "req_rate": "inf",
        },
    }
    place = cfg.place
    slurm = {"account": place.account, "partition": place.partition, "time_limit": f"{place.time_min // 60}:{place.time_min % 60:02d}:00"}
    if place.kind == "slurm":
        document["slurm"] = {key: value for key, value in slurm.items() if value}
    return document


def recipe_name(cfg: Config, trial: Trial, number: int) -> str:
    """Experiment, variant, server setting and replicate, told apart by double hyphens: the import reads them from it."""
    return f"{cfg.name}--{trial.variant.name.replace('+', '.')}--s{number}--r{trial.replicate}"


def _nodes(layout: Layout, count: int, per_node: int) -> int:
    """Nodes of so many workers, each on nodes of its own where one node does not hold several."""
    if layout.gpus >= per_node:
        return count * -(-layout.gpus // per_node)
    return -(-count // (per_node // layout.gpus))
