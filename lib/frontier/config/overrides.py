"""Overrides of the command line: each one parsed and checked by itself, because Hydra stops at the first that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from frontier.config.files import COMPANION, OPTION_GROUPS, choices, suggest
from frontier.config.keys import check_value
from frontier.errors import ConfigError


@dataclass
class Overrides:
    """What a list of overrides asks for.

    Parameters
    ----------
    options : mapping group -> option, or list of options for ``lever``
    values : mapping path of keys -> plain value
    texts : mapping group or dotted key -> the override as typed
    refused : set of str
        Groups and dotted keys of overrides that are wrong.
    problems : list of ConfigError
    """

    options: dict[str, Any] = field(default_factory=dict)
    values: dict[tuple[str, ...], Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    problems: list[ConfigError] = field(default_factory=list)

    def origin(self, path: tuple[str, ...]) -> str:
        """The override that set a value, as messages name it."""
        return f"override {self.texts['.'.join(path)]}"


def parse_overrides(texts: Sequence[str], conf: Path) -> Overrides:
    """Read overrides (``group=option`` and ``key=value``) and collect every problem of theirs.

    Refused: what is not ``key=value``, ``+key`` and ``~key``, sweeps, interpolations, unknown groups, options, keys, wrong types, and
    two values for one key.
    """
    found = Overrides()
    parser = OverridesParser.create()
    for text in texts:
        origin = f"override {text}"
        try:
            override = parser.parse_override(text)
        except HydraException as cause:
            reason = str(cause).splitlines()[0]
            found.problems.append(ConfigError(f"cannot read the override {text!r}: {reason}", origin=origin, hint="key=value"))
            continue
        problems = _take(override, text, origin, conf, found)
        if problems:
            found.refused.add(override.key_or_group)
            found.problems.extend(problems)
    return found


def _take(override: Override, text: str, origin: str, conf: Path, found: Overrides) -> list[ConfigError]:
    key = override.key_or_group if override.package is None else f"{override.key_or_group}@{override.package}"
    if override.is_sweep_override():
        return [ConfigError(f"{key} must have one value, got a sweep", origin=origin, hint="one run per value, or a list: [a,b]")]
    value = override.value()
    problems = _check(override, key, value, origin, conf)
    if override.is_add() or override.is_force_add():
        # A known key with `+` in front is as wrong as an unknown one: `+` would slip past the schema.
        plain = f"{key}={text.partition('=')[2]}"
        problems = problems or [ConfigError(f"keys cannot be added: +{key}", origin=origin, hint=f"without the plus: {plain}")]
    if override.is_delete():
        return [ConfigError(f"keys cannot be deleted: ~{key}", origin=origin, hint=f"{key}=VALUE sets it")]
    if key in found.texts and found.texts[key] != text:
        problems.append(ConfigError(f"{key} is given twice: {found.texts[key]} and {text}", origin=origin, hint="keep one"))
    if problems:
        return problems
    found.texts[key] = text
    if _is_group(key):
        found.options[key] = _as_list(value) if key == "lever" else value
    else:
        found.values[tuple(key.split("."))] = value
    return []


def _check(override: Override, key: str, value: Any, origin: str, conf: Path) -> list[ConfigError]:
    if override.package is not None and key != COMPANION:
        return [ConfigError(f"there is no group {key}", origin=origin, hint=suggest(key, [*OPTION_GROUPS, COMPANION]))]
    if "${" in (override.input_line or "").partition("=")[2]:
        return [ConfigError(f"{key} must be a value, got an interpolation", origin=origin, hint="write the value itself")]
    if _is_group(key):
        return check_options(key, value, origin, conf)
    if key.partition(".")[0] == "lever" and "." in key:
        name = key.split(".")[1]
        if name not in choices("lever", conf):
            return [ConfigError(f"there is no lever {name!r}", origin=origin, hint=suggest(name, choices("lever", conf)))]
    elif "." not in key and not _is_key(key):
        names = [*OPTION_GROUPS, COMPANION, "name", "title", "claim", "gpu_hours", "companion_levers", "kv_precision"]
        return [ConfigError(f"there is no group or key {key!r}", origin=origin, hint=suggest(key, names))]
    return check_value(tuple(key.split(".")), value, origin)


def check_options(group: str, value: Any, origin: str, conf: Path) -> list[ConfigError]:
    """Problems of the option chosen for a group; for ``lever``, of each option in the list."""
    if group == "experiment" and value is None:
        return []
    valid = choices(group, conf)
    wanted = _as_list(value) if group == "lever" else [value]
    article = "there is no experiment" if group == "experiment" else f"{group} has no option"
    problems = [
        ConfigError(f"{article} {_shown(name)}", origin=origin, hint=suggest(str(name), valid))
        for name in wanted
        if not isinstance(name, str) or name not in valid
    ]
    twice = sorted({str(name) for name in wanted if wanted.count(name) > 1})
    if twice:
        problems.append(ConfigError(f"a lever is named twice: {', '.join(twice)}", origin=origin, hint="name each lever once, in ladder order"))
    return problems


def _shown(name: object) -> str:
    return repr(name) if isinstance(name, str) else f"{name!r} (a name is needed)"


def _is_group(key: str) -> bool:
    return key in OPTION_GROUPS or key == COMPANION


def _is_key(key: str) -> bool:
    return not check_value((key,), "???", "")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
