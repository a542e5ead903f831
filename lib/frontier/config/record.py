"""A configuration as text and as a digest: what a run keeps of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frontier.config.keys import check_value
from frontier.errors import ConfigError, ConfigErrors
from frontier.schema import Config

# They say where and how things are done or shown, not what is found.
_NOT_IN_DIGEST = ("paths", "place", "runtime", "report")


def digest(cfg: Config) -> str:
    """SHA-256 (hex) of the resolved configuration without paths, place, runtime and report: equal experiments share it.

    The order of the levers is part of it, because it is the order of the ladder.
    """
    content: dict[str, Any] = {key: value for key, value in asdict(cfg).items() if key not in _NOT_IN_DIGEST}
    content["lever"] = list(content["lever"].items())  # sorted keys below would lose the order
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def to_yaml(cfg: Config) -> str:
    """The resolved configuration as YAML, every key in it; :func:`from_yaml` reads it back to an equal object."""
    return OmegaConf.to_yaml(OmegaConf.structured(cfg))


def from_yaml(text: str) -> Config:
    """The configuration in a run's ``config.yaml``, sealed.

    Keys and types are checked; ranges and relations were when the run was made, and a later, stricter rule does not make an old run
    unreadable.

    Raises
    ------
    ConfigErrors
        If the text is not YAML or not a mapping, or a key is unknown, missing or of the wrong type; all problems at once.
    """
    origin = "config.yaml of the run"
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as cause:
        raise ConfigErrors([ConfigError(f"not YAML: {' '.join(str(cause).split())}", origin=origin)]) from cause
    problems = check_value((), data, origin)
    if problems:
        raise ConfigErrors(problems)
    try:
        node = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(data))
    except OmegaConfBaseException as cause:
        raise ConfigErrors([ConfigError(str(cause).splitlines()[0], origin=origin)]) from cause
    return to_object(node, {}, origin)


def to_object(node: Any, origins: dict[str, str], origin: str) -> Config:
    """The sealed dataclass object of a composed node; ConfigErrors names every key that has no value."""
    missing = sorted(str(key) for key in OmegaConf.missing_keys(node))
    if missing:
        raise ConfigErrors(
            [ConfigError(f"{key} has no value", origin=origins.get(key, origin), hint=f"{key}=VALUE, or set it in the experiment") for key in missing]
        )
    try:
        cfg = OmegaConf.to_object(node)
    except OmegaConfBaseException as cause:
        raise ConfigErrors([ConfigError(str(cause).splitlines()[0], origin=origin)]) from cause
    if not isinstance(cfg, Config):
        raise ConfigErrors([ConfigError(f"the configuration is not a Config but {type(cfg).__name__}", origin=origin)])
    cfg.seal()
    return cfg
