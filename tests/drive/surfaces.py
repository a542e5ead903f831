"""Servers with a known answer: TPOT = a + b c, throughput = c x interactivity / gpus, with noise of launches and points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from frontier.drive import Driver, EndOfLaunch, Observation, Stop, interpolated_hypervolume


@dataclass
class Law:
    """One variant: seconds per token at concurrency c are ``base_s + slope_s * c``."""

    base_s: float = 0.01
    slope_s: float = 0.0002
    gpus: int = 4
    fails_at: tuple[int, ...] = ()
    starts: bool = True

    def rates(self, c: float) -> tuple[float, float]:
        x = 1.0 / (self.base_s + self.slope_s * c)
        return x, c * x / self.gpus

    def hypervolume(self, highest: int) -> float:
        x, y = zip(*(self.rates(c) for c in np.geomspace(1, highest, 400)), strict=True)
        return interpolated_hypervolume(x, y)


@dataclass
class Bench:
    """Runs a driver's decisions on laws; what it did stands in ``seen`` and ``ended``."""

    laws: dict[str, Law]
    launch_cv: float = 0.0
    point_cv: float = 0.0
    launch_s: float = 30.0
    point_s: float = 20.0
    seed: int = 0
    record_starts: bool = True
    seen: list[Observation] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    spent_s: float = 0.0

    def run(self, driver: Driver, most: int = 500) -> str:
        rng = np.random.default_rng(self.seed)
        for _ in range(most):
            choice = driver.next_launch(self.seen, self.spent_s)
            if isinstance(choice, Stop):
                return choice.reason
            self.order.append(choice)
            launch = len({o.launch for o in self.seen if o.variant == choice})
            if self.record_starts:
                self.seen.append(Observation(choice, launch, 0, math.nan, math.nan, self.launch_s))
            self.spent_s += self.launch_s
            law, effect = self.laws[choice], rng.normal(0, self.launch_cv)
            while law.starts and not isinstance(c := driver.next_point(choice, launch, self.seen), EndOfLaunch):
                own = np.exp(effect + rng.normal(0, self.point_cv, 2)) * law.rates(c)
                x, y = (math.nan, math.nan) if c in law.fails_at else own.tolist()
                self.seen.append(Observation(choice, launch, c, x, y, self.point_s))
                self.spent_s += self.point_s
            if law.starts:
                self.ended.append(c.reason)
        raise AssertionError("the driver never stopped")

    def points(self, variant: str) -> list[tuple[int, int]]:
        return [(o.launch, o.concurrency) for o in self.seen if o.variant == variant and o.concurrency]
