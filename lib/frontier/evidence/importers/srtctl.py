"""Results of srt-slurm (``srtctl``): the folder of a job, with the recipe or its lockfile and what its benchmark sa-bench wrote.

    <job>/recipe.lock.yaml or config.yaml
    <job>/logs/sa-bench_isl_<I>_osl_<O>/results_concurrency_<C>_gpus_<G>[_ctx_<P>_gen_<D>].json

The recipe says what was served, the result is of the benchmark_serving family. Source of names and keys: github.com/NVIDIA/srt-slurm
(docs/legacy-v1.md, src/srtctl/core/lockfile.py). Recipes of both layouts are read: ``resources`` and ``backend``, and ``roles`` and ``engine``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from frontier.errors import PointsError
from frontier.evidence.importers.base import Batch
from frontier.evidence.importers.benchmark_serving import serving_row
from frontier.evidence.importers.documents import batch_of, objects
from frontier.evidence.importers.names import hardware_name, precision_name
from frontier.evidence.importers.source import Source

RECIPES = ("recipe.lock.yaml", "config.yaml")  # the lockfile holds the recipe, and what happened to it
_NEEDED = ("completed", "duration", "total_output_tokens")
_RESULT = re.compile(r"results_concurrency_(\d+)_gpus_(\d+)(?:_ctx_(\d+)_gen_(\d+))?\.json$")
_LENGTHS = re.compile(r"isl_(\d+)_osl_(\d+)$")
_NAME = re.compile(r"^(?P<experiment>.+)--(?P<variant>.+)--s(?P<setting>\d+)--r(?P<replicate>\d+)$")
_ROLES = (("prefill", "prefill"), ("decode", "decode"), ("agg", "aggregated"))
LARGEST_RECIPE = 4 << 20  # bytes; a lockfile with the packages of every worker is far below


def result_files(paths: Sequence[Path]) -> list[Path]:
    """The results in folders of jobs, at any depth; files are taken as they are.

    Raises
    ------
    PointsError
        If a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("results_concurrency_*.json") if _RESULT.search(file.name)) if path.is_dir() else [path]
        if not inside:
            raise PointsError(f"{path} holds no result of srtctl", hint="results_concurrency_*.json, under a job's logs/sa-bench_*/")
        found += inside
    return found


def recognises(source: Source) -> bool:
    """Whether the file has the name of such a result and a recipe stands above it."""
    return bool(_RESULT.search(source.name)) and recipe_of(source.path) is not None


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per result; levers come from the recipe."""
    recipe = recipe_of(source.path)
    facts = {**file_facts(source.path), **({} if recipe is None else recipe_facts(recipe, str(source.path)))}
    notes = () if recipe is not None else (f"{source.name}: no {' or '.join(RECIPES)} in the folders above, so its levers are not known",)
    found = objects(source, "srtctl", _NEEDED)
    yield batch_of(source, found, lambda item: {**serving_row(item, given, facts), **_named(facts)}, mark="", notes=notes)


def file_facts(path: Path) -> dict[str, Any]:
    """What the names of file and folder say: load, and GPUs by role."""
    found, lengths = _RESULT.search(path.name), _LENGTHS.search(path.resolve().parent.name)
    facts: dict[str, Any] = {}
    if found:
        facts |= {"concurrency": int(found[1]), "gpus": int(found[2])}
        if found[3]:
            facts |= {"prefill_gpus": int(found[3]), "decode_gpus": int(found[4])}
    if lengths:
        facts |= {"isl_tokens": int(lengths[1]), "osl_tokens": int(lengths[2])}
    return facts


def recipe_of(path: Path) -> Path | None:
    """The recipe or lockfile in the nearest folder above a result, at most three up."""
    for folder in path.resolve().parents[:4]:
        for name in RECIPES:
            if (folder / name).is_file():
                return folder / name
    return None


@lru_cache(maxsize=256)
def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_RECIPE:
            raise PointsError(f"{path.name} is larger than any recipe ({path.stat().st_size} bytes)", origin=str(path.parent))
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise PointsError(f"{path.name} is no recipe: {cause}", origin=str(path.parent)) from cause
    if not isinstance(document, dict):
        raise PointsError(f"{path.name} is no recipe: it is not a mapping", origin=str(path.parent))
    return document


def recipe_facts(path: Path, origin: str) -> dict[str, Any]:
    """Columns of the points table that a recipe decides; None where it does not say.

    Raises
    ------
    PointsError
        If it cannot be read.
    """
    document = _read(path)
    model, lock = _mapping(document.get("model")), _mapping(document.get("lock"))
    resources, roles = _mapping(document.get("resources")), _mapping(document.get("roles"))
    backend = _mapping(document.get("backend"))
    stated = document.get("engine", backend.get("type"))
    engine = str(_mapping(stated).get("type", "")) if isinstance(stated, Mapping) else str(stated or "")
    configs = _mapping(backend.get(f"{engine}_config"))
    facts: dict[str, Any] = {
        "engine": engine or None,
        "hardware": hardware_name(resources.get("gpu_type") or document.get("gpu_type")),
        "precision": precision_name(model.get("precision")),
        "image": model.get("container"),
        "run_id": str(_mapping(lock.get("slurm")).get("job_id") or "") or path.parent.name,
        "engine_version": _engine_version(lock, engine),
    }
    present = {}
    for role, long in _ROLES:
        mine = _mapping(roles.get(role))
        keys = _mapping(mine.get("args")) or _mapping(configs.get(long))
        workers = mine.get("workers", resources.get(f"{role}_workers"))
        if keys or workers:
            present[role] = (keys, workers)
    facts["disagg"] = "decode" in present if present else None
    for role, (keys, workers) in present.items():
        prefix = "" if role == "agg" else f"{role}_"
        degrees = _degrees(keys)
        facts |= {f"{prefix}{name}": value for name, value in degrees.items() if value is not None and (not prefix or name != "attention_dp")}
        if prefix:
            facts[f"{prefix}workers"] = workers
        if role != "prefill":
            facts |= _speculation(keys)
            facts["kv_precision"] = precision_name(_mapping(keys.get("kv_cache_config")).get("dtype"))
            facts["max_num_seqs"] = keys.get("max_batch_size")
            facts["attention_dp"] = degrees["attention_dp"]
    return {**facts, **_identity(str(document.get("name") or ""))}


def _identity(name: str) -> dict[str, Any]:
    """Variant and replicate, where the recipe was written by `frontier plan --export srtctl`."""
    found = _NAME.match(name)
    return {"variant": found["variant"].replace(".", "+"), "replicate": int(found["replicate"])} if found else {"variant": name or None}


def _named(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("variant", "replicate", "max_num_seqs") if facts.get(name) is not None}


def _degrees(keys: Mapping[str, Any]) -> dict[str, Any]:
    """As the points table has them: attention data parallel over n ranks is dp n."""
    ranks, attention_dp = keys.get("tensor_parallel_size"), keys.get("enable_attention_dp")
    if ranks is None:
        return {"tp": None, "dp": None, "ep": None, "pp": None, "attention_dp": None}
    split = {"tp": 1, "dp": ranks} if attention_dp else {"tp": ranks, "dp": 1}
    return {**split, "ep": keys.get("moe_expert_parallel_size", 1), "pp": keys.get("pipeline_parallel_size", 1), "attention_dp": bool(attention_dp)}


def _speculation(keys: Mapping[str, Any]) -> dict[str, Any]:
    """TensorRT-LLM's words for drafts; nothing of other engines' flags."""
    if "tensor_parallel_size" not in keys:
        return {}
    config = _mapping(keys.get("speculative_config"))
    if not config:
        return {"spec": "none", "draft_len": 0}
    kind = str(config.get("decoding_type", "")).lower()
    length = config.get("num_nextn_predict_layers", config.get("max_draft_len"))
    return {"spec": "mtp" if kind == "mtp" else kind or None, "draft_len": length}


def _engine_version(lock: Mapping[str, Any], engine: str) -> str | None:
    """The version that the workers of a lockfile agree on."""
    names = {"trtllm": "tensorrt_llm"}
    found = {
        str(version)
        for worker in _mapping(lock.get("fingerprints")).values()
        for name, version in _mapping(_mapping(worker).get("frameworks")).items()
        if str(name).replace("-", "_") in (names.get(engine, engine), engine)
    }
    return found.pop() if len(found) == 1 else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
