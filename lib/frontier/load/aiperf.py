"""The load generator: aiperf in an environment of its own, one call for all cells of a deployment.

A call of aiperf costs seconds of start-up, a further phase of the same call hundredths of a second, so all concurrencies are phases of one call, and
the call may be started while the server still starts (`Load.wait_for_server_s`). Phases last a stated time; the steady window is found afterwards in
the raw requests. A load of one cell may also be ended as soon as it has been steady long enough (``until_steady``).
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import psutil

from frontier import processes
from frontier.errors import MachineError, RunError, UsageError
from frontier.load.aiperf_export import REQUESTS, lines, read_rows, read_summary, request_row
from frontier.load.cross_check import Difference, cross_check
from frontier.load.metrics import NS
from frontier.load.plan import Load, configuration
from frontier.load.prompts import load_tokenizer, make_prompts, read_texts, write_dataset
from frontier.load.requests import completed, requests_table, write_requests
from frontier.load.steady import Steady, find_steady

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
POLL_S = 0.25
_LAST_LINES = 8
# What aiperf does beside sending requests is turned down: its watch over its event loops, its progress messages, its cache in the home folder.
QUIET = {
    "AIPERF_DATASET_MMAP_CACHE_ENABLED": "false",
    "AIPERF_RECORD_EXPORT_BATCH_SIZE": "1",
    "AIPERF_SERVICE_EVENT_LOOP_HEALTH_ENABLED": "false",
    "AIPERF_SERVICE_CREDIT_PROGRESS_REPORT_INTERVAL": "30",
    "AIPERF_RECORD_PROGRESS_REPORT_INTERVAL": "30",
    "NO_COLOR": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True)
class LoadResult:
    """What a load left.

    Parameters
    ----------
    requests : DataFrame
        Record of requests, warm-up included; also in ``requests.parquet`` of the folder.
    summary : dict of str to dict
        Per cell (phase name) the client's own figures, see `frontier.load.aiperf_export.read_summary`.
    cells : tuple of (str, int)
        Phase name and concurrency, in order.
    seconds : float
        From the start of the call to its end.
    startup_s : float
        From the start of the call to the first request.
    shutdown_s : float
        From the last end of a request to the end of the call.
    cpu : DataFrame
        Columns ``at_ns`` (int64, epoch) and ``cpu_s`` (float, CPU seconds of the client's processes so far).
    """

    requests: pd.DataFrame
    summary: dict[str, dict[str, float]]
    cells: tuple[tuple[str, int], ...]
    seconds: float
    startup_s: float
    shutdown_s: float
    cpu: pd.DataFrame

    def cell(self, number: int) -> pd.DataFrame:
        """Requests of the n-th cell."""
        return self.requests[(self.requests["cell"] == number).fillna(False)].reset_index(drop=True)

    @property
    def repeated_prompts(self) -> int:
        """Requests whose prompt had been sent before; a prefix cache may have met it."""
        return int(self.requests["prompt_sha8"].dropna().duplicated().sum())

    def cross_check(self) -> dict[str, list[Difference]]:
        """Per cell, where the client's summary and its raw requests differ by more than 1 %."""
        return {name: cross_check(self.cell(number), self.summary.get(name, {})) for number, (name, _) in enumerate(self.cells)}

    def cpu_share(self, start_ns: int, end_ns: int) -> float:
        """CPU seconds of the client per second between two times; 1 is one core. NaN if it was not sampled around both."""
        return cpu_share(self.cpu, start_ns, end_ns)


def cpu_share(cpu: pd.DataFrame, start_ns: int, end_ns: int) -> float:
    """CPU seconds per second between two times by linear interpolation of samples; NaN where they do not reach around both."""
    if len(cpu) < 2 or cpu["at_ns"].iloc[0] > start_ns or cpu["at_ns"].iloc[-1] < end_ns or end_ns <= start_ns:
        return float("nan")
    origin = int(cpu["at_ns"].iloc[0])  # epoch nanoseconds themselves do not fit a double
    at, used = (cpu["at_ns"] - origin).to_numpy(dtype=float), cpu["cpu_s"].to_numpy(dtype=float)
    before, after = np.interp([start_ns - origin, end_ns - origin], at, used)
    return float(after - before) / ((end_ns - start_ns) / NS)


@dataclass(frozen=True)
class Aiperf:
    """The client.

    Parameters
    ----------
    python : Path
        Interpreter of the environment that holds aiperf 0.13.
    workers : int
        Processes that send requests; one keeps up with some hundred streams.
    """

    python: Path
    workers: int = 1

    def run(self, load: Load, folder: Path, cores: Sequence[int] | None = None, *, until_steady: bool = False) -> LoadResult:
        """Put a load on a deployment and return what came of it.

        Parameters
        ----------
        load : Load
        folder : Path
            Gets ``requests.parquet``, the client's configuration, log and own files; must not hold an earlier load.
        cores : sequence of int, optional
            Cores to bind the client to.
        until_steady : bool
            End a load of one cell as soon as it was steady for ``load.window_s``, not after ``settle_s + window_s``.

        Raises
        ------
        RunError
            If the client fails or is killed, a cell completes no request, or the limit of the load passes. ``requests.parquet`` holds what there was.
        """
        with self.start(load, folder, cores) as running:
            return running.finish(until_steady=until_steady)

    def start(self, load: Load, folder: Path, cores: Sequence[int] | None = None) -> RunningLoad:
        """Start the client and return at once; for a server that is still starting. See `run`.

        Raises
        ------
        MachineError
            If the interpreter is not there.
        UsageError
            If the tokenizer lacks a file or the folder holds a load already.
        """
        if not self.python.is_file():
            raise MachineError(f"no load generator: {self.python} is not there", hint="frontier doctor --install aiperf")
        missing = [name for name in TOKENIZER_FILES if not (load.tokenizer / name).is_file()]
        if missing:
            raise UsageError(f"the tokenizer's folder lacks {', '.join(missing)}", origin=str(load.tokenizer))
        export = folder / "client"
        if export.exists():
            raise UsageError("a load was run in this folder already, and records are never overwritten", origin=str(folder), hint="another folder")
        export.mkdir(parents=True)
        texts = read_texts(load.prompts_file) if load.prompts_file else ()
        prompts = make_prompts(load_tokenizer(load.tokenizer), load.isl_tokens, load.prompts, seed=load.seed, salt=load.salt, texts=texts)
        dataset = write_dataset(prompts, load.osl_tokens, folder / "prompts.jsonl")
        config = folder / "client.json"  # JSON is YAML
        config.write_text(json.dumps(configuration(load, dataset.absolute(), export.absolute(), workers=self.workers), indent=1), encoding="utf-8")
        command: list[str | Path] = [self.python, "-m", "aiperf", "profile", "--config", config.absolute()]
        began = time.monotonic()
        child = processes.start(command, log=folder / "client.log", env=_environment(folder), cores=cores)
        return RunningLoad(load, folder, child, began)


@dataclass
class RunningLoad:
    """A client at work; a context manager that stops it.

    Parameters
    ----------
    load : Load
    folder : Path
    child : processes.Child
    began_s : float
        ``time.monotonic()`` at the start.
    """

    load: Load
    folder: Path
    child: processes.Child
    began_s: float
    _seen: list[dict[str, object]] = field(default_factory=list)
    _read_to: int = 0
    _cpu: list[tuple[int, float]] = field(default_factory=list)
    _ended_s: float = float("nan")

    def __enter__(self) -> RunningLoad:
        """The load itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the client."""
        self.child.stop()

    @property
    def export(self) -> Path:
        """The client's own folder."""
        return self.folder / "client"

    def so_far(self) -> pd.DataFrame:
        """Record of the requests that ended so far; cheap to call again."""
        phases = self.load.phases()
        for line, read_to in lines(self.export / REQUESTS, self._read_to):
            self._seen.append(request_row(line, phases, len(self._seen)))
            self._read_to = read_to
        rows = sorted(self._seen, key=lambda row: int(str(row["start_ns"])))
        return requests_table([{**row, "request": number} for number, row in enumerate(rows)], origin=str(self.export / REQUESTS))

    def steady(self) -> Steady:
        """Whether the last cell has been steady for the load's window so far."""
        cell = len(self.load.concurrencies) - 1
        seen = self.so_far()
        rows = seen[(seen["cell"] == cell).fillna(False)]
        return find_steady(rows, self.load.concurrencies[cell], window_s=self.load.window_s)

    def finish(self, *, until_steady: bool = False) -> LoadResult:
        """Wait for the end and read what there is; see `Aiperf.run`."""
        if until_steady and len(self.load.concurrencies) != 1:
            raise UsageError(f"until_steady is for a load of one cell, this one has {len(self.load.concurrencies)}")
        told = False
        try:
            while self.child.alive:
                self._sample_cpu()
                if time.monotonic() - self.began_s > self.load.max_s:
                    self._interrupt()
                    self._end()
                    self._keep()
                    raise RunError(f"the load took longer than its limit of {self.load.max_s:g} s and was stopped", origin=str(self.child.log))
                if until_steady and not told and self.steady().found:
                    self._interrupt()
                    told = True
                self.child.wait(POLL_S)
        finally:
            self._end()
        return self._result(stopped=told)

    def _end(self) -> None:
        if self.child.alive:
            self.child.wait(10.0)
        self.child.stop()
        self._ended_s = time.monotonic() - self.began_s

    def _interrupt(self) -> None:
        """Ask the client to end; it writes what it has within a second."""
        try:
            os.kill(self.child.pid, signal.SIGINT)
        except ProcessLookupError:
            return

    def _sample_cpu(self) -> None:
        used = 0.0
        for pid in self.child.pids():
            try:
                spent = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            used += spent.user + spent.system
        if used:
            self._cpu.append((time.time_ns(), used))

    def _keep(self) -> pd.DataFrame:
        """Write the record of requests, as far as it goes."""
        requests = read_rows(self.export / REQUESTS, self.load.phases())
        write_requests(requests, self.folder / "requests.parquet")
        return requests

    def _tidy(self) -> None:
        """Pack the client's request lines, which the record holds, and leave out what the prompts file holds."""
        raw = self.export / REQUESTS
        with raw.open("rb") as source, gzip.open(raw.with_name(f"{REQUESTS}.gz"), "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target)
        raw.unlink()
        (self.export / "inputs.json").unlink(missing_ok=True)
        for left in self.folder.glob("aiperf_mmap_*"):
            shutil.rmtree(left, ignore_errors=True)

    def _result(self, *, stopped: bool) -> LoadResult:
        requests, phases = self._keep(), self.load.phases()
        cells = tuple((name, concurrency) for name, (concurrency, cell) in phases.items() if cell is not None)
        code = self.child.returncode
        done = completed(requests)
        empty = [name for number, (name, _) in enumerate(cells) if not (done & (requests["cell"] == number).fillna(False).to_numpy(dtype=bool)).any()]
        if empty or (code and not stopped):
            kept = f"{len(requests)} requests are kept in requests.parquet"
            raise RunError(f"{_why(requests, empty, code, self.child)}; {kept}", origin=str(self.child.log))
        summary = {name: read_summary(self.export, name) for name, _ in cells}
        self._tidy()
        began_ns = time.time_ns() - round((time.monotonic() - self.began_s) * NS)
        first, last = int(requests["start_ns"].min()), int(requests["end_ns"].max())
        return LoadResult(
            requests=requests,
            summary=summary,
            cells=cells,
            seconds=self._ended_s,
            startup_s=(first - began_ns) / NS,
            shutdown_s=self._ended_s - (last - began_ns) / NS,
            cpu=pd.DataFrame(self._cpu, columns=["at_ns", "cpu_s"]).astype({"at_ns": "int64", "cpu_s": "float64"}),
        )


def _environment(folder: Path) -> dict[str, str]:
    """The client's environment: the starter's, without what belongs to the starter's own Python or would take the client to a network."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIPERF_", "VIRTUAL_ENV"))}
    # In offline mode aiperf takes a local folder for the name of a repository and fails; a folder is read without a network anyway.
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        base.pop(name, None)
    local = "127.0.0.1,localhost"
    return {**base, **QUIET, "AIPERF_DATASET_MMAP_BASE_PATH": str(folder.absolute()), "NO_PROXY": local, "no_proxy": local}


def _why(requests: pd.DataFrame, empty: Sequence[str], code: int | None, child: processes.Child) -> str:
    """What went wrong, in one message: how the client ended, what failed most, and its last words."""
    parts = []
    if code:
        parts.append(f"the client ended with code {code}")
    if empty:
        parts.append(f"no request completed in {', '.join(empty)}")
    errors = requests["error"].dropna()
    if len(errors):
        most = errors.value_counts()
        parts.append(f"{len(errors)} of {len(requests)} requests failed, most often ({int(most.iloc[0])}): {most.index[0]}")
    else:
        said = (line.strip("│╭╰╮╯─ ").strip() for line in child.log_tail(40).splitlines())
        parts.append(f"its log ends: {' '.join([line for line in said if line][-_LAST_LINES:])}")
    return "; ".join(parts)
