"""Compose an experiment: check every file and override against the schema, let Hydra merge them, freeze the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from frontier.config import files
from frontier.config.keys import check_value, flatten
from frontier.config.overrides import Overrides, parse_overrides
from frontier.config.record import to_object
from frontier.config.resolved import apply_value, compose_resolved
from frontier.config.rules import check_range, validate
from frontier.config.sources import Sources, gather
from frontier.errors import ConfigError, ConfigErrors
from frontier.schema import GROUPS, Config, HardwareConfig, LeverConfig

# With one of these refused, relations would be about an option that nobody asked for.
_IN_RELATIONS = {"model", "hardware", "engine", "lever"}


def compose(experiment: str | None, overrides: Sequence[str] = (), conf_dir: Path | None = None) -> Config:
    """The configuration of an experiment, checked, resolved and read-only.

    Parameters
    ----------
    experiment : str, optional
        A file in ``conf/experiment``, without ``.yaml``; may also stand among the overrides. Or the path of a run's ``config.yaml``, which holds
        every key already (:func:`frontier.config.resolved.compose_resolved`).
    overrides : sequence of str
        ``key=value`` and ``group=option``, as on the command line.
    conf_dir : Path, optional
        The configuration folder; by default that of the clone.

    Raises
    ------
    ConfigErrors
        With every problem there is: unknown keys, options and experiments, wrong types, values out of range, impossible combinations.
        Nothing is created on disk, whether it succeeds or fails.
    """
    conf = (conf_dir or files.conf_dir()).resolve()
    wanted = parse_overrides(overrides, conf)
    if experiment is not None and experiment.endswith(".yaml"):
        return compose_resolved(Path(experiment).expanduser(), wanted, conf)
    sources = gather(experiment, wanted, conf)
    # Wrong overrides are left out of the merge, so that what is wrong beside them is reported in the same go.
    cfg = None if sources.problems or "experiment" in wanted.refused else _merge(sources, wanted)
    if cfg is None:
        found = [check_range(path, value, wanted.origin(path)) for path, value in wanted.values.items()]
        problems = [problem for problem in found if problem is not None]
    else:
        strict = not wanted.refused & _IN_RELATIONS
        problems = validate(cfg, sources.origins, relations_too=strict)
        problems = [problem for problem in problems if not _follows(problem, wanted)]
    problems = [*wanted.problems, *sources.problems, *problems]
    if cfg is None or problems:
        raise ConfigErrors(problems)
    return cfg


def _follows(problem: ConfigError, wanted: Overrides) -> bool:
    """Whether a problem is about a key whose override is refused anyway."""
    key = problem.message.split()[0].rstrip(":")
    return any(key == refused or key.startswith(f"{refused}.") for refused in wanted.refused)


def _merge(sources: Sources, wanted: Overrides) -> Config | None:
    """Let Hydra merge the files, then apply the values; None, and a problem noted, when that cannot be done."""
    groups = [f"{key}={_as_text(value)}" for key, value in wanted.options.items()]
    if sources.options["experiment"] is not None:
        groups.append(f"experiment={sources.options['experiment']}")
    _register_schemas()
    try:
        with hydra.initialize_config_dir(str(sources.conf), version_base="1.3"):
            node = hydra.compose("config", overrides=groups)
            with open_dict(node):
                # An experiment states its levers' deltas; those of levers deselected on the command line fall away.
                selected = {name: node.lever[name] for name in sources.options["lever"]}
                node.lever = DictConfig({}, element_type=LeverConfig)
                for name, lever in selected.items():
                    node.lever[name] = lever
                for path, value in wanted.values.items():
                    if path[0] != "systems":
                        apply_value(node, path, value)
                _add_systems(node, sources, wanted)
        return to_object(node, sources.origins, "the configuration")
    except ConfigErrors as several:
        sources.problems.extend(several.problems)
    except ConfigError as problem:
        sources.problems.append(problem)
    except (HydraException, OmegaConfBaseException) as cause:
        sources.problems.append(ConfigError(" ".join(str(cause).split()), origin="conf/"))
    return None


def _as_text(value: Any) -> str:
    return f"[{','.join(value)}]" if isinstance(value, list) else str(value)


def _add_systems(node: DictConfig, sources: Sources, wanted: Overrides) -> None:
    """Fill ``systems`` with the experiment's hardware and every system that the hardware lever names."""
    here = str(sources.options["hardware"])
    if node.hardware.name != here:
        rule = f"hardware.name must be the name of its option, {here!r}, got {node.hardware.name!r}"
        hint = "hardware=OPTION picks another system"
        sources.problems.append(ConfigError(rule, origin=sources.origins.get("hardware.name"), hint=hint))
        node.hardware.name = here
    node.systems[here] = node.hardware
    there = _named_systems(node, sources, wanted)
    for name in there:
        node.systems[name] = _system(sources, name)
    for path, value in wanted.values.items():
        if path[0] != "systems":
            continue
        if len(path) < 3 or path[1] not in there:
            keys = ", ".join(["hardware.KEY", *(f"systems.{name}.KEY" for name in there)])
            rule = f"{'.'.join(path)} is not a key of a system that this experiment goes to"
            sources.problems.append(ConfigError(rule, origin=wanted.origin(path), hint=f"one of: {keys}"))
        else:
            apply_value(node, path, value)


def _system(sources: Sources, name: str) -> DictConfig:
    """The hardware option of a system that the experiment goes to; one more run of Hydra would double the time."""
    file = files.option_file(sources.conf, "hardware", name)
    origin = files.shown(sources.conf, file)
    data = files.read_option(sources.conf, file)
    if set(map(str, data.pop("defaults", []))) != {"/schema/hardware/base@_here_", "_self_"}:
        hint = "defaults: [/schema/hardware/base@_here_, _self_]"
        raise ConfigError("a hardware option is complete in itself, this one builds on others", origin=origin, hint=hint)
    problems = check_value(("hardware",), data, origin)
    if problems:
        raise ConfigErrors(problems)
    for path in flatten(data):
        sources.origins.setdefault(".".join(("systems", name, *path)), origin)
    return cast(DictConfig, OmegaConf.merge(OmegaConf.structured(HardwareConfig), data))


def _named_systems(node: DictConfig, sources: Sources, wanted: Overrides) -> list[str]:
    """Options of the systems beside the experiment's own that the hardware lever names; unknown ones are problems."""
    known = files.choices("hardware", sources.conf)
    names: list[str] = []
    lever = node.lever.get("hardware")
    for key in ("baseline", "target") if lever is not None else ():
        if OmegaConf.is_missing(lever, key):
            continue  # reported with the other missing keys
        for name in (str(item) for item in lever[key]):
            if name not in known:
                origin = sources.origins.get(f"lever.hardware.{key}", "conf/lever/hardware.yaml")
                problem = f"lever.hardware.{key} names unknown hardware {name!r}"
                sources.problems.append(ConfigError(problem, origin=origin, hint=files.suggest(name, known)))
                wanted.refused.add("lever.precision")  # what is feasible depends on the system that was meant
            elif name != sources.options["hardware"] and name not in names:
                names.append(name)
    return names


def _register_schemas() -> None:
    """Tell Hydra the schema. Options start with ``/schema/<group>/base``; kept out of the groups, schemas are no choices."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for group, schema in {**GROUPS, "lever": LeverConfig}.items():
        store.store(group=f"schema/{group}", name="base", node=schema)
