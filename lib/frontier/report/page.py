"""The report: one self-contained HTML page, and its figures as files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from frontier.errors import ConfigError, RunError
from frontier.files import write_bytes
from frontier.report import output, tables
from frontier.report.answer import answer
from frontier.report.beside import cells_summary, companion_view
from frontier.report.bound import bound_sentence, bound_table, checked_bound
from frontier.report.claim import claim_view
from frontier.report.configurations import step_tables
from frontier.report.contrasts import contrasts
from frontier.report.document import Document, Estimate, Run, estimate, evidence_kinds, lever_title, number, pair, part, read_run, rows
from frontier.report.gallery import Picture, companion_pictures, pictures
from frontier.report.key_numbers import headline_estimates, key_numbers
from frontier.report.offline import checked_offline, offline_sentence, offline_table
from frontier.report.placed import placement_table
from frontier.report.style import ReportFigure, to_png, to_svg
from frontier.report.svg import inline_svg
from frontier.report.wording import METRIC_LONG, bias_sentence, evidence_long, glued, on_path, path_text, quantity, range_text, split_words

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
        write_bytes(target / path, content)
    return target / "report.html"


def render(run: Run, own: Sequence[Mapping[str, str]], beside: Sequence[Mapping[str, str]]) -> str:
    """The page as text, with every value from the run escaped."""
    environment = Environment(
        loader=PackageLoader("frontier.report", "template"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["glued"] = glued
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
        "split": split_words(document),
        "path": path_text(document) if on_path(document) else "",
        "verdict": tables.verdict_table(document, config),
        "order": tables.order_table(document),
        "companion": companion_view(document, config, beside) if companion else None,
        "pictures": {view["name"]: view for view in own},
        "ratios": tables.ratio_table(document, _quoted(config)),
        "normalizations": tables.normalization_table(document),
        "sources": tables.normalization_sources(document),
        "steps": step_tables(document, run.points),
        "companion_steps": step_tables(companion, run.companion_points) if companion and run.companion_points is not None else [],
        "model_error": tables.model_error_table(run.model_error),
        "model_error_source": str((run.model_error or {}).get("source") or "not stated"),
        "model_error_quantity": str((run.model_error or {}).get("quantity") or "log residuals"),
        "bias": bias_sentence(_predicted(document)),
        "bound": bound_table(checked_bound(run.bound), run.points, str(document["metric"])),
        "bound_sentence": bound_sentence(checked_bound(run.bound)),
        "gated": output.gated_sentence(document),
        "quality": output.quality_table(run.quality),
        "quality_sentence": output.quality_sentence(run.quality),
        "quality_notes": output.quality_notes(run.quality),
        "scores": output.score_table(run.quality),
        "offline": offline_table(checked_offline(run.offline)),
        "offline_sentence": offline_sentence(run.offline),
        "left_out": tables.flat_table(("", part(run.model_error or {}, "left_out"))),
        "cells": tables.cells_table(document),
        "cells_summary": cells_summary(document),
        "infeasible_rule": str(document.get("infeasible_rule") or ""),
        "domain": domain_sentence(document),
        "span": range_text(*pair(part(document, "domain").get("interactivity_tok_s_user")), "tokens/s/user"),
        "interval": interval_sentence(document),
        "placement": placement_table(run.trials),
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


def _predicted(document: Document) -> list[tuple[str, Estimate]]:
    """The estimates that the page shows with an interval of the model's error, by name; none where nothing is predicted."""
    if "predicted" not in evidence_kinds(document):
        return []
    shares = [(lever_title(document, str(row.get("lever"))), estimate(row)) for row in rows(document, "shares")]
    moves = [(f"{one.title} (the move of the record)", one.ours) for one in contrasts(document)]
    return [*shares, ("the whole shift", estimate(document.get("total"))), *headline_estimates(document).items(), *moves]


def _formats(config: Document) -> list[str]:
    formats = [str(item) for item in part(config, "report").get("formats", FORMATS) or []]
    strange = [item for item in formats if item not in FORMATS]
    if strange:
        raise ConfigError(f"report.formats must be among {', '.join(FORMATS)}, got {', '.join(map(repr, strange))}", hint="report.formats=[png,svg]")
    return formats
