"""The usual sweep: every concurrency in every launch, equally often, variants in randomized blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frontier.drive.base import EndOfLaunch, Observation, Stop, checked_concurrencies, checked_variants, given_up, launches_of
from frontier.errors import UsageError


def powers_of_two(highest: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to the highest concurrency, which ends the list also where it is no power of two.

    >>> powers_of_two(12)
    (1, 2, 4, 8, 12)
    """
    if highest < 1:
        raise UsageError(f"the highest concurrency must be at least 1, got {highest}")
    values = [1 << k for k in range(highest.bit_length())]
    return tuple(values if values[-1] == highest else [*values, highest])


@dataclass(frozen=True)
class GridDriver:
    """All concurrencies in every launch, so many launches of every variant.

    Parameters
    ----------
    variants : tuple of str
    concurrencies : tuple of int, rising
    replicates : int, >= 1, launches of every variant
    seed : int
        Order of the variants in each block (one launch of each), and of the concurrencies in each launch.

    Notes
    -----
    A block holds one launch of every variant in random order, so that a slow drift of the machine is not taken for a difference between
    variants; a random order within the launch does the same for concurrencies. A launch that was cut short is made up for by a launch of
    the points it lacks: none is measured more often than the others, none is left out.
    """

    variants: tuple[str, ...]
    concurrencies: tuple[int, ...]
    replicates: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        checked_variants(self.variants)
        checked_concurrencies(self.concurrencies, "concurrencies")
        if self.replicates < 1:
            raise UsageError(f"replicates must be at least 1, got {self.replicates}", hint="replicates=3")

    def next_launch(self, observations: Sequence[Observation], spent_s: float) -> str | Stop:
        """The first variant of the first unfinished block; the grid has no budget, so ``spent_s`` is not looked at."""
        for block in range(self.replicates):
            order: list[int] = np.random.default_rng([self.seed, block]).permutation(len(self.variants)).tolist()
            for variant in (self.variants[i] for i in order):
                if self._level(variant, observations) <= block and not given_up(variant, observations):
                    return variant
        lost = [variant for variant in self.variants if self._level(variant, observations) < self.replicates]
        return Stop("nothing left to measure" + (f"; given up: {', '.join(lost)}" if lost else ""))

    def next_point(self, variant: str, launch: int, observations: Sequence[Observation]) -> int | EndOfLaunch:
        """A concurrency that this launch has not tried and that the launches before it measured least often."""
        before = [o for o in observations if o.variant == variant and o.launch != launch]
        tried = {o.concurrency for o in observations if o.variant == variant and o.launch == launch}
        count = self._counts(variant, before)
        level = min(count.values())
        if level >= self.replicates:
            return EndOfLaunch("nothing left to measure")
        rng = np.random.default_rng([self.seed, self.variants.index(variant), launch])
        order: list[int] = rng.permutation(len(self.concurrencies)).tolist()
        for concurrency in (self.concurrencies[i] for i in order):
            if concurrency not in tried and count[concurrency] == level:
                return concurrency
        return EndOfLaunch("all concurrencies measured")

    def _counts(self, variant: str, observations: Sequence[Observation]) -> Counter[int]:
        # A failed point counts: it was tried, and the record says that it failed.
        seen = {(o.launch, o.concurrency) for o in observations if o.variant == variant}
        count = Counter(concurrency for _, concurrency in seen)
        return Counter({concurrency: count[concurrency] for concurrency in self.concurrencies})

    def _level(self, variant: str, observations: Sequence[Observation]) -> int:
        return min(self._counts(variant, observations).values()) if launches_of(variant, observations) else 0
