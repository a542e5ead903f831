"""Notebooks as the steps of a run. The only module that knows papermill."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from frontier import config
from frontier.contained import run_contained
from frontier.engines import get_engine
from frontier.errors import ConfigError, ConfigErrors, RunError
from frontier.files import read_json, write_text
from frontier.places import hand_over
from frontier.plan import Plan, artifacts_folder, cache_folder, check_budget, make_plan, root, run_files
from frontier.progress import Progress
from frontier.schema import Config
from frontier.session import Session
from frontier.store import RunFolder, Store

# Notebook -> the file in the run's folder that it makes.
BUILDING = {"10_build_engine": "engines.json"}  # before them, where the engine is one that is built
STEPS = {"20_measure_frontier": "points.parquet", "30_attribute_shift": "attribution.json", "40_write_report": "report.html"}
LOCK_WAIT_S = 2.0
ADDED_TAGS = {"injected-parameters", "papermill-error-cell-tag"}  # of cells that papermill adds under random ids
TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels with the interpreter that runs this code, whatever kernels are installed under the name python3."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._sockets: Path | None = None
        if os.name == "posix":
            # Sockets that only this user reaches. TCP ports can be taken by another kernel that starts at the same time, and jupyter_client's
            # own default for ipc is one name per working folder, which kernels of concurrent runs would share.
            self._sockets = Path(tempfile.mkdtemp(prefix="frontier-kernel-"))
            self.transport = "ipc"
            self.ip = str(self._sockets / "socket")

    def cleanup_ipc_files(self) -> None:
        """Remove the sockets and their folder."""
        super().cleanup_ipc_files()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)  # a kernel that never started leaves nothing to remove

    @property
    def kernel_spec(self) -> KernelSpec:
        """A kernel of this interpreter that keeps no history."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        command.append("--IPKernelApp.log_level=CRITICAL")  # errors of cells come as messages; the rest is noise of the shutdown
        return KernelSpec(argv=command, display_name="Python 3", language="python")


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Parameters
    ----------
    run : RunFolder
    status : "complete" | "incomplete" | "submitted"
        Incomplete: all trials were tried and some failed. Submitted: a cluster has trials of it; the same command collects them later.
    failed : tuple of str
        Variants with a failed trial.
    reused : bool
        Whether the run was there already and nothing was done.
    """

    run: RunFolder
    status: str
    failed: tuple[str, ...]
    reused: bool


def run_experiment(
    experiment: str,
    overrides: Sequence[str] = (),
    *,
    artifacts_dir: Path | None = None,
    progress: bool = True,
    wait: bool = False,
    over_budget: bool = False,
) -> RunResult:
    """Run an experiment through its notebooks, or return the run that is already complete.

    Parameters
    ----------
    experiment : str
        A file in ``conf/experiment``.
    overrides : sequence of str
        As on the command line.
    artifacts_dir : Path, optional
        Where runs are stored; by default ``paths.artifacts_dir`` of the configuration.
    progress : bool
        Show progress on stderr.
    wait : bool
        On a cluster: come back when all is done, instead of once all is submitted.
    over_budget : bool
        Whether more GPU-hours than ``place.budget_gpu_hours`` are meant.

    Raises
    ------
    ConfigErrors
        If the experiment cannot be composed; nothing is created then.
    UsageError
        If the plan needs more GPU-hours than the budget.
    MachineError
        If an engine lacks a tool or a checkpoint here, or the runtime or its image is not here; nothing is created then.
    RunError
        If a notebook fails (its executed copy is kept), or another process works on the same run.
    """
    cfg = config.compose(experiment, list(overrides))
    if artifacts_dir is not None:
        cfg = replace(cfg, paths=replace(cfg.paths, artifacts_dir=str(artifacts_dir)))
        cfg.seal()
    cluster = cfg.place.kind == "slurm"
    if cfg.runtime.kind != "host" and not cluster:  # on a cluster each job has its container
        answer = run_contained(cfg, progress=progress)
        return RunResult(RunFolder(Path(answer["path"])), str(answer["status"]), tuple(answer["failed"]), reused=bool(answer["reused"]))
    plan = make_plan(cfg)
    store = Store(artifacts_folder(cfg), shared=cluster)
    found = store.find_identity(plan.identity)
    if found is None:
        check_budget(cfg, plan, confirmed=over_budget)
    if not cluster and (found is None or not found.measured()):  # on a cluster the node that runs a trial is asked
        for part in plan.parts:
            get_engine(cfg, part.part).check_machine(cache_folder(cfg), [variant for variant in part.variants if not variant.infeasible])
    run = store.open_or_create(plan.name, plan.to_dict(), lambda: run_files(cfg))
    if run.manifest is not None:
        return RunResult(run, str(run.manifest["status"]), (), reused=True)
    with store.lock(run.run_id, wait_s=LOCK_WAIT_S), _terminate_as_interrupt():
        if run.manifest is None:
            if not cluster or run.measured():  # jobs may be writing, and hold no lock
                run.remove_temporaries()
            if cluster and not wait and not run.measured() and not _collected(run, cfg, plan, store):
                return RunResult(run, "submitted", (), reused=False)
            parameters = {"experiment": experiment, "overrides": list(overrides), "artifacts_dir": cfg.paths.artifacts_dir, "run_id": run.run_id}
            with Progress(run, len(plan.trials)) if progress else _silence():
                _execute_steps(run, cfg, plan, parameters)
        failed = _failed(run, plan)
        return RunResult(run, "incomplete" if failed else "complete", failed, reused=False)


def _collected(run: RunFolder, cfg: Config, plan: Plan, store: Store) -> bool:
    """Hand what is left to the cluster; whether nothing is."""
    pending = Session(run, cfg, plan, store).pending()
    if pending:
        hand_over(run, cfg, pending, cache_folder(cfg))
    return run.measured()


def _execute_steps(run: RunFolder, cfg: Config, plan: Plan, parameters: Mapping[str, Any]) -> None:
    notebooks = root() / cfg.paths.notebooks_dir
    try:
        for stem, product in (BUILDING | STEPS if get_engine(cfg).builds else STEPS).items():
            output = run.path / "notebooks" / f"{stem}.ipynb"
            if not (output.exists() and (run.path / product).exists()):
                execute_notebook(notebooks / f"{stem}.ipynb", parameters, output)
    except RunError:
        if run.measured() and _failed(run, plan):
            # The failed trials may be why the step failed. The run is closed, so that the next one tries them again.
            run.write_manifest("incomplete", plan.digest)
        raise
    run.write_manifest("incomplete" if _failed(run, plan) else "complete", plan.digest)


def _failed(run: RunFolder, plan: Plan) -> tuple[str, ...]:
    names = [trial.variant.name for trial in plan.trials if (run.trial_record(trial.digest) or {}).get("status") == "failed"]
    return tuple(dict.fromkeys(names))


def execute_notebook(path: Path, parameters: Mapping[str, Any], output: Path) -> None:
    """Execute a notebook and keep the executed copy, also when a cell fails.

    Parameters
    ----------
    path : Path
        The notebook; not changed.
    parameters : mapping name -> value
        Checked against the annotations of the notebook's parameters cell before a kernel starts.
    output : Path
        The executed copy. If a cell fails it is kept as ``<stem>.failed-<n>.ipynb`` beside it.

    Raises
    ------
    ConfigError
        For a parameter that the notebook does not have, or a value of the wrong type; all are listed.
    RunError
        If a cell fails; the message names notebook, cell and error.
    """
    papermill = _papermill()
    check_parameters(path, parameters)
    partial = output.with_name(f".{output.stem}.partial.ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(path),
            str(partial),
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            cwd=str(root()),
            progress_bar=False,
            kernel_manager_class=ThisInterpreter,
        )
    except papermill.PapermillExecutionError as cause:
        kept = _next_failed(output)
        _keep(partial, kept)
        # papermill counts from 0 and counts the cell with the parameters that it adds.
        number = cause.cell_index if parameters else cause.cell_index + 1
        raise RunError(
            f"{path.name}, cell {number}: {cause.ename}: {cause.evalue}",
            origin=str(kept),
            hint="open the executed copy named above; the same command continues the run",
        ) from cause
    except DeadKernelError as cause:
        kept = _next_failed(output)
        _keep(partial, kept)
        raise RunError(f"{path.name}: the kernel died", origin=str(kept), hint="memory may have run out; place.workers=1 needs less") from cause
    _keep(partial, output)


def _papermill() -> Any:
    """The module papermill, imported on use because it pulls in an HTTP stack, and by name because it carries no types."""
    return importlib.import_module("papermill")


def check_parameters(path: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that the notebook does not have and values of another type than annotated.

    Raises
    ------
    ConfigError
        If the notebook is missing or has no parameters cell, or a parameter does not fit.
    """
    if not path.is_file():
        raise ConfigError(f"no notebook {path.name}", origin=str(path.parent))
    known = _papermill().inspect_notebook(str(path), None)
    if not known:
        raise ConfigError(f"{path.name} has no cell tagged 'parameters'", origin=str(path))
    annotated = _annotations(path)
    problems = []
    for name, value in parameters.items():
        if name not in known:
            problems.append(ConfigError(f"{path.name} has no parameter {name!r}; it has {', '.join(sorted(known))}", origin=str(path)))
            continue
        wanted = annotated.get(name, "")
        if wanted not in TYPES:
            problems.append(ConfigError(f"parameter {name!r} is annotated {wanted or 'not at all'}; use one of {', '.join(TYPES)}", origin=str(path)))
        elif type(value) is not TYPES[wanted] and not (wanted == "float" and type(value) is int):
            problems.append(ConfigError(f"parameter {name!r} must be {wanted}, got {type(value).__name__} {value!r}", origin=str(path)))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigErrors(problems)


def _annotations(path: Path) -> dict[str, str]:
    """Annotations in the parameters cell; papermill's own inspection takes a comment or a default for a type where there is none."""
    cell = next(cell for cell in read_json(path)["cells"] if "parameters" in cell["metadata"].get("tags", []))
    statements = ast.parse("".join(cell["source"])).body
    return {s.target.id: ast.unparse(s.annotation) for s in statements if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)}


def _keep(partial: Path, final: Path) -> None:
    """Give an executed copy its final name, without times, random ids and folders: equal runs leave equal copies."""
    notebook = read_json(partial)
    record = notebook["metadata"].pop("papermill", {})
    notebook["metadata"]["papermill"] = {key: record[key] for key in ("parameters", "exception", "version") if key in record}
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        if ADDED_TAGS & set(cell["metadata"].get("tags", [])):
            cell["id"] = f"added-{number}"
    write_text(final, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    partial.unlink()


def _next_failed(output: Path) -> Path:
    number = 1 + len(list(output.parent.glob(f"{output.stem}.failed-*.ipynb")))
    return output.with_name(f"{output.stem}.failed-{number}.ipynb")


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind like Ctrl-C, so that kernels and workers are ended before this process is."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; the caller of a thread answers for signals
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _silence() -> Iterator[None]:
    yield
