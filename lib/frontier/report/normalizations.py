"""Figure: the same shift per GPU, per package, per megawatt and per dollar."""

from __future__ import annotations

from frontier.report.document import Document, estimate, rows
from frontier.report.dots import Dot, draw_dots
from frontier.report.style import ReportFigure, drawing, empty_figure, new_figure, wrap


def fig_normalizations(document: Document, *, narrow: bool = False) -> ReportFigure:
    """The whole shift under every denominator, with 95 % intervals.

    Parameters
    ----------
    document : mapping
        The attribution document; its ``normalizations`` are drawn.
    narrow : bool
        The rendering for a phone.
    """
    found = rows(document, "normalizations")
    with drawing():
        if not found:
            return empty_figure(document, "not defined: the systems state no packages, power or price", narrow=narrow)
        dots = [Dot(wrap(f"per {row.get('per')}", 18 if narrow else 30), estimate(row)) for row in found]
        figure, axes = new_figure(document, narrow=narrow, height=1.2 + (0.5 if narrow else 0.42) * len(dots))
        draw_dots(axes, dots, narrow=narrow, color="#2a7d6e", hollow=[False] * len(dots))
        axes.set_xlabel("factor on throughput" if narrow else "factor on throughput at equal interactivity (log scale)")
        return figure
