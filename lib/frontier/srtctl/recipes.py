"""Recipes of srt-slurm for the trials of a plan on TensorRT-LLM, one per launch. Not run with it.

Keys and rules are those of its schema 2, the only one it loads: github.com/NVIDIA/srt-slurm, docs/schema/recipe.schema.json at commit 0794007bc950
and docs/schema-reference.md at 01aebde8f8fc (fields), docs/frontends.md at 356866e35889 and src/srtctl/frontends/trtllm_serve.py at 16a4fc8fa267
(the front end trtllm_serve), src/srtctl/backends/trtllm.py at 02600fc43bd4 (what a worker is started with), src/srtctl/core/validation.py at
04c1e504e504 (paths and images), src/srtctl/benchmarks/scripts/sa-bench/benchmark_serving.py at 024aa2dc6dfc (lengths of requests).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from frontier.srtctl.blocks import frontend, identity, mounts, roles, sbatch_directives, slurm, weights

SLACK = 64  # tokens: sa-bench sends text, which the server may cut into a few tokens more than asked for; srt-slurm's recipes leave 20 to 40
POLL_S = 10  # between two looks at whether the servers are ready
HEAD = """\
# {experiment}, plan {digest}: variant {variant}, server setting {setting}, launch {replicate}.
# For srt-slurm, schema 2, by frontier plan --export srtctl. Not run with it: look at it with `srtctl dry-run -f FILE` first.
# sa-bench counts requests (num_prompts_mult x concurrency). It has no keys for warmup_s, settle_s, window_s and turnovers of the sweep.
"""


def write_recipes(plan: Plan, cfg: Config, folder: Path) -> list[Path]:
    """Write one recipe per launch, numbered in the order of the plan; the files.

    Raises
    ------
    UsageError
        If the folder holds something or is a file, or the engine or the sweep is none that srt-slurm can launch from here.
    ConfigError
        If no container is named, or a deployment cannot be said in a recipe.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file", hint="-o NEW_FOLDER")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="-o NEW_FOLDER; recipes of two plans would be mixed up")
    documents = recipe_documents(plan, cfg)
    files = []
    for number, (head, document) in enumerate(documents, start=1):
        file = folder / f"{number:0{len(str(len(documents)))}d}_{document['name']}.yaml"
        write_text(file, head + yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True))
        files.append(file)
    return files


def recipe_documents(plan: Plan, cfg: Config) -> list[tuple[str, Mapping[str, Any]]]:
    """Comment lines and recipe of every launch, in the plan's order; a variant with several server settings gives one for each.

    Raises
    ------
    UsageError, ConfigError
        As :func:`write_recipes`.
    """
    engine = get_engine(cfg)
    if not isinstance(engine, TrtllmEngine):
        raise UsageError(f"engine {cfg.engine.kind} has no recipes: --export srtctl is for engine=trtllm", hint="an experiment of engine=trtllm")
    if cfg.sweep.kind == "adaptive":
        raise UsageError("an adaptive sweep chooses its loads while it runs, a recipe lists them", hint="sweep=grid sweep.concurrencies=[4,16,64]")
    return [
        (_head(plan, cfg, trial, number), _recipe(cfg, engine, trial, number, setting))
        for trial in plan.main.trials
        for number, setting in enumerate(engine.deployments(trial.variant))
    ]


def _recipe(cfg: Config, engine: TrtllmEngine, trial: Trial, number: int, setting: TrtllmSetting) -> dict[str, Any]:
    levers, knobs = setting.levers, engine.knobs(setting)
    knobs = replace(knobs, isl_tokens=knobs.isl_tokens + SLACK)
    container = cfg.engine.images.get(setting.release, cfg.engine.image if setting.release == cfg.engine.release else "")
    if not container:
        several = setting.release != cfg.engine.release
        raise ConfigError(
            f"a recipe names its container, and none is named for TensorRT-LLM {setting.release}",
            origin="engine.images" if several else "engine.image",
            hint=f"{'+' if several else ''}engine.{f'images.{setting.release}' if several else 'image'}=IMAGE: a .sqsh file, an alias of "
            f"srtslurm.yaml, or a name like nvcr.io/nvidia/tensorrt-llm/release:{setting.release}",
        )
    document: dict[str, Any] = {
        "schema": 2,
        "name": f"{cfg.name}--{trial.variant.name.replace('+', '.')}--s{number}--r{trial.replicate}",
        "model": {"path": weights(knobs.model), "container": container, "precision": PRECISION_FORMS[levers.precision_form][0]},
        "identity": identity(knobs.model, container, setting.release, cfg.model.revision if knobs.model == cfg.model.id else None),
        "resources": {"gpu_type": cfg.hardware.hardware.removesuffix("_sxm"), "gpus_per_node": cfg.hardware.gpus_per_node},
        "slurm": slurm(cfg.place),
        "sbatch_directives": sbatch_directives(cfg.place),
        # By default only prefill and decode workers on Grace would be bound to memory nodes, so that disaggregation would come with another change.
        "engine": {"type": "trtllm", "numa_memory_bind": False},
        "roles": roles(levers, knobs),
        "frontend": frontend(levers, knobs),
        "health_check": {"max_attempts": -(-int(cfg.engine.ready_timeout_s) // POLL_S), "interval_seconds": POLL_S},
        "benchmark": {
            "type": "sa-bench",
            "isl": cfg.workload.isl_tokens,
            "osl": cfg.workload.osl_tokens,
            "concurrencies": list(concurrencies(cfg)),
            "req_rate": "inf",
            "random_range_ratio": _range_ratio(cfg.workload.mean_length_fraction),
            "use_chat_template": False,
        },
        # What the import cannot read off keys of the recipe; workers do not know these variables.
        "environment": {
            "FRONTIER_MODEL": cfg.model.name,
            "FRONTIER_LEVERS": ",".join(cfg.lever),
            "FRONTIER_VARIANT": trial.variant.name,
            "FRONTIER_REPLICATE": str(trial.replicate),
        },
        "extra_mount": mounts(levers, knobs),
    }
    return {key: value for key, value in document.items() if value}


def _range_ratio(mean_fraction: float) -> float:
    """sa-bench draws lengths evenly from ratio x nominal to nominal, so that the mean is (1 + ratio) / 2 of it."""
    if mean_fraction < 0.5:
        raise ConfigError(
            f"sa-bench draws lengths with a mean of at least half the nominal one, workload.mean_length_fraction is {mean_fraction:g}",
            origin="workload.mean_length_fraction",
            hint="workload.mean_length_fraction=0.9",
        )
    return round(2 * mean_fraction - 1, 6)


def _head(plan: Plan, cfg: Config, trial: Trial, number: int) -> str:
    """Comment lines of a recipe: what it is, and what of the experiment is not in it."""
    lines = HEAD.format(experiment=cfg.name, digest=plan.digest[:8], variant=trial.variant.name, setting=number, replicate=trial.replicate)
    if cfg.place.setup:
        lines += "# Not in it: place.setup, lines for the kit's own jobs; workers start in their container.\n"
    if cfg.sweep.kind == "mlperf_endpoints":
        lines += "# Not in it: the rules of sweep=mlperf_endpoints beyond its concurrencies.\n"
    return lines
