"""`frontier doctor`: what this machine can run; with `--install`, tools' environments; with `--points`, what the integrity checks see."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frontier.cli.app import Json, Metric, Where, app
from frontier.cli.given import read_table
from frontier.cli.show import print_json, print_rows

if TYPE_CHECKING:
    from frontier.tools import Tool


Install = Annotated[
    list[str] | None, typer.Option("--install", help="make a tool's environment: vllm, aiperf, lm-eval or all; repeatable", metavar="NAME")
]
Calibrate = Annotated[bool, typer.Option("--calibrate", help="measure what this machine can do (half a minute), for the bound in reports")]
Folder = Annotated[Path | None, typer.Option("--tools", help="folder of the tools' environments; by default the clone's artifacts/cache/tools")]


@app.command()
def doctor(
    points: Annotated[Path | None, typer.Option("--points", help="points table (CSV or Parquet), or a run's folder")] = None,
    metric: Metric = "total",
    where: Where = None,
    install: Install = None,
    engine: Annotated[str | None, typer.Option("--for", help="exit with 3 if this engine cannot run here", metavar="ENGINE")] = None,
    tools: Folder = None,
    calibrate: Calibrate = False,
    as_json: Json = False,
) -> None:
    """Look at this machine: what can run here; or install what engines need; or check a points table: which rows cannot be what they say."""
    from frontier.errors import UsageError

    if sum((points is not None, bool(install), engine is not None, calibrate)) > 1:
        raise UsageError("--points, --install, --calibrate and --for are different questions", hint="give one of them")
    if points is not None:
        _points(points, metric, where, as_json)
    elif install:
        _install(install, tools or _tools_folder(), as_json)
    elif calibrate:
        _calibrate(as_json)
    else:
        _machine(engine, tools or _tools_folder(), as_json)


def _points(points: Path, metric: str, where: list[str] | None, as_json: bool) -> None:
    from frontier.findings import doctor as look

    document = look(read_table(points, where), metric, origin=str(points))
    if as_json:
        print_json(document)
    else:
        _print(document)


def _tools_folder() -> Path:
    from frontier.config.files import conf_dir

    return conf_dir().parent / "artifacts" / "cache" / "tools"


def _calibrate(as_json: bool) -> None:
    """Measure this machine, keep the ``frontier.calibration/1`` document beside the runs, and print it or its speeds."""
    from frontier.calibration import calibrate, keep
    from frontier.config.files import conf_dir

    found = calibrate(tell=lambda line: print(line, file=sys.stderr, flush=True))
    file = keep(found, conf_dir().parent / "artifacts")
    if as_json:
        print_json(found.to_dict())
        return
    print_rows("measured, median", [(one.key, f"{one.median:.4g} {one.unit}") for one in found.measurements])
    for note in found.notes():
        print(f"note: {note}")
    print(f"calibration: {file}")


def _install(wanted: list[str], folder: Path, as_json: bool) -> None:
    from frontier.tools import NAMES, install, recipe

    names = NAMES if "all" in wanted else tuple(dict.fromkeys(wanted))
    for each in names:
        recipe(each, "cpu")  # a wrong name is refused before the first installation starts
    made = [install(each, folder, progress=lambda line: print(line, file=sys.stderr, flush=True)) for each in names]
    if as_json:
        print_json({"schema": "frontier.tools/1", "tools": [_tool(tool) for tool in made]})
        return
    for tool in made:
        print(f"{tool.name}: {', '.join(f'{package} {version}' for package, version in tool.versions.items())}")


def _tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "variant": tool.variant, "python": str(tool.python), "versions": dict(tool.versions)}


def _machine(engine: str | None, folder: Path, as_json: bool) -> None:
    """Print a ``frontier.machine/1`` document; an engine that is asked for and cannot run here ends it with exit code 3."""
    from frontier.config.files import choices
    from frontier.errors import MachineError, UsageError
    from frontier.tools import NAMES, find, look
    from frontier.tools.machine import unfit

    engines = [each for each in choices("engine") if each != "none"]  # "none" stands for no second engine
    if engine is not None and engine not in engines:
        raise UsageError(f"there is no engine {engine!r}", hint=f"one of: {', '.join(engines)}")
    machine = look(folder)
    tools: dict[str, Any] = {}
    for name in NAMES:
        try:
            tools[name] = _tool(find(name, folder))
        except MachineError:
            tools[name] = None
    reasons = {each: unfit(each, machine, installed=tools.get(each) is not None) for each in engines}
    document = {
        "schema": "frontier.machine/1",
        "machine": machine.to_dict(),
        "warnings": machine.warnings(),
        "tools_folder": str(folder),
        "tools": tools,
        "engines": {each: {"can_run": not reason, "reason": reason} for each, reason in reasons.items()},
        "slurm": _slurm(),
    }
    if as_json:
        print_json(document)
    else:
        _print_machine(document)
    if engine is not None and reasons[engine]:
        raise MachineError(f"{engine} cannot run here: {reasons[engine]}", hint=f"frontier doctor --install {engine}" if engine in NAMES else None)


def _slurm() -> dict[str, Any]:
    """What `place=slurm` would find here; ``reason`` says why it would not work."""
    from importlib import metadata

    from frontier.errors import MachineError
    from frontier.places.queue import cluster

    try:
        return {"reason": "", "submitit": metadata.version("submitit"), **cluster()}
    except MachineError as error:
        return {"reason": error.message}


def _print_machine(document: dict[str, Any]) -> None:
    machine = document["machine"]
    print(f"system     {machine['system']}, {machine['processor']}")
    print(f"cores      {machine['cores_usable']} of {machine['cores_total']} usable, {machine['busy_share']:.0%} busy")
    print(f"memory     {machine['memory_free_gib']:.1f} of {machine['memory_gib']:.1f} GiB free")
    print(f"disk       {machine['disk_free_gib']:.1f} GiB free")
    for gpu in machine["gpus"]:
        print(f"gpu {gpu['index']}      {gpu['name']}, {gpu['memory_gib']:.1f} GiB, driver {gpu['driver']}")
    if not machine["gpus"]:
        print("gpus       none answers")
    print(f"clock      steps of {1e9 * machine['clock_step_s']:.0f} ns; a sleep of 1 ms takes {1e3 * (1e-3 + machine['sleep_excess_s']):.2f} ms")
    for name, tool in document["tools"].items():
        print(f"tool       {name}: {_versions(tool) if tool else 'not installed'}")
    for name, state in document["engines"].items():
        print(f"engine     {name}: {'can run' if state['can_run'] else state['reason']}")
    _print_slurm(document["slurm"])
    for warning in document["warnings"]:
        print(f"warning    {warning}")


def _print_slurm(slurm: dict[str, Any]) -> None:
    if slurm["reason"]:
        print(f"slurm      {slurm['reason']}")
        return
    print(f"slurm      {slurm['version']}, submitit {slurm['submitit']}")
    for name, partition in slurm["partitions"].items():
        groups = [f"{group['nodes']} nodes" + (f" of {group['gres']}" if group["gres"] else "") for group in partition["groups"]]
        print(f"partition  {name}{' (default)' if partition['default'] else ''}: {', '.join(groups)}")


def _versions(tool: dict[str, Any]) -> str:
    return ", ".join(f"{package} {version}" for package, version in tool["versions"].items())


def _print(document: dict[str, Any]) -> None:
    """A ``frontier.doctor/1`` document for people."""
    print(
        f"{document['points']} {document['evidence']} points in {document['series_count']} series: {document['marked']} marked, "
        f"{document['carrying']} may carry a frontier"
    )
    marked = [check for check in document["checks"] if check["points"]]
    for check in marked:
        print(f"{check['check']} ({check['kind']}): {check['points']} points")
        print(f"  rule  {check['rule']}")
        print(f"  saw   {check['saw']}")
    quiet = [check["check"] for check in document["checks"] if not check["points"]]
    print(f"nothing found by: {', '.join(quiet)}" if quiet else "every check found something")
    lines = [(_name(series), _effects(finding)) for series in document["series"] for finding in series["findings"]]
    if lines:
        print_rows(f"per series, {document['metric']} tokens/s/GPU at equal interactivity, as given over", lines)
    for note in document["notes"]:
        print(f"note: {note}")


def _name(series: dict[str, Any]) -> str:
    lengths = [series[column] for column in ("isl_tokens", "osl_tokens")]
    parts = [series[column] for column in ("model", "hardware", "engine", "precision", "spec")]
    parts += ["disaggregated" if series["disagg"] else None, None if None in lengths else f"{lengths[0]:g}/{lengths[1]:g}", series["date"]]
    return " ".join(str(part) for part in parts if part is not None) or "all rows"


def _effects(finding: dict[str, Any]) -> str:
    without, mended = finding["effect_without"], finding["effect_corrected"]
    text = f"{finding['check']}, {finding['points']} points"
    text += "" if without is None else f", without them {without:.4g}x"
    return text + ("" if mended is None else f", corrected {mended:.4g}x")
