"""Predicted evidence on a claim: an experiment run in the audit's own store, and what its attribution says on the claim."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from frontier import session
from frontier.catalog import PRECISION_FORMS
from frontier.claim_schema import ClaimConfig, ReadingConfig
from frontier.claims.denominators import Ends
from frontier.claims.finding import Factor, Finding, from_shift
from frontier.claims.verdict import MARGIN_OTHER_SYSTEM, Found, with_margin
from frontier.errors import ConfigError, ConfigErrors, PointsError, RunError
from frontier.schema import Config

SOURCE = "NVIDIA's operator database (aiconfigurator-core), {engine}; not run on hardware"


@dataclass(frozen=True)
class Predicted:
    """A run of an experiment: its configuration and its attribution."""

    cfg: Config
    document: dict[str, Any]
    rerun: str


def run_reading(reading: ReadingConfig, artifacts_dir: Path, metric: str, resamples: int) -> Predicted:
    """The run behind a reading; cells that another run of the audit has computed are taken over, a finished run is read back.

    Parameters
    ----------
    artifacts_dir : Path
        Where the audit keeps its runs.

    Raises
    ------
    ConfigErrors
        If the experiment cannot be composed with the reading's overrides.
    RunError
        If no cell gave a point.
    """
    overrides = [*reading.overrides, f"design.resamples={resamples}"]
    if not any(text.startswith("report.metric=") for text in overrides):
        overrides.append(f"report.metric={metric}")
    run = session.start_run(reading.experiment, overrides, str(artifacts_dir))
    run.measure()
    document = run.attribute()
    quoted = " ".join(f"'{text}'" if set(text) & set("[]{} ") else text for text in overrides)
    return Predicted(run.cfg, document, f"frontier run experiment={reading.experiment} {quoted}")


def predicted_ratio(found: Predicted, part: str = "main", kind: str = "predicted") -> Finding:
    """The ratio from all levers at baseline to all at target, split into the levers' shares.

    Parameters
    ----------
    part : "main" | "companion"
        The experiment's own cells, or the published ones of its companion along the path that was measured.
    kind : str
        Kind of evidence of the experiment's own cells.
    """
    document = found.document if part == "main" else found.document["companion"]
    if document is None:
        return Finding("published", "", missing="the experiment has no published companion")
    steps = document["steps"]
    counted = {cell["cell"]: cell["points"] for cell in document["cells"]}
    everything = "+".join(lever["name"] for lever in document["levers"])
    base = Finding(
        kind=kind if part == "main" else "published",
        source=_source(found, part, kind),
        method=document["interval"]["method"],
        rerun=found.rerun,
        rows=(counted.get("baseline", 0), counted.get(everything, 0)),
        ends=_ends(found.cfg),
        first=(steps[0]["interactivity_tok_s_user"][0], steps[-1]["interactivity_tok_s_user"][0]),
        notes=tuple(document["notes"]),
    )
    shares = [Factor(share["lever"], _entry(share)) for share in document["shares"] if share["ratio"] is not None]
    how = "Shapley shares" if document["method"] == "shapley" else "contributions along the measured path"
    return replace(from_shift(document["shift"], base, MARGIN_OTHER_SYSTEM), factors=tuple(shares), split=how)


def predicted_level(found: Predicted) -> Finding:
    """The frontier with all levers at target."""
    last = found.document["steps"][-1]
    low, high = last["ci95_tput_tok_s_gpu"] or ([None] * len(last["curve_tput_tok_s_gpu"]),) * 2
    bounds = [None if a is None or b is None else (a, b) for a, b in zip(low, high, strict=True)]
    curve = tuple(with_margin(y, b, MARGIN_OTHER_SYSTEM) for y, b in zip(last["curve_tput_tok_s_gpu"], bounds, strict=True))
    places = tuple(last["curve_interactivity_tok_s_user"])
    return Finding(
        kind="predicted",
        source=SOURCE.format(engine=found.cfg.engine.backend),
        method=found.document["interval"]["method"],
        rerun=found.rerun,
        rows=(0, len(last["rows"])),
        ends=_ends(found.cfg),
        places=places,
        curve=curve,
        peak=curve[0],
        reach=Found(places[-1]),  # the error of the reach is not in the document
        first=(math.nan, places[0]),
        notes=tuple(found.document["notes"]),
    )


def predicted_differences(claim: ClaimConfig, found: Predicted, *, level: bool) -> list[str]:
    """In what the experiment differs from what the claim states."""
    cfg, ends = found.cfg, _ends(found.cfg)
    out = []
    names = [cfg.model.name, *cfg.model.published_ids]
    if claim.metric and claim.metric not in ("total", "output"):
        out.append(f"the claim counts {claim.metric}, the evidence tokens served")
    if claim.model and not set(names) & set(claim.model):
        out.append(f"the claim is for {claim.model[0]}, the evidence for {cfg.model.name}")
    for key, name in (("isl_tokens", "input"), ("osl_tokens", "output")):
        stated, used = getattr(claim, key), getattr(cfg.workload, key)
        if stated is not None and used != stated:
            out.append(f"the claim is for {stated:g} {name} tokens, the evidence for {used}")
    for place, name in ((1, "target"),) if level else ((0, "baseline"), (1, "target")):
        stated_side = getattr(claim, name)
        for key, have in (("hardware", ends.hardware[place]), ("precision", ends.precision[place])):
            stated = getattr(stated_side, key)
            if stated and have not in stated:
                out.append(f"{'system' if key == 'hardware' else key} of the {name}: the claim says {' or '.join(stated)}, the evidence has {have}")
    if claim.target.spec and claim.target.spec != ["none"] and "mtp" not in cfg.lever:
        out.append(f"the claim is made with {' or '.join(claim.target.spec)}, the evidence is without")
    return out


def not_composed(error: Exception) -> str:
    """Why a prediction is not there, in one line; other exceptions are defects and stay exceptions."""
    if isinstance(error, ConfigErrors):
        return "; ".join(problem.message for problem in error.problems)
    if isinstance(error, (ConfigError, PointsError, RunError)):
        return error.message
    raise error


def _source(found: Predicted, part: str, kind: str) -> str:
    if part != "main":
        return "published points of the same experiment"
    return SOURCE.format(engine=found.cfg.engine.backend) if kind == "predicted" else f"{kind} points of experiment {found.cfg.name}"


def _entry(share: dict[str, Any]) -> Found:
    bounds = share["ci95"]
    return Found(share["ratio"], *(bounds or (math.nan, math.nan)))


def _ends(cfg: Config) -> Ends:
    """System and precision at baseline and at target; of several settings of the precision the last, which has the fewest bits."""
    lever = cfg.lever.get("hardware")
    systems = (cfg.hardware.name, cfg.hardware.name) if lever is None else (lever.baseline[0], lever.target[0])
    known = {**cfg.systems, cfg.hardware.name: cfg.hardware}
    precision = cfg.lever.get("precision")
    forms = (cfg.model.precisions[0],) * 2 if precision is None else (precision.baseline[-1], precision.target[-1])
    return Ends(
        (known[systems[0]].hardware, known[systems[1]].hardware), (PRECISION_FORMS[forms[0]][0], PRECISION_FORMS[forms[1]][0])
    )
