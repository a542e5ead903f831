"""What a recipe or lockfile of srt-slurm says of a deployment, in the columns of the points table.

Read are both layouts of recipes (schema 1: ``resources`` and ``backend``; schema 2: ``engine`` and ``roles``) and both of lockfiles (version 1:
``_meta``, ``config``, ``fingerprints``; version 2: the recipe with a section ``lock``). Source: github.com/NVIDIA/srt-slurm, docs/legacy-v1.md at
commit 17c4ece9f1b7, src/srtctl/core/roles.py at 08b968dd3c89, src/srtctl/core/lockfile.py at 1caacf7d1955 (version 1) and 19deaa4c2dd8 (version 2),
src/srtctl/cli/submit.py at 0014864e9b67 (what a job's folder holds).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from frontier.errors import PointsError
from frontier.evidence.importers.names import hardware_name, precision_name, speculation_name

LOCK, CONFIG = "recipe.lock.yaml", "config.yaml"
RECIPES = (LOCK, CONFIG)  # the lockfile holds the recipe, and what happened to it
LARGEST_RECIPE = 16 << 20  # bytes; a lockfile with the packages of every worker of a rack is far below
PACKAGES = {"trtllm": "tensorrt_llm"}  # engine -> its name among the frameworks of a fingerprint, where it is another
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a lockfile lists the packages of every worker: seconds with the loader in Python
LEGACY = {"prefill": "prefill", "decode": "decode", "agg": "aggregated"}  # role -> its name under `backend`


@dataclass(frozen=True)
class Role:
    """The workers of one role: how many, the GPUs of each where that is stated or follows, and the engine's own keys."""

    workers: int | None
    gpus: int | None
    args: Mapping[str, Any]

    @property
    def held(self) -> int | None:
        """GPUs of all its workers."""
        return None if self.workers is None or self.gpus is None else self.workers * self.gpus


@dataclass(frozen=True)
class Recipe:
    """A job's recipe, and its lock where there is one.

    Parameters
    ----------
    path : Path
        The file it was read from.
    document, lock : mapping
    """

    path: Path
    document: Mapping[str, Any]
    lock: Mapping[str, Any]

    @property
    def job(self) -> str:
        """Slurm's job, else the folder's name."""
        return str(mapping(self.lock.get("slurm")).get("job_id") or self.path.parent.name)

    @cached_property
    def engine(self) -> str:
        """The engine's name; of engines by role the first."""
        specs = [mapping(spec) for spec in mapping(self.document.get("roles")).values()]
        stated = self.document.get("engine") or next((spec["engine"] for spec in specs if spec.get("engine")), None)
        stated = stated or mapping(self.document.get("backend")).get("type")
        return str(mapping(stated).get("type", "")) if isinstance(stated, Mapping) else str(stated or "")

    @cached_property
    def roles(self) -> dict[str, Role]:
        """The roles that are there: prefill and decode, or agg."""
        resources, named = mapping(self.document.get("resources")), mapping(self.document.get("roles"))
        backend = mapping(self.document.get("backend"))
        configs = mapping(backend.get(f"{self.engine}_config"))
        per_node = _whole(resources.get("gpus_per_node"))
        found: dict[str, Role] = {}
        for role, legacy in LEGACY.items():
            mine = mapping(named.get(role))
            args = mapping(mine.get("args")) or mapping(configs.get(legacy))
            nodes = _whole(mine.get("nodes", resources.get(f"{role}_nodes")))
            workers = _whole(mine.get("workers", resources.get(f"{role}_workers")))
            gpus = _whole(mine.get("gpus", resources.get(f"gpus_per_{role}")))
            if gpus is None and nodes == 0 and "prefill" in found:
                gpus = found["prefill"].gpus  # decode on the nodes of prefill without a size takes prefill's
            elif gpus is None and nodes and workers and per_node:
                gpus = nodes * per_node // workers
            if args or workers:
                found[role] = Role(workers, gpus, args)
        return found

    @property
    def disaggregated(self) -> bool | None:
        """Whether prefill and decode are apart; None where there are no roles."""
        return "decode" in self.roles if self.roles else None

    @cached_property
    def loads(self) -> list[int]:
        """Concurrencies that sa-bench was asked for."""
        stated = mapping(self.document.get("benchmark")).get("concurrencies")
        listed = stated.lower().split("x") if isinstance(stated, str) else stated if isinstance(stated, list) else [stated]
        return [int(str(one)) for one in listed if str(one).strip().isdigit()]

    @property
    def written_here(self) -> Mapping[str, str]:
        """What `frontier plan --export srtctl` wrote of the launch: model, levers, variant and replicate; empty for other recipes."""
        found = mapping(self.document.get("environment"))
        names = {name: f"FRONTIER_{name.upper()}" for name in ("model", "levers", "variant", "replicate")}
        return {name: str(found[key]) for name, key in names.items() if key in found}

    @cached_property
    def deployment(self) -> str:
        """All that makes a launch the same as another: the recipe but for its name, its place in a plan, and what Slurm was asked for."""
        left_out = ("name", "slurm", "sbatch_directives", "reporting", "lock")
        kept = {key: value for key, value in self.document.items() if key not in left_out}
        if self.written_here:
            kept["environment"] = {key: value for key, value in mapping(kept.get("environment")).items() if key != "FRONTIER_REPLICATE"}
        return json.dumps(kept, sort_keys=True, default=str)

    def facts(self) -> dict[str, Any]:
        """Columns of the points table that the recipe decides; None where it does not say."""
        model, ours = mapping(self.document.get("model")), self.written_here
        resources = mapping(self.document.get("resources"))
        facts: dict[str, Any] = {
            "engine": self.engine or None,
            "hardware": hardware_name(resources.get("gpu_type")),
            "precision": precision_name(model.get("precision")),
            "image": model.get("container"),
            "run_id": self.job,
            "engine_version": self.engine_version(),
            "disagg": self.disaggregated,
            "variant": ours.get("variant") or str(self.document.get("name") or "") or None,
        }
        held = [role.held for role in self.roles.values()]
        if held and all(held):
            facts["gpus"] = sum(count for count in held if count)
        for name, role in self.roles.items():
            prefix = "" if name == "agg" else f"{name}_"
            degrees = (_vllm_degrees if self.engine == "vllm" else _trtllm_degrees)(role.args)
            facts |= {f"{prefix}{key}": value for key, value in degrees.items() if not prefix or key not in ("attention_dp", "pp")}
            if prefix:
                facts |= {f"{prefix}workers": role.workers, f"{prefix}gpus": role.held}
            if name != "prefill":
                facts |= {"attention_dp": degrees.get("attention_dp"), **(_vllm_rest if self.engine == "vllm" else _trtllm_rest)(role.args)}
        if ours.get("model"):
            facts["model"] = ours["model"]
        target = ours.get("variant", "").split("+")
        return facts | {f"level_{lever}": "target" if lever in target else "baseline" for lever in ours.get("levers", "").split(",") if lever}

    def engine_version(self) -> str | None:
        """The version that the workers of a lockfile agree on."""
        found = {
            str(version)
            for worker in mapping(self.lock.get("fingerprints")).values()
            for name, version in mapping(mapping(worker).get("frameworks")).items()
            if str(name).replace("-", "_") in (PACKAGES.get(self.engine, self.engine), self.engine)
        }
        return found.pop() if len(found) == 1 else None

    def warnings(self) -> list[str]:
        """What the lock says against the job: something else was running than declared, or workers were started again."""
        checks = mapping(self.lock.get("verification")).get("checks")
        failed = [mapping(check) for check in checks if mapping(check).get("status") == "FAIL"] if isinstance(checks, list) else []
        out = [f"job {self.job}: {check.get('field')} is not as the recipe declares it: {check.get('message')}" for check in failed]
        return [*out, f"job {self.job}: workers were started again during the job"] if self.lock.get("worker_restarts") else out


def read_recipe(job: Path) -> Recipe:
    """The recipe of a job's folder: of the lockfile, else of the configuration; of a file of overrides the variant that ran.

    Raises
    ------
    PointsError
        If it cannot be read, or it cannot be told which variant of it ran.
    """
    path = next(job / name for name in RECIPES if (job / name).is_file())
    document = _load(path)
    lock = mapping(document.get("lock"))
    if "_meta" in document and isinstance(document.get("config"), Mapping):  # a lockfile of version 1
        lock = {**mapping(document["_meta"]), "fingerprints": document.get("fingerprints"), "verification": document.get("verification")}
        document = document["config"]
    if "base" in document:
        resolved = sorted(job.glob("config_*.yaml"))
        if len(resolved) != 1:
            rule = f"{path.name} holds several variants, and {len(resolved)} files config_*.yaml beside it say which one ran"
            raise PointsError(rule, origin=str(job), hint="keep the one config_*.yaml of the job")
        document = _load(resolved[0])
    return Recipe(path, document, lock)


def _load(path: Path) -> dict[str, Any]:
    try:
        found = path.stat()
    except OSError as cause:
        raise PointsError(f"{path.name} is no recipe: {cause}", origin=str(path.parent)) from cause
    return _loaded(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1024)  # every result of a job asks for its recipe
def _loaded(path: Path, changed_ns: int, size: int) -> dict[str, Any]:
    if size > LARGEST_RECIPE:
        raise PointsError(f"{path.name} is larger than any recipe ({size} bytes)", origin=str(path.parent))
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise PointsError(f"{path.name} is no recipe: {cause}", origin=str(path.parent)) from cause
    if not isinstance(document, dict):
        raise PointsError(f"{path.name} is no recipe: it is not a mapping", origin=str(path.parent))
    return document


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _trtllm_degrees(keys: Mapping[str, Any]) -> dict[str, Any]:
    """As the points table has them: attention data parallel over n ranks is dp n. Nothing of other engines' keys."""
    ranks, attention_dp = keys.get("tensor_parallel_size"), bool(keys.get("enable_attention_dp"))
    if ranks is None:
        return {}
    split = {"tp": 1, "dp": ranks} if attention_dp else {"tp": ranks, "dp": 1}
    return {**split, "ep": keys.get("moe_expert_parallel_size", 1), "pp": keys.get("pipeline_parallel_size", 1), "attention_dp": attention_dp}


def _trtllm_rest(keys: Mapping[str, Any]) -> dict[str, Any]:
    if "tensor_parallel_size" not in keys:
        return {}
    drafts = mapping(keys.get("speculative_config"))
    kind = speculation_name(drafts.get("decoding_type")) if drafts else "none"
    return {
        "spec": kind,
        "draft_len": drafts.get("num_nextn_predict_layers", drafts.get("max_draft_len")) if drafts else 0,
        "kv_precision": precision_name(mapping(keys.get("kv_cache_config")).get("dtype")),
        "max_num_seqs": keys.get("max_batch_size"),
    }


def _vllm_flags(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).replace("_", "-"): value for key, value in keys.items()}


def _vllm_degrees(keys: Mapping[str, Any]) -> dict[str, Any]:
    """vLLM's flags, written either way; experts are spread over all ranks of a stage or over none."""
    flags = _vllm_flags(keys)
    tp, dp = flags.get("tensor-parallel-size", 1), flags.get("data-parallel-size", 1)
    ep = tp * dp if flags.get("enable-expert-parallel") is True and isinstance(tp, int) and isinstance(dp, int) else 1
    return {"tp": tp, "dp": dp, "ep": ep, "pp": flags.get("pipeline-parallel-size", 1), "attention_dp": isinstance(dp, int) and dp > 1}


def _vllm_rest(keys: Mapping[str, Any]) -> dict[str, Any]:
    flags = _vllm_flags(keys)
    stated = flags.get("speculative-config")
    try:
        drafts = mapping(json.loads(stated) if isinstance(stated, str) else stated)
    except ValueError:
        return {"max_num_seqs": flags.get("max-num-seqs")}  # drafts are configured, in words that are not read
    method = str(drafts.get("method") or "")
    return {
        "spec": ("mtp" if method.endswith("mtp") else speculation_name(method)) if drafts else "none",
        "draft_len": drafts.get("num_speculative_tokens") if drafts else 0,
        "kv_precision": precision_name(flags.get("kv-cache-dtype")),
        "max_num_seqs": flags.get("max-num-seqs"),
    }
