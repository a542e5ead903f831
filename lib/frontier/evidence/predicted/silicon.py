"""The operator database of one system, and the facts of a model, as aiconfigurator-core carries them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version as installed_version
from importlib.resources import files
from typing import Any

from aiconfigurator_core.sdk import common, perf_database
from aiconfigurator_core.sdk.models import check_is_moe, get_model_family
from aiconfigurator_core.sdk.utils import get_model_config_from_model_path

from frontier.errors import ConfigError

# The core warns at length (rows inherited from another engine's tables, wide expert parallelism not worth it). Without a handler of its own Python
# prints that on stderr; with this one it goes where the application sends its log.
logging.getLogger("aiconfigurator_core").addHandler(logging.NullHandler())

CORE_VERSION = installed_version("aiconfigurator-core")
BACKENDS = ("trtllm",)  # the scheduler arithmetic in aggregated.py is TensorRT-LLM's; another engine needs its own


@dataclass(frozen=True)
class ModelFacts:
    """What the search needs to know of a model.

    Parameters
    ----------
    family : str
        Model family of aiconfigurator-core.
    is_moe : bool
    mtp_layers : int
        Multi-token-prediction layers that the checkpoint ships; 0 if none.
    hidden_size, moe_inter_size, topk, num_experts : int
        Shape of the MoE block; zeros for a dense model.
    """

    family: str
    is_moe: bool
    mtp_layers: int
    hidden_size: int
    moe_inter_size: int
    topk: int
    num_experts: int


def known_models() -> tuple[str, ...]:
    """Hugging Face ids whose architecture the wheel carries, sorted."""
    suffix = "_config.json"
    names = (item.name for item in (files("aiconfigurator_core") / "model_configs").iterdir())
    found = (n[: -len(suffix)].replace("--", "/") for n in names if n.endswith(suffix) and "_hf_quant_config" not in n)
    return tuple(sorted(found))


@lru_cache(maxsize=64)
def model_facts(model_path: str) -> ModelFacts:
    """The facts of a model.

    Raises
    ------
    ConfigError
        If the wheel does not carry the model's architecture (nothing is downloaded); the message lists the models it does.
    """
    if model_path not in known_models():
        raise ConfigError(
            f"model.path {model_path!r} is not among the models of aiconfigurator-core {CORE_VERSION}",
            hint=f"one of {', '.join(known_models())}",
        )
    info = get_model_config_from_model_path(model_path)
    raw = info.get("raw_config", {})
    text_key = common.MULTIMODAL_TEXT_CONFIG_KEY.get(info["architecture"])
    text = raw.get(text_key, raw) if text_key else raw
    moe = bool(check_is_moe(model_path))
    return ModelFacts(
        family=str(get_model_family(model_path)),
        is_moe=moe,
        mtp_layers=int(text.get("num_nextn_predict_layers") or 0),
        hidden_size=int(info.get("hidden_size") or 0) if moe else 0,
        moe_inter_size=int(info.get("moe_inter_size") or 0) if moe else 0,
        topk=int(info.get("topk") or 0) if moe else 0,
        num_experts=int(info.get("num_experts") or 0) if moe else 0,
    )


@lru_cache(maxsize=32)
def resolve_version(system: str, backend: str, requested: str) -> str:
    """The database version to use: the requested one, or for an empty name the one the wheel holds as current.

    Raises
    ------
    ConfigError
        For a system, backend or version without data; the message lists the valid ones.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}", hint=f"backend={BACKENDS[0]}")
    if (files("aiconfigurator_core") / "systems" / f"{system}.yaml").is_file():
        slots = perf_database.get_version_slots(system, backend) or {}
        version = requested or slots.get("current")
        if version in slots.values() and database(system, backend, str(version)) is not None:
            return str(version)
    raise _no_database(system, backend, requested)


def _no_database(system: str, backend: str, requested: str) -> ConfigError:
    # Listing all databases parses hundreds of files, which takes seconds; only an error message needs it.
    databases = perf_database.get_supported_databases()
    systems = sorted(name for name, backends in databases.items() if backends.get(backend))
    if system not in systems:
        return ConfigError(f"system {system!r} has no {backend} data in aiconfigurator-core {CORE_VERSION}", hint=f"one of {', '.join(systems)}")
    versions = databases[system][backend]
    return ConfigError(f"database_version {requested!r} is not carried for {system}/{backend}", hint=f"one of {', '.join(versions)}")


@lru_cache(maxsize=8)
def database(system: str, backend: str, version: str) -> Any:
    """The silicon-measured operator database (measured rows only: no roofline or cross-precision estimates)."""
    return perf_database.get_database_view(system, backend, version)


def gpus_per_node(system: str) -> int:
    """GPUs of one node of that system, as the wheel prices it (4 on GB200: a tray)."""
    return int(perf_database.load_system_spec(system)["node"]["num_gpus_per_node"])


def sm_version(system: str) -> int:
    """Compute capability of the system's GPU, times ten (90: Hopper, 100: Blackwell)."""
    return int(perf_database.load_system_spec(system)["gpu"]["sm_version"])
