"""The model's own error drawn: predictions beside published measurements of the same configuration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns  # type: ignore[import-untyped,unused-ignore]  # seaborn ships no types
from matplotlib.backends.backend_agg import FigureCanvasAgg

from frontier.report.style import INK, MUTED, ReportFigure, drawing, log_ticks, padded, style_at
from frontier.report.wording import quantity

# Column of measured values, column of log(predicted / measured), what it is.
_PANELS = (
    ("measured_interactivity_tok_s_user", "log_interactivity", "interactivity (tokens/s/user)"),
    ("measured_total_tput_tok_s_gpu", "log_tput", "throughput (input + output tokens/s/GPU)"),
)
_MODES = {"agg": "aggregated", "disagg": "disaggregated"}


def fig_model_error(residuals: pd.DataFrame, *, narrow: bool = False) -> ReportFigure:
    """Predicted against measured interactivity and throughput, one mark per point; on the line the prediction is right.

    Parameters
    ----------
    residuals : DataFrame
        Columns ``mode``, ``precision``, ``measured_interactivity_tok_s_user``, ``measured_total_tput_tok_s_gpu`` and log(predicted / measured) as
        ``log_interactivity`` and ``log_tput``.
    narrow : bool
        The rendering for a phone: one panel above the other.
    """
    with drawing():
        size, grid = ((4.7, 8.6), (2, 1)) if narrow else ((9.2, 4.6), (1, 2))
        figure = ReportFigure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        kinds = [f"{precision} {name}" for name in _MODES.values() for precision in sorted(residuals["precision"].unique())]
        kind = residuals["precision"] + " " + residuals["mode"].map(_MODES)
        shown = [name for name in kinds if (kind == name).any()]
        styles = {name: style_at(place) for place, name in enumerate(shown)}
        for place, (measured, residual, title) in enumerate(_PANELS):
            axes = figure.add_subplot(*grid, place + 1)
            data = pd.DataFrame({"measured": residuals[measured], "predicted": residuals[measured] * np.exp(residuals[residual]), "kind": kind})
            sns.scatterplot(  # type: ignore[no-untyped-call]  # seaborn has no types
                data=data,
                x="measured",
                y="predicted",
                hue="kind",
                style="kind",
                hue_order=shown,
                style_order=shown,
                palette={name: style.color for name, style in styles.items()},
                markers={name: style.marker for name, style in styles.items()},
                s=22,
                alpha=0.75,
                linewidth=0.3,
                legend="brief" if place == 0 else False,
                ax=axes,
            )
            low, high = padded([*data["measured"], *data["predicted"]])
            axes.plot([low, high], [low, high], color=INK, linewidth=1.0, zorder=1)
            axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), xlabel="measured", ylabel="predicted")
            axes.set_title(title, loc="left", color=MUTED, pad=9)
            axes.tick_params(length=0)
            for axis in (axes.xaxis, axes.yaxis):
                log_ticks(axis, low, high, quantity, most=6)
            if place == 0:
                axes.legend(title=None, loc="lower right", fontsize=8.5, handletextpad=0.2)
    return figure
