"""A run executed again: the same resolved configuration, image and seeds, new trials; then the verdict, as a document and as a page."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from frontier import config
from frontier.bundle import notebook_differences, write_sources
from frontier.compare import write_comparison
from frontier.errors import RunError, UsageError
from frontier.files import read_json, write_atomic, write_json, write_text
from frontier.plan import Part, Plan, make_plan, root, run_files
from frontier.report import write_report
from frontier.rerun.document import rerun_document
from frontier.rerun.source import Original, check_foreign, find_original
from frontier.runner import run_experiment
from frontier.schema import PathsConfig
from frontier.session import Session
from frontier.store import RunFolder, Store

ONLY = ("all", "attribution", "report")
# What each kind of rerun makes anew; everything else is taken from the original.
MADE_ANEW = {
    "attribution": ("attribution.json", "report.html", "figures", "notebooks", "environment.json", "manifest.json"),
    "report": ("report.html", "figures", "notebooks", "environment.json", "manifest.json"),
}


@dataclass(frozen=True)
class Request:
    """What a rerun is asked to do.

    Parameters
    ----------
    only : "all" | "attribution" | "report"
    overrides : tuple of str
        Keys that shall differ from the original's configuration, and where and in what it runs.
    trust_notebooks : bool
        Run the notebooks that the original was made with instead of this kit's.
    """

    only: str = "all"
    overrides: tuple[str, ...] = ()
    trust_notebooks: bool = False


@dataclass(frozen=True)
class Rerun:
    """A finished rerun.

    Parameters
    ----------
    folder : Path
        With ``rerun.json``, ``rerun.html`` and the run itself.
    document : dict
        ``frontier.rerun/1``.
    """

    folder: Path
    document: dict[str, Any]


def rerun(
    named: str,
    *,
    artifacts: Path,
    runtime: str = "",
    image: str = "",
    only: str = "all",
    margin: float | None = None,
    overrides: Sequence[str] = (),
    trust_notebooks: bool = False,
    progress: bool = True,
) -> Rerun:
    """Execute a finished run again and judge whether it reproduces.

    Parameters
    ----------
    named : str
        A run's id, its experiment's name (the newest finished run), its folder, or a bundle.
    artifacts : Path
        Folder of the runs; the rerun goes to ``reruns/<run id>/<number>`` in it.
    runtime, image : str
        By default those of the original.
    only : "all" | "attribution" | "report"
        What is done again; the rest is taken from the original.
    margin : float, optional
        Ratios within it count as equal; by default 5 % on the same machine, 10 % on another (MLPerf Endpoints draft).
    overrides : sequence of str
        ``key=value`` on top of the original's configuration.
    trust_notebooks : bool
        Execute the notebooks of the original instead of this kit's.
    progress : bool
        Show progress on stderr.

    Raises
    ------
    UsageError, RunError, ConfigErrors, MachineError
        As for a run; an interrupted rerun goes on with the same words.
    """
    if only not in ONLY:
        raise UsageError(f"--only must be one of {', '.join(ONLY)}, got {only!r}")
    if margin is not None and not 0 < margin < 1:
        raise UsageError(f"--margin must be between 0 and 1, both excluded, got {margin:g}", hint="--margin 0.05")
    if only != "all" and (overrides or image or trust_notebooks or runtime not in ("", "host")):
        message = f"--only {only} is computed here from what the run found: it takes no container, no other keys and executes no notebook"
        raise UsageError(message, hint="--only all")
    original = find_original(named, artifacts)
    words = () if only != "all" else (*_runtime_words(original.run, runtime, image, overrides), *overrides)
    check_foreign(original, words)
    request = Request(only, words, trust_notebooks)
    folder = _folder(artifacts / "reruns" / original.run.run_id, request)
    again = _run_again(original, request, folder, progress) if only == "all" else _copy_again(original.run, request, folder)
    document = rerun_document(original.run, again, only=only, changed=_changed_keys(overrides), margin=margin)
    write_comparison([original.run.path, again.path], folder / "rerun.html", rerun=document)
    write_json(folder / "rerun.json", document)  # last: with it the rerun is finished
    return Rerun(folder, document)


def notebook_text(named: str, artifacts: Path) -> str:
    """How the notebooks that made a run differ from this kit's, as a unified diff; empty where they do not."""
    found = find_original(named, artifacts)
    return "\n".join(notebook_differences(found.run.path, root() / PathsConfig().notebooks_dir).values())


def _runtime_words(run: RunFolder, runtime: str, image: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that choose where it runs: as asked, else as the original ran."""
    if any(word.startswith("runtime=") for word in overrides):
        return ()
    inside = read_json(run.path / "environment.json").get("container")
    kind = runtime or (inside["runtime"] if inside else "host")
    if kind == "host":
        if image:
            raise UsageError(f"--image {image} needs a container", hint="--runtime podman")
        return ("runtime=host",)
    wanted = image or (inside["image_id"] if inside else "")
    if not wanted:
        hint = "--image sha256:...; `frontier images build` makes one"
        raise UsageError(f"the original ran in no container, so --runtime {kind} needs an image", hint=hint)
    return (f"runtime={kind}", f"runtime.image='{wanted}'")


def _folder(parent: Path, request: Request) -> Path:
    """Where a rerun is kept: the newest one if it is unfinished and was asked for in the same words, else the next number."""
    parent.mkdir(parents=True, exist_ok=True)
    numbers = sorted(int(path.name) for path in parent.iterdir() if path.name.isdigit())
    words = {"schema": "frontier.rerun_request/1", **asdict(request), "overrides": list(request.overrides)}
    if numbers:
        newest = parent / str(numbers[-1])
        if not (newest / "rerun.json").exists() and (newest / "request.json").exists() and read_json(newest / "request.json") == words:
            return newest
    folder = parent / str(numbers[-1] + 1 if numbers else 1)
    write_json(folder / "request.json", words)
    return folder


def _run_again(original: Original, request: Request, folder: Path, progress: bool) -> RunFolder:
    """All of it: new trials in a folder of their own, so that nothing of another run is taken over."""
    usual = PathsConfig()
    notebooks = usual.notebooks_dir
    if request.trust_notebooks:
        notebooks = str((folder / "notebooks").resolve())
        write_sources(original.run.path, Path(notebooks))
    said = {word.split("=", 1)[0] for word in request.overrides}
    paths = {"paths.cache_dir": usual.cache_dir, "paths.notebooks_dir": notebooks}
    words = [*request.overrides, *(f"{key}='{value}'" for key, value in paths.items() if key not in said)]
    experiment = str((original.run.path / "config.yaml").resolve())
    return run_experiment(experiment, words, artifacts_dir=folder.resolve(), progress=progress, wait=True).run  # a verdict needs all trials


def _copy_again(original: RunFolder, request: Request, folder: Path) -> RunFolder:
    """The attribution or the report alone, from the original's points."""
    again = RunFolder(folder / "runs" / original.run_id)
    for file in original.files():
        name = file.relative_to(original.path)
        if name.parts[0] not in (*MADE_ANEW[request.only], "theirs", "bundle.json") and not (again.path / name).exists():
            write_atomic(again.path / name, lambda temporary, file=file: shutil.copyfile(file, temporary))  # type: ignore[misc]
    cfg = config.from_yaml((again.path / "config.yaml").read_text(encoding="utf-8"))
    write_text(again.path / "environment.json", run_files(cfg)["environment.json"])
    if request.only == "attribution":
        Session(again, cfg, _as_planned(make_plan(cfg), again.plan), Store(folder)).attribute()
    elif not (again.path / "report.html").exists():
        write_report(again.path)
    return again


def _as_planned(plan: Plan, kept: Mapping[str, Any]) -> Plan:
    """A plan with the digests that its trials had: this kit's code may give them others, and their records stand under the old ones."""
    return replace(plan, main=_part_as_planned(plan.main, kept), companion=plan.companion and _part_as_planned(plan.companion, kept))


def _part_as_planned(part: Part, kept: Mapping[str, Any]) -> Part:
    old = {(trial["variant"], trial["replicate"]): trial["digest"] for trial in (kept[part.part] or {"trials": []})["trials"]}
    try:
        return replace(part, trials=tuple(replace(trial, digest=old[trial.variant.name, trial.replicate]) for trial in part.trials))
    except KeyError as cause:
        raise RunError(f"this kit plans a trial that the run has not: {cause.args[0]}", hint="--only all runs it anew") from cause


def _changed_keys(overrides: Sequence[str]) -> list[str]:
    """Overrides that change what is found, not where it runs."""
    return [word for word in overrides if word.split("=", 1)[0].split(".")[0] not in ("place", "runtime", "paths", "report")]
