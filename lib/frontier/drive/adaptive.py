"""The adaptive sweep: the launch, and in it the concurrency, that makes the answer certain soonest per second spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frontier.attribution import MAX_PLAYERS, shapley
from frontier.drive.base import STARTED, EndOfLaunch, Observation, Stop, checked_concurrencies, checked_variants, given_up, launches_of
from frontier.drive.curves import dense_hypervolume, mean_log_throughput
from frontier.drive.knowledge import Estimate, Knowledge, ratio_prior, scales_of, series_of, speed_prior
from frontier.drive.surface import posterior
from frontier.errors import UsageError
from frontier.pareto.interpolation import FloatArray

FOCI = ("frontier", "attribution")
FIRST_POINTS = 5  # of a variant nothing is known of: its ends and what lies evenly between them
AHEAD = 4  # points that a new launch is thought to measure when it is weighed against another point in this one
DENSE = 49  # places at which the curve is read
FAILED_TWICE = 2
LEAST_GAIN = 0.01  # of the variance, for a point in the last launch that is allowed


@dataclass(frozen=True)
class AdaptiveDriver:
    """Measures where the answer is uncertain, until it is certain enough or the budget is spent.

    Parameters
    ----------
    variants : tuple of str
    candidates : tuple of int, rising
        Concurrencies that may be measured.
    budget_s : float, seconds of wall time, > 0
    target : float
        Standard error at which to stop: relative, of the hypervolume of every variant (focus ``frontier``), or of every share's log ratio
        (focus ``attribution``).
    min_launches, max_launches : int
        Of every variant. Launches are the independent repetitions, so the least should not be below 2.
    launch_cost_s, point_cost_s : float, seconds
        What a start and a point cost until it is learnt from the observations.
    focus : {'frontier', 'attribution'}
    coalitions : mapping of str to int
        For ``attribution``: which coalition of levers at target each variant is, all of 2^n of them.
    launch_cv, point_cv : float
        First guesses of the relative noise of a launch and of a point; the observations correct them.
    reference : (float, float)
        Reference point of the hypervolume, tokens/s/user and tokens/s/GPU.
    seed : int
        Breaks ties between variants.

    Notes
    -----
    Per variant, log interactivity a(c) and the log ratio h(c) of throughput to interactivity times concurrency are Gaussian processes over
    log c with an effect per launch and a noise per point (:mod:`frontier.drive.surface`). The quantity of interest Q is taken linear in
    both curves around their means, which makes it Gaussian too: the variance of Q that a measurement would remove is known before it is made
    (active Bayesian quadrature). A launch goes on while its best next point removes more variance per second than a new launch with its best
    few points, start included, would. Same observations and seed, same decisions: nothing is kept between calls but a cache.
    """

    variants: tuple[str, ...]
    candidates: tuple[int, ...]
    budget_s: float
    target: float = 0.01
    min_launches: int = 2
    max_launches: int = 8
    launch_cost_s: float = 60.0
    point_cost_s: float = 60.0
    focus: str = "frontier"
    coalitions: Mapping[str, int] | None = None
    launch_cv: float = 0.025
    point_cv: float = 0.01
    reference: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    def __post_init__(self) -> None:
        checked_variants(self.variants)
        checked_concurrencies(self.candidates, "candidates")
        if self.focus not in FOCI:
            raise UsageError(f"focus must be one of {', '.join(FOCI)}, got {self.focus!r}", hint="focus=frontier")
        for name in ("budget_s", "target", "launch_cost_s", "point_cost_s", "launch_cv", "point_cv"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be finite and above 0, got {value!r}")
        if not 1 <= self.min_launches <= self.max_launches:
            raise UsageError(f"launches must be 1 <= min_launches <= max_launches, got {self.min_launches} and {self.max_launches}")
        if self.focus == "attribution":
            players = len(self.variants).bit_length() - 1
            given = dict(self.coalitions or {})
            whole = set(given) == set(self.variants) and sorted(given.values()) == list(range(1 << players))
            if not (whole and 1 <= players <= MAX_PLAYERS):
                raise UsageError(
                    f"an attribution needs one variant for each of the 2^n coalitions, got {given} for the variants {list(self.variants)}",
                    hint="focus=frontier, or the full design",
                )

    def estimates(self, observations: Sequence[Observation]) -> dict[str, Estimate]:
        """What is known of every variant that has a measured point.

        Raises
        ------
        UsageError
            If an observation names a variant or a concurrency that this sweep does not have.
        """
        return {name: variant.estimate for name, variant in self._read(observations).items()}

    def error(self, observations: Sequence[Observation]) -> float:
        """The standard error that ``target`` is compared with: of the worst variant, or of the worst share; infinite where one is missing."""
        return self._error(self._read(observations), observations)

    def next_launch(self, observations: Sequence[Observation], spent_s: float) -> str | Stop:
        """The variant whose next launch removes the most uncertainty per second; see :class:`frontier.drive.base.Driver`."""
        open_ = [v for v in self.variants if not given_up(v, observations)]
        lost = [v for v in self.variants if v not in open_]
        left_out = f"; given up: {', '.join(lost)}" if lost else ""
        count = {v: len(launches_of(v, observations)) for v in self.variants}
        if not open_:
            return Stop("nothing left to measure: no launch of any variant measured anything")
        known = self._read(observations)
        if self.focus == "attribution" and any(v not in known for v in lost):
            return Stop(f"nothing left to measure: the shares need every variant{left_out}")
        short = [v for v in open_ if count[v] < self.min_launches]
        error = self._error(known, observations)
        if not short and error <= self.target:
            return Stop(f"certain enough: error {error:.2%} below target {self.target:.2%}{left_out}")
        if not short and known and self._span(known) is None:
            return Stop(f"nothing left to measure: the variants have no interactivity in common{left_out}")
        cheapest = min(self._launch_cost(v, observations, spent_s) + float(self._point_costs(v, observations).min()) for v in open_)
        if spent_s + cheapest > self.budget_s:
            return Stop(f"budget of {self.budget_s:g} s spent{left_out}")
        able = [v for v in open_ if count[v] < self.max_launches]
        if not able:
            return Stop(f"most launches reached ({self.max_launches} of every variant): error {error:.2%}{left_out}")
        tie = dict(zip(self.variants, np.random.default_rng([self.seed, sum(count.values())]).permutation(len(self.variants)), strict=True))
        needed = [v for v in able if v in short]
        if needed:
            return min(needed, key=lambda v: (count[v], tie[v]))
        if self.focus == "frontier":
            # The worst variant decides whether the sweep may stop, so it is next, whatever the others would yield.
            uncertain = [v for v in able if v not in known or known[v].estimate.error > self.target]
            if not uncertain:
                return Stop(f"most launches reached ({self.max_launches} of every variant that is still uncertain): error {error:.2%}{left_out}")
            return max(uncertain, key=lambda v: (known[v].estimate.error if v in known else np.inf, tie[v]))
        weights = self._share_weights(known)
        worth = {v: weights[v] * self._new_launch(known[v], observations, spent_s)[0] if v in known else np.inf for v in able}
        return max(able, key=lambda v: (worth[v], tie[v]))

    def next_point(self, variant: str, launch: int, observations: Sequence[Observation]) -> int | EndOfLaunch:
        """The concurrency that removes the most uncertainty per second, while that is more than a new launch would; see the contract."""
        mine = [o for o in observations if o.variant == variant]
        here = [o for o in mine if o.launch == launch and o.concurrency != STARTED]
        tried = {o.concurrency for o in here}
        if len(here) >= FAILED_TWICE and not any(o.measured for o in here):
            return EndOfLaunch(f"{len(here)} points failed and none was measured")
        refused = self._refused(mine)
        free = [c for c in self.candidates if c not in tried and c not in refused]
        spent = sum(o.seconds for o in observations)
        if not any(o.concurrency == STARTED for o in observations):
            spent += self.launch_cost_s * len({(o.variant, o.launch) for o in observations} | {(variant, launch)})
        costs = dict(zip(self.candidates, self._point_costs(variant, observations).tolist(), strict=True))
        free = [c for c in free if spent + costs[c] <= self.budget_s]
        if not free:
            spent_out = any(c not in tried and c not in refused for c in self.candidates)
            return EndOfLaunch(f"budget of {self.budget_s:g} s spent" if spent_out else "all candidates measured")
        known = self._read(observations, current=(variant, launch))
        if variant not in known or len({o.concurrency for o in mine if o.measured}) < min(FIRST_POINTS, len(self.candidates) - len(refused)):
            first = self._first_points(refused)
            left = [c for c in first if c in free] or free
            return left[0]
        launches = len(launches_of(variant, mine))
        error = known[variant].estimate.error if self.focus == "frontier" else self._error(known, observations)
        if here and error <= self.target and launches >= self.min_launches:
            return EndOfLaunch(f"certain enough: error {error:.2%} below target {self.target:.2%}")
        gain, rate, concurrency = self._best_point(known[variant], free, observations)
        if here and launches < self.max_launches and self._new_launch(known[variant], observations, None)[0] >= rate:
            return EndOfLaunch("a new launch tells more per second")
        if here and launches >= self.max_launches and gain < LEAST_GAIN * known[variant].estimate.error ** 2:
            return EndOfLaunch(f"another point would remove less than {LEAST_GAIN:.0%} of the variance")
        return concurrency

    def _first_points(self, refused: set[int]) -> list[int]:
        """Ends first, then the middle, then the rest: whatever is cut off, what is left spans the range."""
        allowed = [c for c in self.candidates if c not in refused]
        octaves = np.log2(allowed)
        even = np.linspace(octaves[0], octaves[-1], min(FIRST_POINTS, len(allowed)))
        chosen = sorted({int(np.argmin(np.abs(octaves - at))) for at in even})
        order = [chosen[0], chosen[-1], chosen[len(chosen) // 2], *chosen]
        return [allowed[i] for i in dict.fromkeys(order)]

    def _refused(self, mine: Sequence[Observation]) -> set[int]:
        failed = [o.concurrency for o in mine if o.concurrency != STARTED and not o.measured]
        return {c for c in failed if failed.count(c) >= FAILED_TWICE and not any(o.measured and o.concurrency == c for o in mine)}

    def _launch_cost(self, variant: str, observations: Sequence[Observation], spent_s: float | None) -> float:
        for own in (True, False):
            starts = [o.seconds for o in observations if o.concurrency == STARTED and (o.variant == variant or not own)]
            if starts:
                return sum(starts) / len(starts)
        launches = len({(o.variant, o.launch) for o in observations})
        if spent_s is None or not launches:
            return self.launch_cost_s
        return max((spent_s - sum(o.seconds for o in observations)) / launches, 0.0)

    def _point_costs(self, variant: str, observations: Sequence[Observation]) -> FloatArray:
        """Seconds of a point of every candidate: between measured concurrencies interpolated, beyond them as at the nearest."""
        for own in (True, False):
            costs: dict[int, list[float]] = {}
            for o in observations:
                if o.measured and (o.variant == variant or not own):
                    costs.setdefault(o.concurrency, []).append(o.seconds)
            if costs:
                at = sorted(costs)
                means = [sum(costs[c]) / len(costs[c]) for c in at]
                return np.asarray(np.interp(np.log2(self.candidates), np.log2(at), means))
        return np.full(len(self.candidates), self.point_cost_s)

    def _read(self, observations: Sequence[Observation], current: tuple[str, int] | None = None) -> dict[str, Knowledge]:
        """Every variant with a measured point; ``current`` is the launch that is up.

        The scales come from the first launches before it, as many as the largest of 1, 2, 3, 4, 6, 8, 12, ... that is there: a launch more
        changes them little, and finding them is what costs time here.
        """
        unknown = sorted({o.variant for o in observations} - set(self.variants))
        stray = sorted({o.concurrency for o in observations} - set(self.candidates) - {STARTED})
        if unknown or stray:
            raise UsageError(f"observations of this sweep name its variants {list(self.variants)} and candidates, got {unknown or stray} as well")
        good = [o for o in observations if o.measured]
        settled = [o for o in good if (o.variant, o.launch) != current] or good
        launches = sorted({(o.launch, o.variant) for o in settled})
        used = set(launches[: _refit_at(len(launches))])
        rows = sorted((o for o in settled if (o.launch, o.variant) in used), key=lambda o: (o.launch, o.variant, o.concurrency))
        scales = scales_of(tuple(rows), self.launch_cv, self.point_cv)
        found: dict[str, Knowledge] = {}
        for name in self.variants:
            mine = [o for o in good if o.variant == name]
            if mine:
                # A concurrency that cannot be measured is no part of the curve: the range ends where the server does.
                refused = self._refused([o for o in observations if o.variant == name])
                allowed = tuple(c for c in self.candidates if c not in refused)
                dense = np.linspace(np.log2(allowed[0]), np.log2(allowed[-1]), DENSE)
                places = np.concatenate([dense, np.log2(allowed)])
                speed, ratio = series_of(mine)
                launch = current[1] if current and current[0] == name else None
                a = posterior(speed_prior(self.launch_cv, self.point_cv), scales[0], speed, places, launch)
                h = posterior(ratio_prior(self.launch_cv, self.point_cv), scales[1], ratio, places, launch)
                found[name] = Knowledge(name, allowed, a, h, scales, dense)
        return self._focused(found)

    def _focused(self, found: Mapping[str, Knowledge]) -> dict[str, Knowledge]:
        if self.focus == "frontier":
            return {name: one.read(dense_hypervolume(one.x, one.y, self.reference)) for name, one in found.items()}
        span = self._span(found)
        return {
            # Without a common range there is no ratio; the variant's own range then guides the sweep, and no error is small enough.
            name: one.read(mean_log_throughput(one.x, one.y, span or (float(np.min(one.x)), float(np.max(one.x)))))
            for name, one in found.items()
        }

    def _span(self, found: Mapping[str, Knowledge]) -> tuple[float, float] | None:
        """Interactivities that all variants reach, None if there are none; any, where no ratio is asked for."""
        if self.focus == "frontier":
            return 0.0, np.inf
        low = max((float(np.min(v.x)) for v in found.values()), default=np.inf)
        high = min((float(np.max(v.x)) for v in found.values()), default=-np.inf)
        return (low, high) if low < high else None

    def _error(self, known: Mapping[str, Knowledge], observations: Sequence[Observation]) -> float:
        open_ = [v for v in self.variants if not given_up(v, observations)]
        if not open_ or any(v not in known for v in open_) or (self.focus == "attribution" and len(known) < len(self.variants)):
            return float(np.inf)
        if self.focus == "frontier":
            return max(known[v].estimate.error for v in open_)
        if self._span(known) is None:
            return float(np.inf)
        shares = self._share_matrix()
        variance = np.array([known[v].estimate.error ** 2 for v in self.variants])
        return float(np.sqrt(np.max(variance @ shares**2)))

    def _share_matrix(self) -> FloatArray:
        """How every share weighs the value of every variant, shape (variants, levers)."""
        unit = np.eye(len(self.variants))[[(self.coalitions or {})[v] for v in self.variants]]
        return shapley(unit)

    def _share_weights(self, known: Mapping[str, Knowledge]) -> dict[str, float]:
        """How much the variance of a variant counts in the variance of the worst share."""
        squared = self._share_matrix() ** 2
        variance = np.array([known[v].estimate.error ** 2 if v in known else np.inf for v in self.variants])
        worst = int(np.argmax(np.where(np.isfinite(variance), variance, 0.0) @ squared))
        return dict(zip(self.variants, squared[:, worst].tolist(), strict=True))

    def _best_point(self, one: Knowledge, free: Sequence[int], observations: Sequence[Observation]) -> tuple[float, float, int]:
        """Variance removed by the best next point of the launch that is up, the same per second, and its concurrency."""
        columns = np.searchsorted(one.allowed, free)
        gain = one.outlook().gains()[columns]
        seconds = self._point_costs(one.name, observations)[np.searchsorted(self.candidates, free)]
        best = int(np.argmax(gain / seconds))
        return float(gain[best]), float(gain[best] / seconds[best]), free[best]

    def _new_launch(self, one: Knowledge, observations: Sequence[Observation], spent_s: float | None) -> tuple[float, list[int]]:
        """Variance removed per second by a new launch with its best few points, start included, and those points."""
        seconds = self._point_costs(one.name, observations)[np.searchsorted(self.candidates, one.allowed)]
        outlook = one.outlook(fresh=True)
        total, spent, best, chosen = 0.0, self._launch_cost(one.name, observations, spent_s), 0.0, list[int]()
        for _ in range(min(AHEAD, len(one.allowed))):
            gain = outlook.gains()
            gain[[one.allowed.index(c) for c in chosen]] = -np.inf
            rates = (total + gain) / (spent + seconds)
            pick = int(np.argmax(rates))
            if rates[pick] <= best:
                break
            best, total, spent = float(rates[pick]), total + float(gain[pick]), spent + float(seconds[pick])
            chosen.append(one.allowed[pick])
            outlook = outlook.after(pick)
        return best, chosen


def _refit_at(launches: int) -> int:
    """The largest of 1, 2, 3, 4, 6, 8, 12, 16, 24, ... up to a number.

    >>> [_refit_at(n) for n in (0, 1, 3, 5, 7, 11, 12, 30)]
    [0, 1, 3, 4, 6, 8, 12, 24]
    """
    found = min(launches, 3)
    for power in range(2, launches.bit_length()):
        found = max([found, *(n for n in (1 << power, 3 << power - 1) if n <= launches)])
    return found
