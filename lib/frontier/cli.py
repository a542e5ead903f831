"""The command ``frontier``: parse, call the library, print. Talk goes to stderr, results to stdout."""

# Imports of the library stand in the functions: `frontier --help` and a mistyped command must not wait for pandas, papermill and matplotlib.
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from frontier import __version__
from frontier.errors import FrontierError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from frontier.evidence.residuals import ResidualModel

app = typer.Typer(
    name="frontier",
    help="Which change moved an LLM serving frontier, how far, and how surely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overrides = Annotated[list[str] | None, typer.Argument(help="experiment=NAME, then key=value overrides", metavar="[KEY=VALUE]...")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Metric = Annotated[str, typer.Option("--metric", help="total (input + output tokens) or output, per GPU")]
Where = Annotated[list[str] | None, typer.Option("--where", help="keep only rows with COLUMN=VALUE; may be repeated", metavar="COLUMN=VALUE")]
Resamples = Annotated[int, typer.Option("--resamples", help="draws behind each interval")]
Seed = Annotated[int, typer.Option("--seed", help="seed of the draws")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command; exits with the code of the error's class."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        code = app([word for word in words if word != "--debug"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except FrontierError as error:
        if debug:
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(4)
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # Click's usage errors come in several classes, all with `format_message`; anything else is a defect and keeps its traceback.
        if not hasattr(error, "format_message"):
            raise
        print(f"UsageError: {error.format_message()}\n  try   frontier --help", file=sys.stderr)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and leave")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


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
def plan(overrides: Overrides = None, as_json: Json = False) -> None:
    """Print variants, trials, points and the GPU-hours they would take; start nothing."""
    from frontier.config import compose
    from frontier.plan import make_plan

    name, rest = _experiment(overrides)
    found = make_plan(compose(name, rest))
    if as_json:
        _print_json(found.to_dict())
        return
    table = found.table()
    _print_table(table, title=f"{found.name} ({found.digest[:8]}), design {found.design}")
    trials = int(table["trials"].sum())
    print(f"{trials} trials, {found.gpu_hours:g} GPU-hours here; {found.gpu_hours_note}")


@app.command()
def run(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress display")] = False,
) -> None:
    """Run an experiment through its notebooks; continue it where it was interrupted; return it when it is complete."""
    from frontier.runner import run_experiment

    name, rest = _experiment(overrides)
    result = run_experiment(name, rest, progress=not quiet)
    document = json.loads((result.run.path / "attribution.json").read_text(encoding="utf-8"))
    if as_json:
        _print_json(
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
        _print_attribution(document)
        print(f"\nreport: {result.run.path / 'report.html'}")
    if result.failed:
        raise _failed_trials(result.failed, result.run.path)


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
    """List the runs, or show one run's trials: done, failed, left."""
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
    if as_json:
        _print_json({"schema": "frontier.status/1", "runs": rows})
    elif not rows:
        print(f"no runs in {artifacts}", file=sys.stderr)
    else:
        import pandas as pd

        _print_table(pd.DataFrame(rows))


@app.command()
def report(
    run_id: Annotated[str, typer.Argument(help="a run; without it the newest of the experiment")] = "",
    experiment: Annotated[str, typer.Option("--experiment", help="the newest run of this experiment")] = "",
    artifacts: Annotated[Path, typer.Option("--artifacts", help="folder of the runs")] = Path("artifacts"),
) -> None:
    """Print the path of a run's report; write it when it is not there yet."""
    from frontier.report import write_report
    from frontier.store import Store

    found = Store(artifacts).find_run(experiment or None, run_id)
    page = found.path / "report.html"
    if not page.exists():
        if not (found.path / "attribution.json").exists():
            raise UsageError(f"run {found.run_id} has no attribution yet", hint=f"frontier run experiment={found.name}")
        write_report(found.path)
    print(page)


@app.command()
def attribute(
    points: Annotated[Path, typer.Argument(help="points table (CSV or Parquet) that holds the plan, or a run's folder")],
    levers: Annotated[str, typer.Option("--levers", help="columns, comma-separated, in ladder order")],
    baseline: Annotated[str, typer.Option("--baseline", help="a=x,b=y; several values of a level as x|y")] = "",
    target: Annotated[str, typer.Option("--target", help="a=x2,b=y2")] = "",
    unlocked: Annotated[str, typer.Option("--unlocked", help="levers that keep their baseline settings at target")] = "",
    missing: Annotated[
        str, typer.Option("--missing", help="error; restrict: count a missing cell as its largest available part; ladder: split the measured path")
    ] = "error",
    metric: Metric = "total",
    where: Where = None,
    resamples: Resamples = 2000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Split the shift between two corners of a designed points table into its levers' shares."""
    from frontier.attribute import attribute as split
    from frontier.attribute import parse_levers

    table = _points(points, where)
    specs = parse_levers(
        table, _names(levers), _choices(baseline, "--baseline"), _choices(target, "--target"), _names(unlocked), origin=str(points)
    )
    document = split(
        table, specs, metric=metric, missing=missing, resamples=resamples, seed=seed, origin=str(points), residuals=_residuals(table)
    )
    if as_json:
        _print_json(document)
    else:
        _print_attribution(document)


@app.command()
def shift(
    before: Annotated[Path, typer.Argument(help="points table before (CSV or Parquet), or a run's folder")],
    after: Annotated[Path, typer.Argument(help="points table after")],
    metric: Metric = "total",
    where: Where = None,
    resamples: Resamples = 2000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Account for the shift between two snapshots: how far, by which cause, how surely."""
    from frontier.shift import account

    tables = [_points(path, where) for path in (before, after)]
    document = account(
        *tables, metric=metric, resamples=resamples, seed=seed, names=(str(before), str(after)), residuals=_residuals(*tables)
    )
    if as_json:
        _print_json(document)
    else:
        _print_shift(document)


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


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _choices(text: str, option: str) -> dict[str, str]:
    out = {}
    for pair in _names(text):
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} takes lever=value pairs, got {pair!r}", hint=f"{option} precision=fp8,tp=8")
        out[name.strip()] = value.strip()
    return out


def _points(path: Path, where: Sequence[str] | None) -> pd.DataFrame:
    from frontier.attribute.levers import as_text
    from frontier.records import read_points

    table = read_points(path)
    for pair in where or []:
        column, equals, value = pair.partition("=")
        if not equals or column not in table:
            raise UsageError(f"--where takes COLUMN=VALUE with a column of the table, got {pair!r}", hint=f"columns: {', '.join(map(str, table))}")
        text = as_text(table[column])
        if not (text == value).any():
            raise UsageError(
                f"no row of {path} has {column}={value}", hint=f"values there are: {', '.join(sorted(map(str, text.dropna().unique()))[:12])}"
            )
        table = table[(text == value).fillna(False).astype(bool)].reset_index(drop=True)
    return table


def _residuals(*tables: pd.DataFrame) -> ResidualModel | None:
    if not any((table["evidence"] == "predicted").any() for table in tables):
        return None
    from frontier.evidence.residuals import ResidualModel

    return ResidualModel()


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=1, allow_nan=False))


def _print_table(frame: pd.DataFrame, title: str = "") -> None:
    import pandas as pd

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in frame.columns:
        table.add_column(str(column), justify="right" if frame[column].dtype.kind in "iuf" else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*("" if pd.isna(value) else f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    # A pipe has no width of its own: tables must not be cut to 80 columns there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _ratio(entry: dict[str, Any] | None) -> str:
    if entry is None or entry.get("ratio", entry.get("value")) is None:
        return "not defined"
    value = entry.get("ratio", entry.get("value"))
    bounds = entry.get("ci95")
    return f"{value:.3g}x" + (f"  [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else "")


def _rows(title: str, pairs: Sequence[tuple[str, str]], echo: Callable[[str], None] = print) -> None:
    echo(title)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        echo(f"  {name:<{width}}  {text}")


def _print_attribution(document: dict[str, Any]) -> None:
    span = document["domain"]["interactivity_tok_s_user"]
    where = "no common interactivity" if span is None else f"{span[0]:.3g} to {span[1]:.3g} tokens/s/user"
    print(f"{document['evidence']}, {document['metric']} tokens/s/GPU at equal interactivity ({where})")
    print("levels: " + ", ".join(f"{lever['name']} {'|'.join(lever['baseline'])} -> {'|'.join(lever['target'])}" for lever in document["levers"]))
    title = "Shapley shares" if document["method"] == "shapley" else "contributions along the observed path"
    _rows(f"{title} (ratio, 95 % interval)", [*((s["lever"], _ratio(s)) for s in document["shares"]), ("product", _ratio(document["total"]))])
    lost: dict[str, list[str]] = {}
    for cell in document["cells"]:
        if cell["status"] != "done":
            lost.setdefault(f"{cell['status']}: {cell['reason']}", []).append(cell["cell"])
    for reason, names in lost.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        print(f"{len(names)} cell{'s' if len(names) > 1 else ''} {reason} ({shown})")
    if document["companion"]:
        print()
        _print_attribution(document["companion"])


def _print_shift(document: dict[str, Any]) -> None:
    ratio = document["ratio"]
    print(f"{document['metric']} tokens/s/GPU at equal interactivity: {_ratio(ratio)}" + (f" ({document['reason']})" if ratio is None else ""))
    _rows(
        "beside it",
        [
            ("peak throughput", f"{document['peak_ratio']:.3g}x"),
            ("largest interactivity", f"{document['max_interactivity_ratio']:.3g}x"),
            ("hypervolume", f"{document['hypervolume_ratio']:.3g}x"),
        ],
    )
    if document["factors"]:
        _rows("factors (ratio, 95 % interval)", [(f["cause"], f"{_ratio(f)}  {f['points']} points") for f in document["factors"]])
    print(f"verdict: {', '.join(document['verdict']) or 'nothing separated from noise'} ({document['verdict_rule']})")
    for check in document["checks"]:
        effect = "" if check["effect_ratio"] is None else f", frontier with/without them {check['effect_ratio']:.4g}x"
        print(f"check {check['check']}: {check['points']} points of {check['side']}{effect}")
    for note in document["notes"]:
        print(f"note: {note}")


if __name__ == "__main__":
    main()
