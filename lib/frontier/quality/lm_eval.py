"""Scores of lm-evaluation-harness against a served model, for those who have its data: the command, the run, and its results file.

The harness runs in an environment of its own. Its command line and the keys of its results are those of lm-eval 0.4.13 (``_cli/run.py``,
``result_schema.py``, ``loggers/evaluation_tracker.py``); tried against vLLM 0.32 with a task of local data, no public task for lack of its data.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frontier import processes
from frontier.attribution import number
from frontier.errors import ConfigError, MachineError, RunError


@dataclass(frozen=True)
class Score:
    """One metric of one task.

    Attributes
    ----------
    task, metric, filter : str
        The harness names a value ``metric,filter``.
    value, stderr : float
        NaN where the harness gives none.
    larger_is_better : bool or None
        None where the harness does not say.
    samples : int or None
        Documents evaluated.
    version : str
        Of the task; scores of different versions are not comparable.
    """

    task: str
    metric: str
    filter: str
    value: float
    stderr: float
    larger_is_better: bool | None
    samples: int | None
    version: str

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values."""
        return {**asdict(self), "value": number(self.value), "stderr": number(self.stderr)}


def lm_eval_command(
    python: Path, url: str, served_name: str, tokenizer: str, tasks: Sequence[str], output: Path, *, limit: int = 0,
    max_length: int = 2048, own_tasks: str = ""
) -> list[str]:
    """The command that evaluates a served model.

    Parameters
    ----------
    python : Path
        Interpreter of the environment that has ``lm-eval[api]`` and transformers.
    url : str
        Root of the server, with or without ``/v1``.
    served_name : str
    tokenizer : str
        Folder or id of the model's tokenizer: the harness counts contexts with it.
    tasks : sequence of str
    output : Path
        Folder for the results file.
    limit : int
        Documents per task; 0: all.
    max_length : int, tokens
        Longest sequence the server takes.
    own_tasks : str
        Folder with task files of one's own.

    Raises
    ------
    ConfigError
        Without tasks, or if a name or path holds the comma that separates arguments.
    """
    if not tasks:
        raise ConfigError("lm-evaluation-harness needs at least one task", hint="quality.lm_eval_tasks=[arc_easy]")
    arguments = {
        "model": served_name,
        "base_url": f"{url.rstrip('/').removesuffix('/v1')}/v1/completions",
        "tokenizer": tokenizer,
        "tokenizer_backend": "huggingface",
        "tokenized_requests": "True",
        "num_concurrent": "1",
        "max_length": str(max_length),
    }
    for name, value in (*arguments.items(), *(("task", task) for task in tasks)):
        if "," in value:
            raise ConfigError(f"{name} must hold no comma for lm-evaluation-harness, got {value!r}")
    command = [str(python), "-m", "lm_eval", "run", "--model", "local-completions"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
    command += ["--tasks", ",".join(tasks), "--output_path", str(output)]
    command += ["--include_path", own_tasks] if own_tasks else []
    return [*command, "--limit", str(limit)] if limit else command


def run_lm_eval(command: Sequence[str], output: Path, log: Path, *, timeout_s: float = 3600.0) -> Path:
    """Run the harness and return its results file, for `read_scores`; its words go to ``log``.

    Raises
    ------
    MachineError
        If the interpreter is missing.
    RunError
        If the harness fails, takes longer, or writes no results (it ends well even when it cannot write them).
    """
    output.mkdir(parents=True, exist_ok=True)
    earlier = set(output.rglob("results_*.json"))
    if shutil.which(command[0]) is None:
        raise MachineError(f"no interpreter at {command[0]}", hint="frontier doctor --install lm-eval")
    with processes.start(command, log=log) as child:
        code = child.wait(timeout_s)
    if code is None:
        raise RunError(f"lm-evaluation-harness did not end within {timeout_s:g} s", origin=str(log), hint="fewer tasks, or a limit")
    if code:
        raise RunError(f"lm-evaluation-harness ended with code {code}", origin=str(log), hint="the log's last lines say why")
    made = sorted(set(output.rglob("results_*.json")) - earlier)
    if not made:
        raise RunError("lm-evaluation-harness wrote no results", origin=str(log), hint="the log says what it could not save")
    read_scores(made[-1])
    return made[-1]


def read_scores(file: Path) -> list[Score]:
    """The scores in a results file, in its order.

    Raises
    ------
    RunError
        If the file is no results file of the harness, or holds no metric.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        results = found["results"]
        scores = [score for task, metrics in results.items() for score in _scores(task, metrics, found)]
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise RunError(f"{file.name} is no results file of lm-evaluation-harness: {cause}", origin=str(file)) from cause
    if not scores:
        raise RunError(f"{file.name} holds no metric", origin=str(file))
    return scores


def _scores(task: str, metrics: dict[str, Any], found: dict[str, Any]) -> list[Score]:
    """The ``metric,filter`` pairs of a task; ``name``, ``alias`` and ``sample_len`` have no comma."""
    out = []
    better = found.get("higher_is_better", {}).get(task, {})
    samples = found.get("n-samples", {}).get(task, {}).get("effective")
    for key, value in metrics.items():
        metric, comma, chosen = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        stderr = metrics.get(f"{metric}_stderr,{chosen}")
        out.append(
            Score(task, metric, chosen, _float(value), _float(stderr), better.get(metric), samples, str(found.get("versions", {}).get(task, "")))
        )
    return out


def _float(value: object) -> float:
    """A number; NaN for the harness's ``N/A``."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
