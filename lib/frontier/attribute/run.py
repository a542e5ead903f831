"""The attribution of a run: its levers from the configuration, its companion evidence, and the normalizations of its systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from frontier.attribute.designed import attribute
from frontier.attribute.levers import LeverSpec
from frontier.catalog import PRECISION_FORMS
from frontier.errors import RunError
from frontier.evidence.residuals import ResidualModel
from frontier.schema import Config, HardwareConfig, LeverConfig

GROUPS = {"hardware": ("hardware",), "software": ("precision", "parallelism", "mtp", "disaggregation", "version")}


def attribute_run(
    points: pd.DataFrame,
    cfg: Config,
    *,
    companion: pd.DataFrame | None = None,
    residuals: ResidualModel | None = None,
    infeasible: dict[str, str] | None = None,
    failed: Sequence[str] = (),
    evaluated: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The ``frontier.attribution/1`` document of a run, with its companion's under ``companion``.

    Parameters
    ----------
    points : DataFrame
        The run's points, with a column ``level_<lever>`` of baseline | target per lever.
    cfg : Config
    companion : DataFrame, optional
        Points of the companion evidence for ``cfg.companion_levers``.
    residuals : ResidualModel, optional
        Needed for intervals of predicted points.
    infeasible : mapping variant name -> reason, optional
        From the plan.
    failed : sequence of str
        Variants that were tried and failed; with any, missing cells count as their largest available part and the notes say so. In a half
        fraction nothing stands in for them: shares are undefined.
    evaluated : mapping variant name -> int, optional
        Configurations evaluated for each variant of the main part.
    """
    specs = [_run_lever(name, lever) for name, lever in cfg.lever.items()]
    missing = {"ladder": "ladder", "fractional": "fraction"}.get(cfg.design.kind, "restrict" if failed else "error")
    beside_record = _same_moves(cfg) if companion is not None and len(companion) else {}
    document = _attribute(points, cfg, specs, residuals, infeasible, missing, "points.parquet", beside_record)
    for cell in document["cells"]:
        cell["evaluated"] = (evaluated or {}).get(cell["cell"])
    document["normalizations"] = normalizations(document, cfg)
    document["notes"] += _limits(document, cfg)
    if companion is not None and len(companion):
        named = list(cfg.companion_levers)  # in their own order: the record may hold the cells of one path only
        beside = [_companion_lever(name, cfg, companion) for name in named]
        # The record files one model under several names; the experiment says which of them it takes for its model.
        one_model = companion.assign(model=cfg.model.name)
        # What no GPU of the main part can compute, none of the companion's can.
        impossible = {name: reason for name, reason in (infeasible or {}).items() if set(name.split("+")) <= set(named)}
        document["companion"] = _attribute(one_model, cfg, beside, None, impossible, "ladder", "companion_points.parquet")
        document["companion"]["normalizations"] = normalizations(document["companion"], cfg)
    return document


def _attribute(
    points: pd.DataFrame,
    cfg: Config,
    specs: Sequence[LeverSpec],
    residuals: ResidualModel | None,
    infeasible: dict[str, str] | None,
    missing: str,
    origin: str,
    contrasts: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None,
) -> dict[str, Any]:
    return attribute(
        points,
        specs,
        metric=cfg.report.metric,
        residuals=residuals,
        infeasible=infeasible,
        missing=missing,
        groups={group: (*names, *(name for name, lever in cfg.lever.items() if lever.after in names)) for group, names in GROUPS.items()},
        contrasts=contrasts,
        resamples=cfg.design.resamples,
        confidence=cfg.design.confidence,
        seed=cfg.design.seed,
        grid_points=cfg.sweep.grid_points,
        origin=origin,
    )


def _same_moves(cfg: Config) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    """The companion's ladder as moves of the main game, so that both kinds of evidence answer the same question.

    A published record holds whatever parallelism its submitters chose, so the parallelism lever stands at target on both sides of every move;
    levers that the companion does not tell apart stay at baseline.
    """
    start = [name for name in cfg.lever if name == "parallelism" and name not in cfg.companion_levers]
    moves: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
    at = start
    for name in cfg.companion_levers:
        moves[name] = (at, [*at, name])
        at = [*at, name]
    moves["total"] = (start, at)
    return moves


def _run_lever(name: str, lever: LeverConfig) -> LeverSpec:
    settings = {"baseline": list(lever.baseline), "target": list(lever.target)}
    return LeverSpec(name, f"level_{name}", ("baseline",), ("target",), lever.mode, lever.title or name, settings)


def _companion_lever(name: str, cfg: Config, companion: pd.DataFrame) -> LeverSpec:
    lever = cfg.lever[name]
    if f"level_{name}" in companion:
        return _run_lever(name, lever)
    columns = {"hardware": "hardware", "precision": "precision", "disaggregation": "disagg"}
    if name not in columns:
        raise RunError(f"published points do not tell the levels of lever {name!r} apart", hint=f"companion_levers: [{', '.join(columns)}]")
    levels = {level: tuple(_published_value(name, value, cfg) for value in values) for level, values in _levels(lever).items()}
    return LeverSpec(name, columns[name], levels["baseline"], levels["target"], lever.mode, lever.title or name, _levels(lever))


def _levels(lever: LeverConfig) -> dict[str, list[str]]:
    return {"baseline": list(lever.baseline), "target": list(lever.target)}


def _published_value(name: str, setting: str, cfg: Config) -> str:
    if name == "hardware":
        return cfg.systems[setting].hardware
    if name == "precision":
        return PRECISION_FORMS[setting][0]
    return "true" if setting == "disaggregated" else "false"


def _ends(cfg: Config) -> tuple[HardwareConfig, HardwareConfig]:
    lever = cfg.lever.get("hardware")
    if lever is None:
        return cfg.hardware, cfg.hardware
    return cfg.systems[lever.baseline[0]], cfg.systems[lever.target[0]]


def normalizations(document: dict[str, Any], cfg: Config) -> list[dict[str, Any]]:
    """The headline ratio per GPU, per die, per megawatt and per dollar; an entry is left out where a system lacks the number."""
    ratio = document["shift"]["ratio"]
    if ratio is None:
        return []
    before, after = _ends(cfg)
    table = before.cost_table if before.cost_table == after.cost_table else f"{before.cost_table}; {after.cost_table}"
    kinds: list[tuple[str, str, float | None, float | None, str]] = [
        ("GPU", "tokens/s per GPU package", 1.0, 1.0, ""),
        ("GPU die", "tokens/s per GPU die", before.dies_per_package, after.dies_per_package, "dies per package"),
        ("MW (TDP)", "tokens/s per megawatt of GPU TDP", before.tdp_w, after.tdp_w, "GPU data sheets"),
        ("MW (all-in)", "tokens/s per megawatt of all-in power", before.all_in_kw_per_gpu, after.all_in_kw_per_gpu, table),
        ("USD", "tokens per US dollar of GPU rent", before.usd_per_gpu_hr, after.usd_per_gpu_hr, table),
    ]
    out = []
    for per, unit, old, new, source in kinds:
        if old and new:
            factor = old / new
            bounds = ratio["ci95"]
            out.append(
                {
                    "per": per,
                    "unit": unit,
                    "ratio": ratio["value"] * factor,
                    "ci95": None if bounds is None else [bound * factor for bound in bounds],
                    "denominator_before": old,
                    "denominator_after": new,
                    "table": source,
                }
            )
    return out


def _limits(document: dict[str, Any], cfg: Config) -> list[str]:
    notes = []
    if document["evidence"] == "predicted":
        notes.append(
            "Predicted from measured operator latencies, not run on hardware: scheduling, routing imbalance and client effects are outside the model."
        )
    if document["evidence"] == "simulated":
        notes.append("Simulated by the closed-form engine: a test of the method with known answers, no evidence about any hardware.")
    mtp = cfg.lever.get("mtp")
    if mtp is not None and mtp.accepted_drafts and document["evidence"] == "predicted":
        stated = ", ".join(f"{length}: {mean:g}" for length, mean in sorted(mtp.accepted_drafts.items()))
        notes.append(f"Mean accepted drafts by draft length are an assumption of the experiment ({stated}); its error is not in the intervals.")
    if document["evidence"] == "predicted":
        notes.append("Output quality is not predicted: a lower precision or a draft model may change it.")
    return notes
