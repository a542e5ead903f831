"""A run's curves under the rules of the MLPerf Endpoints draft, and what it did otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from frontier.drive import PointFacts, RunFacts, deviations
from frontier.load import SALT_BITS
from frontier.records import METRICS, usable
from frontier.schema import Config


def endpoints_document(points: pd.DataFrame, cfg: Config) -> dict[str, Any]:
    """The ``frontier.endpoints/1`` document of a run's measured points.

    Parameters
    ----------
    points : DataFrame
        With ``p90_tpot_s``, as points measured here have it.
    cfg : Config

    Returns
    -------
    dict
        Per variant its points with 1 / p90 TPOT (tokens/s/user) against throughput per GPU, and the rules it deviates from.
    """
    column = METRICS[cfg.report.metric]
    good = points[usable(points, cfg.report.metric)]
    variants = []
    for variant, rows in good.groupby("variant", sort=False):
        means = rows.groupby("concurrency", as_index=False)[["p90_tpot_s", "p90_ttft_s", column]].mean()
        curve = [
            {"concurrency": int(c), "interactivity_p90_tok_s_user": 1.0 / tpot, "p90_ttft_s": ttft, column: tput}
            for c, tpot, ttft, tput in zip(means["concurrency"], means["p90_tpot_s"], means["p90_ttft_s"], means[column], strict=True)
        ]
        found = deviations(_facts(rows, cfg))
        variants.append(
            {"variant": str(variant), "curve": curve, "deviations": [{"rule": one.rule, "wanted": one.wanted, "found": one.found} for one in found]}
        )
    return {"schema": "frontier.endpoints/1", "metric": cfg.report.metric, "variants": variants}


class _Row(NamedTuple):
    concurrency: float
    window_s: float
    requests: float
    spec: str
    draft_len: int
    quality: float
    flags: str | None


def _facts(rows: pd.DataFrame, cfg: Config) -> RunFacts:
    """What the rows of one variant tell of how they were measured."""
    shortest = rows.sort_values("window_s").drop_duplicates("concurrency").sort_values("concurrency")
    not_steady = shortest["flags"].fillna("").str.contains("not_steady")
    return RunFacts(
        points=tuple(
            PointFacts(
                concurrency=int(row.concurrency),
                steady_s=0.0 if unsteady else float(row.window_s),
                completed_requests=int(row.requests),
                load_pattern="concurrency",
                drafter="" if row.spec == "none" else f"{row.spec}, {row.draft_len} tokens",
                quality_passed=None if pd.isna(row.quality) else "below_quality_gate" not in str(row.flags),
                warmup_s=cfg.sweep.warmup_s,
            )
            for row, unsteady in zip(map(_Row._make, shortest[list(_Row._fields)].itertuples(index=False)), not_steady, strict=True)
        ),
        tpot_percentile=90.0,
        ttft_percentile=90.0,
        salt_bits=SALT_BITS if cfg.workload.isl_tokens > SALT_BITS else 0,  # a word of the salt has at least one bit
        curve="step",
        one_configuration=True,
    )


def deviation_notes(document: dict[str, Any]) -> list[str]:
    """One sentence per rule that was not kept, with the variants it concerns."""
    concerned: dict[tuple[str, str, str], list[str]] = {}
    for entry in document["variants"]:
        for one in entry["deviations"]:
            concerned.setdefault((one["rule"], one["wanted"], one["found"]), []).append(entry["variant"])
    every = len(document["variants"])
    notes = []
    for (rule, wanted, found), names in concerned.items():
        whom = "" if len(names) == every else f" ({', '.join(names)})"
        notes.append(f"MLPerf Endpoints' draft, {rule}: wanted {wanted}, found {found}{whom}.")
    return notes
