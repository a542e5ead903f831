"""Writing the comparison: one HTML page that needs no network, every value in it escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from frontier.errors import RunError
from frontier.report.comparison import rows as tables
from frontier.report.comparison.changes import Dotted, fig_changes
from frontier.report.comparison.overlay import fig_overlay
from frontier.report.comparison.words import COLORS, change_estimate, kinds_document, state_of, verdict_word
from frontier.report.document import Document, number, part, rows
from frontier.report.style import ReportFigure, to_svg
from frontier.report.svg import inline_svg
from frontier.report.wording import METRIC_LONG, factor, glued, listed, upper_first

SCHEMA, RERUN_SCHEMA = "frontier.compare/1", "frontier.rerun/1"
DOTS = (
    "Dot and interval: the new value over the original one. Shaded: the margin within which a change counts as none. Filled round: did not move; "
    "diamond: moved; hollow: not resolved."
)


def comparison_html(document: Document, *, rerun: Document | None = None) -> str:
    """The page on several runs.

    Parameters
    ----------
    document : mapping
        A ``frontier.compare/1`` document.
    rerun : mapping, optional
        A ``frontier.rerun/1`` document, whose verdict is then the page's first section.

    Raises
    ------
    RunError
        If a document is of another schema.
    """
    for found, schema in ((document, SCHEMA), *([(rerun, RERUN_SCHEMA)] if rerun is not None else [])):
        if found.get("schema") != schema:
            raise RunError(f"the page reads schema {schema}, got {found.get('schema')!r}", hint="frontier report RUN_A RUN_B")
    runs = rows(document, "runs")
    kinds = str(kinds_document(document)["evidence"]).split("+")
    labels = {str(run.get("run_id")): str(run.get("label")) for run in runs}
    environment = Environment(
        loader=PackageLoader("frontier.report", "template"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["glued"] = glued
    style = "".join(environment.loader.get_source(environment, name)[0] for name in ("style.css", "audit.css")) if environment.loader else ""
    return environment.get_template("comparison.html").render(
        {
            "style": style,
            "title": _title(runs, rerun),
            "kinds": kinds,
            "simulated": "simulated" in kinds,
            "metric": METRIC_LONG.get(str(document.get("metric")), ""),
            "rerun": None if rerun is None else _rerun_view(document, rerun),
            "pairs": [_pair_view(document, one, labels, place, rerun) for place, one in enumerate(rows(document, "pairs"))],
            "runs": tables.runs_table(document),
            "overview": tables.overview_table(document),
            "overlay": _picture("overlay", lambda narrow: fig_overlay(document, narrow=narrow), _overlay_words(document)),
            "overlay_caption": _overlay_caption(document),
            "published": tables.published_table(document),
            "origins": tables.origins(document),
            "notes": [str(note) for note in document.get("notes") or []],
            "ids": [str(run.get("run_id")) for run in runs],
        }
    )


def _title(runs: Sequence[Document], rerun: Document | None) -> str:
    titles = list(dict.fromkeys(str(run.get("title")) for run in runs))
    subject = titles[0] if len(titles) == 1 else " and ".join(titles[:2]) + (f" and {len(titles) - 2} more" if len(titles) > 2 else "")
    if rerun is not None:
        return f"{subject}: does it reproduce?"
    return f"{subject}: {'what moved between the runs?' if len(runs) > 1 else 'beside published points'}"


def _pair_view(document: Document, pair: Document, labels: Mapping[str, str], place: int, rerun: Document | None) -> dict[str, Any]:
    """One run against the reference, for the page; what a rerun judged stands in its own section and not here once more."""
    judged = {(one.get("kind"), one.get("name")) for one in rows(rerun or {}, "quantities")}
    pair = {**pair, "quantities": [one for one in rows(pair, "quantities") if (one.get("kind"), one.get("name")) not in judged]}
    names = (labels.get(str(pair.get("original")), "original"), labels.get(str(pair.get("new")), "new"))
    cause, margin = part(pair, "cause"), number(pair.get("margin"))
    dots = [Dotted(row["title"], change_estimate(row["change"]), row["verdict"]) for row in tables.change_rows(pair)]
    facts = rows(pair, "environment")
    likely = [one for one in facts if one.get("likely_cause")]
    return {
        "names": names,
        "new_id": str(pair.get("new")),
        "verdict": verdict_word(pair.get("verdict")),
        "color": COLORS[state_of(pair.get("verdict"))],
        "sentence": str(pair.get("sentence") or ""),
        "margin": f"{100 * margin:g} %",
        "cause": str(cause.get("title") or ""),
        "cause_sentences": [str(text) for text in cause.get("sentences") or []],
        "table": tables.change_table(pair, names),
        "picture": _picture(f"changes-{place}", lambda narrow: fig_changes(kinds_document(document), dots, margin, narrow=narrow), _dot_words(dots)),
        "caption": DOTS,
        "factors": tables.factors_table(pair),
        "intervals": list(dict.fromkeys(str(end.get("interval")) for end in rows(pair, "ends") if end.get("interval"))),
        "probes": tables.probes_table(pair, names),
        "likely": tables.environment_table(likely, names),
        "unlikely": tables.environment_table([one for one in facts if not one.get("likely_cause")], names),
        "notes": [str(note) for note in pair.get("notes") or []],
    }


def _rerun_view(document: Document, rerun: Document) -> dict[str, Any]:
    """The rerun's verdict, quantity by quantity."""
    margin, names = number(rerun.get("margin")), ("Original", "Rerun")
    dots = [Dotted(row["title"], change_estimate(row["change"]), row["verdict"]) for row in tables.change_rows(rerun)]
    sides = [part(rerun, side) for side in ("original", "rerun")]
    identical = part(rerun, "identical")
    return {
        "verdict": verdict_word(rerun.get("verdict")),
        "color": COLORS[state_of(rerun.get("verdict"))],
        "sentence": _rerun_sentence(rerun, f"{100 * margin:g} %"),
        "level": upper_first(str(rerun.get("level") or "")),
        "only": str(rerun.get("only") or "all"),
        "sides": [
            (f"{name} ({letter})", str(side.get("run_id")), tables.time_text(str(side.get("created_utc") or "")))
            for name, letter, side in zip(names, "AB", sides, strict=True)
        ],
        "picture": _picture("rerun", lambda narrow: fig_changes(kinds_document(document), dots, margin, narrow=narrow), _dot_words(dots)),
        "caption": DOTS.replace("did not move", "reproduced").replace("moved", "differs").replace("not resolved", "inconclusive"),
        "table": tables.change_table(rerun, names),
        "identical": _identical(identical) if identical else [],
        "environment": tables.environment_table(rows(rerun, "environment"), names, new="rerun"),
        "notes": [str(note) for note in rerun.get("notes") or []],
    }


def _rerun_sentence(rerun: Document, margin: str) -> str:
    """The verdict in one sentence."""
    found = rows(rerun, "quantities")
    moved = [tables.called_in_prose(one) for one in found if one.get("verdict") == "differs"]
    open_ones = [one for one in found if one.get("verdict") == "inconclusive"]
    if rerun.get("verdict") == "reproduced":
        exact = part(rerun, "identical").get("points") is True
        held = "identical to the last digit" if exact else f"equivalent within {margin}"
        return f"The rerun reproduces the original: {len(found)} of {len(found)} quantities are {held}."
    if rerun.get("verdict") == "differs":
        return f"The rerun differs from the original in {listed(moved) or 'its points'}."
    wanted = [number(one.get("launches_needed")) for one in open_ones]
    most = max((value for value in wanted if value == value), default=float("nan"))
    advice = f" About {most:.0f} launches per variant would settle it." if most == most else ""
    return f"Too noisy to say: {len(open_ones)} of {len(found)} quantities are neither equivalent within {margin} nor different.{advice}"


def _identical(found: Document) -> list[str]:
    """Whether a prediction came out the same, digit by digit."""
    said = {True: "identical to the last digit", False: "not identical"}
    out = [f"{upper_first(name)}: {said[found[name]]}." for name in ("points", "attribution") if isinstance(found.get(name), bool)]
    return [*out, *(str(text) for text in found.get("differences") or [])]


def _dot_words(dots: Sequence[Dotted]) -> str:
    """The dots for those who do not see them."""
    return "Dots with intervals. " + "; ".join(f"{one.title} {factor(one.found.value)}, {verdict_word(one.verdict).lower()}" for one in dots) + "."


def _overlay_words(document: Document) -> str:
    return f"Frontiers of {len(rows(document, 'runs'))} runs on a log scale, baseline and all changes made of each. The table below has their ratios."


def _overlay_caption(document: Document) -> str:
    """What marks, lines and bands are, and in which unit."""
    metric = METRIC_LONG.get(str(document.get("metric")), "")
    found = [one for run in rows(document, "runs") for one in rows(run, "frontiers")]
    launches = " Faint marks: the points of single launches." if any(one.get("launches") for one in found) else ""
    bands = " Bands: 95 % interval." if any(one.get("band_tput_tok_s_gpu") for one in found) else ""
    beside = f" Hollow black marks: {tables.origins(document)}, without a line." if rows(document, "published") else ""
    return f"{upper_first(metric)} (all GPUs held) over tokens/s/user. Each run has its colour and mark.{launches}{bands}{beside}"


def _picture(name: str, draw: Callable[[bool], ReportFigure], label: str) -> Mapping[str, str]:
    """The two renderings of a figure, for wide screens and for phones."""
    return {
        key: inline_svg(to_svg(draw(narrow), text=True), prefix=f"{name}-{key}", label=label) for key, narrow in (("wide", False), ("narrow", True))
    }
