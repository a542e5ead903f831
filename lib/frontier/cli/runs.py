"""Commands on experiments and their runs: plan, run, status, report, lab."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frontier.cli.app import Json, Overrides, app
from frontier.cli.show import print_attribution, print_engine, print_json, print_table
from frontier.errors import FrontierError, UsageError

if TYPE_CHECKING:
    from frontier.store import RunFolder, Store


def _experiment(overrides: Sequence[str] | None) -> tuple[str, list[str]]:
    words = list(overrides or [])
    named = [word.split("=", 1)[1] for word in words if word.startswith("experiment=")]
    if len(named) != 1 or not named[0]:
        from frontier.config import experiments

        raise UsageError(
            "name one experiment" if not named else f"experiment is named {len(named)} times",
            hint=f"experiment=NAME with NAME one of {', '.join(experiments())}",
        )
    return named[0], [word for word in words if not word.startswith("experiment=")]


@app.command()
def plan(
    overrides: Overrides = None,
    as_json: Json = False,
    export: Annotated[str, typer.Option("--export", help="srtctl: write the launches as recipes of srt-slurm", metavar="FORMAT")] = "",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="folder for what is exported")] = None,
    show_engine: Annotated[bool, typer.Option("--show-engine", help="print what would be started: files and command lines")] = False,
) -> None:
    """Print variants, trials, points and the GPU-hours they would take; start nothing."""
    from frontier.config import compose
    from frontier.engines import get_engine
    from frontier.plan import make_plan

    if export or out is not None:
        _check_export(export, out, alone=not show_engine)
    name, rest = _experiment(overrides)
    cfg = compose(name, rest)
    found = make_plan(cfg)
    if out is not None:
        from frontier.srtctl import write_recipes

        files = write_recipes(found, cfg, out)
        if as_json:
            print_json({"schema": "frontier.export/1", "format": export, "files": [str(file) for file in files]})
            return
        print(f"{len(files)} recipes in {out}; srtctl apply -f FILE launches one, frontier import srtctl FOLDER reads the results back")
        return
    if show_engine:
        engine = get_engine(cfg)
        print_engine({variant.name: (variant.infeasible, engine.resolved(variant)) for variant in found.main.variants}, as_json=as_json)
        return
    if as_json:
        print_json(found.to_dict())
        return
    table = found.table()
    print_table(table, title=f"{found.name} ({found.digest[:8]}), design {found.design}")
    trials = int(table["trials"].sum())
    print(f"{trials} trials, {found.gpu_hours:g} GPU-hours here; {found.gpu_hours_note}")
    budget = cfg.place.budget_gpu_hours
    if budget:
        more = ": `frontier run` refuses it without --over-budget" if found.gpu_hours > budget else ""
        print(f"the budget is {budget:g} GPU-hours{more}")
    for line in found.main.aliasing:
        print(line)
    if cfg.runtime.kind != "host":
        print(f"run in {cfg.runtime.kind}, image {cfg.runtime.image}")


def _check_export(export: str, out: Path | None, *, alone: bool) -> None:
    """Refuse an export that is not wholly said.

    Raises
    ------
    UsageError
        Naming what is missing or too much.
    """
    if not export:
        raise UsageError(f"-o {out} is a folder for what is exported, and no format is named", hint=f"--export srtctl -o {out}")
    if export != "srtctl":
        raise UsageError(f"no export format {export!r}", hint="formats: srtctl")
    if out is None:
        raise UsageError("--export srtctl needs a folder for the recipes", hint="--export srtctl -o recipes/")
    if not alone:
        raise UsageError("--export writes recipes, --show-engine prints what would be started here", hint="one of the two")


@app.command()
def run(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress display")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="on a cluster: come back when all is done, not once all is submitted")] = False,
    over_budget: Annotated[bool, typer.Option("--over-budget", help="more GPU-hours than place.budget_gpu_hours are meant")] = False,
) -> None:
    """Run an experiment through its notebooks; continue it where it was interrupted; return it when it is complete."""
    from frontier.runner import run_experiment

    name, rest = _experiment(overrides)
    result = run_experiment(name, rest, progress=not quiet, wait=wait, over_budget=over_budget)
    if result.status == "submitted":
        _print_submitted(result.run, as_json=as_json)
        return
    document = json.loads((result.run.path / "attribution.json").read_text(encoding="utf-8"))
    if as_json:
        print_json(
            {
                "schema": "frontier.run/1",
                "run_id": result.run.run_id,
                "path": str(result.run.path),
                "status": result.status,
                "reused": result.reused,
                "failed": list(result.failed),
                "total": document["total"],
                "shares": document["shares"],
                "report": str(result.run.path / "report.html"),
            }
        )
    else:
        if result.reused:
            print("complete already: nothing was computed", file=sys.stderr)
        print_attribution(document)
        print(f"\nreport: {result.run.path / 'report.html'}")
    if result.failed:
        raise _failed_trials(result.failed, result.run.path)


def _print_submitted(run: RunFolder, *, as_json: bool) -> None:
    """What a cluster has of a run."""
    from frontier.places import run_state

    state = run_state(run, asking=False)
    if as_json:
        counts = state.counts()
        print_json({"schema": "frontier.run/1", "run_id": run.run_id, "path": str(run.path), "status": "submitted", "trials": counts})
        return
    counted = ", ".join(f"{count} {name}" for name, count in state.counts().items())
    print(f"{run.run_id}: {counted}")
    print(f"watch it with `frontier status {run.run_id}`; the same command collects what is done", file=sys.stderr)


def _failed_trials(failed: Sequence[str], path: Path) -> FrontierError:
    from frontier.errors import RunError

    return RunError(
        f"{len(failed)} variant{'s' if len(failed) != 1 else ''} failed: {', '.join(failed)}",
        origin=str(path / "trials"),
        hint="read error.txt of the trial; the same command tries the failed trials again",
    )


@app.command()
def status(
    run_id: Annotated[str, typer.Argument(help="a run; without it all runs are listed")] = "",
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
    as_json: Json = False,
) -> None:
    """List the runs, or show one run's trials: done, running, waiting, failed, with job, node and the estimate of what is left."""
    from frontier.progress import count_trials
    from frontier.store import Store

    store = Store(artifacts)
    if run_id:
        store.find_run(run_id=run_id)
    rows = []
    for found in [r for r in store.list_runs() if run_id in ("", r.run_id)]:
        total = sum(len((found.plan.get(part) or {}).get("trials", [])) for part in ("main", "companion"))
        count = count_trials(found, total)
        failed = sum((found.trial_record(d) or {}).get("status") == "failed" for d in found.trial_digests())
        state = (found.manifest or {}).get("status", "unfinished")
        counts = {"trials": total, "done": count.done - failed, "failed": failed, "left": total - count.done}
        rows.append({"run_id": found.run_id, "status": state, **counts})
    state = None
    if run_id:
        from frontier.cli.cluster import print_state, state_document
        from frontier.places import run_state

        state = run_state(store.find_run(run_id=run_id), asking=False)
        rows[0] |= {"running": len(state.of("running")), "waiting": len(state.of("waiting"))}
    if as_json:
        print_json({"schema": "frontier.status/1", "runs": rows, **({} if state is None else state_document(state))})
    elif not rows:
        print(f"no runs in {artifacts}", file=sys.stderr)
    else:
        import pandas as pd

        print_table(pd.DataFrame(rows))
        if state is not None:
            print_state(store.find_run(run_id=run_id), state)


@app.command()
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="a run; several are compared with the first: ids, folders, points tables or bundles", metavar="[RUN]..."),
    ] = None,
    experiment: Annotated[str, typer.Option("--experiment", help="the newest run of this experiment")] = "",
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
    points: Annotated[
        Path | None, typer.Option("--points", help="published points (CSV, Parquet, or a data set's name) of the same configuration")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the comparison's page; by default under ARTIFACTS/comparisons")] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="changes below it count as none: 0.05 on one machine, 0.10 between two")] = None,
    metric: Annotated[str, typer.Option("--metric", help="total or output, for points tables; a run has its own")] = "",
    as_json: Json = False,
) -> None:
    """Print the path of a run's report, written where it is not there yet; with several runs, compare them on one page."""
    named = list(runs or [])
    if len(named) > 1 or points is not None:
        _compare(named, experiment, artifacts, points, out, margin, metric, as_json=as_json)
        return
    if as_json or out is not None or margin is not None or metric:
        raise UsageError("--json, --out, --margin and --metric belong to a comparison", hint="name several runs, or --points FILE")
    from frontier.report import write_report
    from frontier.store import Store

    found = Store(artifacts).find_run(experiment or None, named[0] if named else "")
    page = found.path / "report.html"
    if not page.exists():
        if not (found.path / "attribution.json").exists():
            raise UsageError(f"run {found.run_id} has no attribution yet", hint=f"frontier run experiment={found.name}")
        write_report(found.path)
    print(page)


def _compare(
    named: Sequence[str],
    experiment: str,
    artifacts: Path,
    points: Path | None,
    out: Path | None,
    margin: float | None,
    metric: str,
    *,
    as_json: bool,
) -> None:
    """Compare runs; print the page's path and what moved."""
    import pandas as pd

    from frontier.cli.given import read_table
    from frontier.compare import compare_paths, comparison_file, verdict_rows, write_page
    from frontier.records import check_metric
    from frontier.report.comparison import verdict_word
    from frontier.store import Store

    if metric:
        check_metric(metric)
    if not named and not experiment:
        raise UsageError("--points is held against runs, and none is named", hint="frontier report RUN --points FILE, or --experiment NAME")
    if named and experiment:
        raise UsageError("--experiment takes its newest run; it goes with no named ones", hint="name the runs alone")
    store = Store(artifacts)
    paths = [store.find_run(experiment).path] if experiment else [_run_path(word, store) for word in named]
    published = None if points is None else read_table(points, None)
    document = compare_paths(paths, metric=metric, margin=margin, published=published, published_name="" if points is None else points.name)
    page = write_page(document, out if out is not None else comparison_file(document, artifacts))
    if as_json:
        print_json(document)
        print(f"comparison: {page}", file=sys.stderr)
        return
    for pair in document["pairs"]:
        print(f"{pair['new']} against {pair['original']}: {verdict_word(pair['verdict']).lower()}")
        print(f"{pair['sentence']} {' '.join(pair['cause']['sentences'])}")
        print_table(pd.DataFrame(verdict_rows(pair)))
    if document["published"]:
        print_table(pd.DataFrame([row for one in document["published"] for row in verdict_rows(one)]))
    print(f"comparison: {page}")


def _run_path(word: str, store: Store) -> Path:
    """A run by its id or its experiment's name, or the folder or file that is named."""
    path = Path(word)
    return path if path.exists() else store.named(word).path


@app.command()
def lab(
    port: Annotated[int, typer.Option("--port", help="port on 127.0.0.1")] = 8888,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser")] = True,
) -> None:
    """Open JupyterLab on the notebooks, on this machine only."""
    import importlib.util
    import subprocess

    from frontier.config import conf_dir
    from frontier.errors import MachineError

    if importlib.util.find_spec("jupyterlab") is None:
        raise MachineError("JupyterLab is not installed in this environment", hint="make lab, or pip install 'frontier-kit[lab]'")
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", str(conf_dir().parent / "notebooks")]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers run as root; the server listens on this machine only and asks for its token
    raise typer.Exit(subprocess.call(command if browser else [*command, "--no-browser"]))
