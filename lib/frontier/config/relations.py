"""Relations between groups: combinations that cannot exist, each refused with the choices that can."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from frontier.config.context import Context
from frontier.config.settings import batch, disaggregation, mtp, parallelism, precision
from frontier.config.vocabulary import ENGINES, LEVERS, NOT_PUBLISHED_LEVERS, OWN_SBATCH
from frontier.errors import ConfigError
from frontier.schema import Config, HardwareConfig


def relations(cfg: Config, origins: Mapping[str, str], wrong: Collection[str] = ()) -> Iterator[ConfigError]:
    """Problems between the groups of a configuration.

    Parameters
    ----------
    cfg : Config
    origins : mapping dotted key -> file or override
    wrong : collection of dotted keys that are out of range, and therefore not looked at again
    """
    context = Context(cfg, origins)
    yield from _levers(context, wrong)
    yield from _companion(context)
    yield from _engines(context)
    for name, system in {**cfg.systems, cfg.hardware.name: cfg.hardware}.items():
        yield from _system(context, "hardware" if name == cfg.hardware.name else f"systems.{name}", system, wrong)
    if "model.precisions" not in wrong:
        yield from precision(context)
    yield from parallelism(context)
    yield from mtp(context)
    yield from disaggregation(context)
    yield from batch(context)
    yield from _runtime(context)
    yield from _place(context)


def _place(context: Context) -> Iterator[ConfigError]:
    """Trials that cannot be packed; options that Slurm, or the kit's own use of it, would contradict."""
    place = context.cfg.place
    if place.kind != "slurm":
        hint = "place.exclusive=null, or true"
        if place.exclusive is False and context.cfg.sweep.kind == "adaptive":
            message = "place.exclusive=false packs trials, and an adaptive sweep runs one at a time: it chooses the next by what the last one gave"
            yield context.problem(message, "place.exclusive", f"{hint}; or sweep=grid")
        if place.exclusive is False and context.cfg.engine.kind == "endpoint":
            message = "place.exclusive=false packs trials onto devices of this machine, and engine endpoint measures servers that others started"
            yield context.problem(message, "place.exclusive", hint)
        return
    own = [name for name in place.sbatch if name.lstrip("-").replace("_", "-") in OWN_SBATCH]
    if own:
        message = f"place.sbatch must leave what the kit sets itself, got {', '.join(own)}"
        yield context.problem(message, "place.sbatch", "keys of place, like place.partition, or none: names, arrays and logs are the kit's")
    strange = [name for name in place.sbatch if not re.fullmatch(r"[a-z][a-z0-9-]*", name)]
    if strange:
        yield context.problem(f"place.sbatch must name options without dashes before them, got {', '.join(strange)}", "place.sbatch", "mail-type")
    if place.notice_s >= 60 * place.time_min:
        message = f"place.notice_s is {place.notice_s}, as long as the job or longer (place.time_min is {place.time_min})"
        yield context.problem(message, "place.notice_s", f"place.notice_s={30 * place.time_min}, or a longer place.time_min")
    if place.per != "trial" and context.cfg.sweep.kind == "adaptive":
        yield context.problem("an adaptive sweep chooses trial by trial, place.per must be trial", "place.per", "place.per=trial")


def _runtime(context: Context) -> Iterator[ConfigError]:
    """A container without an image, and an image without a container."""
    runtime = context.cfg.runtime
    if runtime.kind != "host" and not runtime.image:
        message = f"runtime {runtime.kind} needs an image, got none"
        yield context.problem(message, "runtime.image", "runtime.image=sha256:...; `frontier images build kit` makes one and prints its ID")
    if runtime.kind == "host" and runtime.image:
        yield context.problem(f"runtime.image={runtime.image} needs a container, got runtime host", "runtime.image", "runtime=podman")


def _levers(context: Context, wrong: Collection[str]) -> Iterator[ConfigError]:
    """Levers that change nothing, a hardware lever that starts elsewhere, effects of levers that do not exist."""
    cfg = context.cfg
    if not cfg.lever:
        yield context.problem("lever must name at least one change, got none", "lever", "lever=[hardware,precision]")
    for name, lever in cfg.lever.items():
        key = f"lever.{name}.target"
        new = set(lever.target) - set(lever.baseline)
        lost = set(lever.baseline) - set(lever.target) if lever.mode == "forced" else set()
        if not new and not lost and key not in wrong:
            message = f"{key} equals the baseline or adds nothing to it ({', '.join(lever.target)}): the lever changes nothing"
            yield context.problem(message, key, f"{key}=[...] with another setting")
        yield from _further_step(context, name)
    hardware = cfg.lever.get("hardware")
    if hardware is not None and hardware.baseline and cfg.hardware.name not in hardware.baseline:
        listed = ", ".join(hardware.baseline)
        message = f"lever.hardware.baseline must hold the experiment's hardware {cfg.hardware.name}, got {listed}"
        yield context.problem(message, "lever.hardware.baseline", f"hardware={hardware.baseline[0]}")
    known = [*LEVERS, *(name for name in cfg.lever if name not in LEVERS)]
    for group, engine in (("engine", cfg.engine), ("companion", cfg.companion)):
        for name in engine.effects:
            if name not in known:
                key = f"{group}.effects.{name}"
                yield context.problem(f"{key}: there is no lever {name!r}", key, f"one of: {', '.join(known)}")
        for cell in engine.fail_cells:
            if cell != "baseline" and any(name not in known for name in cell.split("+")):
                key = f"{group}.fail_cells"
                message = f"{key} names variants, levers at target joined by +, got {cell!r}"
                yield context.problem(message, key, f"baseline, or some of: {', '.join(known)}")


def _further_step(context: Context, name: str) -> Iterator[ConfigError]:
    """A further step of a lever that is not there, comes later, ends elsewhere, or stands in a design that is no ladder."""
    cfg, lever = context.cfg, context.cfg.lever[name]
    if not lever.after:
        return
    before = list(cfg.lever)[: list(cfg.lever).index(name)]
    if lever.after not in before or cfg.lever[lever.after].after:
        message = f"lever.{name} is a further step of {lever.after}, which must come before it"
        yield context.problem(message, f"lever.{name}", f"lever=[{lever.after},{name}]")
        return
    ends = cfg.lever[lever.after].target
    if list(lever.baseline) != list(ends):
        message = f"lever.{name}.baseline must be where lever.{lever.after} ends ({', '.join(ends)}), got {', '.join(lever.baseline)}"
        yield context.problem(message, f"lever.{name}.baseline", f"lever.{name}.baseline=[{','.join(ends)}]")
    if cfg.design.kind != "ladder":
        message = f"lever.{name} is a further step of {lever.after}: without that step it means nothing, so only a ladder can hold it"
        yield context.problem(message, "design.kind", "design=ladder")


def _companion(context: Context) -> Iterator[ConfigError]:
    """A companion that studies no lever, one twice, or one that this experiment has not."""
    cfg = context.cfg
    twice = sorted({name for name in cfg.companion_levers if cfg.companion_levers.count(name) > 1})
    if twice:
        message = f"companion_levers names a lever twice: {', '.join(twice)}"
        yield context.problem(message, "companion_levers", "name each lever once")
    if cfg.companion.kind == "none" or not cfg.lever:
        return
    strange = [name for name in cfg.companion_levers if name not in cfg.lever]
    if strange:
        kept = ",".join(name for name in cfg.companion_levers if name in cfg.lever)
        message = f"companion_levers must be among the levers ({', '.join(cfg.lever)}), got {', '.join(strange)}"
        yield context.problem(message, "companion_levers", f"companion_levers=[{kept}]" if kept else "engine@companion=none")
    if not cfg.companion_levers:
        message = "companion_levers must name a lever when there is a companion, got none"
        yield context.problem(message, "companion_levers", f"companion_levers=[{next(iter(cfg.lever))}], or engine@companion=none")


def _engines(context: Context) -> Iterator[ConfigError]:
    """No engine at all, a server without an exact checkpoint, levers that the published record cannot tell apart."""
    cfg = context.cfg
    if cfg.engine.kind == "none":
        valid = ", ".join(kind for kind in ENGINES if kind != "none")
        yield context.problem("engine must be one that gives points, got none", "engine.kind", f"engine= one of: {valid}")
    for group, engine in (("engine", cfg.engine), ("companion", cfg.companion)):
        if ENGINES.get(engine.kind, False) and cfg.model.revision is None and not (cfg.model.checkpoint or cfg.model.checkpoints):
            message = f"model.revision must be given: {group} {engine.kind} starts a server"
            hint = "model.revision=COMMIT of the checkpoint, or model.checkpoint=NAME of one that is made here"
            yield context.problem(message, "model.id", hint)
    published = [("lever", list(cfg.lever))] if cfg.engine.kind == "published" else []
    published += [("companion_levers", cfg.companion_levers)] if cfg.companion.kind == "published" else []
    for key, names in published:
        lost = [name for name in names if name in NOT_PUBLISHED_LEVERS]
        if lost:
            kept = ",".join(name for name in names if name not in NOT_PUBLISHED_LEVERS)
            message = f"{key}: the published record does not state {', '.join(lost)} of its rows, which cannot be sorted by it"
            yield context.problem(message, key, f"{key}=[{kept}]")


def _system(context: Context, prefix: str, system: HardwareConfig, wrong: Collection[str]) -> Iterator[ConfigError]:
    """More GPUs than a system has, prices without a table, disaggregation on one GPU."""
    if any(f"{prefix}.{key}" in wrong for key in ("max_gpus", "system_gpus", "domain_gpus")):
        return
    for key, gpus in (("max_gpus", system.max_gpus), ("domain_gpus", system.domain_gpus)):
        if system.system_gpus is not None and gpus > system.system_gpus:
            message = f"{prefix}.{key} is {gpus}, more GPUs than {system.name} has (system_gpus is {system.system_gpus})"
            yield context.problem(message, f"{prefix}.{key}", f"{prefix}.{key}={system.system_gpus}")
    if (system.all_in_kw_per_gpu is not None or system.usd_per_gpu_hr is not None) and not system.cost_table:
        message = f"{prefix}.cost_table must name version and source of power and price, got nothing"
        yield context.problem(message, f"{prefix}.cost_table", f"{prefix}.cost_table='VERSION: SOURCE'")
    shares = ENGINES.get(context.cfg.engine.kind, False) or context.cfg.engine.kind == "fake"  # two servers can share one GPU
    if system.max_gpus < 2 and not shares and "disaggregated" in context.settings("disaggregation", "target", "aggregated"):
        message = f"{prefix}.max_gpus is {system.max_gpus}, disaggregation needs at least 2 GPUs: prefill and decode"
        yield context.problem(message, f"{prefix}.max_gpus", f"{prefix}.max_gpus={max(2, system.domain_gpus)}")
