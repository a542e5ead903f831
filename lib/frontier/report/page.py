"""The report: one self-contained HTML page, and its figures as files."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from frontier.errors import ConfigError, RunError
from frontier.report import tables
from frontier.report.configurations import step_tables
from frontier.report.document import Document, Estimate, Run, estimate, evidence_kinds, number, pair, part, read_run, rows, undefined_reason
from frontier.report.gallery import Picture, companion_pictures, pictures
from frontier.report.style import ReportFigure, to_png, to_svg
from frontier.report.svg import inline_svg
from frontier.report.wording import METRIC_LONG, NOT_DEFINED, answer, evidence_long, factor, interval_text, place_text, quantity, range_text

FORMATS = ("png", "svg")


def write_report(run_dir: Path, *, out_dir: Path | None = None) -> Path:
    """Write ``report.html`` and ``figures/`` of a run, and return the page's path.

    The same run gives the same bytes. In a complete run (one with a manifest) files that would change are not touched.

    Parameters
    ----------
    run_dir : Path
        A run folder with ``config.yaml``, ``points.parquet`` and ``attribution.json``; what else a report shows may be missing.
    out_dir : Path, optional
        Where to write; the run folder by default.

    Raises
    ------
    RunError
        If the folder lacks what a report is made of, or a complete run holds another rendering.
    ConfigError
        If ``report.formats`` names an unknown format.
    PointsError
        If a points table cannot be read.
    """
    run = read_run(Path(run_dir))
    target = Path(out_dir) if out_dir is not None else Path(run_dir)
    formats = _formats(run.config)
    files: dict[Path, bytes] = {}
    views: dict[str, list[Mapping[str, str]]] = {"own": [], "beside": []}
    for side, found in (("own", pictures(run)), ("beside", companion_pictures(run))):
        for picture in found:
            wide, narrow = picture.draw(False), picture.draw(True)
            if "png" in formats:
                files[Path("figures") / f"{picture.name}.png"] = to_png(wide)
            if "svg" in formats:
                files[Path("figures") / f"{picture.name}.svg"] = to_svg(wide).encode()
            views[side].append(picture_view(picture, wide, narrow))
    files[Path("report.html")] = render(run, views["own"], views["beside"]).encode()
    complete = (target / "manifest.json").exists()
    changed = {path: content for path, content in files.items() if not (target / path).is_file() or (target / path).read_bytes() != content}
    if complete and changed:
        raise RunError(
            f"{run.run_id} is complete and holds another rendering of {', '.join(sorted(map(str, changed)))}",
            hint="write the new rendering beside it: write_report(run_dir, out_dir=...)",
        )
    for path, content in changed.items():
        _write(target / path, content)
    return target / "report.html"


def render(run: Run, own: Sequence[Mapping[str, str]], beside: Sequence[Mapping[str, str]]) -> str:
    """The page as text, with every value from the run escaped."""
    environment = Environment(
        loader=PackageLoader("frontier.report", "template"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    document, config = run.document, run.config
    companion = part(document, "companion")
    first, second = answer(document, config)
    context: dict[str, Any] = {
        "run_id": run.run_id,
        "title": str(config.get("title") or config.get("name") or run.run_id),
        "name": str(config.get("name") or ""),
        "evidence": str(document["evidence"]),
        "simulated": "simulated" in evidence_kinds(document),
        "evidence_long": evidence_long(document),
        "claim": claim_view(config, document),
        "setup": setup(config, document),
        "answer": (first, second),
        "key_numbers": key_numbers(document),
        "verdict": tables.verdict_table(document, config),
        "order": tables.order_table(document),
        "companion": {
            "evidence": str(companion.get("evidence")),
            "evidence_long": evidence_long(companion),
            "answer": answer(companion, config)[0],
            "span": range_text(*pair(part(companion, "domain").get("interactivity_tok_s_user")), "tokens/s/user"),
            "coalitions": tables.companion_coalitions(document),
            "shares": tables.companion_shares(document),
            "pictures": beside,
            "cells": _cells_summary(companion),
            "infeasible_rule": str(companion.get("infeasible_rule") or ""),
            "notes": [str(note) for note in companion.get("notes") or []],
        }
        if companion
        else None,
        "pictures": {view["name"]: view for view in own},
        "ratios": tables.ratio_table(document, _quoted(config)),
        "normalizations": tables.normalization_table(document),
        "steps": step_tables(document, run.points),
        "companion_steps": step_tables(companion, run.companion_points) if companion and run.companion_points is not None else [],
        "model_error": tables.model_error_table(run.model_error),
        "model_error_source": str((run.model_error or {}).get("source") or "not stated"),
        "model_error_quantity": str((run.model_error or {}).get("quantity") or "log residuals"),
        "left_out": tables.flat_table(("", part(run.model_error or {}, "left_out"))),
        "cells": tables.cells_table(document),
        "cells_summary": _cells_summary(document),
        "infeasible_rule": str(document.get("infeasible_rule") or ""),
        "domain": domain_sentence(document),
        "span": range_text(*pair(part(document, "domain").get("interactivity_tok_s_user")), "tokens/s/user"),
        "interval": interval_sentence(document),
        "environment": tables.flat_table(("", run.environment)),
        "plan": tables.flat_table(("", run.plan)),
        "notes": [str(note) for note in document.get("notes") or []],
        "gpu_hours": str(config.get("gpu_hours") or ""),
    }
    context["style"] = environment.loader.get_source(environment, "style.css")[0] if environment.loader else ""
    context["script"] = environment.loader.get_source(environment, "report.js")[0] if environment.loader else ""
    return environment.get_template("report.html").render(context)


def picture_view(picture: Picture, wide: ReportFigure, narrow: ReportFigure) -> Mapping[str, str]:
    """A figure for the page: its two renderings, for wide screens and paper and for phones, with its words."""
    views = {
        key: inline_svg(to_svg(figure, text=True), prefix=f"{picture.name}-{key}", label=picture.label, details=picture.details)
        for key, figure in (("wide", wide), ("narrow", narrow))
    }
    return {"name": picture.name, "title": picture.title, "caption": picture.caption, **views}


def claim_view(config: Document, document: Document) -> Mapping[str, Any]:
    """The claim under examination with its source, and what stands here where the claim was made."""
    claim = part(config, "claim")
    url = str(claim.get("url") or "")
    ratio, where = number(claim.get("ratio")), number(claim.get("interactivity_tok_s_user"))
    curve = [row for row in rows(part(document, "shift"), "by_interactivity") if math.isfinite(number(row.get("ratio")))]
    beside = ""
    if math.isfinite(ratio):
        beside = f"Claimed: {factor(ratio)}" + (f" at {place_text(where)} tokens/s/user" if math.isfinite(where) else "") + ". Here: "
        beside += _here(curve, where) + "."
        asked, load = claim.get("workload"), part(config, "workload").get("name")
        if asked and load and asked != load:
            beside += f" The claim is for the workload {asked}, this run's is {load}: the two numbers do not answer the same question."
    return {
        "statement": str(claim.get("statement") or ""),
        "source": str(claim.get("source") or "source not stated"),
        "url": url if urlsplit(url).scheme in ("http", "https") else "",
        "beside": beside,
    }


def _here(curve: Sequence[Document], where: float) -> str:
    """The ratio of this run at the claim's interactivity, or its largest one when the claim names none."""
    if not curve:
        return "no ratio is defined"
    if not math.isfinite(where):
        best = max(curve, key=lambda row: number(row.get("ratio")))
        found = estimate(best)
        return f"at most {factor(found.value)} ({interval_text(found)}), at {place_text(number(best.get('interactivity_tok_s_user')))} tokens/s/user"
    places = [number(row.get("interactivity_tok_s_user")) for row in curve]
    if not min(places) <= where <= max(places):
        return f"not defined there, the frontiers overlap from {range_text(min(places), max(places), 'tokens/s/user')}"
    nearest = min(curve, key=lambda row: abs(number(row.get("interactivity_tok_s_user")) - where))
    found = estimate(nearest)
    return f"{factor(found.value)} ({interval_text(found)}) at {place_text(number(nearest.get('interactivity_tok_s_user')))} tokens/s/user"


def setup(config: Document, document: Document) -> list[tuple[str, str]]:
    """What was asked of which model and engine, as name and value."""
    model, load, engine = part(config, "model"), part(config, "workload"), part(config, "engine")
    lengths = [number(load.get(key)) for key in ("isl_tokens", "osl_tokens")]
    found = [
        ("Model", str(model.get("name") or model.get("id") or "")),
        ("Workload", f"{quantity(lengths[0])} tokens in, {quantity(lengths[1])} out" if all(map(math.isfinite, lengths)) else ""),
        ("Evidence from", ", ".join(str(engine[key]) for key in ("kind", "backend", "database_version") if engine.get(key))),
        ("Metric", METRIC_LONG[str(document["metric"])]),
    ]
    return [(name, value) for name, value in found if value]


def key_numbers(document: Document) -> list[Mapping[str, Any]]:
    """The four numbers of a shift, each with what it means."""
    shift = part(document, "shift")
    reached_low, reached_high = pair(shift.get("newly_reached_tok_s_user"))
    reach = f"newly reached: {range_text(reached_low, reached_high, 'tokens/s/user')}" if math.isfinite(reached_low) else "no range newly reached"
    span = range_text(*pair(shift.get("overlap_tok_s_user")), "tokens/s/user")
    domain = range_text(*pair(part(document, "domain").get("interactivity_tok_s_user")), "tokens/s/user")
    reference = [place_text(value) for value in pair(shift.get("hypervolume_reference"))]
    corner = "" if NOT_DEFINED in reference else f" above {reference[0]} tokens/s/user and {reference[1]} tokens/s/GPU"
    total, overlap = estimate(document.get("total")), estimate(shift.get("ratio"))
    kinds: list[tuple[str, Estimate, str]] = [
        ("At equal interactivity", total, f"log-mean over {domain}, where every combination of changes has a frontier"),
        ("Peak throughput", estimate(shift.get("peak_ratio")), "highest throughput per GPU, whatever the interactivity"),
        ("Reach", estimate(shift.get("max_interactivity_ratio")), f"highest interactivity; {reach}"),
        ("Hypervolume", estimate(shift.get("hypervolume_ratio")), f"area below the frontier{corner}"),
    ]
    if overlap.defined and not (total.defined and math.isclose(overlap.value, total.value, rel_tol=1e-9)):
        kinds.insert(1, ("Over the whole overlap", overlap, f"log-mean over {span}, where the first and the last frontier overlap"))
    reason = undefined_reason(document)
    return [
        {
            "name": name,
            "text": factor(found.value),
            "value": found.value if found.defined else None,
            "interval": interval_text(found) if found.defined else "",
            "note": note if found.defined else reason,
        }
        for name, found, note in kinds
    ]


def domain_sentence(document: Document) -> str:
    """Over which interactivities the ratio is averaged, and by which rule."""
    domain = part(document, "domain")
    span = range_text(*pair(domain.get("interactivity_tok_s_user")), "tokens/s/user")
    rule = str(domain.get("rule") or "").rstrip(".")
    return f"{span} ({rule})." if rule else f"{span}."


def interval_sentence(document: Document) -> str:
    """How intervals were computed."""
    found = part(document, "interval")
    if not found:
        return "No interval was computed."
    method = str(found.get("method") or "method not stated").rstrip(".")
    undefined = f" ({found['undefined_resamples']} of them undefined)" if found.get("undefined_resamples") else ""
    return f"{method}; {found.get('resamples')} resamples{undefined}, level {found.get('level')}, seed {found.get('seed')}."


def _quoted(config: Document) -> list[float]:
    return [number(value) for value in part(config, "report").get("interactivities_tok_s_user") or []]


def _cells_summary(document: Document) -> str:
    counts: dict[str, int] = {}
    for row in rows(document, "cells"):
        counts[str(row.get("status"))] = counts.get(str(row.get("status")), 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _formats(config: Document) -> list[str]:
    formats = [str(item) for item in part(config, "report").get("formats", FORMATS) or []]
    strange = [item for item in formats if item not in FORMATS]
    if strange:
        raise ConfigError(f"report.formats must be among {', '.join(FORMATS)}, got {', '.join(map(repr, strange))}", hint="report.formats=[png,svg]")
    return formats


def _write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
