"""Two calibrations side by side: is it the same machine, and is it as fast?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontier.calibration.document import IDENTITY, Calibration

MARGIN = 0.05  # a smaller change is no change: the margin of MLPerf Endpoints' draft on the same system
# A machine is like another when these agree and only the surroundings differ: memory, driver or torch build.
_ALIKE = ("cpu", "cores", "gpus")


@dataclass(frozen=True)
class Difference:
    """One finding of a comparison.

    Parameters
    ----------
    what : str
        ``machine``, a fact's name, or the key of a measurement.
    kind : "same_machine" | "like_machine" | "other_machine" | "fact" | "slower" | "faster" | "only_before" | "only_after"
    before, after : JSON value
        The fact, or the median rate in op/s or B/s; None where there is none.
    ratio : float
        Of the medians, after over before; NaN where it does not apply.
    """

    what: str
    kind: str
    before: Any = None
    after: Any = None
    ratio: float = math.nan

    def __str__(self) -> str:
        """The finding as a sentence."""
        if self.what == "machine":
            return {"same_machine": "the same machine", "like_machine": "a like machine", "other_machine": "another machine"}[self.kind]
        if self.kind == "fact":
            return f"{self.what}: {_shown(self.before)} before, {_shown(self.after)} now"
        if self.kind in ("only_before", "only_after"):
            return f"{self.what}: measured {'before' if self.kind == 'only_before' else 'now'} only"
        times = self.ratio if self.kind == "faster" else 1 / self.ratio
        return f"{self.what}: {self.kind} by a factor of {times:.2f}, beyond the spread of both"


def compare(before: Calibration, after: Calibration, *, margin: float = MARGIN) -> list[Difference]:
    """What differs between two calibrations; the first finding says whether it is the same machine.

    A speed differs if the ranges between the quartiles do not overlap and the medians are further apart than the margin. With quick calibrations on
    both or either side only what both measured is compared.

    Parameters
    ----------
    before, after : Calibration
    margin : float, >= 0
        Relative change of the median that counts as none.
    """
    facts = [Difference(name, "fact", before.machine.get(name), after.machine.get(name)) for name in IDENTITY if _differ(name, before, after)]
    changed = {fact.what for fact in facts}
    if not facts:
        head = "same_machine"
    elif changed.isdisjoint(_ALIKE):
        head = "like_machine"
    else:
        head = "other_machine"
    old, new = ({one.key: one for one in side.measurements} for side in (before, after))
    found = [Difference("machine", head), *facts]
    for key in sorted(old.keys() & new.keys()):
        first, second = old[key], new[key]
        ratio = second.median / first.median
        apart = second.q3 < first.q1 or second.q1 > first.q3
        if apart and abs(math.log(ratio)) > math.log1p(margin):
            found.append(Difference(key, "slower" if ratio < 1 else "faster", first.median, second.median, ratio))
    if bool(before.conditions.get("quick")) == bool(after.conditions.get("quick")):
        found += [Difference(key, "only_before", before=old[key].median) for key in sorted(old.keys() - new.keys())]
        found += [Difference(key, "only_after", after=new[key].median) for key in sorted(new.keys() - old.keys())]
    return found


def _shown(value: object) -> str:
    """A fact for people."""
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values())
    return "none" if value is None else str(value)


def _differ(name: str, before: Calibration, after: Calibration) -> bool:
    return bool(before.machine.get(name) != after.machine.get(name))
