"""Settings of the levers against the model and the systems: precision, parallelism, MTP, disaggregation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from frontier.config.context import Context, feasible_choices, infeasible
from frontier.config.vocabulary import DEGREES, DEGREES_FOR_EXAMPLE, ENGINES, OTHER_DRAFTS, SEARCH_SPACES, SERVING_MODES
from frontier.errors import ConfigError
from frontier.schema import HardwareConfig

_LEVELS = ("baseline", "target")
OTHER_WORDS = {"vllm": "ngramN", "trtllm": "ngram-N, eagle3-N, draft_target-N", "endpoint": "ngram-N, eagle3-N, draft_target-N"}
_DEGREE = re.compile(r"(tp|pp|dp|ep)_?(\d+)")
_EXPERT = re.compile(r"(^|[^a-z])(wide|dt|d|t)?_?ep([^a-z]|$)")


def precision(context: Context) -> Iterator[ConfigError]:
    """Precisions the model has no checkpoint for, or that no system in reach computes.

    A precision that only some systems of the experiment compute is no error as long as the lever is unlocked: those cells are
    infeasible, and the frontier of the coalition is that of the other settings.
    """
    cfg = context.cfg
    default = cfg.model.precisions[0] if cfg.model.precisions else ""
    lever = cfg.lever.get("precision")
    for name, level in _precision_keys(context):
        key = f"lever.{name}.{level}"
        for form in getattr(cfg.lever[name], level):
            if form not in cfg.model.precisions:
                message = f"{key}: {cfg.model.name} has no {form} checkpoint"
                yield context.problem(message, key, f"one of: {', '.join(cfg.model.precisions)}")
    if lever is not None:
        yield from _out_of_reach(context)
    for hardware_level, level in product(_LEVELS, repeat=2):
        if (hardware_level == "target" and "hardware" not in cfg.lever) or (level == "target" and lever is None):
            continue
        systems = context.systems(hardware_level)
        forms = [form for form in context.settings("precision", level, default) if form in cfg.model.precisions]
        reached = [form for form in forms if lever is None or not _nowhere(context, form)]
        if systems and reached and all(infeasible(form, system) for form, system in product(reached, systems)):
            yield _impossible(context, level, reached, systems)
    if cfg.kv_precision not in cfg.model.kv_precisions:
        message = f"kv_precision must be one that {cfg.model.name} is served with, got {cfg.kv_precision!r}"
        yield context.problem(message, "kv_precision", f"one of: {', '.join(cfg.model.kv_precisions)}")


def _precision_keys(context: Context) -> list[tuple[str, str]]:
    """Levers that set the precision, each with its levels."""
    names = [name for name, lever in context.cfg.lever.items() if "precision" in (name, lever.after)]
    return [(name, level) for name in names for level in _LEVELS]


def _touched(context: Context) -> list[HardwareConfig]:
    """Every system of the experiment, once."""
    return list({system.name: system for level in _LEVELS for system in context.systems(level)}.values())


def _nowhere(context: Context, form: str) -> bool:
    systems = _touched(context)
    return bool(systems) and all(infeasible(form, system) for system in systems)


def _out_of_reach(context: Context) -> Iterator[ConfigError]:
    """Settings of the precision lever that no system of the experiment computes."""
    systems = _touched(context)
    for name, level in _precision_keys(context):
        key = f"lever.{name}.{level}"
        for form in getattr(context.cfg.lever[name], level):
            if form in context.cfg.model.precisions and _nowhere(context, form):
                names = ", ".join(system.title for system in systems)
                reason = infeasible(form, systems[0])
                message = f"{key}: {form} cannot run on any system of this experiment ({names}): {reason}"
                yield context.problem(message, key, f"one of: {feasible_choices(context.cfg, systems)}")


def _impossible(context: Context, level: str, forms: list[str], systems: list[HardwareConfig]) -> ConfigError:
    cfg = context.cfg
    names = ", ".join(system.title for system in systems)
    valid = feasible_choices(cfg, systems)
    reason = infeasible(forms[0], systems[0])
    if "precision" not in cfg.lever:
        message = f"model.precisions starts with {forms[0]}, which cannot run on {names}: {reason}"
        return context.problem(message, "model.precisions", f"a precision of the system first: {valid}")
    key = f"lever.precision.{level}"
    message = f"{key} leaves nothing that runs on {names}: {reason}"
    forced = level == "target" and cfg.lever["precision"].mode == "forced"
    return context.problem(message, key, f"{'lever.precision.mode=unlocked, or ' if forced else ''}one of: {valid}")


def parallelism(context: Context) -> Iterator[ConfigError]:
    """Search spaces that do not exist, expert parallelism without experts, degrees beyond the system."""
    lever = context.cfg.lever.get("parallelism")
    kind = context.cfg.engine.kind
    serves = kind in DEGREES
    valid = f"degrees, like {DEGREES_FOR_EXAMPLE[kind]}" if serves else f"one of: {', '.join(SEARCH_SPACES)}"
    forms = [DEGREES[kind]] if serves else list(DEGREES.values()) if kind == "fake" else []
    for level in _LEVELS if lever is not None else ():
        key = f"lever.parallelism.{level}"
        for setting in getattr(lever, level):
            degrees = any(re.fullmatch(form, setting) for form in forms)
            known = degrees or (setting in SEARCH_SPACES and not serves)
            beyond = [system for system in context.systems(level) if _gpus(setting) > (system.system_gpus or system.max_gpus)]
            if known and not (degrees and beyond):
                continue
            messages = []
            if not context.cfg.model.moe and (_EXPERT.search(setting.lower()) or "ep" in _degrees(setting)):
                messages.append(f"{key}: expert parallelism ({setting}) needs experts, {context.cfg.model.name} is dense")
            has = [f"{system.title} has {system.system_gpus or system.max_gpus}" for system in beyond]
            messages += [f"{key}: {setting} needs {_gpus(setting)} GPUs, {words}" for words in has]
            for message in messages or [f"{key} must hold {'degrees of parallelism' if serves else 'search spaces'}, got {setting!r}"]:
                yield context.problem(message, key, valid)


def _degrees(setting: str) -> dict[str, int]:
    return {name: int(number) for name, number in _DEGREE.findall(setting.lower())}


def _gpus(setting: str) -> int:
    """GPUs that a setting like ``tp8pp2`` names: the product of its degrees; expert ranks lie on the same GPUs.

    >>> _gpus("tp8pp2"), _gpus("dp4_ep16"), _gpus("node")
    (16, 16, 1)
    """
    degrees = _degrees(setting)
    return max(degrees.get("tp", 1) * degrees.get("pp", 1) * degrees.get("dp", 1), degrees.get("ep", 1))


def mtp(context: Context) -> Iterator[ConfigError]:
    """Draft lengths without an MTP head, or without stated acceptance."""
    lever = context.cfg.lever.get("mtp")
    if lever is None:
        return
    model = context.cfg.model
    kind = context.cfg.engine.kind
    other = "|".join(OTHER_DRAFTS.values()) if kind == "fake" else OTHER_DRAFTS.get(kind, "")
    told = kind == "predicted" or (context.cfg.companion.kind == "predicted" and "mtp" in context.cfg.companion_levers)
    for level in _LEVELS:
        key = f"lever.mtp.{level}"
        settings = [setting for setting in getattr(lever, level) if not (other and re.fullmatch(other, setting))]
        strange = [setting for setting in settings if not setting.isdecimal()]
        drafts = [int(setting) for setting in settings if setting.isdecimal() and int(setting) > 0]
        # A server accepts or rejects for real; a prediction has to be told.
        silent = [draft_len for draft_len in drafts if told and draft_len not in lever.accepted_drafts]
        if strange:
            kinds = f"whole numbers from 0, or {OTHER_WORDS[kind]}" if kind in OTHER_WORDS else "whole numbers from 0"
            message = f"{key} must hold draft lengths, {kinds}, got {', '.join(map(repr, strange))}"
            yield context.problem(message, key, f"{key}=[1,2,3]")
        if drafts and model.mtp_layers == 0:
            kept = ",".join(name for name in context.cfg.lever if name != "mtp")
            message = f"{key}: draft length {_listed(drafts)} needs an MTP head, {model.name} has none (model.mtp_layers is 0)"
            yield context.problem(message, key, f"without the lever: lever=[{kept}]")
        elif silent:
            message = f"lever.mtp.accepted_drafts must state the mean accepted drafts of draft length {_listed(silent)}, got nothing"
            yield context.problem(message, key, f"lever.mtp.accepted_drafts.{silent[0]}=MEAN, and where it comes from in lever.mtp.source")
    for draft_len, accepted in lever.accepted_drafts.items():
        if not 0 <= accepted <= draft_len:
            key = f"lever.mtp.accepted_drafts.{draft_len}"
            message = f"{key} must be between 0 and the draft length {draft_len}, got {accepted!r}"
            yield context.problem(message, key, f"{key}={min(0.9, draft_len)}")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def batch(context: Context) -> Iterator[ConfigError]:
    """Batch sizes that are none, or that nobody would set."""
    lever = context.cfg.lever.get("batch")
    if lever is None:
        return
    kind = context.cfg.engine.kind
    if kind != "fake" and not ENGINES.get(kind, False):
        kept = ",".join(name for name in context.cfg.lever if name != "batch")
        message = f"lever.batch is a setting of a server, and engine {kind} starts none"
        yield context.problem(message, "lever.batch", f"lever=[{kept}], or an engine that starts a server")
    for level in _LEVELS:
        key = f"lever.batch.{level}"
        strange = [setting for setting in getattr(lever, level) if not setting.isdecimal() or int(setting) < 1]
        if strange:
            yield context.problem(f"{key} must hold numbers of requests from 1, got {', '.join(map(repr, strange))}", key, f"{key}=[64]")


def disaggregation(context: Context) -> Iterator[ConfigError]:
    """Serving modes that do not exist."""
    lever = context.cfg.lever.get("disaggregation")
    for level in _LEVELS if lever is not None else ():
        key = f"lever.disaggregation.{level}"
        for setting in getattr(lever, level):
            if setting not in SERVING_MODES:
                yield context.problem(f"{key} must hold serving modes, got {setting!r}", key, f"one of: {', '.join(SERVING_MODES)}")
