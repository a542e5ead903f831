"""What would have to hold for a claim to be true: the numbers that follow from it and from what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from frontier.claim_schema import ClaimConfig, TcoConfig
from frontier.claims.denominators import power, price
from frontier.claims.judge import Answer
from frontier.claims.verdict import SUPPORTED

RACK_GPUS, NODE_GPUS = 72, 8  # GPUs in one NVLink domain: NVL72 and an HGX node


def would_have_to_hold(claim: ClaimConfig, found: Answer | None, table: TcoConfig, table_name: str) -> list[dict[str, Any]]:
    """Consequences of a claim as ``{what, value, low, high}``; empty where nothing follows.

    Parameters
    ----------
    found : Answer or None
        The headline answer, if there is evidence.
    """
    out: list[dict[str, Any]] = []
    if claim.quantity in ("ratio", "projection") and claim.value is not None and found is not None and found.judged.state != SUPPORTED:
        at = found.at if found.at.defined else found.scaled.mean
        if at.defined and at.value < claim.value:
            what = "a further factor beyond what the nearest evidence shows"
            out.append(_row(what, claim.value / at.value, claim.value / at.high, claim.value / at.low))
    if claim.cost_fraction is not None and claim.value is not None:
        out += _price_implied(claim, table, table_name)
    if claim.quantity == "saving" and claim.value is not None:
        out += _saving_implied(claim, table, table_name)
    return out


def _price_implied(claim: ClaimConfig, table: TcoConfig, table_name: str) -> list[dict[str, Any]]:
    """The price ratio that a performance ratio and a cost fraction imply together, beside the one of the table."""
    implied = (claim.cost_fraction or math.nan) * (claim.value or math.nan)
    out = [_row(f"price after over price before, implied by {claim.value:g} times the performance at {claim.cost_fraction:g} of the cost", implied)]
    before, after = claim.baseline.hardware[:1], claim.target.hardware[:1]
    if before and after:
        per_gpu = price(table, after[0], claim.usd_kind) / price(table, before[0], claim.usd_kind)
        if math.isfinite(per_gpu):
            out.append(_row(f"price per GPU-hour after over before in table {table_name}", per_gpu))
            out.append(_row(f"the same for a rack of {RACK_GPUS} over a node of {NODE_GPUS} GPUs", per_gpu * RACK_GPUS / NODE_GPUS))
    return out


def _saving_implied(claim: ClaimConfig, table: TcoConfig, table_name: str) -> list[dict[str, Any]]:
    """What a saving in all-in power means for tokens per megawatt, and of how much of the power beyond the GPU it is."""
    saved = claim.value or math.nan
    out = [_row("tokens per megawatt after over before, throughput unchanged", 1.0 / (1.0 - saved))]
    for name in claim.target.hardware:
        whole = power(table, name)
        gpu = table.gpus.get(name)
        beyond = whole - gpu.tdp_w / 1000.0 if gpu is not None and gpu.tdp_w is not None else math.nan
        if math.isfinite(whole) and beyond > 0:
            out.append(_row(f"share of the all-in power of {name} that is not the GPU's own (table {table_name})", beyond / whole))
            out.append(_row(f"part of that share which would have to go on {name}", saved * whole / beyond))
    return out


def _row(what: str, value: float, low: float = math.nan, high: float = math.nan) -> dict[str, Any]:
    numbers: Mapping[str, float] = {"value": value, "low": low, "high": high}
    return {"what": what, **{key: number if math.isfinite(number) else None for key, number in numbers.items()}}
