"""The noise model as a table, for the documentation and for reports."""

from __future__ import annotations

import numpy as np
import pandas as pd

from frontier.evidence.record_noise.model import RecordNoise

ANY = "any other"


def noise_table(model: RecordNoise | None = None) -> pd.DataFrame:
    """Spread by hardware and engine, and of any other group.

    Returns
    -------
    DataFrame with columns ``hardware, engine, configurations, runs, speed_median, speed_high, own_median, own_high``: standard deviations of one
    run, as fractions, of a typical configuration (median over what is unknown) and of a noisy one (95th percentile)
    """
    found = RecordNoise.shipped() if model is None else model
    rows = []
    for name in [*sorted(found.speed.groups), ANY]:
        hardware, _, engine = name.partition("/")
        counts = found.about.get("groups", {}).get(name, {"configurations": 0, "runs": 0})
        row: dict[str, object] = {"hardware": hardware, "engine": engine, **counts}
        for coordinate in ("speed", "own"):
            row |= {f"{coordinate}_median": _quantile(found, coordinate, name, 0.0), f"{coordinate}_high": _quantile(found, coordinate, name, 1.645)}
        rows.append(row)
    return pd.DataFrame(rows)


def _quantile(model: RecordNoise, coordinate: str, group: str, normal: float) -> float:
    spread = getattr(model, coordinate)
    mean, sd = spread.groups.get(group, (spread.centre, spread.between_groups))
    return float(np.exp(mean + normal * np.hypot(sd, spread.within_groups)))


def noise_markdown(model: RecordNoise | None = None) -> str:
    """:func:`noise_table` as Markdown."""
    head = (
        "| hardware | engine | configurations | runs | speed | speed, noisy | throughput's own | own, noisy |\n|---|---|--:|--:|--:|--:|--:|--:|\n"
    )
    lines = [
        f"| {r['hardware']} | {r['engine']} | {r['configurations']} | {r['runs']} | "
        + " | ".join(f"{100 * r[c]:.2f} %" for c in ("speed_median", "speed_high", "own_median", "own_high"))
        + " |\n"
        for r in noise_table(model).to_dict("records")
    ]
    return head + "".join(lines)
