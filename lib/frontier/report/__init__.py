"""The report: tables, figures and the page. Reads records and computes no metric.

Figure functions take the attribution document and return a figure that a notebook shows by itself; ``fig_model_error`` takes the model's residuals,
``fig_timeline`` a timeline document.
"""

from frontier.report.claim import claim_rows, shift_at
from frontier.report.contrasts import fig_contrasts
from frontier.report.frontiers import fig_frontiers
from frontier.report.interactions import fig_interactions
from frontier.report.machine import fig_allreduce, fig_bounds, fig_memory, fig_products
from frontier.report.model_error import fig_model_error
from frontier.report.normalizations import fig_normalizations
from frontier.report.output import fig_quality
from frontier.report.page import write_report
from frontier.report.shares import fig_shares
from frontier.report.shift import fig_shift
from frontier.report.split import fig_split
from frontier.report.timeline import fig_timeline
from frontier.report.waterfall import fig_waterfall

__all__ = [
    "claim_rows",
    "fig_allreduce",
    "fig_bounds",
    "fig_contrasts",
    "fig_frontiers",
    "fig_interactions",
    "fig_memory",
    "fig_model_error",
    "fig_normalizations",
    "fig_products",
    "fig_quality",
    "fig_shares",
    "fig_shift",
    "fig_split",
    "fig_timeline",
    "fig_waterfall",
    "shift_at",
    "write_report",
]
