"""Trials on this machine, in processes: computed ones as many at once as there are cores, measured ones as their devices allow. All results go
through the disk."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.engines import Engine, TrialContext, get_engine
from frontier.errors import FrontierError, RunError
from frontier.files import read_json, write_json
from frontier.places.packing import ANYWHERE, Need, Share, startable, this_machine
from frontier.quality import OUTPUT, Quality
from frontier.records import KEPT, Trial, normalize_points
from frontier.schema import Config
from frontier.store import RunFolder

STOP_WAIT_S = 5.0
GATE_POLL_S = 1.0  # how often it is looked whether the baseline has been asked for its output


@dataclass(frozen=True)
class Chunk:
    """Trials that one process runs in order.

    Parameters
    ----------
    part : "main" | "companion"
    trials : at least one
    need : Need
    """

    part: str
    trials: tuple[Trial, ...]
    need: Need = ANYWHERE


def run_trials(run: RunFolder, cfg: Config, pending: Sequence[tuple[str, Trial]], cache: Path) -> None:
    """Run trials and leave the record of each in the run's folder.

    Parameters
    ----------
    run : RunFolder
    cfg : Config
        ``place.workers`` says how many at once; 0 means as many as there are cores, or for measurements as many as find devices.
    pending : (part, trial) pairs without a record
    cache : Path
        Checkpoints and tool environments of this machine.

    Raises
    ------
    RunError
        If the results cannot be written. A trial that fails is recorded with its reason, and the others go on.
    """
    if not pending:
        return
    waiting, most = _queue(cfg, pending)
    machine = this_machine()
    running: dict[BaseProcess, tuple[Chunk, Share]] = {}
    context = multiprocessing.get_context("spawn")  # fork would copy the threads of a notebook's kernel in an undefined state
    try:
        while waiting or running:
            free = _free_to_start(run, cfg, waiting, [chunk for chunk, _ in running.values()])
            held = len(free) < len(waiting)
            found = startable(machine, [chunk.need for chunk in free], [share for _, share in running.values()], most)
            neighbours = len(running) + len(found) - 1
            for at, share in found:
                waiting.remove(free[at])
                process = context.Process(target=_work, args=(run, cfg, free[at], cache, share, neighbours), daemon=True)
                process.start()
                running[process] = (free[at], share)
            connection.wait([process.sentinel for process in running], GATE_POLL_S if held else None)
            for ended in [process for process in running if not process.is_alive()]:
                chunk, _ = running.pop(ended)
                ended.join()
                rest = after_death(run, chunk, ended.exitcode)
                if rest is not None:
                    waiting.append(rest)
    finally:
        # Reached early by an interrupt or a full disk: no child outlives the run.
        _stop(list(running))


def _queue(cfg: Config, pending: Sequence[tuple[str, Trial]]) -> tuple[list[Chunk], int]:
    """What processes run, in order, and how many of them at most at once.

    Where a measurement may stand beside others, every measured trial is a process of its own, in the order of the plan. Whatever must be alone
    shares one process, since nothing of it could run at once; and beside a measurement nothing is computed.
    """
    engines = {part: get_engine(cfg, part) for part in dict.fromkeys(part for part, _ in pending)}
    if not any(engine.exclusive for engine in engines.values()):
        workers = 1 if cfg.place.exclusive else cfg.place.workers or os.cpu_count() or 1
        return _chunks(cfg, pending, workers), workers
    measured = {(part, trial.variant.name): trial.variant for part, trial in pending if engines[part].exclusive}
    costs = {(part, name): engines[part].cost(variant) for (part, name), variant in measured.items()}
    if all(cost.alone for cost in costs.values()):
        costs = {}
    chunks, rest = [], []
    for part, trial in pending:
        cost = costs.get((part, trial.variant.name))
        if cost is None:
            rest.append((part, trial))
        else:
            chunks.append(Chunk(part, (trial,), Need(cost.gpus, cost.cores, cost.alone, trial.replicate)))
    last = 1 + max(trial.replicate for _, trial in pending)
    chunks += [replace(chunk, need=Need(alone=True, block=last)) for chunk in _chunks(cfg, rest, 1)]
    return chunks, cfg.place.workers or len(pending)


def _free_to_start(run: RunFolder, cfg: Config, waiting: Sequence[Chunk], running: Sequence[Chunk]) -> list[Chunk]:
    """Those that wait for nothing but room: with a quality gate a launch of the baseline comes first, and the others once it was asked."""
    first = _baseline_to_ask(run, cfg, [trial for chunk in (*running, *waiting) if chunk.part == "main" for trial in chunk.trials])
    return list(waiting) if first is None else [chunk for chunk in waiting if first in chunk.trials]


def _baseline_to_ask(run: RunFolder, cfg: Config, trials: Sequence[Trial]) -> Trial | None:
    """The launch of the baseline that must come before all others, because variants are judged along what it puts out; None where none must."""
    if cfg.quality.kind == "none" or not get_engine(cfg).exclusive:
        return None
    first = next((trial for trial in trials if trial.variant.name == "baseline"), None)
    return first if first is not None and reference_of(run) is None else None


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_WAIT_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _chunks(cfg: Config, pending: Sequence[tuple[str, Trial]], workers: int) -> list[Chunk]:
    """Trials by part and group, groups larger than a worker's share divided, the largest chunks first."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    engines: dict[str, Engine] = {}
    for part, trial in pending:
        engine = engines.setdefault(part, get_engine(cfg, part))
        groups.setdefault((part, engine.group(trial.variant)), []).append(trial)
    share = -(-len(pending) // workers)
    chunks = []
    for (part, _), trials in groups.items():
        pieces = -(-len(trials) // share)
        size = -(-len(trials) // pieces)
        chunks += [Chunk(part, tuple(trials[start : start + size])) for start in range(0, len(trials), size)]
    return sorted(chunks, key=lambda chunk: -len(chunk.trials))


def after_death(run: RunFolder, chunk: Chunk, exit_code: int | None) -> Chunk | None:
    """What is left of a chunk whose process ended; the trial it died in is recorded as failed."""
    left = [trial for trial in chunk.trials if run.trial_record(trial.digest) is None]
    if not left:
        return None
    if exit_code == 0:
        raise RunError("a worker ended without the records of its trials", origin=str(run.path))
    how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
    reason = f"the worker process died ({how}); signal 9 usually means that memory ran out"
    # The one that was under way has a log; an engine may have chosen it out of turn.
    dead = next((trial for trial in left if (run.trial_folder(trial.digest) / "log.txt").exists()), left[0])
    run.begin_trial(dead.digest)
    run.finish_trial(dead, {"status": "failed", "reason": reason, "evaluated": 0, "points": 0}, None, error=reason + "\n")
    return replace(chunk, trials=tuple(trial for trial in left if trial is not dead)) if len(left) > 1 else None


def _work(run: RunFolder, cfg: Config, chunk: Chunk, cache: Path, share: Share, neighbours: int) -> None:
    """Body of a worker process."""
    share.bind()  # first: threads and processes take it from the one that starts them
    threading.Thread(target=_die_with_parent, daemon=True).start()
    engine = get_engine(cfg, chunk.part)
    remaining = list(chunk.trials)
    try:
        while remaining:
            # Packed trials are chosen already, and others write theirs meanwhile.
            chooses = engine.exclusive and not share.cores
            earlier = earlier_points(run) if chooses else pd.DataFrame()
            trial = engine.next_trial(remaining, earlier, spent_s(run) if chooses else 0.0)
            if isinstance(trial, str):
                for left in remaining:
                    run.begin_trial(left.digest)
                    run.finish_trial(left, {"status": "not needed", "reason": trial, "evaluated": 0, "points": 0}, None)
                return
            trial = (_baseline_to_ask(run, cfg, remaining) if engine.exclusive else None) or trial
            remaining.remove(trial)
            folder = run.begin_trial(trial.digest)
            log_to(folder / "log.txt")
            run_trial(run, engine, trial, trial_context(run, folder, earlier, cache, trial), share.placement(neighbours))
    except RunError as error:  # the disk is full or a folder is not ours: the parent meets the same and tells it
        raise SystemExit(error.exit_code) from error


def earlier_points(run: RunFolder) -> pd.DataFrame:
    """Labelled points of the run's trials so far."""
    frames = [points for digest in run.trial_digests() if (points := run.trial_points(digest)) is not None]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def trial_context(run: RunFolder, folder: Path, earlier: pd.DataFrame, cache: Path, trial: Trial) -> TrialContext:
    """What the run knows before a trial."""
    asked = [name for name, _ in _outputs(run)]
    return TrialContext(folder, earlier, run.created_s, cache, reference_of(run), asked.count(trial.variant.name))


def _outputs(run: RunFolder) -> list[tuple[str, Path]]:
    """Variant and file of every launch that was asked for its output, those under way included."""
    files = [(entry["variant"], run.trial_folder(entry["digest"]) / KEPT / OUTPUT) for entry in run.plan["main"]["trials"]]
    return [(variant, file) for variant, file in files if file.exists()]


def reference_of(run: RunFolder) -> Path | None:
    """The baseline's output that variants are judged along; None while there is none."""
    return next((file for variant, file in _outputs(run) if variant == "baseline" and Quality.from_dict(read_json(file)).is_reference), None)


def spent_s(run: RunFolder) -> float:
    """Seconds that the run's trials took so far."""
    return float(sum((run.trial_record(digest) or {}).get("seconds", 0.0) for digest in run.trial_digests()))


def run_trial(run: RunFolder, engine: Engine, trial: Trial, context: TrialContext, placement: Mapping[str, Any] | None = None) -> None:
    """Measure one trial in this process and leave its record; ``placement`` is where it was put, where it had to be put anywhere."""
    folder = run.trial_folder(trial.digest)
    started = time.monotonic()

    def took() -> dict[str, Any]:
        """Seconds stand in the records of measurements alone: equal computations leave equal files."""
        seconds = {"seconds": round(time.monotonic() - started, 1)} if engine.exclusive or placement else {}
        return {**seconds, **({"placement": dict(placement)} if placement else {})}

    try:
        write_json(folder / "resolved.json", list(engine.resolved(trial.variant)))
        result = engine.measure(trial, context)
        given = result.points.assign(node=placement["node"]) if placement and "node" in placement and not result.points.empty else result.points
        points = None if given.empty else label_points(given, trial)
    except Exception as error:  # whatever an engine throws belongs in the trial's record, and the next trial goes on
        reason = error.message if isinstance(error, FrontierError) else f"{type(error).__name__}: {error}"
        record = {"status": "failed", "reason": reason, "evaluated": 0, "points": 0, **took()}
        run.finish_trial(trial, record, None, error=_portable_traceback())
        return
    # What libraries printed depends on which trials shared a process; it is worth keeping only where something went wrong.
    (folder / "log.txt").unlink()
    count = 0 if points is None else len(points)
    record = {"status": "infeasible" if points is None else "done", "reason": result.reason, "evaluated": result.evaluated, "points": count, **took()}
    run.finish_trial(trial, record, points)


def log_to(file: Path) -> None:
    """Send what this process prints to a file, also from libraries that write to the descriptors directly."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def label_points(points: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """The points table of a trial: normalized, with variant, replicate and one ``level_<lever>`` column per lever."""
    labels = {f"level_{lever}": level for lever, level in trial.variant.levels.items()}
    labelled = points.assign(variant=trial.variant.name, replicate=trial.replicate, **labels)
    return normalize_points(labelled, origin=f"trial {trial.variant.name}, replicate {trial.replicate}")


def _portable_traceback() -> str:
    """The current traceback without the folders of this machine, so that equal failures leave equal files."""
    lines = []
    for line in traceback.format_exc().splitlines():
        if line.lstrip().startswith('File "'):
            head, _, rest = line.partition('File "')
            path, _, tail = rest.partition('"')
            line = f'{head}File "{os.path.basename(path)}"{tail}'
        lines.append(line)
    return "\n".join(lines) + "\n"


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
