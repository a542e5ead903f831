"""A second opinion on TensorRT-LLM: ``trtllm-bench`` at some of the concurrencies that were measured through a server, compared with them.

Both run the same checkpoint, file and prompts. The server adds HTTP, detokenizing and a client; a difference beyond that says that the two were not
the same engine. It is told and changes no figure. Not run on hardware.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from frontier import processes
from frontier.errors import FrontierError, PointsError, RunError
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.trtllm_bench import parse
from frontier.files import read_json, write_json
from frontier.load import bench_requests, find_steady, load_tokenizer, make_prompts, read_steps, read_texts, window_metrics
from frontier.records import KEPT
from frontier.schema import Config
from frontier.serving.trtllm import DATASET, LOG, REPORT, REQUESTS, STEPS, TrtllmKnobs, TrtllmLevers, dataset_lines, offline_bench, offline_refusal

FOUND = "offline.json"  # of one call
SCHEMA = "frontier.offline/1"
COMPARED = ("output_tput_tok_s_gpu", "interactivity_tok_s_user")
SPARE_TURNOVERS = 4  # sent beside those that must be steady: the first fills the engine, the last drain it
STEADY, WHOLE = "steady part", "whole call"  # of its requests; by its report, filling and draining included


@dataclass(frozen=True)
class OfflineCheck:
    """Calls of the tool for one deployment.

    Parameters
    ----------
    cfg : Config
    commands : Path
        Folder of the engine's commands.
    model : Path
        Folder of the checkpoint.
    texts : Path, optional
        Text to cut prompts from.
    """

    cfg: Config
    commands: Path
    model: Path
    texts: Path | None

    def compare(self, levers: TrtllmLevers, knobs: TrtllmKnobs, points: pd.DataFrame, variant: str, deployment: int, kept: Path) -> None:
        """Run the tool at every concurrency that is asked for and was measured, and keep what it found; one that is there is not run again.

        A call that fails is kept with its reason: what was measured stands without it.
        """
        for concurrency in self.cfg.engine.offline:
            folder = kept / f"offline-{deployment}-{concurrency}"
            if (folder / FOUND).exists():
                continue
            measured = points[points["concurrency"] == concurrency] if len(points) else points
            row: dict[str, Any] = {"variant": variant, "deployment": deployment, "concurrency": concurrency}
            row["served"] = {name: _rounded(measured[name].iloc[0]) for name in COMPARED} if len(measured) else {}
            refusal = offline_refusal(levers, knobs) or ("" if len(measured) else "it was not measured through a server at this concurrency")
            folder.mkdir(parents=True, exist_ok=True)
            try:
                found = {"reason": refusal} if refusal else self._run(levers, knobs, concurrency, folder)
            except FrontierError as error:
                found = {"reason": error.message}
            write_json(folder / FOUND, {**row, **found})

    def _run(self, levers: TrtllmLevers, knobs: TrtllmKnobs, concurrency: int, folder: Path) -> dict[str, Any]:
        bench = offline_bench(levers, knobs, self.model, concurrency, folder.absolute())
        load = self.cfg.workload
        count = concurrency * (self.cfg.sweep.turnovers + SPARE_TURNOVERS)
        texts = read_texts(self.texts) if self.texts else ()
        prompts = make_prompts(load_tokenizer(self.model), load.isl_tokens, count, seed=self.cfg.sweep.order_seed, salt=str(folder), texts=texts)
        lines = dataset_lines([prompt.ids for prompt in prompts], load.osl_tokens)
        (folder / DATASET).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        for name, text in bench.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        command = [word.replace("{bin}", str(self.commands)) for word in bench.command]
        processes.run_to_end(command, "trtllm-bench", log=folder / LOG, timeout_s=self.cfg.engine.ready_timeout_s * 2, env=bench.env)
        return read_offline(folder, gpus=levers.layout.gpus, concurrency=concurrency, turnovers=self.cfg.sweep.turnovers)


def read_offline(folder: Path, *, gpus: int, concurrency: int, turnovers: int) -> dict[str, Any]:
    """What a call left: figures over the steady part of its requests where there is one, else those of its report; and its steps.

    Parameters
    ----------
    folder : Path
        With the tool's files; without a report its console log is read, since older releases lose the report where drafts are made.
    gpus : int
        Denominator.
    concurrency, turnovers : int
        See `frontier.load.find_steady`.

    Returns
    -------
    dict
        ``offline`` and ``reported``: figures as in the points table; ``basis``: what ``offline`` is of; ``steps``: see
        `frontier.load.Steps.summary`; ``notes``.

    Raises
    ------
    RunError
        If neither a report nor its table on the console can be read.
    """
    notes: list[str] = []
    if not (folder / REPORT).exists():
        notes.append(f"no {REPORT}: read from what the tool printed")
    reported = _reported(folder / (REPORT if (folder / REPORT).exists() else LOG), {"gpus": gpus, "concurrency": concurrency})
    steady = _steady(folder / REQUESTS, gpus, concurrency, turnovers, notes)
    try:
        steps = {name: _rounded(value) for name, value in read_steps(folder / STEPS).summary().items()}
    except PointsError as error:
        steps = {}
        notes.append(error.message)
    return {"offline": steady or reported, "reported": reported, "basis": STEADY if steady else WHOLE, "steps": steps, "notes": notes}


def _reported(file: Path, given: Mapping[str, Any]) -> dict[str, float | None]:
    try:
        batch = next(iter(parse(Source(file), given)))
    except PointsError as error:
        raise RunError(f"the report of trtllm-bench cannot be read: {error.message}", origin=str(file)) from error
    if not len(batch.rows):
        raise RunError(f"the report of trtllm-bench is no point: {'; '.join(batch.refused['rule'])}", origin=str(file))
    row = batch.rows.iloc[0]
    return {"output_tput_tok_s_gpu": _rounded(row["output_tput_tok_s_gpu"]), "interactivity_tok_s_user": _rounded(1.0 / row["median_tpot_s"])}


def _steady(file: Path, gpus: int, concurrency: int, turnovers: int, notes: list[str]) -> dict[str, float | None]:
    if not file.exists():
        return {}
    try:
        items = json.loads(file.read_text(encoding="utf-8"))
        requests = bench_requests(items if isinstance(items, Sequence) else [], origin=file.name, concurrency=concurrency)
        found = find_steady(requests, concurrency, min_turnovers=turnovers)
        if found.window is None:
            notes.append(found.reason)
            return {}
        metrics = window_metrics(requests, found.window, gpus=gpus, concurrency=concurrency)
    except (ValueError, FrontierError) as error:
        notes.append(f"{file.name} cannot be used: {error}")
        return {}
    return {name: _rounded(metrics[name]) for name in COMPARED}


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def offline_document(folders: Sequence[Path], variants: Sequence[str]) -> dict[str, Any] | None:
    """The run's document of all calls, by variant in the given order, deployment and concurrency; None where none was made."""
    rows = [read_json(file) for folder in folders for file in folder.glob(f"{KEPT}/offline-*/{FOUND}")]
    rows.sort(key=lambda row: (variants.index(row["variant"]), row["deployment"], row["concurrency"]))
    return {"schema": SCHEMA, "rows": rows} if rows else None
