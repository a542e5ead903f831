"""How far one number moved between two runs, from each run's own estimate and interval, and what may be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtri, stdtrit

from frontier.report.document import Estimate

STATES = ("moved", "not_moved", "not_resolved")
NARROWED = float(ndtri(0.95) / ndtri(0.975))  # a 90 % interval from a 95 % one; at few launches Student's t would narrow it more
MOST_LAUNCHES = 1000  # beyond that "how many launches" is no advice


@dataclass(frozen=True)
class Change:
    """The ratio of a new estimate to the original one.

    Attributes
    ----------
    log : float
        Log ratio; NaN where a side is undefined.
    down, up : float, >= 0
        How far the 95 % interval reaches below and above it, on the log scale; NaN where a side has no interval.
    exact : bool
        Whether no noise is between the sides: two predictions, or two analyses of the same points.
    """

    log: float
    down: float = math.nan
    up: float = math.nan
    exact: bool = False

    def bounds(self, widened: float = 1.0) -> tuple[float, float]:
        """Interval of the log ratio with its arms times a factor; of no width where it is exact."""
        return (self.log, self.log) if self.exact else (self.log - widened * self.down, self.log + widened * self.up)

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval, log: changes smaller than this are not told from noise."""
        return 0.0 if self.exact else (self.down + self.up) / 2

    def record(self) -> dict[str, Any]:
        """Ratio and intervals as JSON values; null where undefined."""
        if not math.isfinite(self.log):
            return {"ratio": None, "ci90": None, "ci95": None}
        known = not self.exact and math.isfinite(self.reach)
        narrow, wide = ([math.exp(bound) for bound in self.bounds(f)] if known else None for f in (NARROWED, 1.0))
        return {"ratio": math.exp(self.log), "ci90": narrow, "ci95": wide}


@dataclass(frozen=True)
class Judged:
    """What may be said of a change: one of ``STATES``, why, and how many launches per variant and run would decide it where nothing may be said."""

    state: str
    reason: str = ""
    launches_needed: int | None = None


def change_between(original: Estimate, new: Estimate, *, exact: bool = False) -> Change:
    """The change from one run's estimate of a ratio to another's.

    Parameters
    ----------
    original, new : Estimate
        Positive ratios with their 95 % intervals; the runs are independent, or share launches, which makes the interval too wide.
    exact : bool
        No noise is between them: both are predictions, whose intervals are the model's error and the same in both, or stand on the same points.

    Notes
    -----
    The interval of a difference is recovered from those of its two parts: G. Zou and A. Donner, "Construction of confidence limits about effect
    measures: a general approach", Statistics in Medicine 27 (2008), equation 7, on the log scale. It needs no draws, only what a run's documents
    hold, and keeps the asymmetry of either side.
    """
    if not (original.defined and new.defined and original.value > 0 and new.value > 0):
        return Change(math.nan)
    log = math.log(new.value / original.value)
    if exact:
        return Change(log, exact=True)
    if not (original.has_interval and new.has_interval and original.low > 0 and new.low > 0):
        return Change(log)
    arms = [(max(0.0, math.log(one.value / one.low)), max(0.0, math.log(one.high / one.value))) for one in (original, new)]
    (original_down, original_up), (new_down, new_up) = arms
    return Change(log, math.hypot(new_down, original_up), math.hypot(new_up, original_down))


def judge(change: Change, margin: float, *, quantities: int = 1, launches: int = 0, cells: int = 0) -> Judged:
    """Whether a quantity moved, did not within the margin, or neither can be said.

    Parameters
    ----------
    change : Change
    margin : float, > 0
        Changes by less than this factor above 1 count as none.
    quantities : int
        How many are judged side by side: none of them shall be called moved by chance alone, in 95 of 100 comparisons where nothing moved.
    launches, cells : int
        Fewest launches of a variant in either run, and how many variants there are in both together; 0: unknown.

    Notes
    -----
    Not moved: two one-sided tests at 5 % each, which is the 90 % interval inside the margin (D. J. Schuirmann, 1987). Moved: the 95 % interval,
    widened for the number of quantities (Bonferroni, Student's t), excludes a ratio of 1.
    """
    room = math.log1p(margin)
    if not math.isfinite(change.log):
        return Judged("not_resolved", "it is not defined in one of the two runs")
    if change.exact:
        return _judge_exact(change.log, margin)
    if not math.isfinite(change.reach):
        return Judged("not_resolved", "a run gives no interval for it: nothing was launched twice")
    low, high = change.bounds(NARROWED)
    if -room <= low and high <= room:
        return Judged("not_moved")
    low, high = change.bounds(_widening(quantities, _freedom(launches, cells)))
    if low > 0 or high < 0:
        return Judged("moved")
    return Judged("not_resolved", "the interval neither excludes no change nor lies within the margin", needed(change, room, launches, cells))


def _judge_exact(log: float, margin: float) -> Judged:
    if log == 0.0:
        return Judged("not_moved", "identical to the last digit")
    if abs(log) <= math.log1p(margin):
        return Judged("not_moved", "no noise is between them: they differ, by less than the margin")
    return Judged("moved", "no noise is between them: they differ")


def needed(change: Change, room: float, launches: int, cells: int) -> int | None:
    """Launches per variant and run at which the interval would decide, were the estimate to stay where it is; None where that says nothing.

    Inside the margin the 90 % interval has to fit into what is left of it, outside the 95 % interval has to exclude 1. Half widths shrink as
    Student's t over the root of the launches.
    """
    if launches < 1 or cells < 1:
        return None
    left = room - abs(change.log)
    wanted, now = (left, NARROWED * max(change.down, change.up)) if left > 0 else (abs(change.log), max(change.down, change.up))
    base = float(stdtrit(_freedom(launches, cells), 0.975)) / math.sqrt(launches)
    for count in range(launches + 1, MOST_LAUNCHES + 1):
        if now * float(stdtrit(_freedom(count, cells), 0.975)) / math.sqrt(count) / base <= wanted:
            return count
    return None


def _freedom(launches: int, cells: int) -> int:
    return max(1, cells * (launches - 1))


def _widening(quantities: int, freedom: int) -> float:
    if quantities <= 1:
        return 1.0
    tail = 0.025 / quantities
    return float(stdtrit(freedom, 1 - tail) / stdtrit(freedom, 0.975))
