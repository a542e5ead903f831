"""Whether a shift and its shares are the same in two runs: equivalence within a margin, by two one-sided tests on the log ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.special import ndtri

from frontier.compare import Change, change_between
from frontier.compare import judge as judge_change
from frontier.report.document import Estimate, estimate

REPRODUCED, DIFFERS, INCONCLUSIVE = "reproduced", "differs", "inconclusive"
VERDICTS = {"not_moved": REPRODUCED, "moved": DIFFERS, "not_resolved": INCONCLUSIVE}
_Z95, _Z90 = float(ndtri(0.975)), float(ndtri(0.95))


def judge(
    original: Mapping[str, Any] | None, again: Mapping[str, Any] | None, margin: float, *, quantities: int = 1, launches: int = 0, cells: int = 0
) -> dict[str, Any]:
    """The verdict on one quantity.

    Parameters
    ----------
    original, again : mapping or None
        With ``ratio`` and ``ci95``, as attribution documents hold them; None where a run lacks the quantity.
    margin : float
        0.05: ratios within 5 % of each other count as equal.
    quantities, launches, cells
        As for :func:`frontier.compare.judge`; launches are the rerun's.

    Returns
    -------
    dict
        ``change`` (ratio, ci90, ci95), ``verdict``, ``launches_needed`` (of the rerun alone; None where they would not settle it, or it is settled)
        and ``reason``.
    """
    sides = (estimate(original), estimate(again))
    change = change_between(*sides)
    document = {"change": change.record(), "launches_needed": None}
    if not math.isfinite(change.log):
        where = [name for name, side in zip(("the original", "the rerun"), sides, strict=True) if not side.defined]
        return {**document, "verdict": INCONCLUSIVE, "reason": f"undefined in {'both runs' if len(where) == 2 else where[0]}"}
    if not math.isfinite(change.reach):
        inside = abs(change.log) <= math.log1p(margin)
        words = f"a change of {_percent(change)} is {'within' if inside else 'beyond'} the margin of {margin:.0%}"
        return {**document, "verdict": INCONCLUSIVE, "reason": f"no interval: {words}, and both runs need at least two launches to say how surely"}
    verdict = VERDICTS[judge_change(change, margin, quantities=quantities, launches=launches, cells=cells).state]
    if verdict == REPRODUCED:
        return {**document, "verdict": verdict, "reason": f"the 90 % interval of the change lies within {margin:.0%}"}
    if verdict == DIFFERS:
        reason = f"changed by {_percent(change)}; the interval for all quantities together excludes no change"
        return {**document, "verdict": verdict, "reason": reason}
    needed = launches_needed(*sides, margin, launches)
    reason = "the interval of the change holds none and reaches beyond the margin: too noisy to say"
    if needed is None and launches:
        reason += "; more launches of the rerun alone would not settle it, because the original is as noisy"
    return {**document, "verdict": verdict, "launches_needed": needed, "reason": reason}


def overall(verdicts: Sequence[str]) -> str:
    """The verdict on all: one that differs makes all differ, else one that is inconclusive makes all so.

    >>> overall(["reproduced", "inconclusive"]), overall(["differs", "inconclusive"]), overall([])
    ('inconclusive', 'differs', 'inconclusive')
    """
    if DIFFERS in verdicts:
        return DIFFERS
    return INCONCLUSIVE if INCONCLUSIVE in verdicts or not verdicts else REPRODUCED


def launches_needed(original: Estimate, again: Estimate, margin: float, launches: int) -> int | None:
    """Launches of the rerun that would settle it if the change stays what it is; None where no number would.

    The rerun's variance falls with the number of its launches; the original's stays what it was.
    """
    if launches < 1:
        return None
    moved, bound = abs(math.log(again.value / original.value)), math.log1p(margin)
    # To be equivalent the 90 % interval must fit into what the change leaves of the margin; to differ, the 95 % one must exclude no change.
    error = (bound - moved) / _Z90 if moved < bound else moved / _Z95
    fixed, own = (math.log(side.high / side.low) / 2 / _Z95 for side in (original, again))
    left = error**2 - fixed**2
    return None if left <= 0 or own == 0 else max(launches + 1, math.ceil(launches * own**2 / left))


def _percent(change: Change) -> str:
    return f"{math.expm1(change.log):+.1%}"
