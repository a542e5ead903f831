"""The run that shall be rerun: by its id, its folder, or a bundle of it, checked before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from frontier import config
from frontier.bundle import open_bundle
from frontier.bundle.names import is_drawn, is_raw
from frontier.errors import ConfigError, ConfigErrors, RunError, UsageError
from frontier.provenance import sha256_file
from frontier.schema import EngineConfig, PlaceConfig, QualityConfig
from frontier.store import RunFolder, Store

# What a configuration can make the kit start, or whom it can make it talk to. From elsewhere they are taken only when the user says them.
STARTED = {
    "engine": ("server_python", "client_python", "releases", "launcher", "extra_args", "url", "urls", "key_env"),
    "companion": ("server_python", "client_python", "releases", "launcher", "extra_args", "url", "urls", "key_env"),
    "quality": ("lm_eval_folder",),
    "place": ("setup", "sbatch", "python"),
}


@dataclass(frozen=True)
class Original:
    """A finished run.

    Parameters
    ----------
    run : RunFolder
    foreign : bool
        Whether it came in a bundle: its files are data, and nothing in them is executed.
    """

    run: RunFolder
    foreign: bool


def find_original(named: str, artifacts: Path) -> Original:
    """The run that a word on the command line names: a run's id, its experiment (the newest finished run), its folder's path, or a bundle.

    Raises
    ------
    UsageError
        If there is nothing of that name.
    RunError
        If the run is not finished, or a file of it is not what it was when it finished.
    """
    path = Path(named).expanduser()
    if path.suffix == ".zip":
        if not path.is_file():
            raise UsageError(f"no bundle {named}", hint="frontier rerun RUN, or the path of a bundle")
        return Original(RunFolder(open_bundle(path, artifacts / "bundles")), foreign=True)
    if (path / "plan.json").is_file():
        found = RunFolder(path.resolve())
    elif "/" in named:
        raise UsageError(f"{named} is no run's folder: it has no plan.json", hint="a run's id, its folder, or a bundle (.zip)")
    else:
        found = Store(artifacts).named(named)
    manifest = found.manifest
    if manifest is None:
        raise RunError(f"run {found.run_id} is not finished", origin=str(found.path), hint=f"frontier run experiment={found.name} finishes it")
    opened = (found.path / "bundle.json").exists()
    kept = {name: digest for name, digest in manifest["files"].items() if not (opened and _made_here(found.path, name))}
    changed = [name for name, digest in kept.items() if _differs(found.path / name, digest)]
    if changed:
        raise RunError(
            f"{len(changed)} files of {found.run_id} are not what they were when it finished: {', '.join(sorted(changed)[:5])}",
            origin=str(found.path / "manifest.json"),
            hint="rerun a bundle of it, or run the experiment anew",
        )
    return Original(found, foreign=opened)


def _made_here(folder: Path, name: str) -> bool:
    """Whether a file of an opened bundle is the kit's own drawing, or one that bundles may leave out."""
    return is_drawn(name) or (is_raw(name) and not (folder / name).exists())


def _differs(file: Path, digest: str) -> bool:
    return not file.is_file() or sha256_file(file) != digest


def check_foreign(original: Original, overrides: Sequence[str]) -> None:
    """Refuse a configuration from elsewhere that names programs to start or servers to ask, unless the user says the same.

    Raises
    ------
    ConfigErrors
        With every such key and what to type to take it over, or to leave it.
    """
    if not original.foreign:
        return
    cfg = config.from_yaml((original.run.path / "config.yaml").read_text(encoding="utf-8"))
    said = {word.split("=", 1)[0] for word in overrides}
    problems = []
    for group, keys in STARTED.items():
        usual = _defaults({"quality": QualityConfig, "place": PlaceConfig}.get(group, EngineConfig))
        for key in keys:
            value = getattr(getattr(cfg, group), key)
            if value != usual[key] and f"{group}.{key}" not in said:
                message = f"the bundle's configuration sets {group}.{key} to {value!r}, which decides what is started or asked here"
                problems.append(ConfigError(message, origin="config.yaml of the bundle", hint=f"say it yourself: {group}.{key}=VALUE"))
    if problems:
        raise ConfigErrors(problems)


def _defaults(schema: Any) -> dict[str, Any]:
    plain = schema(kind="none")
    return {item.name: getattr(plain, item.name) for item in fields(schema)}
