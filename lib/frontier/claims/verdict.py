"""What an interval says of a claimed number: five verdicts and the rule behind each.

The rule, in one place:

* The claimed value and its tolerance make a *band*: within the tolerance either way for ``about``, from the lower edge up for ``at_least`` and
  ``up_to``, up to the upper edge for ``at_most``.
* A place where the whole interval lies in the band *holds*; one where no part of it does *fails*; any other is *open*.
* ``supported``: it holds at the stated interactivity, or everywhere if none is stated. ``supported_in_range``: it holds at some of the
  interactivities that the claim covers. ``not_supported``: it fails at the stated place, or everywhere. ``not_testable``: open, because the
  interval is too wide, or there is no evidence there. ``not_comparable``: the evidence differs from the claim in what the claim states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SUPPORTED, IN_RANGE, NOT_SUPPORTED = "supported", "supported_in_range", "not_supported"
NOT_COMPARABLE, NOT_TESTABLE = "not_comparable", "not_testable"
HOLDS, FAILS, OPEN = "holds", "fails", "open"
# Without replicates and without a noise model the margin of the MLPerf Endpoints draft stands in: two results of one system
# (of two systems) within it are not told apart.
MARGIN_SAME_SYSTEM, MARGIN_OTHER_SYSTEM = 0.05, 0.10


@dataclass(frozen=True)
class Found:
    """A number with its interval.

    Attributes
    ----------
    value, low, high : float
        NaN where undefined; ``low`` and ``high`` may come from a margin.
    by_margin : bool
        Whether the interval is a stand-in margin and no interval of the evidence.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    by_margin: bool = False

    @property
    def defined(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)

    def times(self, factor: float) -> Found:
        """The number and its interval multiplied by a known factor."""
        return Found(self.value * factor, self.low * factor, self.high * factor, self.by_margin)

    def inverse(self, numerator: float) -> Found:
        """``numerator`` over the number; the interval turns round."""
        return Found(numerator / self.value, numerator / self.high, numerator / self.low, self.by_margin)


def with_margin(value: float, bounds: Sequence[float] | None, margin: float) -> Found:
    """A number with its own interval, or with a margin where it has none.

    >>> with_margin(2.0, [1.5, 2.5], 0.1).low, round(with_margin(2.2, None, 0.1).low, 9)
    (1.5, 2.0)
    """
    if bounds is not None:
        return Found(value, float(bounds[0]), float(bounds[1]))
    return Found(value, value / (1 + margin), value * (1 + margin), by_margin=True)


@dataclass(frozen=True)
class Band:
    """The values that count as what was claimed."""

    low: float
    high: float

    @classmethod
    def of(cls, value: float, direction: str, tolerance: float) -> Band:
        """The band of a claimed value.

        >>> Band.of(2.0, "about", 0.1).high, Band.of(2.0, "at_least", 0.1).high
        (2.2, inf)
        """
        low, high = value / (1 + tolerance), value * (1 + tolerance)
        if direction in ("at_least", "up_to"):
            return cls(low, math.inf)
        return cls(0.0, high) if direction == "at_most" else cls(low, high)

    def judge(self, found: Found) -> str:
        """``holds``, ``fails`` or ``open``; open where the number is undefined."""
        if not (math.isfinite(found.low) and math.isfinite(found.high)):
            return OPEN
        if self.low <= found.low and found.high <= self.high:
            return HOLDS
        return FAILS if found.high < self.low or found.low > self.high else OPEN


@dataclass(frozen=True)
class Judged:
    """A verdict with its reason and, where it holds in parts only, the interactivities at which it does."""

    state: str
    reason: str
    ranges: tuple[tuple[float, float], ...] = ()


def judge_value(band: Band, found: Found, what: str) -> Judged:
    """The verdict on a claim about one number.

    Parameters
    ----------
    what : str
        What the number is, for the reason: ``the ratio of peaks``.
    """
    if not found.defined:
        return Judged(NOT_TESTABLE, f"{what} is not defined in the evidence")
    state = {HOLDS: SUPPORTED, FAILS: NOT_SUPPORTED, OPEN: NOT_TESTABLE}[band.judge(found)]
    return Judged(state, _reason(state, what, found))


def judge_curve(band: Band, places: Sequence[float], found: Sequence[Found], stated: tuple[float, float] | None) -> Judged:
    """The verdict on a claim about a curve over interactivity.

    Parameters
    ----------
    places : sequence of float, tokens/s/user, rising
    found : sequence of Found, one per place
    stated : (float, float) or None
        The interactivities the claim covers; None: it names none, so all at which there is evidence.
    """
    each = [band.judge(one) for one in found]
    held = _ranges(places, each, HOLDS)
    covered = [i for i, x in enumerate(places) if stated is None or stated[0] <= x <= stated[1]]
    if not covered:
        return Judged(NOT_TESTABLE, "there is no evidence at the claimed interactivity", held)
    states = {each[i] for i in covered}
    if states == {HOLDS}:
        return Judged(SUPPORTED, "the interval lies in the claimed band at every interactivity that the claim covers", held)
    if HOLDS in states:
        inside = _ranges([places[i] for i in covered], [each[i] for i in covered], HOLDS)
        return Judged(IN_RANGE, "the interval lies in the claimed band at a part of the interactivities only", inside)
    if states == {FAILS}:
        return Judged(NOT_SUPPORTED, "the interval excludes the claimed band at every interactivity that the claim covers", held)
    if FAILS in states:
        return Judged(NOT_TESTABLE, "the interval excludes the claimed band at some interactivities and is too wide to decide at the others", held)
    return Judged(NOT_TESTABLE, "the interval holds the claimed band and its contrary: it is too wide to decide", held)


def _reason(state: str, what: str, found: Found) -> str:
    interval = "margin" if found.by_margin else "interval"
    if state == SUPPORTED:
        return f"the {interval} of {what} lies in the claimed band"
    if state == NOT_SUPPORTED:
        return f"the {interval} of {what} excludes the claimed band"
    return f"the {interval} of {what} holds the claimed band and its contrary: it is too wide to decide"


def _ranges(places: Sequence[float], each: Sequence[str], wanted: str) -> tuple[tuple[float, float], ...]:
    """First and last place of every run of neighbouring places that are judged ``wanted``."""
    out: list[tuple[float, float]] = []
    for index, (place, state) in enumerate(zip(places, each, strict=True)):
        if state != wanted:
            continue
        if index and each[index - 1] == wanted:
            out[-1] = (out[-1][0], place)
        else:
            out.append((place, place))
    return tuple(out)
