"""The blocks of a recipe of srt-slurm: workers by role, front end, weights, what runs, and what Slurm is asked for (sources: recipes.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontier.errors import ConfigError
from frontier.schema import PlaceConfig
from frontier.serving.trtllm import FORCED, Layout, TrtllmKnobs, TrtllmLevers, layouts, worker_document

ROLES = {"server": "agg", "prefill": "prefill", "decode": "decode"}  # the kit's name -> the recipe's
ROUTERS = {"context_servers": "ctx_router", "generation_servers": "gen_router"}  # section of the front end's file -> key of the recipe
_HUB = re.compile(r"[\w.-]+/[\w.-]+")


def roles(levers: TrtllmLevers, knobs: TrtllmKnobs) -> dict[str, Any]:
    """``roles``: nodes, workers, GPUs of each, environment, and the file of the workers.

    Prefill and decode share a node where the deployment fits on one, as it does when the kit starts it.

    Raises
    ------
    ConfigError
        If a worker fills some of its nodes and part of another.
    """
    shapes = layouts(levers, knobs)
    shared = levers.disaggregated and sum(layout.gpus * count for layout, count in shapes.values()) <= knobs.gpus_per_node
    out = {}
    for role, (layout, count) in shapes.items():
        spec: dict[str, Any] = {
            "nodes": "colocate" if shared and role == "decode" else _nodes(layout, count, knobs.gpus_per_node),
            "workers": count,
            "gpus": layout.gpus,
        }
        if levers.draft_len and knobs.forced_acceptance is not None:
            spec["env"] = {FORCED: f"{knobs.forced_acceptance:g}"}
        # srtctl would switch the metrics of requests on, which the plan's servers do not have.
        spec["args"] = {"return_perf_metrics": False, **worker_document(levers, knobs, role)}
        out[ROLES[role]] = spec
    return out


def _nodes(layout: Layout, count: int, per_node: int) -> int:
    """Nodes of so many workers, each on nodes of its own where one node does not hold several."""
    if layout.gpus > per_node and layout.gpus % per_node:
        raise ConfigError(
            f"a worker of {layout.gpus} GPUs ({layout.name}) ends within a node of {per_node}: where srtctl puts the next one is not what is planned",
            origin="lever.parallelism",
            hint=f"a layout of 1 to {per_node} GPUs or a multiple of {per_node}",
        )
    if layout.gpus >= per_node:
        return count * (layout.gpus // per_node)
    return -(-count // (per_node // layout.gpus))


def frontend(levers: TrtllmLevers, knobs: TrtllmKnobs) -> dict[str, Any]:
    """``frontend``: the aggregated worker itself, or ``trtllm-serve disaggregated`` with ``engine.server``; srtctl lists the servers itself."""
    out: dict[str, Any] = {"type": "trtllm_serve", "enable_multiple_frontends": False}
    if not levers.disaggregated:
        return out
    out |= {key: dict(knobs.server[section]["router"]) for section, key in ROUTERS.items() if section in knobs.server}
    extra = {key: value for key, value in knobs.server.items() if key not in ROUTERS}
    return {**out, **({"server_config_extra": extra} if extra else {})}


def weights(model: str) -> str:
    """``model.path``: a folder, an id of the hub, or else an alias of srtslurm.yaml."""
    if _on_disk(model):
        return str(Path(model).expanduser().absolute())
    return f"hf:{model}" if _HUB.fullmatch(model) else model


def identity(model: str, container: str, release: str, revision: str | None) -> dict[str, Any]:
    """``identity``: what should be running, which srtctl holds against what is found and writes into the lockfile."""
    out: dict[str, Any] = {"frameworks": {"tensorrt_llm": release}}
    if not _on_disk(model) and _HUB.fullmatch(model):
        out["model"] = {"repo": model, **({"revision": revision} if revision else {})}
    if not _on_disk(container) and ("/" in container or ":" in container):
        out["container"] = {"image": container}
    return out


def mounts(levers: TrtllmLevers, knobs: TrtllmKnobs) -> list[str]:
    """``extra_mount``: the drafter's folder, under its own path; srtctl mounts the model.

    Raises
    ------
    ConfigError
        If the folder is named relative to this one.
    """
    if levers.draft_kind not in ("eagle3", "draft_target") or not _on_disk(knobs.draft_model):
        return []
    if not knobs.draft_model.startswith("/"):
        hint = f"engine.draft_model={Path(knobs.draft_model).expanduser().absolute()}"
        raise ConfigError(f"a recipe needs the drafter's whole path, got {knobs.draft_model}", origin="engine.draft_model", hint=hint)
    return [f"{knobs.draft_model}:{knobs.draft_model}:ro"]


def slurm(place: PlaceConfig) -> dict[str, str]:
    """``slurm``: what ``place=slurm`` names; the rest comes from the site's srtslurm.yaml."""
    if place.kind != "slurm":
        return {}
    named = {"account": place.account, "partition": place.partition, "time_limit": f"{place.time_min // 60:02d}:{place.time_min % 60:02d}:00"}
    return {key: value for key, value in named.items() if value}


def sbatch_directives(place: PlaceConfig) -> dict[str, str]:
    """``sbatch_directives``: the further options of ``place=slurm`` that hold for a job of srtctl; nodes and GPUs follow from the roles."""
    if place.kind != "slurm":
        return {}
    named: Mapping[str, str] = {
        "qos": place.qos,
        "gres": place.gres,
        "constraint": place.constraint,
        "nodelist": place.nodelist,
        "exclude": place.exclude,
        "cpus-per-task": str(place.cpus_per_task or ""),
        "mem": f"{round(place.mem_gib * 1024)}M" if place.mem_gib else "",
    }
    return {key: value for key, value in named.items() if value} | ({"exclusive": ""} if place.exclusive else {}) | dict(place.sbatch)


def _on_disk(name: str) -> bool:
    return name.startswith(("/", ".", "~"))
