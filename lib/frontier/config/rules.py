"""Ranges of single values, and the one ``validate`` that reports them together with the relations between groups."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from frontier.catalog import precision_names
from frontier.config.context import Context
from frontier.config.relations import relations
from frontier.config.vocabulary import (
    BACKENDS,
    DATASETS,
    ENGINES,
    FORMATS,
    JOB_UNITS,
    KV_PRECISIONS,
    LOAD_FORMATS,
    PLACES,
    PLATFORMS,
    RUNTIMES,
    SWEEPS,
)
from frontier.errors import ConfigError
from frontier.records import COLUMNS, METRICS
from frontier.schema import Config


@dataclass(frozen=True)
class Rule:
    """What a value must be: a test, the words for it, and a value that passes."""

    good: Callable[[Any], bool]
    words: str
    example: str


def at_least(limit: float, unit: str = "") -> Rule:
    """A finite number from ``limit`` up."""
    return Rule(lambda value: math.isfinite(value) and value >= limit, f"at least {limit:g}{' ' + unit if unit else ''}", f"{limit:g}")


def above(limit: float, unit: str, example: str) -> Rule:
    """A finite number beyond ``limit``."""
    return Rule(lambda value: math.isfinite(value) and value > limit, f"more than {limit:g} {unit}".rstrip(), example)


def one_of(valid: Collection[str]) -> Rule:
    """One of a closed list of words."""
    return Rule(lambda value: value in valid, f"one of {', '.join(valid)}", next(iter(valid)))


def each(rule: Rule, *, empty: bool) -> Rule:
    """A list whose items all pass, without repetition; empty or not."""
    words = f"a list without repetition, each {rule.words}" + ("" if empty else ", at least one")
    return Rule(
        lambda values: (empty or bool(values)) and len(set(values)) == len(values) and all(rule.good(item) for item in values),
        words,
        f"[{rule.example}]",
    )


_TEXT = Rule(lambda value: bool(value.strip()), "a text, not empty", "text")
# The name becomes part of folder names.
_NAME = Rule(lambda value: re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value) is not None, "lower-case letters, digits, _ and -", "my_run")
_VARIABLE = Rule(lambda value: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) is not None, "the name of a variable", "HF_TOKEN")
_ROOT = {"name": _NAME, "title": _TEXT}
_WORD = Rule(lambda value: re.search(r"\s", value) is None, "a word as Slurm's option takes it, without blanks", "gpu")
_FRACTION = Rule(lambda value: 0 < value <= 1, "above 0 and at most 1", "0.9")
_ENGINE = {
    "kind": one_of(list(ENGINES)),
    "backend": one_of(BACKENDS),
    "ttft_limit_s": above(0, "s", "1.0"),
    "dataset": one_of(DATASETS),
    "backends": each(one_of(BACKENDS), empty=True),
    "base_tput_tok_s_gpu": above(0, "tokens/s/GPU", "1000.0"),
    "base_interactivity_tok_s_user": above(0, "tokens/s/user", "100.0"),
    "noise_cv": Rule(lambda value: 0 <= value < 1, "at least 0 and below 1", "0.02"),
    "delay_s": at_least(0, "s"),
    "seed": at_least(0),
    "platform": one_of(PLATFORMS),
    "max_model_len": at_least(16, "tokens"),
    "max_num_seqs": at_least(1, "request"),
    "kv_cache_gib": above(0, "GiB", "1.0"),
    "load_format": one_of(LOAD_FORMATS),
    "ready_timeout_s": above(0, "s", "1800"),
    "max_num_tokens": at_least(0, "tokens"),
    "free_gpu_memory_fraction": _FRACTION,
    "stream_interval": at_least(1, "token"),
    "offline": each(at_least(1, "request"), empty=True),
    "forced_acceptance": at_least(0, "drafts"),
    "context_workers": at_least(1, "worker"),
    "generation_workers": at_least(1, "worker"),
    "context_batch_size": at_least(1, "request"),
}
_SYSTEM = {
    "gpus_per_node": at_least(1, "GPU"),
    "domain_gpus": at_least(1, "GPU"),
    "max_gpus": at_least(1, "GPU"),
    "system_gpus": at_least(1, "GPU"),
    "precisions": each(one_of(precision_names()), empty=False),
    "dies_per_package": at_least(1, "die"),
    "tdp_w": above(0, "W", "1000.0"),
    "all_in_kw_per_gpu": above(0, "kW", "1.7"),
    "usd_per_gpu_hr": above(0, "USD", "2.0"),
}
_LEVER = {
    "column": one_of([*COLUMNS, "max_num_seqs", "moe_backend"]),  # the latter two are columns of points measured here
    "mode": one_of(["unlocked", "forced"]),
    "baseline": each(_TEXT, empty=False),
    "target": each(_TEXT, empty=False),
}
_RULES: dict[str, dict[str, Rule]] = {
    "paths": {"artifacts_dir": _TEXT, "cache_dir": _TEXT, "notebooks_dir": _TEXT},
    "claim": {"ratio": above(0, "", "2.0"), "interactivity_tok_s_user": above(0, "tokens/s/user", "50.0")},
    "model": {
        "mtp_layers": at_least(0),
        "heads": at_least(0),
        "precisions": each(one_of(precision_names()), empty=False),
        "kv_precisions": each(one_of(KV_PRECISIONS), empty=False),
    },
    "hardware": _SYSTEM,
    "workload": {
        "isl_tokens": at_least(1, "token"),
        "osl_tokens": at_least(2, "tokens (time per output token is undefined below)"),
        "mean_length_fraction": _FRACTION,
    },
    "engine": _ENGINE,
    "companion": _ENGINE,
    "design": {
        "kind": one_of(["factorial", "ladder", "fractional"]),
        "resamples": at_least(100),
        "confidence": Rule(lambda value: 0 < value < 1, "between 0 and 1, both excluded", "0.95"),
        "seed": at_least(0),
    },
    "sweep": {
        "kind": one_of(SWEEPS),
        "concurrencies": each(at_least(1, "request"), empty=False),
        "replicates": at_least(1, "launch"),
        "grid_points": at_least(2),
        "order": one_of(["plan", "blocks"]),
        "order_seed": at_least(0),
        "repetition": at_least(1),
        "warmup_s": at_least(0, "s"),
        "window_s": above(0, "s", "10"),
        "settle_s": at_least(0, "s"),
        "turnovers": at_least(5, "completions per request in flight"),
        "max_point_s": above(0, "s", "60"),
        "budget_s": above(0, "s", "3600"),
        "target_error": Rule(lambda value: 0 < value < 1, "between 0 and 1, both excluded", "0.01"),
        "min_replicates": at_least(1, "launch"),
        "focus": one_of(["frontier", "attribution"]),
    },
    "quality": {
        "kind": one_of(["none", "api"]),
        "max_perplexity_increase": at_least(0),
        "min_greedy_agreement": Rule(lambda value: 0 <= value <= 1, "from 0 to 1", "0.9"),
        "documents": at_least(1, "document"),
        "prompt_tokens": at_least(8, "tokens"),
        "output_tokens": at_least(1, "token"),
        "lm_eval_tasks": each(_TEXT, empty=True),
        "lm_eval_limit": at_least(0, "documents"),
    },
    "place": {
        "kind": one_of(PLACES),
        "workers": at_least(0),
        "budget_gpu_hours": at_least(0, "GPU-hours"),
        "per": one_of(JOB_UNITS),
        "partition": _WORD,
        "account": _WORD,
        "qos": _WORD,
        "time_min": at_least(1, "minute"),
        "nodes": at_least(0),
        "gpus_per_node": at_least(0),
        "gpus_per_task": at_least(0),
        "gres": _WORD,
        "cpus_per_task": at_least(0),
        "mem_gib": at_least(0, "GiB"),
        "constraint": _WORD,
        "nodelist": _WORD,
        "exclude": _WORD,
        "parallel": at_least(0),
        "notice_s": at_least(0, "s"),
        "max_tries": at_least(1, "start"),
        "setup": each(Rule(lambda value: "\n" not in value and bool(value.strip()), "one line of the shell", "module load cuda"), empty=True),
    },
    "runtime": {
        "kind": one_of(RUNTIMES),
        "gpus": Rule(lambda value: re.fullmatch(r"|all|\d+(,\d+)*", value) is not None, "empty, all, or GPU indices like 0,1", "all"),
        "memory_gib": at_least(0, "GiB"),
        "folders": each(Rule(lambda value: value.startswith("/"), "an absolute path", "/data/models"), empty=True),
        "environment": each(_VARIABLE, empty=True),
    },
    "report": {
        "metric": one_of(list(METRICS)),
        "interactivities_tok_s_user": each(above(0, "tokens/s/user", "50.0"), empty=True),
        "formats": each(one_of(FORMATS), empty=False),
    },
}


def validate(cfg: Config, origins: Mapping[str, str] | None = None, *, relations_too: bool = True) -> list[ConfigError]:
    """Every problem of a configuration whose keys and types are right: ranges, and relations between groups.

    Parameters
    ----------
    cfg : Config
    origins : mapping dotted key -> file or override, optional
        Where values came from, for the messages.
    relations_too : bool
        False looks at the ranges alone.

    Returns
    -------
    list of ConfigError
        Empty when there is none. Relations are looked at only where the values they need are in range.
    """
    context = Context(cfg, origins or {})
    problems = dict(_ranges(context))
    between = relations(cfg, context.origins, wrong=set(problems)) if relations_too else ()
    return [*problems.values(), *between]


def check_range(path: tuple[str, ...], value: Any, origin: str) -> ConfigError | None:
    """The problem of one value, of the right type, that is out of range; for when nothing can be composed to validate."""
    group = _LEVER if path[0] == "lever" else _SYSTEM if path[0] == "systems" else _RULES.get(path[0], {})
    rule = (_ROOT if len(path) == 1 else group).get(path[-1])
    key = ".".join(path)
    if rule is None or value is None or value == "???" or rule.good(value):
        return None
    return ConfigError(f"{key} must be {rule.words}, got {value!r}", origin=origin, hint=f"{key}={rule.example}")


def _ranges(context: Context) -> Iterator[tuple[str, ConfigError]]:
    """Dotted key and problem of every value that is out of range."""
    cfg = context.cfg
    parts = [("", cfg, _ROOT), *((group, getattr(cfg, group), rules) for group, rules in _RULES.items())]
    parts += [(f"lever.{name}", lever, _LEVER) for name, lever in cfg.lever.items()]
    # The system that is cfg.hardware is checked there.
    parts += [(f"systems.{name}", system, _SYSTEM) for name, system in cfg.systems.items() if name != cfg.hardware.name]
    for prefix, part, rules in parts:
        for name, rule in rules.items():
            value = getattr(part, name)
            if value is not None and not rule.good(value):
                key = f"{prefix}.{name}".lstrip(".")
                message = f"{key} must be {rule.words}, got {value!r}"
                yield key, context.problem(message, key, f"{key}={rule.example}")
    for group in ("engine", "companion"):
        for lever, factor in getattr(cfg, group).effects.items():
            if not (math.isfinite(factor) and factor > 0):
                key = f"{group}.effects.{lever}"
                yield key, context.problem(f"{key} must be more than 0, got {factor!r}", key, f"{key}=1.5")
