"""The report: tables, figures and the page. Reads records and computes no metric.

Figure functions take the attribution document and return a figure that a notebook shows by itself.
"""

from frontier.report.frontiers import fig_frontiers
from frontier.report.interactions import fig_interactions
from frontier.report.normalizations import fig_normalizations
from frontier.report.page import write_report
from frontier.report.shares import fig_shares
from frontier.report.shift import fig_shift
from frontier.report.split import fig_split
from frontier.report.waterfall import fig_waterfall

__all__ = [
    "fig_frontiers",
    "fig_interactions",
    "fig_normalizations",
    "fig_shares",
    "fig_shift",
    "fig_split",
    "fig_waterfall",
    "write_report",
]
