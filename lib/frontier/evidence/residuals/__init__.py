"""The error of predictions, measured: how far they are off where somebody published a measurement of the same configuration."""

from frontier.evidence.residuals.compare import BACKEND, Comparison, compare
from frontier.evidence.residuals.model import Pool, ResidualKey, ResidualModel, leave_one_model_out
from frontier.evidence.residuals.shipped import curve_residuals, shipped_comparison
from frontier.evidence.residuals.table import model_error_document, model_error_markdown, model_error_table

__all__ = [
    "BACKEND",
    "Comparison",
    "Pool",
    "ResidualKey",
    "ResidualModel",
    "compare",
    "curve_residuals",
    "leave_one_model_out",
    "model_error_document",
    "model_error_markdown",
    "model_error_table",
    "shipped_comparison",
]
