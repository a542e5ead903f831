"""How a ratio in the claim's denominator is made of parts: levers or causes, dies per package, power, price and bits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from frontier.claim_schema import ClaimConfig, TcoConfig
from frontier.claims.denominators import DIES, parts
from frontier.claims.finding import Factor, Finding
from frontier.claims.verdict import Found

EXACT = {"dies", "power", "price", "bits"}
TITLES = {
    "hardware": "Hardware",
    "precision": "Precision",
    "parallelism": "Parallelism",
    "mtp": "Multi-token prediction",
    "disaggregation": "Disaggregation",
    "version": "Engine version",
    "software": "Software, same configuration",
    "platform": "Site or node",
    "harness": "Harness: what an integrity check explains",
    "coverage": "Coverage: one side lost points",
    "unexplained": "Unexplained",
    "not_identifiable": "Several changes at once, not separable",
    "package": "Dies per package",
    "hardware_per_die": "Hardware, per die",
    "dies": "Dies per package, divided out",
    "power": "Power per GPU",
    "price": "Price per GPU-hour",
    "bits": "Bits per weight",
}


def title_of(name: str) -> str:
    """What a part is called on a card."""
    kind, _, lever = name.partition(":")
    if lever:
        words = {"search_space": "Larger search space", "lever": "Lever", "denominator": "Denominator"}.get(kind, kind)
        return f"{words}: {TITLES.get(lever, lever)}"
    return TITLES.get(name, name)


def breakdown(claim: ClaimConfig, finding: Finding, table: TcoConfig) -> list[Factor]:
    """Parts whose product is the log-mean ratio in the claim's denominator; empty when the ratio could not be split.

    The hardware's part is divided once more by definition: into the number of dies that are sold as one GPU, and the rest, which is what one
    die gained. Power, price and bits enter as known numbers without an interval.
    """
    out: list[Factor] = []
    for part in finding.factors:
        dies = _dies(finding) if part.name == "hardware" else 1.0
        if dies != 1.0 and math.isfinite(dies):
            out += [Factor("package", Found(dies)), Factor("hardware_per_die", part.found.times(1 / dies))]
        else:
            out.append(part)
    if not out:
        return []
    known = parts(claim.per, finding.ends, table, claim.usd_kind)
    return [*out, *(Factor(name, Found(value)) for name, value in known.items() if math.isfinite(value))]


def _dies(finding: Finding) -> float:
    before, after = (DIES.get(name) for name in finding.ends.hardware)
    return after / before if before and after else math.nan


def product(found: Sequence[Factor]) -> float:
    """The product of the parts; NaN without any."""
    return math.prod(part.found.value for part in found) if found else math.nan


def hardware_alone(found: Sequence[Factor]) -> Found:
    """The hardware's part in the claim's denominator: what the same configuration gained on the other system; NaN without such a part."""
    own = [part.found for part in found if part.name in ("hardware", "hardware_per_die")]
    if not own:
        return Found(math.nan)
    return own[0].times(math.prod(part.found.value for part in found if part.name in {*EXACT, "package"}))


def separable(finding: Finding) -> bool:
    """Whether the parts say more than that several things changed at once."""
    return any(part.name not in ("not_identifiable", "unexplained", "coverage") for part in finding.factors)
