"""The folder ``conf/``: where it is, which options each group has, and what stands in a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from frontier.errors import ConfigError

# Groups with options in conf/, in the order of config.yaml. `lever` takes several options, `experiment` comes last.
OPTION_GROUPS = (
    "model", "hardware", "workload", "engine", "lever", "design", "sweep", "quality", "place", "runtime", "report", "paths", "experiment",
)  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one, where PyYAML was built with it: ten times faster
COMPANION = "engine@companion"  # the engine group once more, at the key `companion`


def conf_dir() -> Path:
    """The configuration folder: ``conf/`` of the nearest folder upwards that has ``conf/config.yaml``, else the clone's own.

    Raises
    ------
    ConfigError
        If neither the working folder, nor a folder above it, nor the clone of this package has one.
    """
    here = Path.cwd()
    clone = Path(__file__).resolve().parents[3]
    for folder in (here, *here.parents, clone):
        if (folder / "conf" / "config.yaml").is_file():
            return folder / "conf"
    raise ConfigError(
        f"no configuration folder: neither {here} nor a folder above it has conf/config.yaml",
        hint="run inside a clone of frontier-kit",
    )


def choices(group: str, conf: Path | None = None) -> list[str]:
    """Names of a group's options, sorted; those of ``engine@companion`` are the engines.

    Raises
    ------
    ConfigError
        If there is no such group; the message lists all.
    """
    name = "engine" if group == COMPANION else group
    if name not in OPTION_GROUPS:
        raise ConfigError(f"no configuration group {group!r}", hint=f"one of: {', '.join(OPTION_GROUPS)}")
    return sorted(file.stem for file in ((conf or conf_dir()) / name).glob("*.yaml"))


def experiments(conf: Path | None = None) -> list[str]:
    """Names of the experiments in ``conf/experiment``, sorted."""
    return choices("experiment", conf)


def option_file(conf: Path, group: str, option: str) -> Path:
    """Path of an option's file, whether it exists or not."""
    return conf / ("engine" if group == COMPANION else group) / f"{option}.yaml"


def shown(conf: Path, file: Path) -> str:
    """A file of the configuration as messages name it: ``conf/model/llama_70b.yaml``."""
    return file.relative_to(conf.parent).as_posix()


def read_option(conf: Path, file: Path) -> dict[str, Any]:
    """The mapping in a YAML file of the configuration.

    Raises
    ------
    ConfigError
        If the file is not YAML, not readable, or not a mapping.
    """
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        reason = " ".join(str(cause).split())
        raise ConfigError(f"cannot read the configuration file: {reason}", origin=shown(conf, file)) from cause
    if not isinstance(data, dict):
        raise ConfigError(f"a configuration file is a mapping, this one holds {type(data).__name__}", origin=shown(conf, file))
    return data


def defaults_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Group -> option of a file's defaults list, as written; schema entries, ``_self_`` and the word ``override`` are left out."""
    found: dict[str, Any] = {}
    for entry in data.get("defaults", []):
        if isinstance(entry, dict):
            for key, option in entry.items():
                group = str(key).removeprefix("override ").lstrip("/")
                found[group] = option
    return found


def suggest(word: str, valid: Iterable[str]) -> str:
    """What to type instead of a wrong word: the closest valid one, if any, and all of them."""
    known = list(valid)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    listing = f"one of: {', '.join(known)}" if known else "there is none"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
