"""The audit's pages: a card per claim and an overview. Reads the audit document and computes no metric."""

from frontier.report.audit.figures import fig_claim, fig_overview, fig_parts
from frontier.report.audit.pages import card_html, write_audit
from frontier.report.audit.rows import overview_rows

__all__ = ["card_html", "fig_claim", "fig_overview", "fig_parts", "overview_rows", "write_audit"]
