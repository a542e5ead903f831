"""The contract between the loop that starts servers and loads them, and what decides which point comes next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from frontier.errors import UsageError

STARTED = 0  # the concurrency that stands for the start of a launch itself
GIVEN_UP_AFTER = 2  # launches in a row that measured nothing, after which a variant is left alone


@dataclass(frozen=True)
class Observation:
    """One thing that was done and took time: a measured point, a failed point, or the start of a launch.

    Parameters
    ----------
    variant : str
    launch : int, >= 0
        Number of the server launch within the variant.
    concurrency : int, requests in flight; 0 is the start of the launch itself
    interactivity_tok_s_user, tput_tok_s_gpu : float
        NaN where the point failed, and at a start.
    seconds : float, >= 0
        Wall time it took, warm-up included; for a start the time until the server was ready, or until it was given up.

    Notes
    -----
    A start row is optional: with it the cost of a launch is learnt, without it the driver goes by its parameter. A launch with a start row
    and no point is one that measured nothing.
    """

    variant: str
    launch: int
    concurrency: int
    interactivity_tok_s_user: float
    tput_tok_s_gpu: float
    seconds: float

    def __post_init__(self) -> None:
        if self.launch < 0 or self.concurrency < 0 or not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise UsageError(f"an observation needs launch >= 0, concurrency >= 0 and finite seconds >= 0, got {self}")
        for value in (self.interactivity_tok_s_user, self.tput_tok_s_gpu):
            if not math.isnan(value) and not (math.isfinite(value) and value > 0):
                raise UsageError(f"a rate is finite and positive, or NaN where the point failed, got {value!r} in {self}")

    @property
    def measured(self) -> bool:
        """Whether both rates are there."""
        return self.concurrency > 0 and math.isfinite(self.interactivity_tok_s_user) and math.isfinite(self.tput_tok_s_gpu)


@dataclass(frozen=True)
class EndOfLaunch:
    """Nothing more is measured in the launch that is up, and why."""

    reason: str


@dataclass(frozen=True)
class Stop:
    """Nothing more is measured at all, and why; the report shows the reason."""

    reason: str


class Driver(Protocol):
    """Decides what is measured next from what was measured so far, and from nothing else."""

    def next_launch(self, observations: Sequence[Observation], spent_s: float) -> str | Stop:
        """The variant whose server is started next.

        Parameters
        ----------
        observations : sequence of Observation, in any order
        spent_s : float
            Wall time since the sweep began, seconds.
        """
        ...

    def next_point(self, variant: str, launch: int, observations: Sequence[Observation]) -> int | EndOfLaunch:
        """The concurrency that is measured next in the launch that is up."""
        ...


def checked_concurrencies(values: Iterable[int], name: str) -> tuple[int, ...]:
    """The values, if they are rising integers above 0.

    Raises
    ------
    UsageError
        If there is none, or they do not rise.
    """
    found = tuple(values)
    if not found or found[0] < 1 or any(b <= a for a, b in pairwise(found)):
        raise UsageError(f"{name} must be rising integers from 1 up, at least one, got {list(found)}", hint=f"{name}=[1,2,4,8]")
    return found


def checked_variants(values: Iterable[str]) -> tuple[str, ...]:
    """The names, if there is one and none twice."""
    found = tuple(values)
    if not found or len(set(found)) != len(found):
        raise UsageError(f"variants must be names, at least one and none twice, got {list(found)}")
    return found


def launches_of(variant: str, observations: Iterable[Observation]) -> list[int]:
    """Numbers of the variant's launches, rising."""
    return sorted({o.launch for o in observations if o.variant == variant})


def given_up(variant: str, observations: Sequence[Observation]) -> bool:
    """Whether the last launches of a variant measured nothing, so that another one would not either."""
    last = launches_of(variant, observations)[-GIVEN_UP_AFTER:]
    good = {o.launch for o in observations if o.variant == variant and o.measured}
    return len(last) == GIVEN_UP_AFTER and not good & set(last)
