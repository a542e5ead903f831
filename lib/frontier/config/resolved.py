"""An experiment from the resolved configuration that a run kept, with nothing looked up in ``conf/`` but what is chosen anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from frontier.config import files
from frontier.config.overrides import Overrides
from frontier.config.record import from_yaml, to_object
from frontier.config.rules import validate
from frontier.errors import ConfigError, ConfigErrors
from frontier.schema import GROUPS, Config

# They say where and in what a run is executed, not what it is: only these can be chosen anew by their option.
CHOSEN_ANEW = ("place", "runtime", "report", "paths")


def compose_resolved(file: Path, wanted: Overrides, conf: Path) -> Config:
    """The configuration in a run's ``config.yaml`` with overrides on top, checked and read-only.

    Parameters
    ----------
    file : Path
    wanted : Overrides
        Keys of every group; options of place, runtime, report and paths only.
    conf : Path
        Where those options stand.

    Raises
    ------
    ConfigErrors
        With every problem there is, as for an experiment.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or str(cause)
        raise ConfigErrors([ConfigError(f"cannot read the configuration: {reason}", origin=str(file), hint="experiment=NAME")]) from cause
    problems = list(wanted.problems)
    for group in wanted.options:
        if group not in CHOSEN_ANEW:
            message = f"a resolved configuration has its {group} already"
            hint = f"set single keys: {group}.KEY=VALUE; options can be chosen for {', '.join(CHOSEN_ANEW)}"
            problems.append(ConfigError(message, origin=f"override {wanted.texts[group]}", hint=hint))
    if problems:
        raise ConfigErrors(problems)
    kept = from_yaml(text)
    node = OmegaConf.structured(kept)
    try:
        with open_dict(node):
            for group, option in wanted.options.items():
                data = files.read_option(conf, files.option_file(conf, group, str(option)))
                data.pop("defaults", None)
                node[group] = OmegaConf.merge(OmegaConf.structured(GROUPS[group]), data)
            for path, value in wanted.values.items():
                apply_value(node, path, value)
            # The system where the story begins is one of them; a value set for it counts in both places.
            node.systems[str(node.hardware.name)] = node.hardware
    except OmegaConfBaseException as cause:
        raise ConfigErrors([ConfigError(str(cause).splitlines()[0], origin=str(file))]) from cause
    origins = {".".join(path): wanted.origin(path) for path in wanted.values}
    cfg = to_object(node, origins, str(file))
    problems = validate(cfg, origins)
    if problems:
        raise ConfigErrors(problems)
    return cfg


def apply_value(node: DictConfig, path: tuple[str, ...], value: Any) -> None:
    """Set one value in a composed node; a mapping is merged into what is there."""
    if isinstance(value, dict):
        OmegaConf.update(node, ".".join(path), value, merge=True)
        return
    parent = OmegaConf.select(node, ".".join(path[:-1])) if len(path) > 1 else node
    parent[int(path[-1]) if path[-1].isdigit() else path[-1]] = value  # draft lengths are whole-number keys
