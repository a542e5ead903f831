"""Which files make an experiment: the chosen options, what is wrong with them, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frontier.config import files
from frontier.config.files import COMPANION, OPTION_GROUPS
from frontier.config.keys import check_value, flatten
from frontier.config.overrides import Overrides, check_options
from frontier.errors import ConfigError


@dataclass
class Sources:
    """The files that make one experiment, in the order in which they win.

    Parameters
    ----------
    options : mapping group -> option, or list of options for ``lever``
    origins : mapping dotted key -> file or override that set it last
    problems : list of ConfigError
    """

    conf: Path
    options: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def note(self, value: object, prefix: tuple[str, ...], origin: str) -> None:
        """Remember where each leaf of a mapping came from."""
        for path in flatten(value, prefix):
            self.origins[".".join(path)] = origin


def gather(experiment: str | None, wanted: Overrides, conf: Path) -> Sources:
    """Which options are chosen, by whom, and what is wrong with the chosen files."""
    sources = Sources(conf)
    chosen = _experiment(experiment, wanted, sources)
    main = _read(sources, conf / "config.yaml")
    levels = [(files.defaults_of(main), "conf/config.yaml")]
    experiment_data: dict[str, Any] = {}
    if chosen is not None:
        file = files.option_file(conf, "experiment", chosen)
        experiment_data = _read(sources, file)
        levels.append((files.defaults_of(experiment_data), files.shown(conf, file)))
    levels += [({key: value}, f"override {wanted.texts[key]}") for key, value in wanted.options.items()]
    for level, origin in levels:
        for group, option in level.items():
            if group not in (*OPTION_GROUPS, COMPANION):
                valid = files.suggest(group, [*OPTION_GROUPS, COMPANION])
                sources.problems.append(ConfigError(f"there is no group {group!r}", origin=origin, hint=valid))
            elif option != "???":
                if not origin.startswith("override "):
                    sources.problems += check_options(group, option, origin, conf)
                sources.options[group] = [option] if group == "lever" and isinstance(option, str) else option
                sources.origins[group] = origin
    sources.options["experiment"] = chosen
    # Without an experiment nearly everything is missing; when the experiment itself is wrong, saying so is enough.
    meant = chosen is not None or not (sources.problems or "experiment" in wanted.refused)
    if meant:
        _check_complete(sources)
    _check_chosen(sources)
    if chosen is not None:
        _check_experiment(sources, experiment_data, files.shown(conf, files.option_file(conf, "experiment", chosen)))
    for path, value in wanted.values.items():
        sources.note(value, path, wanted.origin(path))
    if meant:
        _drop_foreign_levers(sources, wanted)
    return sources


def _experiment(experiment: str | None, wanted: Overrides, sources: Sources) -> str | None:
    named = wanted.options.pop("experiment", None)
    if experiment is not None and named is not None and named != experiment:
        sources.problems.append(
            ConfigError(f"two experiments are named: {experiment} and {named}", origin=f"override experiment={named}", hint="name one")
        )
    chosen = experiment if experiment is not None else named
    if chosen is not None and chosen not in files.experiments(sources.conf):
        valid = files.suggest(chosen, files.experiments(sources.conf))
        sources.problems.append(ConfigError(f"there is no experiment {chosen!r}", origin=f"experiment={chosen}", hint=valid))
        return None
    return str(chosen) if chosen is not None else None


def _read(sources: Sources, file: Path) -> dict[str, Any]:
    try:
        return files.read_option(sources.conf, file)
    except ConfigError as problem:
        sources.problems.append(problem)
        return {}


def _chosen_files(sources: Sources) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Where the content goes, group and option, of each chosen option that exists."""
    for group, value in sources.options.items():
        if group == "experiment" or group not in (*OPTION_GROUPS, COMPANION):
            continue
        for option in value if isinstance(value, list) else [value]:
            if isinstance(option, str) and option in files.choices(group, sources.conf):
                target = ("companion",) if group == COMPANION else ("lever", option) if group == "lever" else (group,)
                yield target, group, option


def _check_complete(sources: Sources) -> None:
    """A problem for each group in which nothing is chosen."""
    for group in (*OPTION_GROUPS, COMPANION):
        if group != "experiment" and group not in sources.options:
            hint = f"experiment=NAME, or {group}= one of: {', '.join(files.choices(group, sources.conf))}"
            sources.problems.append(ConfigError(f"no {group} is chosen", origin="conf/config.yaml", hint=hint))


def _check_chosen(sources: Sources) -> None:
    """Problems of the chosen option files."""
    for target, group, option in _chosen_files(sources):
        file = files.option_file(sources.conf, group, option)
        data = {key: value for key, value in _read(sources, file).items() if key != "defaults"}
        origin = files.shown(sources.conf, file)
        sources.problems += check_value(target, data, origin)
        sources.note(data, target, origin)


def _check_experiment(sources: Sources, data: dict[str, Any], origin: str) -> None:
    content = {key: value for key, value in data.items() if key != "defaults"}
    known = files.choices("lever", sources.conf)
    levers = content.get("lever")
    for name in levers if isinstance(levers, dict) else ():
        if name not in known:
            sources.problems.append(ConfigError(f"there is no lever {name!r}", origin=origin, hint=files.suggest(str(name), known)))
    sources.problems += check_value((), content, origin)
    sources.note(content, (), origin)


def _drop_foreign_levers(sources: Sources, wanted: Overrides) -> None:
    """Refuse values for levers that the experiment has not."""
    selected = sources.options.get("lever", [])
    for path in [path for path in wanted.values if path[0] == "lever" and path[1] not in selected]:
        key = ".".join(path)
        hint = f"lever=[{','.join([*selected, path[1]])}] takes it in"
        message = f"{key}: lever {path[1]} is not part of this experiment"
        if "lever" not in wanted.refused:
            wanted.problems.append(ConfigError(message, origin=wanted.origin(path), hint=hint))
        wanted.refused.add(key)
        del wanted.values[path]
