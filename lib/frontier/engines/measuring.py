"""One trial on a live server: start the servers, put load on them, read points off the raw requests, keep every finished point at once."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.drive import EndOfLaunch
from frontier.engines.base import TrialContext
from frontier.engines.counters import Counters
from frontier.engines.driving import concurrencies, next_concurrency, planned_point_s
from frontier.engines.gate import gate_of
from frontier.engines.points import Cell, Watched, point_row
from frontier.errors import FrontierError, RunError
from frontier.files import write_atomic
from frontier.load import Aiperf, Load, client_overhead, largest_difference, read_requests, recount, scrape, write_requests
from frontier.quality import OUTPUT, SCORES, TEXTS, Quality, heldout_documents, lm_eval_command, run_lm_eval
from frontier.quality import measure as measure_output
from frontier.records import KEPT, Trial
from frontier.schema import Config
from frontier.serving import Cores, DeploymentSpec, Running, key_of, launch, nvml_indices
from frontier.telemetry import Sampler, background_load, probe_machine

ONE_CALL_S = 60.0  # shorter points share a call of the client, which costs seconds to start; longer ones are kept one by one
WATCHED_S = 1.0  # how long the cores are watched before a launch
RECOUNTED_TOKENS, RECOUNT_PROMPT = 64, (3, 1, 4, 1, 5, 9, 2, 6)  # of the one answer that is counted again, and what it is asked about
STARTUP_S = 120.0  # limit for the client beside what it measures


@dataclass(frozen=True)
class Deployment:
    """One server setting of a variant.

    Parameters
    ----------
    number : int
        Within the variant.
    spec : DeploymentSpec
        Servers to start.
    cores : Cores
        What the servers and the client compute on.
    labels : dict
        Columns of the points table that it decides.
    open : callable, optional
        Gives a server that somebody else runs, as a context manager; without it the servers of ``spec`` are started.
    version : str
        Of the engine that was asked for; empty: whichever answers.
    """

    number: int
    spec: DeploymentSpec
    cores: Cores
    labels: dict[str, Any]
    open: Callable[[], AbstractContextManager[Running]] | None = None
    version: str = ""


@dataclass(frozen=True)
class Bench:
    """What a trial is measured with.

    Parameters
    ----------
    cfg : Config
    server_python : Path
    client : Aiperf
    model : Path
        Folder with the tokenizer, and held-out text where the gate asks for it.
    scorer : Path, optional
        Interpreter with lm-evaluation-harness, where scores are asked for.
    counted : bool
        Whether the servers show counters and histograms that the kit reads.
    steps_streamed : bool
        Whether they stream every decoding step by itself.
    """

    cfg: Config
    server_python: Path
    client: Aiperf
    model: Path
    scorer: Path | None = None
    counted: bool = True
    steps_streamed: bool = False

    def measure(self, trial: Trial, context: TrialContext, deployment: Deployment) -> pd.DataFrame:
        """Points of one deployment: those an earlier attempt kept, and the rest from a new launch.

        Raises
        ------
        RunError
            If a server or the client fails; points finished before are kept.
        """
        launch_folder = _Kept(context.folder / KEPT, deployment.number)
        wanted = self._next(trial, context, launch_folder)
        if wanted is None:
            return launch_folder.points()
        folder = launch_folder.new_launch()
        cores = deployment.cores
        quiet = background_load(cores.servers, WATCHED_S)
        probe = probe_machine(cores.servers)
        with deployment.open() if deployment.open else self._launched(deployment.spec, folder) as running:
            _check_version(deployment.version, running)
            cell = Cell(
                labels=deployment.labels,
                launch_id=f"{trial.digest[:12]}-{folder.name}",
                launch_s=running.ready_s,
                recounted=self._recount(running),
                attached=deployment.open is not None,
                run_started_s=context.run_started_s,
                engine_version=running.versions.get("engine", ""),
                cores=cores,
                gpus_held=_seen_gpus(deployment.spec),
                synthetic=bool(self.cfg.engine.synthetic_acceptance) or self.cfg.engine.forced_acceptance is not None,
                before=quiet,
                probe=probe,
                steps_streamed=self.steps_streamed,
            )
            self._ask_for_output(trial, context, running, launch_folder)
            self._ask_for_scores(trial, running, launch_folder, folder)
            number = 0
            while wanted is not None:
                number += 1
                self._measure_some(trial, wanted, folder / f"load-{number}", running, cores.client, cell, launch_folder)
                wanted = self._next(trial, context, launch_folder)
        return launch_folder.points()

    def _launched(self, spec: DeploymentSpec, folder: Path) -> AbstractContextManager[Running]:
        return launch(spec, folder, self.server_python, ready_timeout_s=self.cfg.engine.ready_timeout_s, on_wait=_say)

    def _recount(self, running: Running) -> float:
        """One answer counted again; see `frontier.load.recount`."""
        asked = min(self.cfg.workload.osl_tokens, RECOUNTED_TOKENS)
        return recount(running.url, running.spec.served_name, RECOUNT_PROMPT, asked, self.model, key_of(self.cfg.engine.key_env))

    def _next(self, trial: Trial, context: TrialContext, kept: _Kept) -> tuple[int, ...] | None:
        """The concurrencies of the next call of the client; None when the launch has all it needs."""
        here = kept.points()
        if self.cfg.sweep.kind == "adaptive":
            labelled = here.assign(variant=trial.variant.name, replicate=trial.replicate) if len(here) else here
            chosen = next_concurrency(self.cfg, trial, context.earlier, labelled)
            return None if isinstance(chosen, EndOfLaunch) else (chosen,)
        done = set(here["concurrency"].astype(int)) if len(here) else set()
        left = tuple(value for value in concurrencies(self.cfg) if value not in done)
        if not left:
            return None
        return left if planned_point_s(self.cfg) < ONE_CALL_S else left[:1]

    def _measure_some(
        self, trial: Trial, wanted: Sequence[int], folder: Path, running: Running, client_cores: Sequence[int], cell: Cell, kept: _Kept
    ) -> None:
        """Load the deployment at each of the concurrencies and keep the points; those that were not steady get one longer try, where there is one."""
        longer = self.cfg.sweep.max_point_s - self.cfg.sweep.settle_s
        last = longer <= self.cfg.sweep.window_s
        unsteady = self._call(trial, wanted, self.cfg.sweep.window_s, folder, running, client_cores, cell, kept, last=last)
        if unsteady:
            again = folder.with_name(f"{folder.name}-longer")
            self._call(trial, unsteady, longer, again, running, client_cores, cell, kept, last=True)

    def _call(
        self,
        trial: Trial,
        wanted: Sequence[int],
        window_s: float,
        folder: Path,
        running: Running,
        client_cores: Sequence[int],
        cell: Cell,
        kept: _Kept,
        *,
        last: bool,
    ) -> list[int]:
        """One call of the client; the concurrencies that were not steady. With ``last`` their points are kept and marked."""
        sweep = self.cfg.sweep
        load = Load(
            urls=tuple(running.urls),
            served_name=running.spec.served_name,
            tokenizer=self.model,
            isl_tokens=self.cfg.workload.isl_tokens,
            osl_tokens=self.cfg.workload.osl_tokens,
            concurrencies=tuple(wanted),
            warmup_s=sweep.warmup_s or None,
            settle_s=sweep.settle_s,
            window_s=window_s,
            max_s=STARTUP_S + sweep.warmup_s + len(wanted) * (sweep.settle_s + window_s) * 2,
            seed=sweep.order_seed,
            salt=f"{trial.digest[:12]}/{folder.name}/{cell.launch_id}",
            prompts_file=self.texts(),
            key_env=self.cfg.engine.key_env,
        )
        failure: FrontierError | None = None
        differences: dict[int, float] = {}
        before = self._counters(running)
        with Sampler() as sampler, Counters(running.scrape if self.counted else dict) as counters:
            try:
                result = self.client.run(load, folder, client_cores)
                requests, cpu = result.requests, result.cpu
                differences = {at: largest_difference(result.cell(at), result.summary.get(name, {})) for at, (name, _) in enumerate(result.cells)}
                overhead = client_overhead(requests, before, self._counters(running))
            except RunError as error:  # what completed before is worth as much as if the rest had not failed
                failure, cpu, overhead = self._said_by_server(running, error), pd.DataFrame(columns=["at_ns", "cpu_s"]), {}
                record = folder / "requests.parquet"
                requests = read_requests(record) if record.exists() else pd.DataFrame()
        sampled = sampler.frame()
        write_atomic(folder.with_name(f"{folder.name}-telemetry.parquet"), lambda path: sampled.to_parquet(path, index=False))
        watched = Watched(sampled, counters.samples(), cpu, overhead, differences)
        unsteady = []
        for number, concurrency in enumerate(wanted):
            rows = requests[(requests["cell"] == number).fillna(False)] if len(requests) else requests
            try:
                found = point_row(cell, rows, concurrency, sweep, watched, number)
            except RunError:
                if failure is None:
                    raise
                found = None
            if found is None:
                continue  # nothing that a window could be laid over: the failure below says why
            row, steady = found
            if steady or (last and failure is None):
                kept.keep(row, rows)
            elif failure is None:
                unsteady.append(concurrency)
        if failure is not None:
            raise failure
        return unsteady

    def _counters(self, running: Running) -> dict[str, float]:
        """Counters of the servers that answer users themselves; none behind a router, where no server sees the whole of a request."""
        return scrape(running.urls) if self.counted and running.spec.router is None else {}

    def _said_by_server(self, running: Running, error: RunError) -> FrontierError:
        """The server's own reason where it died, else the client's."""
        try:
            running.check()
        except RunError as died:
            return died
        return error

    def texts(self) -> Path | None:
        """Text to cut prompts from: drafts of random words are not accepted as those of text are."""
        return prompt_texts(self.cfg, self.model)

    def _ask_for_output(self, trial: Trial, context: TrialContext, running: Running, kept: _Kept) -> None:
        """What this launch puts out, for the quality gate: at the same instance that is measured, once per variant and twice for the baseline."""
        if self.cfg.quality.kind == "none" or kept.output.exists():
            return
        baseline = trial.variant.name == "baseline"
        if context.asked >= (2 if baseline else 1) or (not baseline and context.reference is None):
            return  # where the baseline's is not there yet, the variant's next launch finds it
        gate = gate_of(self.cfg)
        reference = None if context.reference is None else Quality.from_dict(json.loads(context.reference.read_text(encoding="utf-8")))
        documents = heldout_documents(self.model, gate)
        prefill = running.url_of("prefill") if "prefill" in running.ports else ""
        found = measure_output(running.url, running.spec.served_name, documents, gate, baseline=reference, prefill_url=prefill)
        write_atomic(kept.output, lambda path: path.write_text(json.dumps(found.to_dict()), encoding="utf-8"))

    def _ask_for_scores(self, trial: Trial, running: Running, kept: _Kept, folder: Path) -> None:
        """Scores of lm-evaluation-harness, on the first launch of every variant."""
        quality = self.cfg.quality
        if self.scorer is None or trial.replicate > 1 or kept.scores.exists():
            return
        _say(f"lm-evaluation-harness: {', '.join(quality.lm_eval_tasks)}")
        command = lm_eval_command(
            self.scorer,
            running.url,
            running.spec.served_name,
            str(self.model),
            quality.lm_eval_tasks,
            folder / "lm-eval",
            limit=quality.lm_eval_limit,
            max_length=self.cfg.engine.max_model_len,
            own_tasks=quality.lm_eval_folder,
        )
        results = run_lm_eval(command, folder / "lm-eval", folder / "lm-eval.log")
        write_atomic(kept.scores, lambda path: shutil.copyfile(results, path))


@dataclass(frozen=True)
class _Kept:
    """What a trial has finished so far, on disk: one file per point, its raw requests beside it, one folder per launch."""

    folder: Path
    deployment: int

    @property
    def output(self) -> Path:
        return self.folder / OUTPUT

    @property
    def scores(self) -> Path:
        return self.folder / SCORES

    def points(self) -> pd.DataFrame:
        files = sorted(self.folder.glob(f"point-{self.deployment}-*.parquet"))
        return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True) if files else pd.DataFrame()

    def keep(self, row: dict[str, Any], requests: pd.DataFrame) -> None:
        name = f"{self.deployment}-{int(row['concurrency']):05d}.parquet"
        write_requests(requests, self.folder / f"requests-{name}")
        write_atomic(self.folder / f"point-{name}", lambda path: pd.DataFrame([row]).to_parquet(path, index=False))

    def new_launch(self) -> Path:
        number = 1 + len(list(self.folder.glob(f"launch-{self.deployment}-*")))
        folder = self.folder / f"launch-{self.deployment}-{number}"
        folder.mkdir(parents=True)
        return folder


def prompt_texts(cfg: Config, model: Path) -> Path | None:
    """File of text that prompts are cut from: the one that is named, else the checkpoint's held-out text; None where there is neither."""
    named = Path(cfg.workload.prompts).expanduser() if cfg.workload.prompts else model / TEXTS
    return named if cfg.workload.prompts or named.exists() else None


def _seen_gpus(spec: DeploymentSpec) -> tuple[int, ...]:
    """The GPUs whose power this machine's driver tells; none of a deployment that reaches to other nodes: a part of the power would be no power."""
    return nvml_indices(spec.devices) if spec.platform == "cuda" and not spec.nodes else ()


def _check_version(wanted: str, running: Running) -> None:
    """Refuse a server of another release than the one its files were written for."""
    found = running.versions.get("engine", "")
    if wanted and found and found != wanted:
        raise RunError(f"the server says it is release {found}, its files were written for {wanted}", hint=f"engine.release={found}")


def _say(line: str) -> None:
    """Into the trial's log."""
    sys.stderr.write(f"{line}\n")
