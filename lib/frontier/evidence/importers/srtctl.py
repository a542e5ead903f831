"""Results of srt-slurm (``srtctl``): the folders of its jobs, with the recipe or lockfile and what its benchmark sa-bench wrote.

    <job>/recipe.lock.yaml, config.yaml
    <job>/logs/sa-bench_isl_<I>_osl_<O>/results_concurrency_<C>_gpus_<G>[_ctx_<P>_gen_<D>].json
    <job>/logs/sweep_<job>.log

The recipe says what was served (see :mod:`frontier.evidence.importers.srtctl_recipe`), the result is of the benchmark_serving family. Source:
github.com/NVIDIA/srt-slurm, src/srtctl/benchmarks/scripts/sa-bench/bench.sh at commit 024aa2dc6dfc (names of folders and files),
benchmark_serving.py at 024aa2dc6dfc and benchmark_outcome.py at 87e38e966f35 beside it (keys), src/srtctl/benchmarks/sa_bench.py at 0bce054ccf1b
(GPUs in the name), src/srtctl/cli/mixins/postprocess_stage.py at 0b1f6fdb739c (recipes are copied into logs/), src/srtctl/cli/do_sweep.py at
01aebde8f8fc (the log).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from frontier.errors import PointsError
from frontier.evidence.importers.base import Batch, refusals
from frontier.evidence.importers.benchmark_serving import serving_row
from frontier.evidence.importers.documents import RefusedRow, batch_of, objects
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.srtctl_recipe import LOCK, RECIPES, Recipe, mapping, read_recipe

_NEEDED = ("completed", "duration", "total_output_tokens")
_RESULT = re.compile(r"results_concurrency_(\d+)_gpus_(\d+)(?:_ctx_(\d+)_gen_(\d+))?\.json$")
_LENGTHS = re.compile(r"isl_(\d+)_osl_(\d+)$")
_ERROR = re.compile(r"\b(?:ERROR|CRITICAL)\b\W*(.*\S)")
_LOG_HEAD = 4 << 20  # bytes of a log that are searched for an error
_SHOWN = 200  # characters of it
RULE_RECIPE = f"no {' or '.join(RECIPES)} in the folders above"


def result_files(paths: Sequence[Path]) -> list[Path]:
    """The results in folders of jobs, at any depth, and the recipes of jobs that lack some; files are taken as they are.

    Raises
    ------
    PointsError
        If a folder does not exist, or holds neither a result nor a job.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        results = sorted(file for file in path.rglob("results_concurrency_*.json") if _RESULT.search(file.name))
        jobs = {job for name in RECIPES for file in path.rglob(name) if (job := _job_of(file)) is not None and _is_job(job)}
        lacking = [job for job in jobs if jobs.isdisjoint(job.parents) and _lacks(job)]
        if not results and not lacking:
            raise PointsError(f"{path} holds no job of srtctl", hint=f"folders with {' or '.join(RECIPES)} and logs/sa-bench_*/results_*.json")
        found += [*results, *sorted(next(job / name for name in RECIPES if (job / name).is_file()) for job in lacking)]
    return found


def recognises(source: Source) -> bool:
    """Whether the file has the name of such a result and a recipe stands above it."""
    return bool(_RESULT.search(source.name)) and _job_of(source.path) is not None


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """One row per result, with levers from the recipe; of a recipe the loads that have no result, each refused with the reason."""
    job = _job_of(source.path)
    if source.name in RECIPES and job is not None:
        yield Batch(pd.DataFrame(), [], refused=refusals(_unfinished(job)))
        return
    recipe = None if job is None else read_recipe(job)
    facts, flags = _file_facts(source.path), ""
    notes = [f"{source.name}: {RULE_RECIPE}, so its levers are not known"] if recipe is None else recipe.warnings()
    if job is not None and recipe is not None:
        stated = {name: value for name, value in recipe.facts().items() if value is not None}
        flags = "gpus_in_name_differ" if stated.get("gpus", facts.get("gpus")) != facts.get("gpus") else ""
        facts |= {**stated, "replicate": _replicate(job, source)}
    name = f"{source.path.parent.name if recipe is None else recipe.path.parent.name}/{source.name}"

    def row(item: Mapping[str, Any]) -> dict[str, Any]:
        outcome = mapping(item.get("benchmark_outcome"))
        if outcome.get("status") == "failed":
            rule = f"the benchmark counts it as failed: {outcome.get('completed')} of {outcome.get('requested')} requests completed"
            raise RefusedRow("benchmark_outcome", "failed", rule)
        found = serving_row(item, given, facts)
        return {**found, "source": name, "flags": ";".join(filter(None, (found["flags"], flags))) or None}

    batch = batch_of(source, objects(source, "srtctl", _NEEDED), row, mark="", notes=tuple(notes))
    yield Batch(batch.rows, batch.lines, mark="", refused=batch.refused.assign(file=name), notes=batch.notes)


def _file_facts(path: Path) -> dict[str, Any]:
    """What the names of file and folder say: load, and GPUs by role."""
    found, lengths = _RESULT.search(path.name), _LENGTHS.search(path.resolve().parent.name)
    facts: dict[str, Any] = {}
    if found:
        facts |= {"concurrency": int(found[1]), "gpus": int(found[2])}
        if found[3]:
            facts |= {"prefill_gpus": int(found[3]), "decode_gpus": int(found[4])}
    if lengths:
        facts |= {"isl_tokens": int(lengths[1]), "osl_tokens": int(lengths[2])}
    return facts


def _job_of(path: Path) -> Path | None:
    """The folder of a file's job: the nearest above it with a recipe, at most three up; not ``logs``, which gets copies."""
    for folder in path.resolve().parents[:4]:
        if _has_recipe(folder):
            return folder.parent if folder.name == "logs" and _has_recipe(folder.parent) else folder
    return None


def _is_job(folder: Path) -> bool:
    """Whether a folder with a file of that name is a job's: what services check out into a job's folder may hold a config.yaml too."""
    try:
        return {"name", "model"} <= set(read_recipe(folder).document)
    except PointsError:
        return (folder / LOCK).is_file()  # nobody else writes one: it is refused with the reason


def _has_recipe(folder: Path) -> bool:
    return any((folder / name).is_file() for name in RECIPES)


def _replicate(job: Path, source: Source) -> int:
    """The number of a launch among those of the same deployment in this import."""
    files = tuple(other.path for other in source.beside)
    if job not in _numbers(files):
        _numbers.cache_clear()  # the recipe was not there when these files were imported before
    return _numbers(files)[job]


@lru_cache(maxsize=1)  # of one import, which asks for every file
def _numbers(files: tuple[Path, ...]) -> dict[Path, int]:
    """Job -> number of its launch.

    A recipe of a plan states its number; its launch keeps it unless an earlier job has taken it. All others get the numbers that are free, by job.
    """
    alike: dict[str, list[tuple[Path, Recipe]]] = {}
    for job in {job for file in files if _RESULT.search(file.name) and (job := _job_of(file)) is not None}:
        try:
            recipe = read_recipe(job)
        except PointsError:
            continue  # refused where its results are read
        alike.setdefault(recipe.deployment, []).append((job, recipe))
    out: dict[Path, int] = {}
    for launches in alike.values():
        launches.sort(key=lambda one: (len(one[1].job), one[1].job))  # job numbers have no leading zeros
        numbers: dict[Path, int] = {}
        for job, recipe in launches:
            stated = recipe.written_here.get("replicate", "")
            if stated.isdigit() and int(stated) not in numbers.values():
                numbers[job] = int(stated)
        free = (number for number in count(1) if number not in numbers.values())
        numbers |= {job: next(free) for job, _ in launches if job not in numbers}
        out |= numbers
    return out


def _results(job: Path) -> set[int]:
    """Concurrencies of which a job has a result."""
    return {int(found[1]) for file in job.rglob("results_concurrency_*.json") if (found := _RESULT.search(file.name))}


def _lacks(job: Path) -> bool:
    try:
        recipe = read_recipe(job)
    except PointsError:
        return not _results(job)  # where there are results, they are refused with the reason
    return not _results(job) if not recipe.loads else not set(recipe.loads) <= _results(job)


def _unfinished(job: Path) -> list[tuple[str, int | None, str, Any, str]]:
    """The loads of a job that have no result, and why."""
    recipe, name = read_recipe(job), f"{job.name}/{LOCK if (job / LOCK).is_file() else RECIPES[1]}"
    kind = mapping(recipe.document.get("benchmark")).get("type", "manual")
    if kind != "sa-bench":
        return [(name, None, "benchmark.type", kind, "only sa-bench is read")]
    missing = [str(load) for load in recipe.loads if load not in _results(job)]
    why = _why(job)
    return [(name, None, "concurrency", load, f"job {recipe.job} has no result: {why}") for load in missing or [""]]


def _why(job: Path) -> str:
    """The first error in the job's log, or what its files tell."""
    logs = [file for folder in (job / "logs", job) for pattern in ("sweep_*.log", "log.out") for file in sorted(folder.glob(pattern))]
    for log in logs:
        with log.open("rb") as stream:
            found = _ERROR.search(stream.read(_LOG_HEAD).decode("utf-8", errors="replace"))
        if found:
            return f"{found[1][:_SHOWN]} ({log.name})"
    if logs or (job / LOCK).is_file():
        return "no error in its log; it still runs, or it was ended (time limit, scancel)"
    return "it has not started"
