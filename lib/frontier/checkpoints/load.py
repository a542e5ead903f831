"""Checkpoints as ``conf/checkpoint`` holds them, checked key by key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, cast, get_type_hints

import yaml

from frontier.checkpoints.spec import COMPUTE, KINDS, WEIGHTS, CheckpointSpec, Shape, Stage, Training
from frontier.errors import ConfigError, ConfigErrors

FOLDER = "checkpoint"
_NESTED = {"training": Training, "shape": Shape, "pairs": Stage, "small": Stage, "trunk": Stage, "drafter": Stage}
_WORDS = {int: "a whole number", float: "a number", str: "a text", dict: "a mapping"}


def conf_dir() -> Path:
    """The nearest ``conf`` upwards that has a folder ``checkpoint``, else the clone's own.

    Raises
    ------
    ConfigError
        If there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (folder / "conf" / FOLDER).is_dir():
            return folder / "conf"
    raise ConfigError(f"no configuration folder: neither {here} nor a folder above it has conf/{FOLDER}", hint="run inside a clone of frontier-kit")


def spec_names(conf: Path | None = None) -> list[str]:
    """Names of the checkpoints in ``conf/checkpoint``, sorted."""
    return sorted(file.stem for file in ((conf or conf_dir()) / FOLDER).glob("*.yaml"))


def load_spec(name: str, conf: Path | None = None) -> CheckpointSpec:
    """A checkpoint's specification by its file's name.

    Raises
    ------
    ConfigError
        If there is no such checkpoint, the message lists all; or if its file is not a YAML mapping.
    ConfigErrors
        With every unknown or missing key, wrong type and impossible value of the file.
    """
    base = conf or conf_dir()
    file = base / FOLDER / f"{name}.yaml"
    known = spec_names(base)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = (f"did you mean {close[0]!r}? " if close else "") + (f"one of: {', '.join(known)}" if known else "there is none")
        raise ConfigError(f"there is no checkpoint {name!r}", origin=f"conf/{FOLDER}", hint=hint)
    origin = f"conf/{FOLDER}/{name}.yaml"
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        raise ConfigError(f"cannot read the configuration file: {' '.join(str(cause).split())}", origin=origin) from cause
    if not isinstance(data, dict):
        raise ConfigError(f"a configuration file is a mapping, this one holds {type(data).__name__}", origin=origin)
    problems: list[ConfigError] = []
    spec = cast(CheckpointSpec, _build(CheckpointSpec, {"name": name, **data}, "", origin, problems))
    if not problems:
        problems = check_spec(spec, origin)
    if problems:
        raise ConfigErrors(problems)
    return spec


def check_spec(spec: CheckpointSpec, origin: str) -> list[ConfigError]:
    """Impossible values of a specification."""
    found: list[ConfigError] = []

    def need(holds: bool, message: str, hint: str) -> None:
        if not holds:
            found.append(ConfigError(message, origin=origin, hint=hint))

    need(spec.kind in KINDS, f"kind must be one of {', '.join(KINDS)}, got {spec.kind!r}", "kind: trained")
    need(spec.seed >= 0, f"seed must be at least 0, got {spec.seed}", "seed: 1")
    allowed = WEIGHTS[1:] if spec.kind == "random" else WEIGHTS[:1]
    need(spec.weights in allowed, f"weights of kind {spec.kind} must be one of {', '.join(allowed)}, got {spec.weights!r}", f"weights: {allowed[-1]}")
    need(spec.shard_bytes >= 2**20, f"shard_bytes must be at least 1048576, got {spec.shard_bytes}", f"shard_bytes: {2**31}")
    if spec.kind == "random":
        need(bool(spec.config), "config is missing: a published shape needs its config.json", "config: {...}")
        need(bool(spec.source), "source is missing: where the published configuration stands", "source: https://...")
    if spec.kind == "trained":
        need(spec.training is not None, "training is missing: a trained checkpoint needs it", "training: {...}")
        if spec.training is not None:
            for message, hint in training_problems(spec.training):
                need(False, message, hint)
    return found


def training_problems(training: Training) -> list[tuple[str, str]]:
    """What cannot be trained, and what to write instead."""
    shape = training.shape
    stages = (("pairs", training.pairs), ("small", training.small), ("trunk", training.trunk), ("drafter", training.drafter))
    sizes = ("width", "layers", "mlp_width", "heads", "kv_heads", "head_dim", "max_positions")
    counts = {f"training.shape.{name}": getattr(shape, name) for name in sizes}
    amounts = ("heldout_rows", "acceptance_prompts", "acceptance_tokens", "pair_tokens", "threads")
    counts |= {f"training.{name}": getattr(training, name) for name in amounts}
    for name, stage in stages:
        counts |= {f"training.{name}.{key}": getattr(stage, key) for key in ("steps", "rows")}
    rules = [(value >= 1, f"{key} must be at least 1, got {value}", f"{key.rsplit('.', 1)[-1]}: 1") for key, value in counts.items()]
    for name, stage in stages:
        rate, row, span = f"training.{name}.learning_rate", stage.tokens_per_row, training.draft_tokens + 2
        rules += [
            (stage.learning_rate > 0, f"{rate} must be positive, got {stage.learning_rate:g}", "learning_rate: 0.001"),
            (0 <= stage.last_share <= 1, f"training.{name}.last_share must lie between 0 and 1, got {stage.last_share:g}", "last_share: 0.0"),
            (
                0 <= stage.vocabulary_share <= 1,
                f"training.{name}.vocabulary_share must lie between 0 and 1, got {stage.vocabulary_share:g}",
                "vocabulary_share: 1.0",
            ),
            (stage.warmup_steps >= 0, f"training.{name}.warmup_steps must be at least 0, got {stage.warmup_steps}", "warmup_steps: 0"),
            (stage.weight_decay >= 0, f"training.{name}.weight_decay must be at least 0, got {stage.weight_decay:g}", "weight_decay: 0.1"),
            (stage.clip_norm > 0, f"training.{name}.clip_norm must be positive, got {stage.clip_norm:g}", "clip_norm: 1.0"),
            (row >= span, f"training.{name}.tokens_per_row must be at least draft_tokens + 2 = {span}, got {row}", "tokens_per_row: 256"),
            (row <= shape.max_positions, f"training.{name}.tokens_per_row must not exceed max_positions = {shape.max_positions}, got {row}", ""),
        ]
    halves = {key: getattr(shape, key) for key in ("width", "mlp_width", "heads", "kv_heads")}
    even = "must be even, because training starts at half of it"
    rules += [(value % 2 == 0, f"training.shape.{key} {even}, got {value}", f"{key}: {value + 1}") for key, value in halves.items()]
    rules += [
        (shape.vocabulary >= 259, f"training.shape.vocabulary must be at least 259, got {shape.vocabulary}", "vocabulary: 4096"),
        (shape.head_dim % 2 == 0, f"training.shape.head_dim must be even, got {shape.head_dim}", "head_dim: 64"),
        (
            shape.kv_heads < 1 or shape.heads % shape.kv_heads == 0,
            f"training.shape.heads must be a multiple of kv_heads, got {shape.heads} and {shape.kv_heads}",
            "kv_heads: 1",
        ),
        (
            shape.heads * shape.head_dim == shape.width,
            f"training.shape.width must be heads * head_dim, the only form that engines' Qwen2 layers take, got {shape.width} for "
            f"{shape.heads} heads of {shape.head_dim}",
            f"width: {shape.heads * shape.head_dim}",
        ),
        (training.draft_tokens >= 1, f"training.draft_tokens must be at least 1, got {training.draft_tokens}", "draft_tokens: 3"),
        (training.heldout_one_in >= 2, f"training.heldout_one_in must be at least 2, got {training.heldout_one_in}", "heldout_one_in: 20"),
        (training.compute in COMPUTE, f"training.compute must be one of {', '.join(COMPUTE)}, got {training.compute!r}", "compute: bf16"),
    ]
    return [(message, hint) for holds, message, hint in rules if not holds]


def _build(kind: Any, data: Mapping[Any, Any], path: str, origin: str, problems: list[ConfigError]) -> object:
    """A dataclass from a mapping; what does not fit is added to ``problems``, and then the result means nothing."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in hints:
            problems.append(ConfigError(f"unknown key {path}{key}", origin=origin, hint=f"one of: {', '.join(hints)}"))
        elif key in _NESTED:
            if isinstance(value, dict):
                values[key] = _build(_NESTED[key], value, f"{path}{key}.", origin, problems)
            else:
                problems.append(ConfigError(f"{path}{key} must be a mapping, got {value!r}", origin=origin))
        else:
            wanted = next(word for word in _WORDS if hints[key] is word or str(hints[key]).startswith(word.__name__))
            fits = isinstance(value, (int, float) if wanted is float else wanted) and not isinstance(value, bool)
            if not fits:
                problems.append(ConfigError(f"{path}{key} must be {_WORDS[wanted]}, got {value!r}", origin=origin))
            values[key] = float(value) if fits and wanted is float else value
    missing = [item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING and item.name not in data]
    problems += [ConfigError(f"{path}{name} is missing", origin=origin, hint=f"{name}: ...") for name in missing]
    return None if problems else kind(**values)
