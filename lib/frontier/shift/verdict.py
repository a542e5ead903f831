"""What an account concludes: whether the frontier moved, which causes stand out of the noise, and what must be said beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from frontier.shift.classes import Classes
from frontier.shift.sides import Side

# Margins of the MLPerf Endpoints draft: within them two results of one system (of two systems) are not told apart.
MARGIN_SAME_SYSTEM, MARGIN_OTHER_SYSTEM = 0.05, 0.10
SMALLEST = 0.005  # log: no cause is named for less than the median night-to-night spread of unchanged configurations (docs/noise.md)
# A row is corrected from 5 % on, so one that lies now on this side of that and now on the other makes a factor of up to 5 %; and what a curve
# assumes between few points is not worth a name below the margin of one system.
MATERIAL = {"harness": float(np.log1p(MARGIN_SAME_SYSTEM)), "coverage": float(np.log1p(MARGIN_SAME_SYSTEM))}
ROUNDING = 1e-9  # a cause that moves nothing has an interval of rounding errors around 1
UNKNOWN_VERSION = (
    "Some rows name neither engine version nor image: what moved at an equal configuration is called software there because nothing else that "
    "the tables record differs."
)


def separated(factor: Mapping[str, Any], together: tuple[float, float] | None, margin: float, drawn: bool) -> bool:
    """Whether a factor stands out of the noise; what is unexplained never does.

    Parameters
    ----------
    factor : mapping
    together : (low, high) or None
        The factor's interval when those of all factors of the shift shall hold together.
    margin : float
        What a factor must move where nothing could be drawn.
    drawn : bool
        Whether there are draws: a factor that has none then is not resolved, whatever its size.
    """
    size = abs(float(np.log(factor["ratio"])))
    if factor["cause"] == "unexplained":
        return False
    if not drawn:
        return bool(size > np.log1p(margin))
    outside = together is not None and (together[0] > 1 + ROUNDING or together[1] < 1 - ROUNDING)
    least = MATERIAL.get(factor["cause"], SMALLEST)
    return bool(outside and size > least)


def verdict_rule(drawn: bool, margin: float) -> str:
    """The rule by which the verdict was made, in words."""
    if drawn:
        return "a cause is named when its 95 % interval, made to hold for all causes at once, excludes a ratio of 1"
    return f"no interval could be drawn: a cause is named when it moves the frontier by more than {margin:.0%} (MLPerf Endpoints draft margin)"


def state_of(ratio: Mapping[str, Any] | None, margin: float, drawn: bool) -> str:
    """moved | not_moved | not_resolved | no_overlap."""
    if ratio is None:
        return "no_overlap"
    low, high = ratio["ci95"] or (ratio["value"], ratio["value"])
    inside = 1 / (1 + margin) <= low and high <= 1 + margin
    if ratio["ci95"] is None:
        return "not_resolved" if inside or drawn else "moved"
    return "not_moved" if inside else "moved" if low > 1 or high < 1 else "not_resolved"


def notes(sides: Sequence[Side], classes: Classes, factors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences without which the numbers would mislead."""
    out = []
    if classes.unknown_version and any(f["cause"] == "software" for f in factors):
        out.append(UNKNOWN_VERSION)
    if len(classes.moved) > 1:
        out.append(f"Every configuration changed in {' and '.join(classes.moved)} at once, so their effects cannot be told apart.")
    elif any(f["cause"] == "not_identifiable" for f in factors) and classes.moved and classes.matched.any():
        out.append(f"Together with {classes.moved[0]} the engine's version changed, so their effects cannot be told apart.")
    pulled = [f["cause"] for f in factors if f["cause"].startswith("lever:")]
    if pulled and not classes.matched.any():
        out.append(f"No configuration differs in that lever alone: {' and '.join(pulled)} includes the other settings that came with it.")
    if classes.same_measurements:
        out.append(
            f"{classes.same_measurements} rows of {sides[1].name} repeat the measured values of rows of {sides[0].name} under another identity: "
            "a change of labels, which moves nothing."
        )
    nodes = [sorted(set(side.frame["node"].dropna().astype(str))) if "node" in side.frame else [] for side in sides]
    named = [f["cause"] for f in factors if f["cause"] == "software" or f["cause"].startswith("lever:")]
    if named and all(nodes) and not set(nodes[0]) & set(nodes[1]):
        apart = f"{sides[0].name} ran on {', '.join(nodes[0][:4])}, {sides[1].name} on {', '.join(nodes[1][:4])}"
        out.append(f"No node measured both ({apart}): what tells the nodes apart is part of {' and '.join(named)}.")
    kinds = [set(side.frame["evidence"].dropna()) for side in sides]
    if kinds[0] != kinds[1]:
        out.append("The two sides are different kinds of evidence; part of the ratio may be the difference between the kinds.")
    for side in sides:
        if len(side.frame) < len(side.table):
            out.append(
                f"{len(side.table) - len(side.frame)} of {len(side.table)} rows of {side.name} are broken, repeated or below their accuracy gate and "
                "carry no frontier."
            )
    return out
