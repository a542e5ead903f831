"""Figure: how much two levers together give beyond the product of what each gives."""

from __future__ import annotations

from frontier.report.document import Document, lever_title, number, pair, part, rows
from frontier.report.dots import Dot, draw_dots, exp_estimate, undecided
from frontier.report.style import ReportFigure, drawing, empty_figure, new_figure, wrap
from frontier.report.wording import MINUS, TIMES

# Twelve levers make 66 pairs; beyond this many the weak ones crowd out the strong ones. The caption says how many are left out.
MOST_PAIRS = 15


def strongest_interactions(document: Document) -> list[Document]:
    """The defined interactions, strongest first; at most ``MOST_PAIRS``."""
    every = [*rows(document, "interactions"), *rows(part(document, "fraction"), "interactions")]
    found = [row for row in every if number(row.get("log_ratio")) == number(row.get("log_ratio"))]
    return sorted(found, key=lambda row: (-abs(number(row.get("log_ratio"))), str(row.get("levers"))))[:MOST_PAIRS]


def _title(document: Document, row: Document) -> str:
    """The pair by its levers' titles; in a half fraction the interaction that is in the sum with it, too."""
    own, other = (f" {TIMES} ".join(lever_title(document, str(name)) for name in row.get(key) or []) for key in ("levers", "aliased_with"))
    return f"{own} {'+' if number(row.get('sign')) > 0 else MINUS} {other}" if other else own


def fig_interactions(document: Document, *, narrow: bool = False) -> ReportFigure:
    """Pairwise interactions as factors with 95 % intervals, strongest on top; hollow where the interval holds 1.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``interactions`` are drawn.
    narrow : bool
        The rendering for a phone.
    """
    found = strongest_interactions(document)
    with drawing():
        if not found:
            return empty_figure(document, "not defined: an interaction needs two levers whose coalitions are all defined", narrow=narrow)
        width = 16 if narrow else 40
        dots = [
            Dot(
                wrap(_title(document, row), width, 4),
                exp_estimate(number(row.get("log_ratio")), *pair(row.get("ci95_log_ratio"))),
            )
            for row in found
        ]
        figure, axes = new_figure(document, narrow=narrow, height=1.2 + (0.6 if narrow else 0.38) * len(dots))
        draw_dots(axes, dots, narrow=narrow, color="#17375e", hollow=undecided(dots))
        axes.set_xlabel("factor beyond the product" if narrow else "factor that the pair gives beyond the product of the two (log scale)")
        return figure
