"""The page on several runs: verdicts, overlaid frontiers, changes with their intervals, and what else differs. It computes no metric."""

from frontier.report.comparison.changes import Dotted, fig_changes
from frontier.report.comparison.overlay import fig_overlay
from frontier.report.comparison.page import comparison_html
from frontier.report.comparison.rows import change_rows
from frontier.report.comparison.words import bounds_text, state_of, verdict_word

__all__ = ["Dotted", "bounds_text", "change_rows", "comparison_html", "fig_changes", "fig_overlay", "state_of", "verdict_word"]
