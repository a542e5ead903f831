"""All figures of one report, each with its title, caption and words for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from frontier.records import below_gate
from frontier.report.bound import checked_bound
from frontier.report.configurations import step_details
from frontier.report.contrasts import contrasts, fig_contrasts
from frontier.report.document import Document, Run, estimate, lever_title, part, rows
from frontier.report.frontiers import fig_frontiers, step_id, step_points, step_title
from frontier.report.interactions import MOST_PAIRS, fig_interactions, strongest_interactions
from frontier.report.normalizations import fig_normalizations
from frontier.report.output import checked, fig_quality
from frontier.report.shares import fig_shares
from frontier.report.shift import fig_shift
from frontier.report.split import fig_split
from frontier.report.style import ReportFigure
from frontier.report.waterfall import fig_waterfall
from frontier.report.wording import METRIC_LONG, TIMES, factor, on_path, split_words, upper_first


@dataclass(frozen=True)
class Picture:
    """One figure of the report.

    Parameters
    ----------
    name : str
        File name without ending, and id in the page.
    title, caption, label : str
        Heading; one line with evidence, unit and denominator; what the figure shows in words.
    draw : callable, narrow -> figure
    details : mapping group id -> texts
        What hovering a mark shows.
    """

    name: str
    title: str
    caption: str
    label: str
    draw: Callable[[bool], ReportFigure]
    details: dict[str, list[str]] = field(default_factory=dict)


def pictures(run: Run) -> list[Picture]:
    """The figures of a run's own document, in the report's order."""
    document = run.document
    kind, metric = str(document["evidence"]).capitalize(), METRIC_LONG[str(document["metric"])]
    log = "Log scale, so that factors add up in length."
    claim = part(run.config, "claim")
    parts = f"{upper_first(split_words(document))} {'to' if on_path(document) else 'of'}"
    return [
        _frontier_picture("frontiers", document, run.points, run.companion_points, checked_bound(run.bound)),
        Picture(
            "waterfall",
            "What each change contributed",
            f"{_split_caption(document)} {log}",
            f"Waterfall of factors. {_listing(document, 'shares', 'lever')} Whole shift {factor(estimate(document.get('total')).value)}.",
            lambda narrow: fig_waterfall(document, narrow=narrow),
        ),
        Picture(
            "shares",
            "Which change moved which part",
            f"{kind}. {parts} the log ratio of {metric} over interactivity in tokens/s/user; areas below 1{TIMES} lower the frontier.",
            "Stacked areas of every lever's share over interactivity, with the whole shift as a line.",
            lambda narrow: fig_shares(document, narrow=narrow),
        ),
        Picture(
            "ratio",
            "Ratio at equal interactivity",
            f"{kind}. {upper_first(metric)} after the shift over before, at the same tokens/s/user; "
            f"{_spread(rows(part(document, 'shift'), 'by_interactivity'), 'band')}.",
            f"Ratio over interactivity; its log-mean is {factor(estimate(part(document, 'shift').get('ratio')).value)}.",
            lambda narrow: fig_shift(document, claim, narrow=narrow),
        ),
        Picture(
            "interactions",
            "Changes that need each other",
            f"{kind}. Factor on {metric} that a pair gives beyond the product of the two; "
            f"hollow: the 95 % interval holds 1{TIMES}.{_left_out(document)}",
            "Dots with intervals, one per pair of levers, strongest on top.",
            lambda narrow: fig_interactions(document, narrow=narrow),
        ),
        Picture(
            "normalizations",
            "Per GPU, per megawatt, per dollar",
            f"{kind}. The ratio over the whole overlap with throughput divided by each denominator; "
            f"{_spread(rows(document, 'normalizations'))} of the throughput ratio.",
            f"Dots with intervals. {_listing(document, 'normalizations', 'per')}",
            lambda narrow: fig_normalizations(document, narrow=narrow),
        ),
        Picture(
            "split",
            "Hardware against software",
            f"{kind}. Factor on {metric} of each group, made of its levers' {split_words(document)}; {_spread(rows(document, 'groups'))}. {log}",
            f"Bars. {_listing(document, 'groups', 'group')}",
            lambda narrow: fig_split(document, narrow=narrow),
        ),
        *_quality_picture(run),
    ]


def companion_pictures(run: Run) -> list[Picture]:
    """What both sides answer, where they do, then frontiers and waterfall of the companion's document; empty without one."""
    document, companion = run.document, part(run.document, "companion")
    if not companion:
        return []
    common = contrasts(document)
    kinds = f"{document['evidence']} and {companion['evidence']}"
    both = Picture(
        "contrasts",
        "The same moves on both sides",
        f"{upper_first(kinds)}. Factor of every move on {METRIC_LONG[str(document['metric'])]} (all GPUs held), at equal interactivity.",
        "Dots with intervals. " + "; ".join(f"{one.title} {factor(one.ours.value)} and {factor(one.theirs.value)}" for one in common) + ".",
        lambda narrow: fig_contrasts(document, narrow=narrow),
    )
    return [
        *([both] if common else []),
        _frontier_picture("companion_frontiers", companion, run.companion_points, None),
        Picture(
            "companion_waterfall",
            "What each change contributed",
            _split_caption(companion),
            f"Waterfall of factors. {_listing(companion, 'shares', 'lever')} Whole shift {factor(estimate(companion.get('total')).value)}.",
            lambda narrow: fig_waterfall(companion, narrow=narrow),
        ),
    ]


def _split_caption(document: Document) -> str:
    """Evidence, kind of split, unit, denominator and interval of a waterfall."""
    kind, metric = str(document["evidence"]).capitalize(), METRIC_LONG[str(document["metric"])]
    parts = f"{upper_first(split_words(document))} {'to' if on_path(document) else 'of'}"
    return f"{kind}. {parts} the ratio of {metric} (all GPUs held), at equal interactivity; {_spread(rows(document, 'shares'))}."


def _frontier_picture(
    name: str, document: Document, points: pd.DataFrame | None, beside: pd.DataFrame | None, bound: Document | None = None
) -> Picture:
    kind, metric = str(document["evidence"]).capitalize(), METRIC_LONG[str(document["metric"])]
    kinds = " and ".join(sorted(beside["evidence"].dropna().unique())) if beside is not None else ""
    hollow = f" Hollow marks: {kinds or 'other'} points." if beside is not None else ""
    if points is not None and below_gate(points).any():
        hollow += " Hollow marks in a step's colour or grey: variants whose output fails the quality gate; they carry no frontier."
    if bound is not None:
        hollow += " Dashed: the physical bound of this machine."
    banded = any(step.get("ci95_tput_tok_s_gpu") for step in rows(document, "steps"))
    bands = "bands: 95 % interval of the first and last step" if banded else "no interval was computed"
    details = {}
    if points is not None:
        steps = [(place, step) for place, step in enumerate(rows(document, "steps")) if step_points(step)]
        details = {step_id(place): step_details(document, step, points) for place, step in steps}
    titles = ", ".join(step_title(document, step) for step in rows(document, "steps"))
    return Picture(
        name,
        "The frontier, step by step",
        f"{kind}. {upper_first(metric)} (all GPUs held) over tokens/s/user; {bands}.{hollow}",
        f"Frontiers on a log scale: {titles}. The configurations are listed further down.",
        lambda narrow: fig_frontiers(document, beside, points=points, bound=bound, narrow=narrow),
        details,
    )


def _quality_picture(run: Run) -> list[Picture]:
    """How much worse every variant predicts held-out text; none where no gate was applied."""
    quality = checked(run.quality)
    if quality is None:
        return []
    found = [f"{row.get('variant')} {estimate(row.get('perplexity_ratio')).value:.4f}" for row in rows(quality, "variants")]
    return [
        Picture(
            "quality",
            "Does the output still hold?",
            "Perplexity of held-out text over the baseline's on the same documents; whiskers: 95 % interval; dashed: the gate; hollow: fails it.",
            f"Dots with intervals. {'; '.join(found)}.",
            lambda narrow: fig_quality(run.document, quality, narrow=narrow),
        )
    ]


def _listing(document: Document, key: str, name: str) -> str:
    """Names and factors of a list in the document, as a sentence."""
    found = [f"{lever_title(document, str(row.get(name)))} {factor(estimate(row).value)}" for row in rows(document, key)]
    return f"{'; '.join(found)}." if found else "Nothing is defined."


def _spread(found: list[Document], mark: str = "whiskers") -> str:
    """What marks the interval, or that there is none."""
    return f"{mark}: 95 % interval" if any(estimate(row).has_interval for row in found) else "no interval was computed"


def _left_out(document: Document) -> str:
    """How many interactions the figure leaves out."""
    rest = len(rows(document, "interactions")) - len(strongest_interactions(document))
    return f" The {MOST_PAIRS} strongest; {rest} more in attribution.json." if rest > 0 else ""
