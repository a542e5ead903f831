"""How much of a generation's gain is software: the share of the parts of a split, on two scales and under two meanings of software."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from frontier.claims.finding import Finding
from frontier.claims.verdict import Found


@dataclass(frozen=True)
class Share:
    """The split of a whole ratio into hardware and the rest.

    Attributes
    ----------
    whole, hardware, software : Found
        Factors; their product is the whole.
    of_log : Found
        Share of the software in the logarithm of the whole: order-free, but a factor counts the same wherever it stands.
    of_gain : Found
        Share of the software in the gain ``whole - 1`` when the hardware is counted first: what the hardware alone would have given is taken
        off the whole. Another order gives another number.
    """

    whole: Found
    hardware: Found
    software: Found
    of_log: Found
    of_gain: Found


def share_of(finding: Finding, software: Sequence[str]) -> Share | None:
    """The share of the named parts; None where the finding has no hardware part or nothing moved.

    Parameters
    ----------
    software : sequence of str
        Names of the parts that count as software; all others but these count as hardware.

    Notes
    -----
    The bounds take the two factors' intervals at their worst together: the lowest software factor beside the highest hardware factor. They are
    wider than a joint interval would be, never narrower.
    """
    mine = [part.found for part in finding.factors if part.name in software]
    rest = [part.found for part in finding.factors if part.name not in software]
    if not any(part.name == "hardware" for part in finding.factors):
        return None
    soft, hard = _product(mine), _product(rest)
    whole = soft.value * hard.value
    if not math.isfinite(whole) or whole <= 1.0:
        return None
    return Share(
        whole=Found(whole, soft.low * hard.low, soft.high * hard.high, soft.by_margin or hard.by_margin),
        hardware=hard,
        software=soft,
        of_log=Found(
            _log_share(soft.value, hard.value), _log_share(soft.low, hard.high), _log_share(soft.high, hard.low), soft.by_margin or hard.by_margin
        ),
        of_gain=Found(
            _gain_share(soft.value, hard.value), _gain_share(soft.low, hard.high), _gain_share(soft.high, hard.low), soft.by_margin or hard.by_margin
        ),
    )


def _product(found: Sequence[Found]) -> Found:
    """Product of factors; intervals multiply, which is their worst case; a part without one is taken as known."""
    value = low = high = 1.0
    for one in found:
        known = math.isfinite(one.low)
        value, low, high = value * one.value, low * (one.low if known else one.value), high * (one.high if known else one.value)
    return Found(value, low, high, any(one.by_margin or not math.isfinite(one.low) for one in found))


def _log_share(software: float, hardware: float) -> float:
    """ln S / ln(S H), kept between 0 and 1: a factor below 1 has no part in a gain.

    >>> round(_log_share(4.0, 2.0), 4), _log_share(0.5, 4.0), _log_share(4.0, 0.5)
    (0.6667, 0.0, 1.0)
    """
    soft, hard = max(math.log(software), 0.0), max(math.log(hardware), 0.0)
    return soft / (soft + hard) if soft + hard > 0 else math.nan


def _gain_share(software: float, hardware: float) -> float:
    """(S H - H) / (S H - 1), kept between 0 and 1.

    >>> round(_gain_share(5.0, 2.0), 4)
    0.8889
    """
    whole = software * hardware
    return min(max((whole - hardware) / (whole - 1.0), 0.0), 1.0) if whole > 1 else math.nan
